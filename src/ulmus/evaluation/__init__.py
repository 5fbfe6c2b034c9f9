"""Evaluation of predictions: metrics, splits, combination, comparison. Knows no text and no model."""

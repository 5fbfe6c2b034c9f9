"""Texts and labels -> a classifier: language model, teaching, gradual unfreezing, combination with word counts."""

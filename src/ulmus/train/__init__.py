"""Weights get better here: schedules, layer groups, THE training loop. Knows no text and no model class."""

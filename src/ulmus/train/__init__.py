"""Training: schedules, layer groups and the one training loop. Knows no text and no model class."""

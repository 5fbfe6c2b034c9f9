"""Texts and labels -> a classifier: language model, teaching, fine-tuning, combination with word counts."""

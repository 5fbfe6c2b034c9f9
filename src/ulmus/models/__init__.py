"""Batches -> tensors: encoders, heads, and the word-count baseline. Importing the package loads nothing heavy."""

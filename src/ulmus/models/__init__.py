"""Batches -> tensors: encoders, heads, packed weights for inference. Importing the package loads nothing heavy."""

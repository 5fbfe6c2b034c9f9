"""Predictions outside training, from the model file alone: ONNX Runtime and numpy, no torch."""

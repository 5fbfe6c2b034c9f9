"""Files and columns -> texts and labels. Knows no tokens, no tensors and no model."""

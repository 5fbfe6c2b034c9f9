"""str -> tokens -> ids: named rules, tokenizers, vocabulary. Knows no tensors and no model."""

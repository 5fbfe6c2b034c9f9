"""str -> tokens -> ids: corpus readers, named rules, tokenizers, vocabulary. Knows no tensors and no model."""

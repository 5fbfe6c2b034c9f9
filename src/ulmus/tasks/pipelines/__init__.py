"""The everyday tasks over transformers in local folders, thin: texts in, plain JSON-able dicts out."""

"""Ids -> batches: id store on disk, language-model streams, padded document batches. Knows no strings."""

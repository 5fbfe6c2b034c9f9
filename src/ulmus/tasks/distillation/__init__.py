"""A language model learns what texts mean from the vectors of a sentence encoder."""

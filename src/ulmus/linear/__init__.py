"""The word-count model: n-grams, TF-IDF, LSA, logistic regression. Works without torch."""

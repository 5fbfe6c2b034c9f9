"""The only place where text, data, models and training meet. Importing the package loads nothing heavy."""

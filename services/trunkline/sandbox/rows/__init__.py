"""The rows of the table of models."""

"""Embeddings: texts in, vectors out, in batches side by side and in the order of the texts."""

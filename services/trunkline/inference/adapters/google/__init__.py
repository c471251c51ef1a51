"""Google's Gemini API: `request` builds, `decoder` reads, `errors` says what failed."""

from trunkline.inference.adapters.google.adapter import GoogleAdapter
from trunkline.inference.adapters.google.embeddings import GoogleEmbedder

__all__ = ["GoogleAdapter", "GoogleEmbedder"]

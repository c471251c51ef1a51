"""Ollama's own API: `request` builds, `decoder` reads, `errors` says what failed."""

from trunkline.inference.adapters.ollama.adapter import OllamaAdapter
from trunkline.inference.adapters.ollama.embeddings import OllamaEmbedder

__all__ = ["OllamaAdapter", "OllamaEmbedder"]

"""Ollama's own API: `request` builds, `decoder` reads, `errors` says what failed."""

from trunkline.inference.adapters.ollama.adapter import OllamaAdapter

__all__ = ["OllamaAdapter"]

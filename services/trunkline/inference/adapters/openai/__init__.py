"""OpenAI Chat Completions: `request` builds, `decoder` reads, `errors` says what failed."""

from trunkline.inference.adapters.openai.adapter import OpenAIAdapter
from trunkline.inference.adapters.openai.embeddings import OpenAIEmbedder

__all__ = ["OpenAIAdapter", "OpenAIEmbedder"]

"""OpenAI Chat Completions: `request` builds, `decoder` reads, `errors` says what failed."""

from trunkline.inference.adapters.openai.adapter import OpenAIAdapter

__all__ = ["OpenAIAdapter"]

"""Anthropic Messages: `request` builds, `decoder` reads, `errors` says what failed."""

from trunkline.inference.adapters.anthropic.adapter import AnthropicAdapter

__all__ = ["AnthropicAdapter"]

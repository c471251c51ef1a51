"""Google's Gemini API: `request` builds, `decoder` reads, `errors` says what failed."""

from trunkline.inference.adapters.google.adapter import GoogleAdapter

__all__ = ["GoogleAdapter"]

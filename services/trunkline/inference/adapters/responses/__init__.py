"""OpenAI Responses: `request` builds, `decoder` reads, `errors` says what failed."""

from trunkline.inference.adapters.responses.adapter import ResponsesAdapter

__all__ = ["ResponsesAdapter"]

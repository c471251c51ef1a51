"""Say in which wire format a model is asked, and whose addresses are the vendor's own."""

from __future__ import annotations

from typing import Final

from trunkline.planning.candidates import Candidate

# The type of provider whose addresses are a format's vendor's own, where it has another name.
_OWN_TYPES: Final = {"azure": "azure-openai", "openai-responses": "openai"}


def format_of(candidate: Candidate) -> str:
    """Return the wire format in which a model is asked: its own, else its provider's.

    One provider may serve some models in another format than the rest.
    """
    return candidate.model.facts.format.value or candidate.provider.endpoint.format


def is_first_party(provider_type: str, wire_format: str) -> bool:
    """Tell whether a provider's address is the vendor's own and not one that imitates it."""
    return provider_type == _OWN_TYPES.get(wire_format, wire_format)

"""Say in which wire format a model is asked."""

from __future__ import annotations

from trunkline.planning.candidates import Candidate


def format_of(candidate: Candidate) -> str:
    """Return the wire format in which a model is asked: its own, else its provider's.

    One provider may serve some models in another format than the rest.
    """
    return candidate.model.facts.format.value or candidate.provider.endpoint.format

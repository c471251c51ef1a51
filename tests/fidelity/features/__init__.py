"""The features of a transcript, each with a question that has it."""

from __future__ import annotations

from typing import Final

from fidelity.features import media, reasoning, settings, speech, tool_use

FEATURES: Final = (
    *speech.FEATURES,
    *tool_use.FEATURES,
    *media.FEATURES,
    *reasoning.FEATURES,
    *settings.FEATURES,
)
"""All of them."""

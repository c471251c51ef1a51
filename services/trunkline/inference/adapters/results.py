"""Write the results of tools for formats that take text for them and nothing else."""

from __future__ import annotations

from typing import Final

ERROR_PREFIX: Final = "ERROR: "
"""What begins the result of a tool that failed, where the format has no flag for it."""

SEE_BELOW: Final = "(The content of this result follows in a message of the user.)"
"""What a result says whose pictures and documents follow elsewhere, and that has no text."""


def result_text(texts: list[str], *, is_error: bool, media_follow: bool) -> str:
    """Return the text of a result.

    Args:
        texts: of its parts.
        is_error: the tool failed.
        media_follow: pictures or documents of it follow elsewhere; without any text it says so.
    """
    text = "\n".join(texts) if texts or not media_follow else SEE_BELOW
    return ERROR_PREFIX + text if is_error else text


def media_heading(call_id: str) -> str:
    """Return what tells whose pictures and documents follow, in a message of the user."""
    return f"Content of the result of tool call {call_id}:"

"""Words: the pieces in which a text is said."""

from __future__ import annotations

import re
from collections.abc import Iterator


def split_words(text: str) -> Iterator[str]:
    """Split a text into words, each with the space before it; joined they are the text."""
    return (match[0] for match in re.finditer(r"\s*\S+|\s+\Z", text))

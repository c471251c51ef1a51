"""Read the sources that a block of text leans on.

Source: https://platform.claude.com/docs/en/build-with-claude/citations. Where in a document the
quote stands has no place in the contract.
"""

from __future__ import annotations

from typing import Any, Final

from trunkline.inference.adapters.values import text_at
from trunkline.inference.v1 import message_pb2

_MAX_URL: Final = 4 * 1024
_MAX_TITLE: Final = 1024
_MAX_QUOTE: Final = 64 * 1024
_MAX_BYTES_PER_CHARACTER: Final = 4


def read_citation(said: Any) -> message_pb2.Citation | None:
    """Translate a citation: of a page, a search result or a document; None when it is none."""
    if not isinstance(said, dict):
        return None
    citation = message_pb2.Citation(
        url=text_at(said, ("url", "source"), _MAX_URL // _MAX_BYTES_PER_CHARACTER),
        title=text_at(said, ("title", "document_title"), _MAX_TITLE // _MAX_BYTES_PER_CHARACTER),
        quote=text_at(said, ("cited_text",), _MAX_QUOTE // _MAX_BYTES_PER_CHARACTER),
    )
    return citation if citation.ByteSize() else None

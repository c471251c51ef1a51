"""Read the sources that a text leans on.

Source: https://platform.openai.com/docs/guides/tools-web-search, `url_citation`. Files of the
provider's own have no place in the contract.
"""

from __future__ import annotations

from typing import Any, Final

from trunkline.inference.adapters.values import text_at
from trunkline.inference.v1 import message_pb2

_KIND: Final = "url_citation"
# The contract's bounds are bytes, of which a character takes 4 at most.
_MAX_URL: Final = 1024
_MAX_TITLE: Final = 256


def read_citation(said: Any) -> message_pb2.Citation | None:
    """Translate an annotation; None when it names no page."""
    if not isinstance(said, dict) or said.get("type") != _KIND:
        return None
    citation = message_pb2.Citation(
        url=text_at(said, ("url",), _MAX_URL), title=text_at(said, ("title",), _MAX_TITLE)
    )
    return citation if citation.ByteSize() else None

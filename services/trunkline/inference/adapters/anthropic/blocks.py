"""The blocks of an answer that have not ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec

from trunkline.inference.adapters.anthropic.events import decode_fields
from trunkline.inference.arguments import is_object

TEXT: Final = "text"
THINKING: Final = "thinking"
REDACTED: Final = "redacted_thinking"
CALL: Final = "tool_use"
OWN: Final = "own"
"""A block that means something to the provider only."""


@dataclass(slots=True)
class OpenBlock:
    """A block of the answer that has not ended.

    Attributes:
        kind: `TEXT`, `THINKING`, `REDACTED`, `CALL` or `OWN`.
        number: ours; -1 as long as nothing of it was told.
        fragments: of a call's or an own block's JSON text.
        size: of the fragments, or of the signature, in bytes.
        raw: an own block as it began.
        type: of an own block, in the provider's words.
        torn: something belongs to an own block that cannot be put into it.
    """

    kind: str
    number: int = -1
    fragments: list[str] = field(default_factory=list)
    size: int = 0
    raw: msgspec.Raw = field(default_factory=msgspec.Raw)
    type: str = ""
    torn: bool = False


def put_together(block: OpenBlock) -> bytes | None:
    """Return an own block as JSON; None when it is not whole."""
    if block.torn:
        return None
    if not block.fragments:
        return bytes(block.raw)
    given = "".join(block.fragments)
    if not is_object(given):
        return None
    # The input of a tool that the provider runs itself comes like that of a call.
    fields = decode_fields(block.raw)
    fields["input"] = msgspec.Raw(given.encode())
    return msgspec.json.encode(fields)

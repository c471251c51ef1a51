"""Judge JSON text that is passed on as it stands, such as the arguments of a tool call."""

from __future__ import annotations

import msgspec

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def is_object(text: str) -> bool:
    """Tell whether a text is one whole JSON object (RFC 8259, section 4) and nothing else.

    An object that nests too deep to be read (some 1,000 levels) is none.
    """
    try:
        _OBJECT.decode(text)
    except (ValueError, RecursionError):
        # UnicodeDecodeError and msgspec's own errors are both a ValueError.
        return False
    return True

"""Write the ids of tool calls as a vendor takes them."""

from __future__ import annotations

import hashlib
import re


def wire_id(call_id: str, accepted: re.Pattern[str]) -> str:
    """Return an id that the vendor takes; equal ids stay equal.

    No way back is needed: an answer has calls and ids of its own.

    Args:
        call_id: as the transcript has it.
        accepted: what whole ids look like; must take `call_` and 24 hexadecimal digits.
    """
    if accepted.fullmatch(call_id):
        return call_id
    return f"call_{hashlib.sha256(call_id.encode()).hexdigest()[:24]}"

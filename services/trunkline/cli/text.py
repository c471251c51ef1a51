"""Text from elsewhere, made safe to print.

What a provider says ends on a terminal, which obeys control sequences: they could move
the cursor over what stands there, or rename the window. Without the control characters of
C0 and C1 (ISO 6429; ESC is among them) nothing is left to obey.
"""

from __future__ import annotations

from typing import Final

_KEPT: Final = (0x09, 0x0A)
_REMOVED: Final = dict.fromkeys(
    code for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in _KEPT
)
# In a name or a sentence among ours, what turns the direction of text could make it read as
# another (Unicode TR36, 2.5).
_TURNS: Final = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
_BREAKS: Final = dict.fromkeys((0x09, 0x0A, 0x0D, 0x2028, 0x2029), " ")
_LINE: Final = {**_REMOVED, **_TURNS, **_BREAKS}


def clean(text: str) -> str:
    """Return a text without control characters but newline and tab."""
    return text.translate(_REMOVED)


def clean_line(text: str) -> str:
    """Return a text on one line, without control characters and turns of direction."""
    return text.translate(_LINE)


def join(words: list[str], last: str = "or") -> str:
    """Return words as people list them: `a`, `a or b`, `a, b or c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"

"""Read values out of JSON that somebody else wrote, where anything may stand anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec

Json: TypeAlias = dict[str, Any]

MAX_COUNT: Final = 2**32 - 1
"""The largest number of tokens that a usage holds."""

_MAX_TOKENS: Final = 2**53
# Beyond it nothing is believed, in whatever unit.
_MAX_AMOUNT: Final = 10**15


def load(body: bytes) -> Any:
    """Decode JSON.

    Raises:
        ValueError: the bytes are no JSON, or nest too deep to be read.
    """
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise ValueError("the body is no JSON") from None


def count(holder: Json, key: str) -> int:
    """Return a number of tokens, from 0 to `MAX_COUNT`; 0 when there is none."""
    value: Any = holder.get(key)
    if type(value) is int and 0 <= value <= MAX_COUNT:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(min(max(value, 0), MAX_COUNT))


def object_at(holder: Json, key: str) -> Json:
    """Return an object; an empty one when there is none."""
    value: Any = holder.get(key)
    return value if isinstance(value, dict) else {}


def value_at(entry: Json, path: str) -> Any:
    """Return what stands at a path; None when nothing does.

    Args:
        entry: where the path begins.
        path: keys; a dot leads into an object.
    """
    value: Any = entry
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def text_at(entry: Json, paths: Iterable[str], limit: int) -> str:
    """Return the first text that is not empty, cut to `limit` characters; "" when none is."""
    return next((v[:limit] for p in paths if isinstance(v := value_at(entry, p), str) and v), "")


def tokens_at(entry: Json, paths: Iterable[str]) -> int | None:
    """Return the first number of tokens above 0."""
    for path in paths:
        value = value_at(entry, path)
        if type(value) in (int, float) and 0 < value < _MAX_TOKENS:
            return int(value)
    return None


def amount_at(entry: Json, path: str) -> Decimal | None:
    """Return an amount of money, at least 0, as it is written; None when there is none."""
    value = value_at(entry, path)
    if type(value) not in (int, float) or not 0 <= value < _MAX_AMOUNT:
        return None
    return Decimal(str(value))


def flag_at(entry: Json, paths: Iterable[str]) -> bool | None:
    """Return the first yes or no."""
    return next((v for p in paths if isinstance(v := value_at(entry, p), bool)), None)


def first_told(*answers: bool | None) -> bool | None:
    """Return the first answer that says something."""
    return next((answer for answer in answers if answer is not None), None)

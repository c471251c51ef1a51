"""Mint identifiers: a type prefix, then what sorts by time and cannot be guessed."""

from __future__ import annotations

import secrets
import time

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TIME_DIGITS = 8
_RANDOM_BITS = 128
_RANDOM_DIGITS = 22


def new_id(prefix: str) -> str:
    """Return a new identifier, such as `run_0VhP2yQd…`.

    Args:
        prefix: the type, lowercase letters only, such as `run`.

    Returns:
        The prefix, `_`, 8 digits of milliseconds since 1970 and 22 digits of 128
        random bits, both in base 62 whose digits sort as ASCII does: identifiers of
        one prefix sort by the millisecond they were minted in.
    """
    moment = _encode(time.time_ns() // 1_000_000, _TIME_DIGITS)
    return f"{prefix}_{moment}{_encode(secrets.randbits(_RANDOM_BITS), _RANDOM_DIGITS)}"


def _encode(number: int, digits: int) -> str:
    """Write a number in base 62, with leading zeros up to `digits`."""
    text = []
    for _ in range(digits):
        number, digit = divmod(number, 62)
        text.append(_ALPHABET[digit])
    return "".join(reversed(text))

"""Mint identifiers: a type prefix, then what sorts by time and cannot be guessed."""

from __future__ import annotations

import os
import time
from functools import lru_cache

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TIME_DIGITS = 8
# Every byte picks a digit. 256 is no multiple of 62, so that 8 digits are picked by five
# bytes and 54 by four: a digit holds at least log2(256 / 5) bits, and 23 of them 130.
_RANDOM_DIGITS = 23
_PICK = bytes(ord(_DIGITS[byte % 62]) for byte in range(256))


def new_id(prefix: str) -> str:
    """Return a new identifier, such as `run_0VhP2yQd…`.

    Args:
        prefix: the type, lowercase letters only, such as `run`.

    Returns:
        The prefix, `_`, 8 digits of milliseconds since 1970 in base 62 and 23 random
        digits, which hold more than 128 random bits. The digits sort as ASCII does:
        identifiers of one prefix sort by the millisecond they were minted in.
    """
    # One is minted on the way of every call; dividing 128 bits by 62 took half a call's line.
    return f"{prefix}_{_moment(time.time_ns() // 1_000_000)}{_random_digits()}"


@lru_cache(maxsize=1)
def _moment(milliseconds: int) -> str:
    """Write a moment in base 62; many identifiers are minted in one."""
    written = ""
    for _ in range(_TIME_DIGITS):
        milliseconds, digit = divmod(milliseconds, 62)
        written = _DIGITS[digit] + written
    return written


def _random_digits() -> str:
    """Return random digits, each used once."""
    return os.urandom(_RANDOM_DIGITS).translate(_PICK).decode()

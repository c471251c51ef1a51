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
_AT_ONCE = 64

_unused: list[str] = []
# Two processes must not mint the same.
os.register_at_fork(after_in_child=_unused.clear)


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


def _moment(milliseconds: int) -> str:
    """Write a moment in base 62; thousands of identifiers are minted in four seconds."""
    early, late = divmod(milliseconds, 62 * 62)
    high, low = divmod(late, 62)
    return _early(early) + _DIGITS[high] + _DIGITS[low]


@lru_cache(maxsize=1)
def _early(moment: int) -> str:
    """Write all but the last two digits of a moment."""
    written = ""
    for _ in range(_TIME_DIGITS - 2):
        moment, digit = divmod(moment, 62)
        written = _DIGITS[digit] + written
    return written


def _random_digits() -> str:
    """Return random digits, each used once."""
    # The system is asked for many at a time: each time costs as much as a call's line. Taking
    # from a list is one step, which no other thread comes between.
    try:
        return _unused.pop()
    except IndexError:
        digits = os.urandom(_RANDOM_DIGITS * _AT_ONCE).translate(_PICK).decode()
        first, *others = map("".join, zip(*[iter(digits)] * _RANDOM_DIGITS, strict=True))
        _unused.extend(others)
        return first

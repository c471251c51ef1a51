"""Waits for what the services tell each other a moment after a call has answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from trunkline.cli.failures import Failure

# How long one service may take to hear from another; in a healthy suite it is 0.1 s.
SETTLING_S: Final = 5.0
_PAUSE_S: Final = 0.05

R = TypeVar("R")


def retry_while(act: Callable[[], R], passes: Callable[[Failure], bool]) -> R:
    """Do something again while it fails for a reason that passes, at most 5 seconds long.

    Args:
        act: what is done.
        passes: tells whether a failure is one that passes by itself.

    Raises:
        Failure: the last one.
    """
    deadline = time.monotonic() + SETTLING_S
    while True:
        try:
            return act()
        except Failure as failure:
            if not passes(failure) or time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE_S)


def wait_until(look: Callable[[], R], is_there: Callable[[R], bool], limit_s: float) -> R:
    """Look until what is waited for is there, or the limit has passed.

    Args:
        look: gives what is to be seen.
        is_there: tells whether that is it.
        limit_s: the longest wait in seconds.

    Returns:
        What was seen last.
    """
    deadline = time.monotonic() + limit_s
    while True:
        seen = look()
        if is_there(seen) or time.monotonic() > deadline:
            return seen
        time.sleep(_PAUSE_S)

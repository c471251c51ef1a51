"""Read how long Azure asks to wait."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

import httpx

from trunkline.inference.adapters.waits import first_reset, read_retry_after

# Of some models there come -1 and 0, which say nothing; no limit is of more than a day.
_SECONDS: Final = re.compile(r"[1-9]\d{0,4}", re.ASCII)


def read_wait(headers: httpx.Headers, *, rate_limited: bool) -> timedelta | None:
    """Return the wait that a reply asks for.

    First as everybody says it, `retry-after`; else, for a reply that limits a rate,
    `x-ratelimit-reset-requests` and `-tokens`, in seconds.

    Args:
        headers: the reply's.
        rate_limited: whether it limits a rate: the last kind comes with every reply.

    Returns:
        0 to `MAX_WAIT`; None when nothing, or nothing legible, was said.
    """
    wait = read_retry_after(headers)
    if wait is not None or not rate_limited:
        return wait
    resets = []
    for what in ("requests", "tokens"):
        said = headers.get(f"x-ratelimit-reset-{what}", "")
        if _SECONDS.fullmatch(said):
            used_up = headers.get(f"x-ratelimit-remaining-{what}") == "0"
            resets.append((timedelta(seconds=int(said)), used_up))
    return first_reset(resets)

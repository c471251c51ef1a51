"""Read how long a provider asks to wait, in the dialects of Chat Completions."""

from __future__ import annotations

from datetime import timedelta

import httpx

from trunkline.inference.adapters.waits import first_reset, go_duration, read_retry_after


def read_wait(headers: httpx.Headers, *, rate_limited: bool) -> timedelta | None:
    """Return the wait that a reply asks for.

    First as everybody says it, `retry-after`; else, for a reply that limits a rate,
    `x-ratelimit-reset-requests` and `-tokens`, durations as Go writes them (`6m0s`, `1.2s`,
    `12ms`).

    Args:
        headers: the reply's.
        rate_limited: whether it limits a rate: OpenAI sends the last kind with every reply.

    Returns:
        0 to `MAX_WAIT`; None when nothing, or nothing legible, was said.
    """
    wait = read_retry_after(headers)
    if wait is not None or not rate_limited:
        return wait
    resets = []
    for what in ("requests", "tokens"):
        reset = go_duration(headers.get(f"x-ratelimit-reset-{what}", ""))
        if reset is not None:
            used_up = headers.get(f"x-ratelimit-remaining-{what}") == "0"
            resets.append((reset, used_up))
    return first_reset(resets)

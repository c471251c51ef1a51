"""Read how long Anthropic asks to wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import httpx

from trunkline.inference.adapters.waits import first_reset, read_retry_after, until

_LIMITS: Final = ("requests", "tokens", "input-tokens", "output-tokens")


def read_wait(headers: httpx.Headers, *, rate_limited: bool) -> timedelta | None:
    """Return the wait that a reply asks for.

    First as everybody says it, `retry-after`; else, for a reply that limits a rate,
    `anthropic-ratelimit-…-reset`, moments of RFC 3339, which are taken relative to the reply's
    own `date`.

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
    for limit in _LIMITS:
        name = f"anthropic-ratelimit-{limit}"
        reset = until(_moment(headers.get(f"{name}-reset", "")), headers)
        if reset is not None:
            resets.append((reset, headers.get(f"{name}-remaining") == "0"))
    return first_reset(resets)


def _moment(text: str) -> datetime | None:
    """Read a moment of RFC 3339."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

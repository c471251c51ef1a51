"""Read how long a provider asks to wait, in the headers that all of them share."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

MAX_WAIT: Final = timedelta(days=365)
"""What is longer is cut to this; a wait that long is an error or a jest."""

_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_NUMBER: Final = re.compile(r"\d{1,15}(?:\.\d{1,15})?")
_TERM: Final = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)(h|ms|us|µs|ns|m|s)")


def read_retry_after(headers: httpx.Headers) -> timedelta | None:
    """Return the wait that a reply asks for.

    In this order: `retry-after-ms`; `retry-after`, as seconds or as a date (RFC 9110, section
    10.2.3), which is taken relative to the reply's own `date`, so that no clock of ours
    matters.

    Returns:
        0 to `MAX_WAIT`; None when nothing, or nothing legible, was said.
    """
    after = headers.get("retry-after", "")
    wait = _seconds(headers.get("retry-after-ms", ""), 1e-3)
    if wait is None:
        wait = _seconds(after, 1.0)
    if wait is None and after:
        wait = until(_moment(after), headers)
    return wait


def first_reset(waits: list[tuple[timedelta, bool]]) -> timedelta | None:
    """Return when a used-up limit is new: the latest one of those that are used up.

    When the reply does not say which is, the earliest one of all: at worst the provider
    refuses once more, while a wait that is too long would keep a good route idle.

    Args:
        waits: of each limit when it is new, and whether it is known to be used up.
    """
    used_up = [wait for wait, gone in waits if gone]
    return max(used_up) if used_up else min((wait for wait, _ in waits), default=None)


def until(moment: datetime | None, headers: httpx.Headers) -> timedelta | None:
    """Return the time from a reply's own `date` to a moment; None when either is not known."""
    now = _moment(headers.get("date", ""))
    if moment is None or now is None:
        return None
    return _bounded((moment - now).total_seconds())


def go_duration(text: str) -> timedelta | None:
    """Read a duration as Go's `time.Duration` writes it, without a sign."""
    terms = _TERM.findall(text)
    if not terms or "".join(number + unit for number, unit in terms) != text:
        return None
    return _bounded(sum(float(number) * _UNITS[unit] for number, unit in terms))


def _seconds(text: str, unit: float) -> timedelta | None:
    """Read a plain number."""
    return _bounded(float(text) * unit) if _NUMBER.fullmatch(text) else None


def _moment(text: str) -> datetime | None:
    """Read a date of HTTP, which is in UTC whether it says so or not."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _bounded(seconds: float) -> timedelta:
    """Return a wait within its bounds."""
    return timedelta(seconds=min(max(seconds, 0.0), MAX_WAIT.total_seconds()))

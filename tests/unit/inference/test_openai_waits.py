"""How long a provider asks to wait, in every dialect."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.adapters.openai.waits import read_wait
from trunkline.inference.adapters.waits import MAX_WAIT

DATE = "Fri, 20 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1_0"}, None),
        ({"retry-after": "999999999999999"}, MAX_WAIT.total_seconds()),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "1"}, 1),
        # A date is relative to the reply's own; without that it says nothing.
        ({"retry-after": "Fri, 20 Nov 2026 12:01:30 GMT", "date": DATE}, 90),
        ({"retry-after": "Friday, 20-Nov-26 12:01:30 GMT", "date": DATE}, 90),
        ({"retry-after": "Fri, 20 Nov 2026 11:59:00 GMT", "date": DATE}, 0),
        ({"retry-after": "Fri, 20 Nov 2026 12:01:30 GMT"}, None),
        ({"retry-after": "Fri, 20 Nov 2026 12:01:30 GMT", "date": "now"}, None),
        # Durations of Go.
        ({"x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-reset-requests": "1.2s"}, 1.2),
        ({"x-ratelimit-reset-requests": "12ms"}, 0.012),
        ({"x-ratelimit-reset-requests": "1h2m3.5s"}, 3723.5),
        ({"x-ratelimit-reset-requests": "150µs"}, 0.00015),
        ({"x-ratelimit-reset-requests": "0s"}, 0),
        ({"x-ratelimit-reset-requests": "5"}, None),
        ({"x-ratelimit-reset-requests": "5s later"}, None),
        # Which of two.
        ({"x-ratelimit-reset-requests": "9s", "x-ratelimit-reset-tokens": "4s"}, 4),
        (
            {
                "x-ratelimit-reset-requests": "9s",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-tokens": "4s",
            },
            9,
        ),
        (
            {
                "x-ratelimit-reset-requests": "9s",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-tokens": "40s",
                "x-ratelimit-remaining-tokens": "0",
            },
            40,
        ),
        ({"retry-after": "2", "x-ratelimit-reset-requests": "9s"}, 2),
    ],
)
def test_every_dialect(headers: dict[str, str], seconds: float | None) -> None:
    """The wait that each reply that limits a rate asks for."""
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    wait = read_wait(httpx.Headers(sent), rate_limited=True)
    assert wait == (None if seconds is None else timedelta(seconds=seconds))


def test_resets_count_only_where_a_rate_is_limited() -> None:
    """They come with every reply of OpenAI."""
    headers = httpx.Headers({"x-ratelimit-reset-requests": "9s"})
    assert read_wait(headers, rate_limited=False) is None


@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=30))
def test_any_header_can_be_read(text: str) -> None:
    """No value makes the reading fail, and no wait is out of bounds."""
    for name in ("retry-after", "retry-after-ms", "x-ratelimit-reset-tokens"):
        headers = httpx.Headers([(name.encode(), text.encode("latin-1")), (b"date", DATE.encode())])
        wait = read_wait(headers, rate_limited=True)
        assert wait is None or timedelta() <= wait <= MAX_WAIT

"""A call of the benchmark says how it ended, whatever the gateway does."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.benchmark.events import MAX_EVENT_BYTES, Answer, StreamRefused
from trunkline.benchmark.gateway import Gateway
from trunkline.benchmark.observation import End
from trunkline.sandbox.scripts import OK_TEXT
from trunkline.sandbox.server import Sandbox


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """Yield the sandbox in the place of a gateway."""
    async with (
        Sandbox(time_scale=0.01, aliases={"slow-ok": "every-15-ms"}) as sandbox,
        Gateway(sandbox.base_url, sandbox.api_key, "slow-") as opened,
    ):
        yield opened


async def test_a_whole_answer_has_text_model_and_usage(gateway: Gateway) -> None:
    """The model is asked for by its prefixed name."""
    before = time.monotonic()
    call = await gateway.ask("ok", "", 20.0)
    assert (call.end, call.text, call.model, call.has_usage) == (
        End.ANSWERED,
        OK_TEXT,
        "slow-ok",
        True,
    )
    assert before <= call.started_at <= call.ended_at <= time.monotonic()


@pytest.mark.parametrize(
    ("behaviour", "end", "words", "error"),
    [
        ("slow-of-cut-after-9-of-ok", End.FAILED, 9, "closed"),
        ("slow-of-reset-after-9-of-ok", End.FAILED, 9, ""),
        ("slow-of-end-after-9-of-ok", End.ANSWERED, 9, ""),
        ("slow-of-error-after-9-of-ok", End.FAILED, 9, "server_error"),
        ("slow-of-malformed-after-9-of-ok", End.FAILED, 9, "no JSON"),
        ("slow-of-reset-of-ok", End.FAILED, 0, ""),
        ("slow-of-503-of-ok", End.FAILED, 0, "503"),
        ("slow-of-html-200-of-ok", End.ANSWERED, 0, ""),
        ("slow-of-empty-200-of-ok", End.ANSWERED, 0, ""),
    ],
)
async def test_a_failure_is_told_apart(
    gateway: Gateway, behaviour: str, end: End, words: int, error: str
) -> None:
    """What breaks visibly or says so has failed; what ends in order was an answer."""
    call = await gateway.ask(behaviour.removeprefix("slow-"), "", 20.0)
    assert (call.end, len(call.text.split())) == (end, words)
    assert bool(call.error) is (end is End.FAILED)
    assert error in call.error


@pytest.mark.parametrize("behaviour", ["of-silent-of-ok", "of-stall-after-3-of-ok"])
async def test_a_call_without_end_is_left(gateway: Gateway, behaviour: str) -> None:
    """At its longest time, with what came."""
    call = await gateway.ask(behaviour, "", 0.2)
    assert call.end is End.HUNG
    assert call.seconds >= 0.2


@given(st.binary(max_size=200), st.integers(1, 20))
def test_any_bytes_are_read_or_refused(data: bytes, size: int) -> None:
    """However they are cut, the reader says the same or raises what is caught."""
    ends: list[str | None] = []
    for step in (size, len(data) or 1):
        answer = Answer()
        try:
            for start in range(0, len(data), step):
                answer.feed(data[start : start + step])
        except StreamRefused:
            ends.append(None)
        else:
            ends.append(answer.text)
    assert ends[0] == ends[1]


@pytest.mark.parametrize(
    "chunk",
    [
        [],
        1,
        {"choices": 1},
        {"choices": [1]},
        {"choices": [{"delta": 1}]},
        {"choices": [{"delta": {"content": 1}}]},
        {"error": {"message": "no"}},
    ],
)
def test_a_chunk_of_another_shape_is_refused(chunk: object) -> None:
    """It is no answer, and no crash."""
    with pytest.raises(StreamRefused):
        Answer().feed(b"data: " + json.dumps(chunk).encode() + b"\n\n")


def test_an_event_is_bounded() -> None:
    """One that never ends is refused."""
    with pytest.raises(StreamRefused):
        Answer().feed(b"data: " + b"x" * MAX_EVENT_BYTES)

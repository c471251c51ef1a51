"""The attempts of a run, summed up and cut to what a status has room for."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.bare_runs import candidate
from support.chats import duration
from trunkline.inference.endings import not_allowed, nothing_left
from trunkline.inference.trail import MAX_BYTES, MAX_ENTRIES, make_trail, sum_usage
from trunkline.inference.v1 import chat_pb2, failure_pb2, result_pb2
from trunkline.kernel.errors import TrunklineError
from trunkline.kernel.status import find_detail, to_status

REPORTED: Final = result_pb2.USAGE_SOURCE_REPORTED
ESTIMATED: Final = result_pb2.USAGE_SOURCE_ESTIMATED
UNKNOWN: Final = result_pb2.USAGE_SOURCE_UNKNOWN

MAX_STATUS: Final = 6 * 1024
MOST_ATTEMPTS: Final = 8
_SENTENCE: Final = "The server closed the connection before it answered."


def _attempt(
    number: int, *, name: str = "sandbox/ok", words: str = "", code: str = "", body: str = ""
) -> result_pb2.Attempt:
    """Return a failed attempt with all that an operator may see."""
    attempt = result_pb2.Attempt(
        number=number,
        model=name,
        outcome=result_pb2.ATTEMPT_OUTCOME_FAILED,
        credential_scope=failure_pb2.CREDENTIAL_SCOPE_CENTRAL,
        continuation=result_pb2.CONTINUATION_STRATEGY_RESTART,
        credential_id=f"cred_{'x' * 26}",
        usage=result_pb2.Usage(input_tokens=2**31, output_tokens=2**31, source=ESTIMATED),
        duration=duration(1.234567),
        time_to_first_token=duration(0.345678),
    )
    attempt.start_time.FromNanoseconds(1_795_000_000_123_456_789)
    failure = attempt.failure
    failure.kind = failure_pb2.ERROR_KIND_RATE_LIMITED
    failure.message = _SENTENCE
    failure.mid_stream = True
    failure.reply.http_status = 429
    failure.reply.message, failure.reply.body, failure.reply.code = words, body, code
    failure.reply.request_id = code
    failure.reply.retry_after.CopyFrom(duration(3.5))
    return attempt


def _skip(name: str, detail: str = "It cools down.") -> failure_pb2.SkippedCandidate:
    return failure_pb2.SkippedCandidate(
        model=name, reason=failure_pb2.SKIP_REASON_COOLING, detail=detail
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sandbox/ok", "w" * 300),
        ("sandbox/ok", "w" * 2048),
        ("sandbox/ok", "\N{ROCKET}" * 512),
        (f"{'p' * 63}/{'m' * 256}", "w" * 2048),
        (f"{'p' * 63}/{chr(0x1F680) * 256}", "w" * 2048),
    ],
)
@pytest.mark.parametrize("code", ["", "c" * 128])
def test_status_of_the_longest_attempts_is_small(name: str, words: str, code: str) -> None:
    """Eight attempts of the worst length: the trail is there, with the latest and the count."""
    attempts = [
        _attempt(number, name=name, words=words, code=code, body="b" * 2048)
        for number in range(1, MOST_ATTEMPTS + 1)
    ]
    trail = make_trail(attempts, [_skip(name, "d" * 200)])
    last = attempts[-1].failure
    endings: list[TrunklineError] = [
        nothing_left((last, candidate("openai", name)), is_alone=False, trail=trail),
        nothing_left((last, candidate("openai", name)), is_alone=True, trail=trail),
        not_allowed(last, chat_pb2.CONTINUATION_POLICY_PREFILL_ONLY, trail),
    ]
    for ending in endings:
        ending.metadata |= {"run_id": f"run_{'x' * 30}", "last_sequence": "1234567"}
        status = to_status(ending, domain="trunkline.inference", request_id="r" * 128)
        assert status.ByteSize() < MAX_STATUS
        shown = find_detail(status.details, result_pb2.AttemptTrail())
        assert shown is not None, "the trail is lost"
        numbers = [attempt.number for attempt in shown.attempts]
        assert numbers
        assert numbers == list(range(numbers[0], MOST_ATTEMPTS + 1))
        gone = MOST_ATTEMPTS - len(numbers) + 1 - len(shown.skipped)
        assert shown.omitted == gone
        # Kinds and statuses are all that programs act on: they stay.
        assert all(attempt.failure.reply.http_status == 429 for attempt in shown.attempts)


def test_what_fits_is_whole() -> None:
    """Nothing is cut where there is room for it."""
    attempts = [_attempt(1, words="Slow down.", body='{"error":"slow_down"}'), _attempt(2)]
    trail = make_trail(attempts, [_skip("sandbox/slow")])
    assert list(trail.attempts) == attempts
    assert [skip.model for skip in trail.skipped] == ["sandbox/slow"]
    assert trail.omitted == 0


def test_bodies_go_before_words_and_words_before_attempts() -> None:
    """What programs and people need least goes first, and the given attempts stay as they were."""
    few = [_attempt(number, words="w" * 100, body="b" * 600) for number in range(1, 6)]
    kept = [attempt.SerializeToString() for attempt in few]
    trail = make_trail(few, ())
    assert [len(each.failure.reply.message) for each in trail.attempts] == [100] * 5
    assert not trail.attempts[0].failure.reply.body
    assert trail.omitted == 0
    more = make_trail([_attempt(number, words="w" * 500) for number in range(1, 7)], ())
    assert len(more.attempts) == 6
    assert 0 < len(more.attempts[0].failure.reply.message) < 500
    assert [attempt.SerializeToString() for attempt in few] == kept


def test_latest_attempts_stay() -> None:
    """Of more than sixteen the oldest are left out, and counted; so are skips."""
    attempts = [result_pb2.Attempt(number=number) for number in range(1, 21)]
    skipped = [_skip(f"sandbox/m{number}", "") for number in range(18)]
    trail = make_trail(attempts, skipped)
    assert [attempt.number for attempt in trail.attempts] == list(range(5, 21))
    assert len(trail.skipped) == MAX_ENTRIES
    assert trail.omitted == 4 + 2


@given(
    st.lists(st.tuples(st.text(max_size=700), st.text(max_size=128)), min_size=1, max_size=8),
    st.lists(st.text(max_size=300), max_size=20),
)
def test_a_trail_is_never_too_long(words: list[tuple[str, str]], details: list[str]) -> None:
    """Whatever providers say, a trail has its bound, its latest attempt, and counts the rest."""
    attempts = [
        _attempt(number, words=said, code=code) for number, (said, code) in enumerate(words, 1)
    ]
    skipped = [_skip("sandbox/slow", detail) for detail in details]
    trail = make_trail(attempts, skipped)
    assert trail.ByteSize() <= MAX_BYTES
    assert trail.attempts[-1].number == len(attempts)
    left_out = len(attempts) + len(skipped) - len(trail.attempts) - len(trail.skipped)
    assert trail.omitted == left_out


def _used(source: int, *, spoke: bool, tokens: int = 7) -> result_pb2.Attempt:
    usage = result_pb2.Usage(
        input_tokens=tokens,
        output_tokens=tokens + 1,
        cache_read_tokens=tokens + 2,
        cache_write_tokens=tokens + 3,
        reasoning_tokens=tokens + 4,
        cache_write_long_tokens=tokens + 5,
        source=source,  # type: ignore[arg-type] # one of the enum's
    )
    attempt = result_pb2.Attempt(usage=usage)
    if spoke:
        attempt.time_to_first_token.CopyFrom(duration(0.1))
    return attempt


@pytest.mark.parametrize(
    ("attempts", "source"),
    [
        ([], REPORTED),
        ([(REPORTED, True)], REPORTED),
        ([(REPORTED, True), (ESTIMATED, True)], ESTIMATED),
        ([(ESTIMATED, True), (REPORTED, True)], ESTIMATED),
        ([(ESTIMATED, True), (UNKNOWN, True)], UNKNOWN),
        ([(UNKNOWN, True), (ESTIMATED, True)], UNKNOWN),
        # One that said nothing makes no sum unsure.
        ([(UNKNOWN, False), (REPORTED, True)], REPORTED),
        ([(UNKNOWN, False), (ESTIMATED, True)], ESTIMATED),
        # Refused before its first byte: zero, and known to be.
        ([(REPORTED, False), (REPORTED, True)], REPORTED),
    ],
)
def test_source_of_a_sum(attempts: list[tuple[int, bool]], source: int) -> None:
    """A sum is as sure as the least sure attempt that produced output."""
    assert sum_usage(_used(each, spoke=spoke) for each, spoke in attempts).source == source


def test_every_class_of_tokens_is_summed() -> None:
    """The sum of two attempts has both, class by class."""
    total = sum_usage([_used(REPORTED, spoke=True), _used(REPORTED, spoke=True, tokens=100)])
    for field in result_pb2.Usage.DESCRIPTOR.fields:
        if field.name != "source":
            parts = [
                getattr(_used(REPORTED, spoke=True, tokens=tokens).usage, field.name)
                for tokens in (7, 100)
            ]
            assert getattr(total, field.name) == sum(parts) > 0

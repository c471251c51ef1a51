"""What a failure means for who is asked next: the table, written a second time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pytest

from support.chats import duration
from trunkline.inference.failure_table import (
    MAX_ATTEMPTS,
    MAX_ROUTE_ATTEMPTS,
    TABLE,
    Next,
    find_next,
    pause_before_retry,
)
from trunkline.inference.v1 import failure_pb2

PAUSE_S: Final = 0.5
LONGEST_S: Final = 5.0

CENTRAL: Final = failure_pb2.CREDENTIAL_SCOPE_CENTRAL
PERSONAL: Final = failure_pb2.CREDENTIAL_SCOPE_PERSONAL


@dataclass(frozen=True, slots=True)
class Row:
    """What one failure means.

    Attributes:
        kind: of the failure, without its prefix.
        status: of the provider's answer; 0: it had none.
        pause_s: before the same route is asked again; None: it is not.
        next: who else may be asked.
        by_chain: the same where the chain lets credential failures fall back.
        personal: the same of a person's own key, whatever the chain says.
    """

    kind: str
    status: int
    pause_s: float | None
    next: Next
    by_chain: Next
    personal: Next


def _row(kind: str, status: int, pause_s: float | None, next_: Next) -> Row:
    """Return a row for which it does not matter whose key it was."""
    return Row(kind, status, pause_s, next_, next_, next_)


ROWS: Final = (
    _row("RATE_LIMITED", 429, PAUSE_S, Next.ANY),
    _row("SERVER_ERROR", 500, PAUSE_S, Next.OTHER_MODELS),
    _row("SERVER_ERROR", 529, PAUSE_S, Next.OTHER_MODELS),
    _row("SERVER_ERROR", 408, PAUSE_S, Next.OTHER_MODELS),
    # An error inside the stream.
    _row("SERVER_ERROR", 200, PAUSE_S, Next.OTHER_MODELS),
    _row("UNREACHABLE", 0, 0.0, Next.OTHER_MODELS),
    _row("SILENT", 0, None, Next.OTHER_MODELS),
    _row("BROKEN_STREAM", 0, None, Next.OTHER_MODELS),
    _row("BROKEN_STREAM", 200, None, Next.OTHER_MODELS),
    # A used-up quota that came as 429 falls back as that does.
    _row("QUOTA", 429, None, Next.ANY),
    Row("QUOTA", 402, None, Next.OTHER_KEYS, Next.ANY, Next.NONE),
    Row("QUOTA", 400, None, Next.OTHER_KEYS, Next.ANY, Next.NONE),
    Row("NOT_AUTHORIZED", 401, None, Next.OTHER_KEYS, Next.ANY, Next.NONE),
    Row("NOT_AUTHORIZED", 403, None, Next.OTHER_KEYS, Next.ANY, Next.NONE),
    Row("NOT_AUTHORIZED", 400, None, Next.OTHER_KEYS, Next.ANY, Next.NONE),
    _row("MODEL_NOT_FOUND", 404, None, Next.OTHER_MODELS),
    _row("MODEL_NOT_FOUND", 410, None, Next.OTHER_MODELS),
    _row("CONTEXT_TOO_LONG", 400, None, Next.LARGER_WINDOW),
    _row("CONTEXT_TOO_LONG", 413, None, Next.LARGER_WINDOW),
    _row("CONTENT_FILTERED", 400, None, Next.NONE),
    _row("CONTENT_FILTERED", 200, None, Next.NONE),
    _row("INVALID_REQUEST", 400, None, Next.NONE),
    _row("INVALID_REQUEST", 422, None, Next.NONE),
    # Nobody's failures, after which nothing is asked again.
    _row("HEDGE_LOST", 0, None, Next.ANY),
    _row("SUPERSEDED", 0, None, Next.ANY),
    _row("UNSPECIFIED", 0, None, Next.NONE),
)

every = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.kind}-{row.status}")


def _failure(row: Row, wait_s: float | None = None) -> failure_pb2.AttemptFailure:
    failure = failure_pb2.AttemptFailure(kind=failure_pb2.ErrorKind.Value(f"ERROR_KIND_{row.kind}"))
    if row.status:
        failure.reply.http_status = row.status
    if wait_s is not None:
        failure.reply.retry_after.CopyFrom(duration(wait_s))
    return failure


def test_every_kind_has_its_row() -> None:
    """No kind of failure is without a row, here as there."""
    kinds = {name.removeprefix("ERROR_KIND_") for name in failure_pb2.ErrorKind.keys()}  # noqa: SIM118 # no mapping
    assert {row.kind for row in ROWS} == kinds
    assert set(TABLE) == set(failure_pb2.ErrorKind.values())


@every
def test_same_route_is_asked_again(row: Row) -> None:
    """Only what passes by itself is asked again, after a pause where it needs one."""
    paused = pause_before_retry(_failure(row), pause_s=PAUSE_S, longest_s=LONGEST_S)
    assert paused == row.pause_s


@every
def test_who_may_be_asked_next(row: Row) -> None:
    """Whose key it was and what the chain says matter for failures of a key alone."""
    failure = _failure(row)
    assert find_next(failure, CENTRAL, chain_allows=False) is row.next
    assert find_next(failure, CENTRAL, chain_allows=True) is row.by_chain
    for allows in (False, True):
        assert find_next(failure, PERSONAL, chain_allows=allows) is row.personal


@pytest.mark.parametrize("wait_s", [0.0, 0.001, 2.0, LONGEST_S, LONGEST_S + 0.001, 3600.0])
@every
def test_wait_that_a_provider_asks_for(row: Row, wait_s: float) -> None:
    """A short wait is waited for in place of our pause; a longer one is not waited for."""
    paused = pause_before_retry(_failure(row, wait_s), pause_s=PAUSE_S, longest_s=LONGEST_S)
    if row.pause_s == PAUSE_S:
        assert paused == (wait_s if wait_s <= LONGEST_S else None)
    else:
        assert paused == row.pause_s


def test_bounds_of_a_request() -> None:
    """A request asks a route twice at most, and eight times in all."""
    assert (MAX_ROUTE_ATTEMPTS, MAX_ATTEMPTS) == (2, 8)

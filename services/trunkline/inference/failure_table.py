"""What a failure means for what is asked next: one table for all of it.

Who cools down by a failure is health's own table; what a failure means to the caller when
nothing is left is `endings`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from trunkline.inference.v1 import failure_pb2

MAX_ROUTE_ATTEMPTS: Final = 2
MAX_ATTEMPTS: Final = 8


class Again(Enum):
    """Whether the same route is asked once more."""

    NEVER = auto()
    AFTER_PAUSE = auto()
    """After the provider's wait when it gave a short one, else after a short pause."""
    AT_ONCE = auto()


class Next(Enum):
    """Which other candidates may be asked."""

    NONE = auto()
    OTHER_KEYS = auto()
    """The same model with the provider's other keys: the fault is the key's."""
    OTHER_MODELS = auto()
    """Any but the same model: the fault is not the key's."""
    ANY = auto()
    """Any other, the same model with another key among them."""
    LARGER_WINDOW = auto()
    """Models whose window is larger or not known."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one kind of failure means.

    Attributes:
        again: for the same route.
        next: for the others.
        next_by_chain: the same where the chain says that a central key's failure may be
            followed by other models; never of a person's own key.
    """

    again: Again
    next: Next
    next_by_chain: Next | None = None


TABLE: Final[dict[failure_pb2.ErrorKind.ValueType, Row]] = {
    failure_pb2.ERROR_KIND_RATE_LIMITED: Row(Again.AFTER_PAUSE, Next.ANY),
    failure_pb2.ERROR_KIND_SERVER_ERROR: Row(Again.AFTER_PAUSE, Next.OTHER_MODELS),
    failure_pb2.ERROR_KIND_UNREACHABLE: Row(Again.AT_ONCE, Next.OTHER_MODELS),
    failure_pb2.ERROR_KIND_SILENT: Row(Again.NEVER, Next.OTHER_MODELS),
    failure_pb2.ERROR_KIND_BROKEN_STREAM: Row(Again.NEVER, Next.OTHER_MODELS),
    failure_pb2.ERROR_KIND_QUOTA: Row(Again.NEVER, Next.OTHER_KEYS, Next.ANY),
    failure_pb2.ERROR_KIND_NOT_AUTHORIZED: Row(Again.NEVER, Next.OTHER_KEYS, Next.ANY),
    failure_pb2.ERROR_KIND_MODEL_NOT_FOUND: Row(Again.NEVER, Next.OTHER_MODELS),
    failure_pb2.ERROR_KIND_CONTEXT_TOO_LONG: Row(Again.NEVER, Next.LARGER_WINDOW),
    failure_pb2.ERROR_KIND_CONTENT_FILTERED: Row(Again.NEVER, Next.NONE),
    failure_pb2.ERROR_KIND_INVALID_REQUEST: Row(Again.NEVER, Next.NONE),
    failure_pb2.ERROR_KIND_HEDGE_LOST: Row(Again.NEVER, Next.ANY),
    failure_pb2.ERROR_KIND_SUPERSEDED: Row(Again.NEVER, Next.ANY),
    failure_pb2.ERROR_KIND_UNSPECIFIED: Row(Again.NEVER, Next.NONE),
}

_QUOTA_BY_RATE = Row(Again.NEVER, Next.ANY)
_TOO_MANY_REQUESTS: Final = 429


def find_row(failure: failure_pb2.AttemptFailure) -> Row:
    """Return the row of a failure; a used-up quota that came as 429 falls back as that does."""
    if (
        failure.kind == failure_pb2.ERROR_KIND_QUOTA
        and failure.reply.http_status == _TOO_MANY_REQUESTS
    ):
        return _QUOTA_BY_RATE
    return TABLE[failure.kind]


def find_next(
    failure: failure_pb2.AttemptFailure,
    scope: failure_pb2.CredentialScope.ValueType,
    *,
    chain_allows: bool,
) -> Next:
    """Return which candidates may follow a failure.

    Args:
        failure: of an attempt.
        scope: whose key it used.
        chain_allows: the chain's `fall_back_on_credential_failure`.
    """
    row = find_row(failure)
    if row.next_by_chain is None:
        return row.next
    if scope == failure_pb2.CREDENTIAL_SCOPE_PERSONAL:
        # Never on to another's key (C12).
        return Next.NONE
    return row.next_by_chain if chain_allows else row.next


def pause_before_retry(
    failure: failure_pb2.AttemptFailure, *, pause_s: float, longest_s: float
) -> float | None:
    """Return how many seconds to wait before the same route is asked again; None: it is not.

    Args:
        failure: of its attempt.
        pause_s: where the provider does not say how long.
        longest_s: a wait that is longer is not waited for.
    """
    match find_row(failure).again:
        case Again.NEVER:
            return None
        case Again.AT_ONCE:
            return 0.0
        case Again.AFTER_PAUSE:
            if not failure.reply.HasField("retry_after"):
                return pause_s
            wait_s = failure.reply.retry_after.ToTimedelta().total_seconds()
            return wait_s if wait_s <= longest_s else None

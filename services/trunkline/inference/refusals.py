"""Errors of calls about runs, beside those that a run itself ends with."""

from __future__ import annotations

from datetime import timedelta

from trunkline.kernel.errors import AlreadyExists, NotFound, OutOfRange, Unavailable


def not_found(run_id: str) -> NotFound:
    """Return the error for a run that is not there, or another's."""
    return NotFound(
        "RUN_NOT_FOUND", "There is no such run, or it is not yours.", metadata={"run_id": run_id}
    )


def trimmed(run_id: str, first: int, last: int) -> OutOfRange:
    """Return the error for events that are not kept any more.

    Args:
        run_id: of the run.
        first: the sequence of the first event that is kept; more than `last`: none is.
        last: the sequence of the last one.
    """
    metadata = {"run_id": run_id, "last_sequence": str(last)}
    if first <= last:
        metadata["first_sequence"] = str(first)
    return OutOfRange(
        "EVENTS_TRIMMED", "The events asked for are not kept any more.", metadata=metadata
    )


def other_request(run_id: str) -> AlreadyExists:
    """Return the error for an idempotency key that belongs to another request."""
    return AlreadyExists(
        "IDEMPOTENCY_MISMATCH",
        "The idempotency key belongs to another request.",
        metadata={"run_id": run_id},
    )


def journal_away(run_id: str, last_sequence: int) -> Unavailable:
    """Return the error for readers of a run whose journal does not answer."""
    return Unavailable(
        "JOURNAL_UNAVAILABLE",
        "The journal of durable runs does not answer; resume the run when it is back.",
        metadata={"run_id": run_id, "last_sequence": str(last_sequence)},
    )


def cannot_begin() -> Unavailable:
    """Return the error for a durable run that cannot be written."""
    return Unavailable(
        "JOURNAL_UNAVAILABLE",
        "The journal of durable runs does not answer; try again.",
        retry_after=timedelta(seconds=1),
    )


def stopping() -> Unavailable:
    """Return the error for readers of a process that stops."""
    return Unavailable(
        "NOT_SERVING", "The service is stopping; resume the run elsewhere.", retry_after=timedelta()
    )

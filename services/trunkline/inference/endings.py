"""What a failed attempt means for its run: the status, by the kind of the failure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from trunkline.inference.trail import make_trail
from trunkline.inference.transport import Broken, NoPlace, Silent, TransportFault, Unsendable
from trunkline.inference.v1 import chat_pb2, failure_pb2, result_pb2
from trunkline.kernel.errors import (
    Aborted,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    TrunklineError,
    Unavailable,
)
from trunkline.planning.candidates import Candidate

_NO_FALLBACK = {
    failure_pb2.ERROR_KIND_RATE_LIMITED,
    failure_pb2.ERROR_KIND_SERVER_ERROR,
    failure_pb2.ERROR_KIND_UNREACHABLE,
    failure_pb2.ERROR_KIND_SILENT,
    failure_pb2.ERROR_KIND_BROKEN_STREAM,
}

_PLACE_WAIT = timedelta(seconds=1)

# Without a reply: nobody was there, or the request could not be sent.
_NEVER_ASKED = {failure_pb2.ERROR_KIND_UNREACHABLE, failure_pb2.ERROR_KIND_INVALID_REQUEST}

# Kind of failure → class of error and reason.
_ERRORS: dict[int, tuple[type[TrunklineError], str]] = {
    failure_pb2.ERROR_KIND_QUOTA: (ResourceExhausted, "PROVIDER_QUOTA"),
    failure_pb2.ERROR_KIND_NOT_AUTHORIZED: (FailedPrecondition, "PROVIDER_UNAUTHORIZED"),
    failure_pb2.ERROR_KIND_CONTEXT_TOO_LONG: (InvalidArgument, "CONTEXT_TOO_LONG"),
    failure_pb2.ERROR_KIND_CONTENT_FILTERED: (InvalidArgument, "CONTENT_FILTERED"),
    failure_pb2.ERROR_KIND_MODEL_NOT_FOUND: (NotFound, "MODEL_NOT_FOUND"),
    **dict.fromkeys(_NO_FALLBACK, (Unavailable, "NO_FALLBACK")),
}


def broken(sentence: str) -> failure_pb2.AttemptFailure:
    """Return the failure of an attempt whose answer is none."""
    return failure_pb2.AttemptFailure(kind=failure_pb2.ERROR_KIND_BROKEN_STREAM, message=sentence)


def from_fault(fault: TransportFault) -> failure_pb2.AttemptFailure:
    """Return what a broken, silent or missing connection means as an attempt's failure."""
    match fault:
        case Silent():
            kind = failure_pb2.ERROR_KIND_SILENT
        case Broken():
            kind = failure_pb2.ERROR_KIND_BROKEN_STREAM
        case Unsendable():
            kind = failure_pb2.ERROR_KIND_INVALID_REQUEST
        case _:
            kind = failure_pb2.ERROR_KIND_UNREACHABLE
    return failure_pb2.AttemptFailure(kind=kind, message=fault.message)


def no_place(fault: NoPlace) -> failure_pb2.AttemptFailure:
    """Return the failure of an attempt that found no connection free: a limit of ours.

    It says nothing about the provider, which was not asked.
    """
    return failure_pb2.AttemptFailure(
        kind=failure_pb2.ERROR_KIND_UNREACHABLE,
        message=f"All {fault.limit} connections to the provider are in use.",
    )


def to_limit(limit: int) -> ResourceExhausted:
    """Return the error for a run whose last request found no connection free.

    Args:
        limit: how many connections there are.
    """
    return ResourceExhausted(
        "LIMIT_REACHED",
        f"{limit} connections to the provider are in use, which is the most.",
        metadata={"limit": str(limit), "subject": "provider"},
        retry_after=_PLACE_WAIT,
    )


def usage_of_failed(failure: failure_pb2.AttemptFailure) -> result_pb2.Usage:
    """Return what a failed attempt took: zero if it was refused before its first byte."""
    refused = failure.reply.http_status not in (0, 200) or (
        failure.kind in _NEVER_ASKED and not failure.HasField("reply")
    )
    return result_pb2.Usage(
        source=result_pb2.USAGE_SOURCE_REPORTED if refused else result_pb2.USAGE_SOURCE_UNKNOWN
    )


def nothing_left(
    last: tuple[failure_pb2.AttemptFailure, Candidate] | None,
    *,
    is_alone: bool,
    trail: result_pb2.AttemptTrail,
) -> TrunklineError:
    """Return the error that a run ends with when nobody is left to ask.

    Args:
        last: the last failure, as its reader may see it, and who was asked; None: nobody
            was, or it says nothing to the caller.
        is_alone: there never was a second one to fall back to.
        trail: of the run.
    """
    if last is None or (not is_alone and last[0].kind in _NO_FALLBACK):
        return _exhausted(last, trail)
    failure, candidate = last
    error, reason = _ERRORS.get(failure.kind, (InvalidArgument, "PROVIDER_REJECTED"))
    metadata = {"model": candidate.name}
    if reason == "NO_FALLBACK":
        metadata["kind"] = _name(failure_pb2.ErrorKind.Name(failure.kind), "ERROR_KIND_")
    elif reason == "PROVIDER_UNAUTHORIZED":
        metadata["credential_scope"] = _name(
            failure_pb2.CredentialScope.Name(candidate.scope), "CREDENTIAL_SCOPE_"
        )
        metadata["http_status"] = str(failure.reply.http_status)
    elif reason == "MODEL_NOT_FOUND":
        metadata["nearest"] = ""
    elif reason != "CONTEXT_TOO_LONG":
        metadata["provider_code"] = failure.reply.code
    return error(
        reason,
        f"{candidate.name}: {failure.message}",
        metadata=metadata,
        retry_after=_wait_of(failure),
        details=(trail,),
    )


def _exhausted(
    last: tuple[failure_pb2.AttemptFailure, Candidate] | None, trail: result_pb2.AttemptTrail
) -> Unavailable:
    """Return the error of a run all of whose candidates failed or were skipped."""
    why = f" The last, {last[1].name}: {last[0].message}" if last is not None else ""
    waits: list[failure_pb2.ProviderReply | failure_pb2.SkippedCandidate] = [
        *(attempt.failure.reply for attempt in trail.attempts),
        *trail.skipped,
    ]
    known = [each.retry_after.ToTimedelta() for each in waits if each.HasField("retry_after")]
    return Unavailable(
        "ALL_CANDIDATES_EXHAUSTED",
        f"Every candidate failed or was skipped.{why}",
        metadata={"attempts": str(len(trail.attempts))},
        retry_after=min(known, default=None),
        details=(trail,),
    )


def not_allowed(
    failure: failure_pb2.AttemptFailure,
    policy: chat_pb2.ContinuationPolicy.ValueType,
    trail: result_pb2.AttemptTrail,
) -> Aborted:
    """Return the error of a run that the caller's policy lets nobody carry on."""
    return Aborted(
        "CONTINUATION_NOT_ALLOWED",
        f"The answer broke off, and may not be carried on: {failure.message}",
        metadata={
            "policy": _name(chat_pb2.ContinuationPolicy.Name(policy), "CONTINUATION_POLICY_"),
            "kind": _name(failure_pb2.ErrorKind.Name(failure.kind), "ERROR_KIND_"),
        },
        details=(trail,),
    )


# Reason of a skip → class of error, reason, and what is missing.
_UNABLE: dict[int, str] = {
    failure_pb2.SKIP_REASON_NO_VISION: "vision",
    failure_pb2.SKIP_REASON_NO_DOCUMENTS: "documents",
    failure_pb2.SKIP_REASON_NO_TOOLS: "tools",
    failure_pb2.SKIP_REASON_NO_STRUCTURED_OUTPUT: "structured_output",
    failure_pb2.SKIP_REASON_NO_REASONING: "thinking",
}


def none_capable(skipped: Sequence[failure_pb2.SkippedCandidate]) -> TrunklineError | None:
    """Return the error when nobody can do what is asked; None: they were skipped otherwise.

    Args:
        skipped: all candidates, of which none was asked.
    """
    missing = {_UNABLE.get(skip.reason, "") for skip in skipped}
    trail = make_trail((), skipped)
    if missing and "" not in missing:
        names = ",".join(sorted(missing))
        return FailedPrecondition(
            "NO_CAPABLE_CANDIDATE",
            f"No candidate can do what is asked; missing: {names}. {skipped[0].detail}",
            metadata={"missing": names},
            details=(trail,),
        )
    if all(skip.reason == failure_pb2.SKIP_REASON_CONTEXT_TOO_SMALL for skip in skipped):
        return InvalidArgument(
            "CONTEXT_TOO_LONG",
            f"{skipped[0].model}: {skipped[0].detail}",
            metadata={"model": skipped[0].model},
            details=(trail,),
        )
    return None


def would_lose(model: str, loss: result_pb2.Loss) -> TrunklineError:
    """Return the error of a strict request that the last candidate cannot carry whole."""
    return FailedPrecondition(
        "WOULD_LOSE",
        f"{model} cannot carry {loss.path}: {loss.reason}",
        metadata={"path": loss.path, "model": model},
    )


def _wait_of(failure: failure_pb2.AttemptFailure) -> timedelta | None:
    """Return how long the provider asks to wait; None: it does not say."""
    if not failure.reply.HasField("retry_after"):
        return None
    return failure.reply.retry_after.ToTimedelta()


def _name(value: str, prefix: str) -> str:
    """Return an enum value's name without its prefix."""
    return value.removeprefix(prefix)

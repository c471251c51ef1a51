"""What a failed attempt means for its run: the status, by the kind of the failure."""

from __future__ import annotations

from datetime import timedelta

from trunkline.inference.transport import Broken, NoPlace, Silent, TransportFault, Unsendable
from trunkline.inference.v1 import failure_pb2, result_pb2
from trunkline.kernel.errors import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    TrunklineError,
    Unavailable,
)

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


def to_limit(fault: NoPlace) -> ResourceExhausted:
    """Return the error for a request that found no connection free: a limit of ours.

    It says nothing about the provider, which was not asked, and so is no failure of an attempt.
    """
    return ResourceExhausted(
        "LIMIT_REACHED",
        f"{fault.limit} connections to the provider are in use, which is the most.",
        metadata={"limit": str(fault.limit), "subject": "provider"},
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


def to_error(
    failure: failure_pb2.AttemptFailure,
    *,
    model: str,
    scope: failure_pb2.CredentialScope.ValueType,
    attempts: list[result_pb2.Attempt],
) -> TrunklineError:
    """Return the error that a run ends with when its only route failed.

    Args:
        failure: of the last attempt, as its reader may see it.
        model: `provider/model` that was asked.
        scope: whose key was used.
        attempts: all of the run.
    """
    kind = failure.kind
    error, reason = _ERRORS.get(kind, (InvalidArgument, "PROVIDER_REJECTED"))
    metadata = {"model": model}
    if reason == "NO_FALLBACK":
        metadata["kind"] = _name(failure_pb2.ErrorKind.Name(kind), "ERROR_KIND_")
    elif reason == "PROVIDER_UNAUTHORIZED":
        metadata["credential_scope"] = _name(
            failure_pb2.CredentialScope.Name(scope), "CREDENTIAL_SCOPE_"
        )
        metadata["http_status"] = str(failure.reply.http_status)
    elif reason == "MODEL_NOT_FOUND":
        metadata["nearest"] = ""
    elif reason != "CONTEXT_TOO_LONG":
        metadata["provider_code"] = failure.reply.code
    wait = (
        failure.reply.retry_after.ToTimedelta() if failure.reply.HasField("retry_after") else None
    )
    return error(
        reason,
        f"{model}: {failure.message}",
        metadata=metadata,
        retry_after=wait,
        details=(result_pb2.AttemptTrail(attempts=attempts[-16:]),),
    )


def _name(value: str, prefix: str) -> str:
    """Return an enum value's name without its prefix."""
    return value.removeprefix(prefix)

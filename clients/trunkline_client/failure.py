"""Failed calls, as gRPC tells them, read into the exceptions that they mean."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final, Protocol, TypeVar

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from trunkline.inference.v1 import result_pb2
from trunkline_client.errors import CallTimedOut, TrunklineError, Violation
from trunkline_client.reasons import BY_REASON

_DETAILS: Final = "grpc-status-details-bin"

M = TypeVar("M", bound=Message)


class FailedCall(Protocol):
    """What gRPC raises, in both of its worlds."""

    def code(self) -> grpc.StatusCode:
        """Return the status."""

    def details(self) -> str | None:
        """Return the sentence."""

    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """Return what the server said at last."""


def read_failure(call: FailedCall) -> TrunklineError:
    """Return the exception that a failed call means.

    One without an ErrorInfo was not told by Trunkline but by gRPC or something between:
    its reason is empty.
    """
    code, sentence = call.code(), call.details() or ""
    status = _read_status(call.trailing_metadata() or ())
    info = error_details_pb2.ErrorInfo()
    if not _find(status.details, info):
        kind = CallTimedOut if code is grpc.StatusCode.DEADLINE_EXCEEDED else TrunklineError
        return kind(sentence or code.name, code=code)
    trail, retry = result_pb2.AttemptTrail(), error_details_pb2.RetryInfo()
    request = error_details_pb2.BadRequest()
    has_trail, has_retry = _find(status.details, trail), _find(status.details, retry)
    _find(status.details, request)
    return BY_REASON.get(info.reason, TrunklineError)(
        status.message or sentence,
        code=code,
        reason=info.reason,
        metadata=info.metadata,
        retry_after=(
            timedelta(microseconds=retry.retry_delay.ToMicroseconds()) if has_retry else None
        ),
        trail=trail if has_trail else None,
        violations=[Violation(each.field, each.description) for each in request.field_violations],
    )


def _read_status(trailers: Iterable[tuple[str, str | bytes]]) -> status_pb2.Status:
    """Return the rich status of a call; one without details when it carries none."""
    status = status_pb2.Status()
    for key, value in trailers:
        if key == _DETAILS and isinstance(value, bytes):
            try:
                status.ParseFromString(value)
            except DecodeError:
                return status_pb2.Status()
    return status


def _find(details: Iterable[Any], into: M) -> bool:
    """Unpack the first detail of a message's type into it; tell whether there is one."""
    for detail in details:
        if detail.TypeName() == into.DESCRIPTOR.full_name:
            try:
                detail.Unpack(into)
            except DecodeError:
                return False
            return True
    return False

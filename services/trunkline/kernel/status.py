"""Errors as `google.rpc.Status`, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from trunkline.kernel.errors import TrunklineError

# From some 8 KiB of trailers on, clients lose a status at random.
MAX_STATUS_BYTES = 6 * 1024
MAX_VIOLATIONS = 16
MAX_SENTENCE = 1024

M = TypeVar("M", bound=Message)


def to_status(error: TrunklineError, *, domain: str, request_id: str) -> status_pb2.Status:
    """Return the status that a caller is told.

    Args:
        error: what went wrong.
        domain: the package that names the reason, without version.
        request_id: of the call that failed, so that the log can be searched for it.

    Returns:
        Code, sentence, ErrorInfo, then RetryInfo, BadRequest and further details as
        far as there are any and all stay under 6 KiB together.
    """
    metadata = {"request_id": request_id, **error.metadata}
    details: list[Message] = []
    if error.retry_after is not None:
        delay = Duration()
        delay.FromTimedelta(error.retry_after)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    if error.violations:
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(
                        field=violation.field[:256], description=violation.description[:256]
                    )
                    for violation in error.violations[:MAX_VIOLATIONS]
                ]
            )
        )
        if len(error.violations) > MAX_VIOLATIONS:
            metadata["omitted"] = str(len(error.violations) - MAX_VIOLATIONS)
    details.extend(error.details)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=domain, metadata=metadata)
    status = status_pb2.Status(code=error.code, message=error.message[:MAX_SENTENCE])
    for detail in (info, *details):
        packed = Any()
        packed.Pack(detail)
        if status.ByteSize() + packed.ByteSize() < MAX_STATUS_BYTES:
            status.details.append(packed)
    return status


def to_grpc(status: status_pb2.Status) -> grpc.Status:
    """Return a status as grpc sends it, details in its trailers."""
    return rpc_status.to_status(status)


def read_status(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    """Return the rich status of a failed call; None when it carries none."""
    try:
        return rpc_status.from_call(error)  # type: ignore[arg-type, no-any-return] # the stub knows sync calls
    except ValueError:
        return None


def error_info(status: status_pb2.Status) -> error_details_pb2.ErrorInfo | None:
    """Return a status's ErrorInfo; None when it has none."""
    return find_detail(status.details, error_details_pb2.ErrorInfo())


def find_detail(details: Iterable[Any], into: M) -> M | None:
    """Unpack the first detail of a message's type into it; None when there is none."""
    for detail in details:
        if detail.TypeName() == into.DESCRIPTOR.full_name:
            detail.Unpack(into)
            return into
    return None

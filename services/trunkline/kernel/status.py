"""Errors as `google.rpc.Status`, and back."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TypeVar

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from trunkline.kernel.errors import TrunklineError, Violation

# Clients lose a status at random when its trailers near 8 KiB. They hold it in base64, a
# third longer, wherever the two sides do not agree on bytes, and its sentence once more,
# percent-encoded: 5 KiB and 1 KiB make less than 8.
MAX_STATUS_BYTES = 5 * 1024
MAX_SENTENCE_BYTES = 1024
MAX_VIOLATIONS = 16
_MAX_INFO_BYTES = 3 * 1024
_MAX_VALUE_BYTES = 1024
_MAX_FIELD_BYTES = 256
# What the count of omitted violations takes at most.
_OMITTED = error_details_pb2.ErrorInfo(metadata={"omitted": "9" * 20})
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"

M = TypeVar("M", bound=Message)


def to_status(error: TrunklineError, *, domain: str, request_id: str) -> status_pb2.Status:
    """Return the status that a caller is told.

    Args:
        error: what went wrong.
        domain: the package that names the reason, without version.
        request_id: of the call that failed, so that the log can be searched for it.

    Returns:
        Code, sentence and ErrorInfo, cut where they are too long; then RetryInfo,
        BadRequest with the first 16 violations that fit, the rest counted in ErrorInfo
        as `omitted`, and further details as far as all stay within 5 KiB together.
    """
    status = status_pb2.Status(code=error.code, message=_cut_sentence(error.message))
    info = _describe(error, domain, request_id)
    details: list[Message] = []
    if error.retry_after is not None:
        delay = Duration()
        delay.FromTimedelta(error.retry_after)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    left = MAX_STATUS_BYTES - status.ByteSize() - sum(map(_packed_bytes, (info, *details)))
    if error.violations:
        wrong = _name_fields(error.violations, left - _packed_bytes(_OMITTED))
        omitted = len(error.violations) - len(wrong.field_violations)
        if omitted:
            info.metadata["omitted"] = str(omitted)
            left -= _packed_bytes(_OMITTED)
        details.append(wrong)
        left -= _packed_bytes(wrong)
    for detail in error.details:
        size = _packed_bytes(detail)
        if size <= left:
            details.append(detail)
            left -= size
    for detail in (info, *details):
        status.details.add().Pack(detail)
    return status


def _describe(error: TrunklineError, domain: str, request_id: str) -> error_details_pb2.ErrorInfo:
    """Return the ErrorInfo of an error, with as many of its metadata as have room."""
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=domain)
    for key, value in {"request_id": request_id, **error.metadata}.items():
        cut = _cut(str(value), _MAX_VALUE_BYTES)
        if info.ByteSize() + len(key) + len(cut.encode()) < _MAX_INFO_BYTES:
            info.metadata[key] = cut
    return info


def _name_fields(violations: Iterable[Violation], room: int) -> error_details_pb2.BadRequest:
    """Return the first violations, as many as a status names and as have room."""
    wrong = error_details_pb2.BadRequest()
    for violation in itertools.islice(violations, MAX_VIOLATIONS):
        wrong.field_violations.add(
            field=_cut(violation.field, _MAX_FIELD_BYTES),
            description=_cut(violation.description, _MAX_FIELD_BYTES),
        )
        if _packed_bytes(wrong) > room:
            del wrong.field_violations[-1]
            break
    return wrong


def _packed_bytes(detail: Message) -> int:
    """Return how much a detail adds to a status at most: it, its type's name, the frames."""
    return detail.ByteSize() + len(detail.DESCRIPTOR.full_name) + 40


def _cut(text: str, limit: int) -> str:
    """Cut a text to so many bytes of UTF-8; what is no Unicode becomes a question mark."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= limit:
        return encoded.decode()
    return encoded[: limit - len(_ELLIPSIS.encode())].decode("utf-8", "ignore") + _ELLIPSIS


def _cut_sentence(text: str) -> str:
    """Cut a sentence to what it may take percent-encoded, as `grpc-message` is."""
    text = _cut(text, MAX_SENTENCE_BYTES)
    room = MAX_SENTENCE_BYTES - sum(map(_encoded_bytes, _ELLIPSIS))
    used = kept = 0
    for place, character in enumerate(text):
        used += _encoded_bytes(character)
        if used <= room:
            kept = place + 1
        elif used > MAX_SENTENCE_BYTES:
            return text[:kept] + _ELLIPSIS
    return text


def _encoded_bytes(character: str) -> int:
    """Return how many bytes a character takes percent-encoded."""
    if " " <= character <= "~" and character != "%":
        return 1
    return 3 * len(character.encode())


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

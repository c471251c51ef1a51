"""What may come of a call: the statuses of the contract, and nothing that nobody foresaw."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2
from structlog.testing import capture_logs

from support.chats import failure_of
from support.contract import Method
from support.deployment import ADMIN, DEVELOPER
from trunkline.kernel.call import Caller
from trunkline.kernel.status import find_detail, read_status
from trunkline.options.v1 import options_pb2

SERVICES: Final = ("catalog", "credential", "health", "inference")
IDENTITIES: Final = ("ADMIN", "DEVELOPER", *SERVICES)

LIMIT_S: Final = 15.0
"""Longer than any of the services' own waits for one call of these tests."""

_MAX_STATUS_BYTES: Final = 6 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a call.

    Attributes:
        messages: of the response, as bytes.
        error: how it failed; None: it did not, or its caller left.
        seconds: until the first message or the end.
    """

    messages: Sequence[bytes]
    error: grpc.aio.AioRpcError | None
    seconds: float

    @property
    def reason(self) -> str:
        """Return the reason for which it failed; empty: it did not."""
        return failure_of(self.error).reason if self.error is not None else ""


def reaches(identity: str, method: Method) -> bool:
    """Tell whether somebody's calls of a method get as far as its request is read."""
    return _stands(identity, method) and method.policy.allows(_caller(identity))


def judge(identity: str, method: Method, request: bytes, answer: Answer) -> None:
    """Fail unless what came of a call is what the contract allows."""
    assert answer.seconds < LIMIT_S, f"it took {answer.seconds:.1f} s"
    for message in answer.messages:
        method.response.FromString(message)
    stands = _stands(identity, method)
    error = answer.error
    if error is None:
        assert reaches(identity, method), f"{identity} may not call {method}"
        return
    code = error.code()
    if not stands:
        assert code is grpc.StatusCode.UNIMPLEMENTED, error
        return
    assert code not in _NEVER, error
    if not method.is_ours:
        return
    status = read_status(error)
    assert status is not None, f"no rich status: {error!r}"
    assert status.ByteSize() <= _MAX_STATUS_BYTES, status.ByteSize()
    assert status.message
    info = find_detail(status.details, error_details_pb2.ErrorInfo())
    assert info is not None, f"no ErrorInfo: {error!r}"
    assert info.domain == method.policy.domain
    assert info.reason in method.reasons, info.reason
    assert info.metadata["request_id"]
    if not reaches(identity, method):
        assert (code, info.reason) == _NOT_ALLOWED, error
    if info.reason == "INVALID_REQUEST":
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        if _is_readable(method, request):
            bad = find_detail(status.details, error_details_pb2.BadRequest())
            assert bad is not None, f"no field is named: {error!r}"
            _check_fields(method, bad)


@contextlib.contextmanager
def nothing_unexpected() -> Iterator[None]:
    """Fail when something is logged that nobody foresaw."""
    handler = _Kept()
    logging.getLogger().addHandler(handler)
    try:
        with capture_logs() as logs:
            yield
    finally:
        logging.getLogger().removeHandler(handler)
    wrong = [each for each in logs if each["log_level"] in ("error", "critical")]
    assert not wrong, wrong
    assert not handler.lines, handler.lines


class _Kept(logging.Handler):
    """Keeps what libraries complain of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(logging.Formatter().format(record))


_NEVER: Final = frozenset(
    {
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
_NOT_ALLOWED: Final = (grpc.StatusCode.PERMISSION_DENIED, "CALLER_NOT_ALLOWED")


def _stands(identity: str, method: Method) -> bool:
    """Tell whether a method stands where somebody calls."""
    return method.policy.is_internal if identity in SERVICES else method.policy.is_public


def _check_fields(method: Method, bad: error_details_pb2.BadRequest) -> None:
    """Fail unless what is called wrong are fields of the request."""
    assert bad.field_violations
    wanted = method.descriptor.input_type
    known = {"", *wanted.fields_by_name, *wanted.oneofs_by_name}
    for violation in bad.field_violations:
        assert violation.description
        # What concerns the request as a whole has no field.
        first = violation.field.partition(".")[0].partition("[")[0]
        assert first in known, violation


def _caller(identity: str) -> Caller:
    """Return who an identity is to the policy."""
    if identity in SERVICES:
        return Caller(options_pb2.CALLER_ROLE_SERVICE, identity)
    role = ADMIN if identity == "ADMIN" else DEVELOPER
    return Caller(role, identity)


def _is_readable(method: Method, request: bytes) -> bool:
    """Tell whether bytes are a request of a method at all."""
    try:
        method.request.FromString(request)
    except DecodeError:
        return False
    return True

"""What a server says becomes an exception of its own type, with all that it said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

import trunkline_client
from trunkline.inference.v1 import error_pb2, result_pb2
from trunkline_client import CallTimedOut, RunNotFound, TrunklineError, Violation
from trunkline_client.failure import read_failure
from trunkline_client.reasons import BY_REASON

_PREFIX = "ERROR_REASON_"
_REASONS = [name.removeprefix(_PREFIX) for name in error_pb2.ErrorReason.keys()[1:]]


@dataclass(frozen=True)
class _Call:
    """A call that failed."""

    status: grpc.StatusCode
    sentence: str
    trailers: tuple[tuple[str, str | bytes], ...] = ()

    def code(self) -> grpc.StatusCode:
        return self.status

    def details(self) -> str:
        return self.sentence

    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]]:
        return self.trailers


def _told(reason: str, *details: Message, **metadata: str) -> _Call:
    status = status_pb2.Status(code=14, message="It failed.")
    info = error_details_pb2.ErrorInfo(reason=reason, domain="trunkline.inference")
    info.metadata.update(metadata)
    for detail in (info, *details):
        status.details.add().Pack(detail)
    trailers = (("x-other", "a"), ("grpc-status-details-bin", status.SerializeToString()))
    return _Call(grpc.StatusCode.UNAVAILABLE, "It failed.", trailers)


@pytest.mark.parametrize("reason", _REASONS)
def test_every_reason_of_the_contract_has_a_type(reason: str) -> None:
    """The type is named as the reason is, and is exported."""
    error = read_failure(_told(reason, request_id="req_1", run_id="run_1"))
    kind = type(error)
    assert kind.__name__.upper() == reason.replace("_", "")
    assert getattr(trunkline_client, kind.__name__) is kind
    assert kind.__name__ in trunkline_client.__all__
    assert (error.reason, error.request_id, error.run_id) == (reason, "req_1", "run_1")


def test_no_type_is_without_a_reason() -> None:
    """What the contract dropped has no type any more."""
    assert sorted(BY_REASON) == sorted(_REASONS)


def test_unknown_reason_is_the_base() -> None:
    """A newer server's reason is told as it is."""
    error = read_failure(_told("OF_TOMORROW", why="because"))
    assert type(error) is TrunklineError
    assert (error.reason, error.metadata) == ("OF_TOMORROW", {"why": "because"})


def test_all_that_was_said_can_be_read() -> None:
    """Code, sentence, wait, trail and wrong fields."""
    wait = error_details_pb2.RetryInfo()
    wait.retry_delay.FromMilliseconds(1500)
    wrong = error_details_pb2.BadRequest()
    wrong.field_violations.add(field="limits.total", description="must be above 0")
    trail = result_pb2.AttemptTrail(attempts=[result_pb2.Attempt(number=1, model="a/b")])
    error = read_failure(_told("ALL_CANDIDATES_EXHAUSTED", trail, wait, wrong))
    assert str(error) == error.message == "It failed."
    assert error.code is grpc.StatusCode.UNAVAILABLE
    assert error.retry_after == timedelta(seconds=1.5)
    assert error.trail == trail
    assert error.violations == (Violation("limits.total", "must be above 0"),)


def test_wait_of_nothing_is_a_wait() -> None:
    """At once is told apart from not known."""
    at_once = read_failure(_told("NOT_SERVING", error_details_pb2.RetryInfo()))
    assert at_once.retry_after == timedelta(0)
    assert read_failure(_told("NOT_SERVING")).retry_after is None


@pytest.mark.parametrize(
    "trailers",
    [(), (("grpc-status-details-bin", b"\xff\xff"),), (("grpc-status-details-bin", "text"),)],
)
def test_failure_without_reason_has_none(
    trailers: tuple[tuple[str, str | bytes], ...],
) -> None:
    """What gRPC made up, or something between, is told with its code and words."""
    error = read_failure(_Call(grpc.StatusCode.UNAVAILABLE, "Socket closed", trailers))
    assert type(error) is TrunklineError
    assert (error.reason, error.message) == ("", "Socket closed")
    assert error.code is grpc.StatusCode.UNAVAILABLE


def test_deadline_of_the_call_has_a_type() -> None:
    """The caller's own limit is no reason of a run."""
    error = read_failure(_Call(grpc.StatusCode.DEADLINE_EXCEEDED, ""))
    assert type(error) is CallTimedOut
    assert str(error) == "DEADLINE_EXCEEDED"


def test_errors_are_caught_by_their_base() -> None:
    """One clause catches all."""
    assert all(issubclass(each, TrunklineError) for each in BY_REASON.values())
    assert not issubclass(RunNotFound, CallTimedOut)

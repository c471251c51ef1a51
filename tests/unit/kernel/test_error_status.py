"""Errors as statuses: what they hold, and that they never grow too large to arrive."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from trunkline.kernel import errors
from trunkline.kernel.errors import InvalidArgument, TrunklineError, Violation
from trunkline.kernel.status import error_info, find_detail, to_status

CODES = {
    errors.InvalidArgument: code_pb2.INVALID_ARGUMENT,
    errors.NotFound: code_pb2.NOT_FOUND,
    errors.AlreadyExists: code_pb2.ALREADY_EXISTS,
    errors.PermissionDenied: code_pb2.PERMISSION_DENIED,
    errors.Unauthenticated: code_pb2.UNAUTHENTICATED,
    errors.FailedPrecondition: code_pb2.FAILED_PRECONDITION,
    errors.OutOfRange: code_pb2.OUT_OF_RANGE,
    errors.Aborted: code_pb2.ABORTED,
    errors.ResourceExhausted: code_pb2.RESOURCE_EXHAUSTED,
    errors.Cancelled: code_pb2.CANCELLED,
    errors.DeadlineExceeded: code_pb2.DEADLINE_EXCEEDED,
    errors.Unavailable: code_pb2.UNAVAILABLE,
    errors.DataLoss: code_pb2.DATA_LOSS,
    errors.TrunklineError: code_pb2.INTERNAL,
}

# From one byte in UTF-8 to four, controls, a percent sign, and half of a surrogate pair.
_HOSTILE = st.text(
    st.sampled_from(["x", "%", "\n", "\x00", "é", "…", "\N{GRINNING FACE}", "\ud800"]),
    max_size=3000,
)


def status_of(error: TrunklineError) -> status_pb2.Status:
    """Return an error's status."""
    return to_status(error, domain="trunkline.inference", request_id="req_1")


def detail(status: status_pb2.Status, into: Message) -> Message:
    """Return a detail, which must be there."""
    found = find_detail(status.details, into)
    assert found is not None
    return found


def trailer_bytes(status: status_pb2.Status) -> int:
    """Return how much a status takes in the trailers of a client that takes no bytes."""
    encoded = (status.ByteSize() + 2) // 3 * 4
    return encoded + len(quote(status.message, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"))


def test_every_class_of_the_tree_has_its_code() -> None:
    """A new one without a row here fails."""
    known = {TrunklineError, *TrunklineError.__subclasses__()}
    assert known == set(CODES)


@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_an_error_becomes_code_sentence_and_reason(kind: type[TrunklineError], code: int) -> None:
    """With the domain, the metadata and the request id that the log can be searched for."""
    status = status_of(kind("SOME_REASON", "It went wrong.", metadata={"model": "a/b"}))
    assert (status.code, status.message) == (code, "It went wrong.")
    info = error_info(status)
    assert info is not None
    assert (info.reason, info.domain) == ("SOME_REASON", "trunkline.inference")
    assert dict(info.metadata) == {"request_id": "req_1", "model": "a/b"}
    assert len(status.details) == 1


@pytest.mark.parametrize("seconds", [0.0, 0.25, 90.0])
def test_a_known_wait_is_told(seconds: float) -> None:
    """As RetryInfo; 0 means at once, and is not left out."""
    error = errors.Unavailable("R", "m", retry_after=timedelta(seconds=seconds))
    info = detail(status_of(error), error_details_pb2.RetryInfo())
    assert isinstance(info, error_details_pb2.RetryInfo)
    assert info.retry_delay.ToTimedelta() == timedelta(seconds=seconds)


def test_wrong_fields_are_told() -> None:
    """As BadRequest, in their order, and the sentence names the first one."""
    error = InvalidArgument.of(Violation("a.b[3]", "is too long"), Violation("c", "is missing"))
    assert str(error) == "a.b[3]: is too long (and 1 more)"
    wrong = detail(status_of(error), error_details_pb2.BadRequest())
    assert isinstance(wrong, error_details_pb2.BadRequest)
    assert [(each.field, each.description) for each in wrong.field_violations] == [
        ("a.b[3]", "is too long"),
        ("c", "is missing"),
    ]


def test_what_concerns_the_whole_request_names_no_field() -> None:
    """The sentence begins with what is wrong."""
    assert str(InvalidArgument.of(Violation("", "name one"))) == "name one"


def test_a_long_list_of_wrong_fields_is_cut_with_its_count() -> None:
    """Sixteen are named, the others counted."""
    error = InvalidArgument.of(*(Violation(f"f{number}", "no") for number in range(40)))
    status = status_of(error)
    wrong = detail(status, error_details_pb2.BadRequest())
    info = error_info(status)
    assert isinstance(wrong, error_details_pb2.BadRequest)
    assert info is not None
    assert [each.field for each in wrong.field_violations] == [f"f{n}" for n in range(16)]
    assert info.metadata["omitted"] == "24"


def test_sixteen_wrong_fields_omit_none() -> None:
    """Nothing is counted when nothing is left out."""
    status = status_of(InvalidArgument.of(*(Violation(f"f{n}", "no") for n in range(16))))
    info = error_info(status)
    assert info is not None
    assert "omitted" not in info.metadata


def test_further_details_come_as_they_are() -> None:
    """Typed, after those that every error has."""
    status = status_of(TrunklineError("R", "m", details=(Duration(seconds=3),)))
    found = detail(status, Duration())
    assert isinstance(found, Duration)
    assert found.seconds == 3


def test_a_detail_that_has_no_room_is_left_out_and_smaller_ones_are_not() -> None:
    """Reason and request id are never what is left out."""
    large = error_details_pb2.DebugInfo(detail="x" * 5_000)
    small = error_details_pb2.DebugInfo(detail="y")
    status = status_of(TrunklineError("R", "m", details=(large, small)))
    assert [each.TypeName() for each in status.details] == [
        "google.rpc.ErrorInfo",
        "google.rpc.DebugInfo",
    ]
    found = detail(status, error_details_pb2.DebugInfo())
    assert isinstance(found, error_details_pb2.DebugInfo)
    assert found.detail == "y"


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("short", "short"),
        ("x" * 1024, "x" * 1024),
        ("x" * 1025, "x" * 1015 + "…"),
        ("é" * 170, "é" * 170),
        ("é" * 171, "é" * 169 + "…"),
        ("half \ud800", "half ?"),
    ],
)
def test_a_long_sentence_is_cut_by_what_it_takes_in_trailers(sentence: str, told: str) -> None:
    """Percent-encoded, where a letter outside ASCII takes three bytes for each of its own."""
    assert status_of(TrunklineError("R", sentence)).message == told


@given(
    sentence=_HOSTILE,
    metadata=st.dictionaries(st.text("abcdef", min_size=1, max_size=30), _HOSTILE, max_size=30),
    fields=st.lists(st.tuples(_HOSTILE, _HOSTILE), max_size=40),
    extra=st.lists(st.text(max_size=3000), max_size=3),
)
def test_no_status_is_too_large_to_arrive(
    sentence: str,
    metadata: dict[str, str],
    fields: list[tuple[str, str]],
    extra: list[str],
) -> None:
    """Whatever the lengths are: under 6 KiB, under 8 in trailers, and the reason is in it."""
    error = TrunklineError(
        "SOME_REASON",
        sentence,
        metadata=metadata,
        retry_after=timedelta(seconds=1),
        violations=tuple(Violation(*field) for field in fields),
        details=tuple(error_details_pb2.DebugInfo(detail=text) for text in extra),
    )
    status = status_of(error)
    assert status.ByteSize() < 6 * 1024
    assert trailer_bytes(status) < 8 * 1024 - 200
    info = error_info(status)
    assert info is not None
    assert info.reason == "SOME_REASON"
    assert info.metadata["request_id"] == "req_1"
    assert find_detail(status.details, error_details_pb2.RetryInfo()) is not None
    if fields:
        wrong = find_detail(status.details, error_details_pb2.BadRequest())
        assert wrong is not None
        named = len(wrong.field_violations)
        assert named + int(info.metadata.get("omitted", "0")) == len(fields)
        assert named <= 16

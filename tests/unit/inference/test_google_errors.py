"""What a refusal of the Gemini API means, by the classes of the contract."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.adapters.adapter import Reply, Target
from trunkline.inference.adapters.failures import MAX_NAME, MAX_SHOWN
from trunkline.inference.adapters.google import GoogleAdapter
from trunkline.inference.masking import MASK
from trunkline.inference.v1 import failure_pb2, provider_pb2
from unit.inference.conformance.google_wire import error

ADAPTER = GoogleAdapter()
KEY = "AIza-canary/0123456789"
TARGET = Target(
    "google",
    "gemini-3.8-flash",
    "https://acme.example/v1beta",
    secret=provider_pb2.ProviderSecret(api_key=KEY),
)

RATE_LIMITED = failure_pb2.ERROR_KIND_RATE_LIMITED
SERVER_ERROR = failure_pb2.ERROR_KIND_SERVER_ERROR
BROKEN_STREAM = failure_pb2.ERROR_KIND_BROKEN_STREAM
QUOTA = failure_pb2.ERROR_KIND_QUOTA
NOT_AUTHORIZED = failure_pb2.ERROR_KIND_NOT_AUTHORIZED
CONTEXT_TOO_LONG = failure_pb2.ERROR_KIND_CONTEXT_TOO_LONG
INVALID_REQUEST = failure_pb2.ERROR_KIND_INVALID_REQUEST
MODEL_NOT_FOUND = failure_pb2.ERROR_KIND_MODEL_NOT_FOUND

PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
PER_DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"


def refuse(status: int, body: Any = b"", **headers: str) -> failure_pb2.AttemptFailure:
    """Classify a refusal; `_` in a header's name stands for `-`."""
    if isinstance(body, dict | list):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ADAPTER.classify(TARGET, Reply(status, httpx.Headers(named), body))


def over(*quotas: str, delay: str = "34.4s", message: str = "You exceeded your quota.") -> Any:
    """Return an error about quotas that are used up."""
    violations = [{"quotaMetric": "m", "quotaId": quota} for quota in quotas]
    return error(
        "RESOURCE_EXHAUSTED",
        message,
        429,
        ("QuotaFailure", {"violations": violations}),
        ("Help", {"links": []}),
        ("RetryInfo", {"retryDelay": delay}),
    )


def seconds(failure: failure_pb2.AttemptFailure) -> float | None:
    """Return the wait that a failure asks for."""
    if not failure.reply.HasField("retry_after"):
        return None
    return failure.reply.retry_after.ToTimedelta().total_seconds()


@pytest.mark.parametrize(
    ("status", "canonical", "kind"),
    [
        (400, "INVALID_ARGUMENT", INVALID_REQUEST),
        (400, "FAILED_PRECONDITION", INVALID_REQUEST),
        (401, "UNAUTHENTICATED", NOT_AUTHORIZED),
        (403, "PERMISSION_DENIED", NOT_AUTHORIZED),
        (404, "NOT_FOUND", MODEL_NOT_FOUND),
        (413, "", CONTEXT_TOO_LONG),
        (429, "RESOURCE_EXHAUSTED", RATE_LIMITED),
        (499, "CANCELLED", SERVER_ERROR),
        (500, "INTERNAL", SERVER_ERROR),
        (503, "UNAVAILABLE", SERVER_ERROR),
        (504, "DEADLINE_EXCEEDED", SERVER_ERROR),
        (200, "", BROKEN_STREAM),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_status_alone(
    status: int, canonical: str, kind: failure_pb2.ErrorKind.ValueType, wrapped: bool
) -> None:
    """Without anything more telling the status decides, also with the error in a list."""
    said = error(canonical, "No.", status)
    failure = refuse(status, [said] if wrapped else said)
    assert failure.kind == kind
    assert failure.reply.http_status == status
    assert failure.reply.message == "No."
    assert failure.reply.code == canonical or not canonical
    assert failure.message.startswith("google ")
    assert refuse(status, b"<html>Oh.</html>").kind == kind


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (400, "API_KEY_INVALID", NOT_AUTHORIZED),
        (403, "API_KEY_SERVICE_BLOCKED", NOT_AUTHORIZED),
        (403, "SERVICE_DISABLED", NOT_AUTHORIZED),
        (403, "CONSUMER_SUSPENDED", NOT_AUTHORIZED),
        (403, "BILLING_DISABLED", QUOTA),
        (429, "RATE_LIMIT_EXCEEDED", RATE_LIMITED),
        (429, "MODEL_CAPACITY_EXHAUSTED", SERVER_ERROR),
        (400, "A_REASON_THAT_NOBODY_KNOWS", INVALID_REQUEST),
    ],
)
def test_a_reason_wins_over_the_status(
    status: int, reason: str, kind: failure_pb2.ErrorKind.ValueType
) -> None:
    """The reason of `ErrorInfo` decides where it is known, and is the code that is shown."""
    info = ("ErrorInfo", {"reason": reason, "domain": "googleapis.com"})
    failure = refuse(status, error("INVALID_ARGUMENT", "No.", status, info))
    assert failure.kind == kind
    assert failure.reply.code == reason


@pytest.mark.parametrize(
    ("status", "phrase", "kind"),
    [
        (400, "The input token count (1200293) exceeds the maximum number of tokens allowed"
              " (1048576).", CONTEXT_TOO_LONG),
        (400, "API key not valid. Please pass a valid API key.", NOT_AUTHORIZED),
        (400, "API Key not found. Please pass a valid API key.", NOT_AUTHORIZED),
        (400, "API key expired. Please renew the API key.", NOT_AUTHORIZED),
        (400, "User location is not supported for the API use.", NOT_AUTHORIZED),
        (400, "The free tier is not available in your country. Please enable billing on your"
              " project.", QUOTA),
        (400, "Function call is missing a thought_signature in functionCall parts.",
         INVALID_REQUEST),
        (429, "* Quota exceeded for metric: m, limit: 0, model: gemini-2.5-pro", QUOTA),
        (429, "* Quota exceeded for metric: m, limit: 0\nPlease retry in 34s.", QUOTA),
        (429, "* Quota exceeded for metric: m, limit: 10, model: gemini-2.5-pro", RATE_LIMITED),
        # Said of a limit per minute too.
        (429, "You exceeded your current quota, please check your plan and billing details.",
         RATE_LIMITED),
        # Phrases tell kinds of one status apart; under another they say nothing.
        (500, "API key not valid. Please pass a valid API key.", SERVER_ERROR),
    ],
)  # fmt: skip
def test_a_phrase_tells_kinds_of_one_status_apart(
    status: int, phrase: str, kind: failure_pb2.ErrorKind.ValueType
) -> None:
    """Where the vendor gives no code of its own, its phrases decide."""
    assert refuse(status, error("", phrase, status)).kind == kind


def test_the_canonical_code_is_shown_before_the_quotas() -> None:
    """It is what the vendor's documentation is about; the names of quotas stand in the body."""
    failure = refuse(429, over(PER_MINUTE))
    assert failure.reply.code == "RESOURCE_EXHAUSTED"
    assert PER_MINUTE in failure.reply.body


def test_a_quota_of_the_day_is_no_rate() -> None:
    """Beside others it counts, and the wait of the others does not."""
    for quotas in ((PER_DAY,), (PER_MINUTE, PER_DAY)):
        failure = refuse(429, over(*quotas))
        assert (failure.kind, seconds(failure)) == (QUOTA, None)
    failure = refuse(429, over(PER_MINUTE))
    assert (failure.kind, seconds(failure)) == (RATE_LIMITED, 34.4)


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        (over(delay="34.4s"), 34.4),
        (over(delay="34.074824224s"), 34.074824),
        (over(delay="0s"), 0),
        (over(delay="1h2m3s"), 3723),
        (over(delay="soon", message="Please retry in 7.5s."), 7.5),
        (error("UNAVAILABLE", "Please retry in 39.911207537s.", 503), 39.911207),
        (error("UNAVAILABLE", "Please retry in 14h31m2s or later.", 503), 52262),
        (error("UNAVAILABLE", "Please retry in a while.", 503), None),
        (error("UNAVAILABLE", "Please retry in ...", 503), None),
        ({"error": {"details": [7, {"@type": 7}], "message": 7}}, None),
        ({"error": {"details": {"retryDelay": "1s"}, "message": "Oh."}}, None),
        ("Please retry in 5s", None),
    ],
)
def test_a_wait_is_read_from_the_body(said: Any, wait: float | None) -> None:
    """It stands in `RetryInfo`, else in the message."""
    assert seconds(refuse(503, said)) == (pytest.approx(wait, abs=1e-5) if wait else wait)


def test_a_wait_may_come_from_a_gateway_in_front() -> None:
    """The header counts when the body says nothing."""
    assert seconds(refuse(503, b"", retry_after="2")) == 2
    assert seconds(refuse(503, over(delay="1s"), retry_after="2")) == 1
    assert seconds(refuse(503)) is None


def test_the_id_of_the_request_is_kept_where_there_is_one() -> None:
    """The vendor rarely gives one."""
    assert refuse(500, b"", x_goog_request_id="r1").reply.request_id == "r1"
    assert refuse(500, b"").reply.request_id == ""


SHAPES: list[tuple[Any, str, str]] = [
    ({"error": "No."}, "No.", ""),
    ({"message": "no Route matched"}, "no Route matched", ""),
    ({"error": {"message": None, "status": 7}}, "", ""),
    ({"error": {"message": {"a": 1}, "status": "INTERNAL"}}, '{"a":1}', "INTERNAL"),
    ({"error": {"code": 400, "message": "No."}}, "No.", "400"),
    ({"hello": "world"}, "", ""),
    ([], "", ""),
    ("No.", "", ""),
]


@pytest.mark.parametrize(("body", "message", "code"), SHAPES)
def test_the_words_are_found_in_every_shape(body: Any, message: str, code: str) -> None:
    """Gateways in front have shapes of their own; the body is always kept."""
    reply = refuse(400, body).reply
    assert (reply.message, reply.code) == (message, code)
    assert reply.body == (body if isinstance(body, str) else json.dumps(body))


def test_the_key_is_masked_wherever_it_stands() -> None:
    """Message, body, code and request id never show the key, however it is written."""
    for written in (KEY, KEY.replace("/", "\\/"), KEY.replace("/", "%2F"), KEY.encode().hex()):
        body = f'{{"error": {{"message": "Not {written}", "status": "{written}"}}}}'
        failure = refuse(400, body, x_goog_request_id=KEY)
        shown = json.dumps(json_format.MessageToDict(failure))
        assert KEY not in shown
        assert "0123456789" not in shown
        assert MASK in failure.reply.body
        assert failure.reply.request_id == MASK


@given(st.text(max_size=3000), st.text(max_size=3000), st.binary(max_size=300))
def test_what_is_shown_is_bounded(message: str, code: str, junk: bytes) -> None:
    """Message and body share 2 KiB, whatever comes, and the rest is short."""
    for body in (json.dumps(error(code, message)).encode(), junk * 100):
        reply = refuse(400, body).reply
        assert len(reply.message.encode()) + len(reply.body.encode()) <= MAX_SHOWN
        assert len(reply.code.encode()) <= MAX_NAME


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)
DETAILS = st.fixed_dictionaries(
    {"@type": st.sampled_from(["x/google.rpc.RetryInfo", "x/google.rpc.QuotaFailure", 7])},
    optional={
        "retryDelay": ANYTHING,
        "violations": st.lists(st.fixed_dictionaries({"quotaId": ANYTHING}) | ANYTHING),
    },
)


@given(
    st.binary(max_size=500)
    | st.fixed_dictionaries(
        {"error": st.fixed_dictionaries({"code": ANYTHING, "details": st.lists(DETAILS)})}
    ).map(lambda said: json.dumps(said).encode()),
    st.integers(200, 599),
)
def test_any_reply_can_be_classified(body: bytes, status: int) -> None:
    """No body makes the classification fail."""
    assert refuse(status, body).kind

"""What a provider's refusal means, by the classes of the contract."""

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
from trunkline.inference.adapters.openai import OpenAIAdapter
from trunkline.inference.masking import MASK
from trunkline.inference.v1 import failure_pb2, provider_pb2

ADAPTER = OpenAIAdapter()
KEY = "sk-canary/0123456789"
TARGET = Target(
    "acme",
    "acme-1",
    "https://acme.example/v1",
    secret=provider_pb2.ProviderSecret(api_key=KEY),
)

RATE_LIMITED = failure_pb2.ERROR_KIND_RATE_LIMITED
SERVER_ERROR = failure_pb2.ERROR_KIND_SERVER_ERROR
BROKEN_STREAM = failure_pb2.ERROR_KIND_BROKEN_STREAM
QUOTA = failure_pb2.ERROR_KIND_QUOTA
NOT_AUTHORIZED = failure_pb2.ERROR_KIND_NOT_AUTHORIZED
CONTEXT_TOO_LONG = failure_pb2.ERROR_KIND_CONTEXT_TOO_LONG
CONTENT_FILTERED = failure_pb2.ERROR_KIND_CONTENT_FILTERED
INVALID_REQUEST = failure_pb2.ERROR_KIND_INVALID_REQUEST
MODEL_NOT_FOUND = failure_pb2.ERROR_KIND_MODEL_NOT_FOUND


def refuse(
    status: int, body: bytes | str | dict[str, Any] | list[Any] = b"", **headers: str
) -> failure_pb2.AttemptFailure:
    """Classify a refusal; `_` in a header's name stands for `-`."""
    if isinstance(body, dict | list):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ADAPTER.classify(TARGET, Reply(status, httpx.Headers(named), body))


def error(message: str = "No.", **more: Any) -> dict[str, Any]:
    """Return an error as OpenAI writes it."""
    return {"error": {"message": message, "type": "invalid_request_error", **more}}


BY_STATUS = [
    (429, RATE_LIMITED),
    (498, RATE_LIMITED),
    *((status, SERVER_ERROR) for status in (500, 502, 503, 504, 520, 529, 599, 408, 425)),
    (402, QUOTA),
    (401, NOT_AUTHORIZED),
    (403, NOT_AUTHORIZED),
    (404, MODEL_NOT_FOUND),
    (410, MODEL_NOT_FOUND),
    (413, CONTEXT_TOO_LONG),
    *((status, INVALID_REQUEST) for status in (400, 405, 409, 415, 422, 451, 301, 307)),
    (204, BROKEN_STREAM),
    (200, BROKEN_STREAM),
]


@pytest.mark.parametrize(("status", "kind"), BY_STATUS)
@pytest.mark.parametrize("body", [b"", b"<html>Oh.</html>", b'{"error": {"message": "No."}}'])
def test_a_status_alone(status: int, kind: failure_pb2.ErrorKind.ValueType, body: bytes) -> None:
    """Without a code or a phrase that is known, the status decides."""
    failure = refuse(status, body)
    assert failure.kind == kind
    assert failure.reply.http_status == status
    assert failure.message.startswith("acme ")
    assert failure.message.endswith(".")


BY_CODE = [
    (429, "rate_limit_exceeded", RATE_LIMITED),
    (429, "rate_limit_reached_error", RATE_LIMITED),
    (429, "insufficient_quota", QUOTA),
    (429, "billing_hard_limit_reached", QUOTA),
    (429, "exceeded_current_quota_error", QUOTA),
    (400, "budget_exceeded", QUOTA),
    (429, "engine_overloaded_error", SERVER_ERROR),
    (503, "slow_down", SERVER_ERROR),
    (429, "slow_down", RATE_LIMITED),
    (400, "invalid_api_key", NOT_AUTHORIZED),
    (400, "model_not_found", MODEL_NOT_FOUND),
    (400, "context_length_exceeded", CONTEXT_TOO_LONG),
    (500, "exceed_context_size_error", CONTEXT_TOO_LONG),
    (400, "content_filter", CONTENT_FILTERED),
    (400, "content_policy_violation", CONTENT_FILTERED),
    (400, "unsupported_parameter", INVALID_REQUEST),
    (400, "no_such_code", INVALID_REQUEST),
]


@pytest.mark.parametrize(("status", "code", "kind"), BY_CODE)
@pytest.mark.parametrize("where", ["code", "type"])
def test_a_code_wins_over_the_status(
    status: int, code: str, kind: failure_pb2.ErrorKind.ValueType, where: str
) -> None:
    """A vendor's code decides, under `code` or under `type`."""
    failure = refuse(status, error(**{where: code}))
    assert failure.kind == kind
    assert failure.reply.code == code


BY_PHRASE = [
    (400, "This model's maximum context length is 16384 tokens. However, …", CONTEXT_TOO_LONG),
    (400, "prompt is too long: 210000 tokens > 200000 maximum", CONTEXT_TOO_LONG),
    (400, "the request exceeds the available context size, try increasing it", CONTEXT_TOO_LONG),
    (500, "Context size has been exceeded.", CONTEXT_TOO_LONG),
    (400, "Incorrect API key provided: sk***YA.", NOT_AUTHORIZED),
    (400, "API key not valid. Please pass a valid API key.", NOT_AUTHORIZED),
    (400, "No connected db.", NOT_AUTHORIZED),
    (400, "hunter-alpha is not a valid model ID", MODEL_NOT_FOUND),
    (400, "Model Not Exist", MODEL_NOT_FOUND),
    (400, "Invalid prompt: your prompt was flagged as potentially …", CONTENT_FILTERED),
    # Phrases tell kinds of one status apart; under another they say nothing.
    (429, "maximum context length", RATE_LIMITED),
    (422, "Model Not Exist", INVALID_REQUEST),
    (500, "Incorrect API key provided", SERVER_ERROR),
    (503, "No connected db.", SERVER_ERROR),
    # Gemini says so of a limit per minute too.
    (429, "You exceeded your current quota, please check your plan", RATE_LIMITED),
]


@pytest.mark.parametrize(("status", "phrase", "kind"), BY_PHRASE)
@pytest.mark.parametrize("shape", ["object", "text"])
def test_a_phrase_tells_kinds_of_one_status_apart(
    status: int, phrase: str, kind: failure_pb2.ErrorKind.ValueType, shape: str
) -> None:
    """Where a vendor gives no code, a phrase of its own decides, in JSON and in plain text."""
    assert refuse(status, error(phrase) if shape == "object" else phrase).kind == kind


SHAPES: list[tuple[Any, str, str]] = [
    (error("No.", code="c"), "No.", "c"),
    (error("No.", code=None), "No.", "invalid_request_error"),
    ({"error": {"message": "No.", "code": 400}}, "No.", "400"),
    ({"error": {"message": "No.", "code": "429", "type": "t"}}, "No.", "t"),
    ({"error": "No."}, "No.", ""),
    ({"code": "Some words", "error": "No."}, "No.", "Some words"),
    ({"object": "error", "message": "No.", "type": "t", "code": 400}, "No.", "t"),
    ({"object": "error", "message": {"detail": []}, "code": "1300"}, '{"detail":[]}', ""),
    ([{"error": {"code": 400, "message": "No.", "status": "INVALID_ARGUMENT"}}], "No.",
     "INVALID_ARGUMENT"),
    ({"detail": "No."}, "No.", ""),
    ({"detail": [{"loc": ["body"], "msg": "No."}]}, '[{"loc":["body"],"msg":"No."}]', ""),
    ({"message": "no Route matched"}, "no Route matched", ""),
    (
        {"error": {"code": 402, "message": "No.", "metadata": {"error_type": "payment_required"}}},
        "No.",
        "payment_required",
    ),
    ({"hello": "world"}, "", ""),
    ([], "", ""),
    ("No.", "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message", "code"), SHAPES)
def test_the_words_are_found_in_every_shape(body: Any, message: str, code: str) -> None:
    """Message and code are read wherever services put them; the body is always kept."""
    reply = refuse(400, body).reply
    assert reply.message == message
    assert reply.code == code
    assert reply.body == (body if isinstance(body, str) else json.dumps(body))


def test_a_flagged_prompt_of_openrouter_is_no_bad_key() -> None:
    """OpenRouter answers it with 403, and its metadata tell."""
    flagged = {"code": 403, "message": "No.", "metadata": {"flagged_input": "…", "reasons": []}}
    assert refuse(403, {"error": flagged}).kind == CONTENT_FILTERED
    assert refuse(403, {"error": {**flagged, "metadata": {}}}).kind == NOT_AUTHORIZED


def test_the_key_is_masked_wherever_it_stands() -> None:
    """Message, body, code and request id never show the key, however it is written."""
    for written in (KEY, KEY.replace("/", "\\/"), KEY.replace("/", "%2F"), KEY.encode().hex()):
        body = f'{{"error": {{"message": "Not {written}", "code": "{written}"}}}}'
        failure = refuse(401, body, x_request_id=KEY)
        shown = json.dumps(json_format.MessageToDict(failure))
        assert KEY not in shown
        assert "0123456789" not in shown
        assert MASK in failure.reply.body
        assert failure.reply.request_id == MASK
    assert refuse(401, f"<p>{KEY}</p>").reply.body == f"<p>{MASK}</p>"


def test_a_key_at_the_cut_is_not_shown_in_part() -> None:
    """What is shown is cut after it was masked."""
    for before in range(MAX_SHOWN - len(KEY) - 1, MAX_SHOWN):
        assert "canary" not in refuse(500, "x" * before + KEY + "y").reply.body


def test_control_characters_are_replaced() -> None:
    """What could drive a terminal is marked; line ends and tabs become blanks."""
    reply = refuse(500, "a\r\n\tb\x1b[31mc\x00\x7f\u0085d").reply
    assert reply.body == "a b\ufffd[31mc\ufffd\ufffd\ufffdd"
    assert refuse(500, error("a\nb\x1b")).reply.message == "a b\ufffd"


@given(st.text(max_size=3000), st.text(max_size=3000), st.binary(max_size=300))
def test_what_is_shown_is_bounded(message: str, code: str, junk: bytes) -> None:
    """Message and body share 2 KiB, whatever comes, and the rest is short."""
    for body in (json.dumps(error(message, code=code)).encode(), junk * 100):
        reply = refuse(400, body).reply
        assert len(reply.message.encode()) + len(reply.body.encode()) <= MAX_SHOWN
        assert len(reply.code.encode()) <= MAX_NAME


@given(st.binary(max_size=500), st.integers(200, 599))
def test_any_reply_can_be_classified(body: bytes, status: int) -> None:
    """No body makes the classification fail."""
    assert refuse(status, body).kind


def test_a_wait_and_a_request_id_are_read_from_the_headers() -> None:
    """The failure says how long to wait and what to tell the support desk."""
    reply = refuse(503, b"", retry_after="1.5", x_request_id="req_1").reply
    assert reply.retry_after.ToMilliseconds() == 1500
    assert reply.request_id == "req_1"
    assert not refuse(503).reply.HasField("retry_after")
    # OpenAI sends these with every reply; they are a wait only when a rate is limited.
    assert refuse(429, x_ratelimit_reset_tokens="6m0s").reply.retry_after.seconds == 360
    assert not refuse(500, x_ratelimit_reset_tokens="6m0s").reply.HasField("retry_after")


def test_a_provider_that_is_not_saved_yet_has_no_name() -> None:
    """A sentence begins well for the draft of a provider too."""
    draft = Target("", "", "https://acme.example/v1")
    failure = ADAPTER.classify(draft, Reply(401, httpx.Headers(), b""))
    assert failure.message == "The provider does not accept the key, or not for this."

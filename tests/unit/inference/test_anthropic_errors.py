"""What a refusal of Anthropic's means, by the classes of the contract."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.adapters.adapter import Reply, Target
from trunkline.inference.adapters.anthropic import AnthropicAdapter
from trunkline.inference.adapters.failures import MAX_NAME, MAX_SHOWN
from trunkline.inference.masking import MASK
from trunkline.inference.v1 import failure_pb2, provider_pb2

ADAPTER = AnthropicAdapter()
KEY = "sk-canary/0123456789"
TARGET = Target(
    "anthropic",
    "claude-1",
    "https://api.anthropic.com/v1",
    secret=provider_pb2.ProviderSecret(api_key=KEY),
)
DATE = "Fri, 20 Nov 2026 12:00:00 GMT"

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


def error(kind: str = "invalid_request_error", said: str = "No.", **more: Any) -> dict[str, Any]:
    """Return an error as Anthropic writes it."""
    return {
        "type": "error",
        "error": {"type": kind, "message": said, **more},
        "request_id": "req_1",
    }


BY_STATUS = [
    (429, RATE_LIMITED),
    *((status, SERVER_ERROR) for status in (500, 502, 503, 504, 520, 529, 408, 409, 425)),
    (402, QUOTA),
    (401, NOT_AUTHORIZED),
    (403, NOT_AUTHORIZED),
    (404, MODEL_NOT_FOUND),
    (410, MODEL_NOT_FOUND),
    (413, CONTEXT_TOO_LONG),
    *((status, INVALID_REQUEST) for status in (400, 405, 415, 422, 451, 301, 307)),
    (204, BROKEN_STREAM),
    (200, BROKEN_STREAM),
]


@pytest.mark.parametrize(("status", "kind"), BY_STATUS)
@pytest.mark.parametrize("body", [b"", b"<html>Oh.</html>", json.dumps(error()).encode()])
def test_a_status_of_anthropic_alone(
    status: int, kind: failure_pb2.ErrorKind.ValueType, body: bytes
) -> None:
    """Without a code or a phrase that is known, the status decides."""
    failure = refuse(status, body)
    assert failure.kind == kind
    assert failure.reply.http_status == status
    assert failure.message.startswith("anthropic ")
    assert failure.message.endswith(".")


BY_TYPE = [
    (401, "authentication_error", NOT_AUTHORIZED),
    (402, "billing_error", QUOTA),
    (403, "permission_error", NOT_AUTHORIZED),
    (404, "not_found_error", MODEL_NOT_FOUND),
    (408, "timeout_error", SERVER_ERROR),
    (409, "conflict_error", SERVER_ERROR),
    (413, "request_too_large", CONTEXT_TOO_LONG),
    (429, "rate_limit_error", RATE_LIMITED),
    (500, "api_error", SERVER_ERROR),
    (529, "overloaded_error", SERVER_ERROR),
    # Gateways pass types on under a status of their own.
    (400, "authentication_error", NOT_AUTHORIZED),
    (503, "rate_limit_error", RATE_LIMITED),
    (400, "overloaded_error", SERVER_ERROR),
    # A type of llama.cpp's own, in Anthropic's format too.
    (400, "exceed_context_size_error", CONTEXT_TOO_LONG),
    (400, "no_such_error", INVALID_REQUEST),
    (429, "invalid_request_error", RATE_LIMITED),
]


@pytest.mark.parametrize(("status", "name", "kind"), BY_TYPE)
def test_a_type_wins_over_the_status(
    status: int, name: str, kind: failure_pb2.ErrorKind.ValueType
) -> None:
    """A vendor's type decides."""
    failure = refuse(status, error(name))
    assert failure.kind == kind
    assert failure.reply.code == name


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (429, "enforced_spend_limit_reached", QUOTA),
        (429, "contract_spend_limit_reached", QUOTA),
        (429, "ramp_limit_exceeded", RATE_LIMITED),
        (429, "no_such_limit", RATE_LIMITED),
        (402, "linked_organization_spend_limit_reached", QUOTA),
        (400, "organization_on_hold", NOT_AUTHORIZED),
        (400, "cmek_key_disabled", NOT_AUTHORIZED),
        (503, "cmek_key_unreachable", SERVER_ERROR),
    ],
)
def test_a_code_in_the_details_wins_over_the_type(
    status: int, code: str, kind: failure_pb2.ErrorKind.ValueType
) -> None:
    """A rate and a limit of spending have one type and one status."""
    kinds = {429: "rate_limit_error", 402: "billing_error", 503: "api_error"}
    said = error(kinds.get(status, "invalid_request_error"), details={"error_code": code})
    failure = refuse(status, said)
    assert failure.kind == kind
    assert failure.reply.code == code


BY_PHRASE = [
    (400, "Your credit balance is too low to access the Anthropic API. Please go to …", QUOTA),
    (400, "You have reached your specified API usage limits. You will regain access …", QUOTA),
    (400, "prompt is too long: 210000 tokens > 200000 maximum", CONTEXT_TOO_LONG),
    (
        400,
        "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, …",
        CONTEXT_TOO_LONG,
    ),
    (400, "Output blocked by content filtering policy", CONTENT_FILTERED),
    # Phrases tell kinds of one status apart; under another they say nothing.
    (422, "Your credit balance is too low", INVALID_REQUEST),
    (500, "prompt is too long", SERVER_ERROR),
]


@pytest.mark.parametrize(("status", "phrase", "kind"), BY_PHRASE)
@pytest.mark.parametrize("shape", ["object", "text"])
def test_a_phrase_of_anthropic_tells_kinds_of_one_status_apart(
    status: int, phrase: str, kind: failure_pb2.ErrorKind.ValueType, shape: str
) -> None:
    """Where the type says too little, a phrase decides, in JSON and in plain text."""
    assert refuse(status, error(said=phrase) if shape == "object" else phrase).kind == kind


SHAPES: list[tuple[Any, str, str]] = [
    (error(), "No.", "invalid_request_error"),
    (error(details={"error_code": None}), "No.", "invalid_request_error"),
    (error(details=[7]), "No.", "invalid_request_error"),
    ({"error": "No."}, "No.", ""),
    ({"error": ["No."]}, '["No."]', ""),
    ({"error": {"message": "No.", "code": "c", "type": "t"}}, "No.", "c"),
    ({"error": {"message": "No.", "code": 429}}, "No.", "429"),
    ({"type": "error", "message": "No."}, "No.", ""),
    ({"type": "error"}, "", ""),
    ({"type": "message", "message": "Hello"}, "", ""),
    ({"code": 500, "msg": "404 NOT_FOUND", "success": False}, "404 NOT_FOUND", "500"),
    ({"detail": [{"loc": ["body"]}]}, '[{"loc":["body"]}]', ""),
    ({"message": "no Route matched"}, "no Route matched", ""),
    ({"hello": "world"}, "", ""),
    ([], "", ""),
    ("No.", "", ""),
]


@pytest.mark.parametrize(("body", "message", "code"), SHAPES)
def test_the_words_are_found_in_every_shape_of_messages(body: Any, message: str, code: str) -> None:
    """Message and code are read wherever services put them; the body is always kept."""
    reply = refuse(400, body).reply
    assert reply.message == message
    assert reply.code == code
    assert reply.body == (body if isinstance(body, str) else json.dumps(body))


def test_anthropics_key_is_masked_wherever_it_stands() -> None:
    """Message, body, code and request id never show the key, however it is written."""
    for written in (KEY, KEY.replace("/", "\\/"), KEY.replace("/", "%2F"), KEY.encode().hex()):
        body = f'{{"error": {{"message": "Not {written}", "type": "{written}"}}}}'
        failure = refuse(401, body, request_id=KEY)
        shown = json.dumps(json_format.MessageToDict(failure))
        assert KEY not in shown
        assert "0123456789" not in shown
        assert MASK in failure.reply.body
        assert failure.reply.request_id == MASK


def test_the_request_id_comes_from_the_header_or_the_body() -> None:
    """Anthropic repeats it in the body, which survives proxies that drop headers."""
    assert refuse(500, error(), request_id="req_2").reply.request_id == "req_2"
    assert refuse(500, error(), x_request_id="req_3").reply.request_id == "req_3"
    assert refuse(500, error()).reply.request_id == "req_1"
    assert refuse(500, {**error(), "request_id": None}).reply.request_id == ""
    assert refuse(500, b"[]").reply.request_id == ""
    assert refuse(500).reply.request_id == ""


@given(st.text(max_size=3000), st.text(max_size=3000), st.binary(max_size=300))
def test_what_is_shown_of_anthropic_is_bounded(message: str, code: str, junk: bytes) -> None:
    """Message and body share 2 KiB, whatever comes, and the rest is short."""
    for body in (json.dumps(error(code, message)).encode(), junk * 100):
        reply = refuse(400, body, request_id="x" * 3000).reply
        assert len(reply.message.encode()) + len(reply.body.encode()) <= MAX_SHOWN
        assert len(reply.code.encode()) <= MAX_NAME
        assert len(reply.request_id) <= MAX_NAME


@given(st.binary(max_size=500), st.integers(200, 599))
def test_any_reply_of_anthropic_can_be_classified(body: bytes, status: int) -> None:
    """No body makes the classification fail."""
    assert refuse(status, body).kind


RESET = "2026-11-20T12:00:09Z"
LATER = "2026-11-20T13:00:00+00:30"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": "2"}, 2),
        ({"retry_after_ms": "250", "retry_after": "1"}, 0.25),
        ({"retry_after": "2", "anthropic_ratelimit_tokens_reset": RESET}, 2),
        ({"anthropic_ratelimit_requests_reset": RESET}, 9),
        ({"anthropic_ratelimit_input_tokens_reset": RESET}, 9),
        ({"anthropic_ratelimit_output_tokens_reset": "2026-11-20T12:00:09"}, 9),
        ({"anthropic_ratelimit_tokens_reset": "2026-11-20T11:00:00Z"}, 0),
        ({"anthropic_ratelimit_tokens_reset": "soon"}, None),
        ({"anthropic_ratelimit_tokens_reset": "9999-12-31T23:59:59-23:59"}, 365 * 86_400),
        # The earliest, unless one is known to be used up.
        (
            {
                "anthropic_ratelimit_requests_reset": RESET,
                "anthropic_ratelimit_tokens_reset": LATER,
            },
            9,
        ),
        (
            {
                "anthropic_ratelimit_requests_reset": RESET,
                "anthropic_ratelimit_tokens_reset": LATER,
                "anthropic_ratelimit_tokens_remaining": "0",
            },
            1800,
        ),
    ],
)
def test_how_long_anthropic_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, or moments relative to the reply's own clock."""
    reply = refuse(429, error("rate_limit_error"), date=DATE, **headers).reply
    assert reply.HasField("retry_after") == (seconds is not None)
    assert reply.retry_after.ToMilliseconds() == (seconds or 0) * 1000


def test_moments_say_nothing_without_a_clock_or_a_rate() -> None:
    """They come with every reply of Anthropic's, and count from its own date only."""
    reset = {"anthropic_ratelimit_tokens_reset": RESET}
    assert not refuse(429, error("rate_limit_error"), **reset).reply.HasField("retry_after")
    assert not refuse(529, date=DATE, **reset).reply.HasField("retry_after")


@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=30))
def test_any_moment_of_a_reset_can_be_read(text: str) -> None:
    """No value makes the reading fail."""
    headers = httpx.Headers(
        [
            (b"anthropic-ratelimit-tokens-reset", text.encode("latin-1")),
            (b"date", DATE.encode()),
        ]
    )
    assert ADAPTER.classify(TARGET, Reply(429, headers, b"")).kind == RATE_LIMITED


def test_an_anthropic_provider_that_is_not_saved_yet_has_no_name() -> None:
    """A sentence begins well for the draft of a provider too."""
    draft = Target("", "", "https://acme.example/v1")
    failure = ADAPTER.classify(draft, Reply(401, httpx.Headers(), b""))
    assert failure.message == "The provider does not accept the key, or not for this."

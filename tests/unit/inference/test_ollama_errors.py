"""What a refusal of Ollama means, by the classes of the contract."""

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
from trunkline.inference.adapters.ollama import OllamaAdapter
from trunkline.inference.masking import MASK
from trunkline.inference.v1 import failure_pb2, provider_pb2

ADAPTER = OllamaAdapter()
KEY = "canary/0123456789"
TARGET = Target(
    "acme", "acme-1", "https://ollama.com", secret=provider_pb2.ProviderSecret(api_key=KEY)
)

RATE_LIMITED = failure_pb2.ERROR_KIND_RATE_LIMITED
SERVER_ERROR = failure_pb2.ERROR_KIND_SERVER_ERROR
BROKEN_STREAM = failure_pb2.ERROR_KIND_BROKEN_STREAM
QUOTA = failure_pb2.ERROR_KIND_QUOTA
NOT_AUTHORIZED = failure_pb2.ERROR_KIND_NOT_AUTHORIZED
CONTEXT_TOO_LONG = failure_pb2.ERROR_KIND_CONTEXT_TOO_LONG
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


BY_STATUS = [
    (400, INVALID_REQUEST),
    (401, NOT_AUTHORIZED),
    (402, QUOTA),
    (403, NOT_AUTHORIZED),
    (404, MODEL_NOT_FOUND),
    (405, INVALID_REQUEST),
    (410, MODEL_NOT_FOUND),
    (413, CONTEXT_TOO_LONG),
    (429, RATE_LIMITED),
    *((status, SERVER_ERROR) for status in (408, 425, 499, 500, 502, 503, 504, 529)),
    (301, INVALID_REQUEST),
    (200, BROKEN_STREAM),
]


@pytest.mark.parametrize(("status", "kind"), BY_STATUS)
@pytest.mark.parametrize("body", [b"", b"404 page not found", b"<html></html>", b'{"error":"No."}'])
def test_an_ollama_status_alone(
    status: int, kind: failure_pb2.ErrorKind.ValueType, body: bytes
) -> None:
    """Without a phrase that is known, the status decides."""
    failure = refuse(status, body)
    assert failure.kind == kind
    assert failure.reply.http_status == status
    assert failure.message.startswith("acme ")


TOO_LONG: dict[str, Any] = {
    "code": 400,
    "message": "request (26528 tokens) exceeds the available context size (16384 tokens), "
    "try increasing it",
    "type": "exceed_context_size_error",
}

BY_WORDS: list[tuple[int, Any, failure_pb2.ErrorKind.ValueType]] = [
    (404, "model 'x' not found", MODEL_NOT_FOUND),
    (404, 'model "x" not found, try pulling it first', MODEL_NOT_FOUND),
    (400, "the input length exceeds the context length", CONTEXT_TOO_LONG),
    (500, "the input length exceeds the context length", CONTEXT_TOO_LONG),
    (400, "prompt too long; exceeded max context length by 17 tokens", CONTEXT_TOO_LONG),
    (400, json.dumps({"error": TOO_LONG}), CONTEXT_TOO_LONG),
    (500, json.dumps({"error": TOO_LONG}), CONTEXT_TOO_LONG),
    (400, TOO_LONG, CONTEXT_TOO_LONG),
    (400, '"x" does not support tools', INVALID_REQUEST),
    (400, '"x" does not support thinking', INVALID_REQUEST),
    (401, "unauthorized", NOT_AUTHORIZED),
    (403, "this model requires a subscription, upgrade for access", NOT_AUTHORIZED),
    (
        429,
        "you (acme) have reached your session usage limit, upgrade for higher limits",
        QUOTA,
    ),
    (429, "too many concurrent requests", RATE_LIMITED),
    (500, "model requires more system memory (9 GiB) than is available", SERVER_ERROR),
    (503, "server busy, please try again.  maximum pending requests exceeded", SERVER_ERROR),
    # Phrases tell kinds of one status apart; under another they say nothing.
    (503, "usage limit", SERVER_ERROR),
    (422, "exceeds the context length", INVALID_REQUEST),
]


@pytest.mark.parametrize(("status", "words", "kind"), BY_WORDS)
def test_ollama_words_tell_kinds_of_one_status_apart(
    status: int, words: Any, kind: failure_pb2.ErrorKind.ValueType
) -> None:
    """Ollama has no codes; its sentences decide, and those of what runs behind it."""
    assert refuse(status, {"error": words}).kind == kind


SHAPES: list[tuple[Any, str, str]] = [
    ({"error": "No."}, "No.", ""),
    ({"error": "unauthorized", "signin_url": "https://ollama.com/connect"}, "unauthorized", ""),
    ({"error": {"message": "No.", "type": "not_found_error", "code": None}}, "No.",
     "not_found_error"),
    ({"error": json.dumps({"error": TOO_LONG})}, TOO_LONG["message"], "exceed_context_size_error"),
    ({"error": json.dumps({"message": "No.", "code": 503})}, "No.", "503"),
    ({"error": "{ no JSON"}, "{ no JSON", ""),
    ({"error": "{}"}, "{}", ""),
    ({"error": ["No."]}, '["No."]', ""),
    ({"error": {}, "message": "No."}, "No.", ""),
    ({"message": "No."}, "No.", ""),
    ({"detail": "No."}, "No.", ""),
    ({"message": {"role": "assistant"}}, "", ""),
    ({"error": ""}, "", ""),
    (["No."], "", ""),
    ("404 page not found", "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message", "code"), SHAPES)
def test_the_words_of_ollama_are_found(body: Any, message: str, code: str) -> None:
    """A sentence, what stands in its place, and what stands in front of a server."""
    reply = refuse(400, body).reply
    assert reply.message == message
    assert reply.code == code
    assert reply.body == (body if isinstance(body, str) else json.dumps(body))


def test_the_id_of_a_request_stands_in_the_words_or_in_a_header() -> None:
    """The cloud ends its sentences with it; what stands in front of a server has a header."""
    words = {"error": "No. (ref: 0b1e2f3a-4c5d-6e7f-8091-a2b3c4d5e6f7)"}
    assert refuse(400, words).reply.request_id == "0b1e2f3a-4c5d-6e7f-8091-a2b3c4d5e6f7"
    assert refuse(400, {"error": "No."}, x_request_id="req_1").reply.request_id == "req_1"
    assert refuse(400, {"error": "(ref: a) No."}).reply.request_id == ""


def test_a_wait_for_ollama_is_read_from_the_headers() -> None:
    """Ollama names none; a gateway in front of it may."""
    assert refuse(503, b"", retry_after="1.5").reply.retry_after.ToMilliseconds() == 1500
    assert not refuse(503).reply.HasField("retry_after")


def test_the_key_of_ollama_is_masked_wherever_it_stands() -> None:
    """Message, body and request id never show the key, however it is written."""
    for written in (KEY, KEY.replace("/", "\\/"), KEY.replace("/", "%2F"), KEY.encode().hex()):
        failure = refuse(401, f'{{"error": "Not {written}"}}', x_request_id=KEY)
        shown = json.dumps(json_format.MessageToDict(failure))
        assert "0123456789" not in shown
        assert MASK in failure.reply.body
        assert failure.reply.request_id == MASK


@given(st.binary(max_size=500) | st.text(max_size=300).map(str.encode), st.integers(200, 599))
def test_any_reply_of_ollama_can_be_classified(body: bytes, status: int) -> None:
    """No body makes the classification fail, and what is shown is bounded."""
    for each in (body, json.dumps({"error": body.decode("utf-8", "replace")}).encode()):
        failure = refuse(status, each)
        assert failure.kind
        assert len(failure.reply.message.encode()) + len(failure.reply.body.encode()) <= MAX_SHOWN
        assert len(failure.reply.code.encode()) <= MAX_NAME

"""What a refusal means in Responses, where it differs from Chat Completions or must not."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
import pytest

from trunkline.inference.adapters.adapter import Reply, Target
from trunkline.inference.adapters.responses import ResponsesAdapter
from trunkline.inference.masking import MASK
from trunkline.inference.v1 import failure_pb2, provider_pb2

ADAPTER = ResponsesAdapter()
TOKEN = "eyJ-canary/0123456789"
TARGET = Target(
    "acme",
    "acme-1",
    "https://acme.example/v1",
    secret=provider_pb2.ProviderSecret(bearer_token=provider_pb2.BearerToken(token=TOKEN)),
)


def refuse(status: int, message: str, code: str = "", **headers: str) -> failure_pb2.AttemptFailure:
    """Classify a refusal; `_` in a header's name stands for `-`."""
    error = {"message": message, "type": "invalid_request_error", "code": code or None}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps({"error": error}).encode()
    return ADAPTER.classify(TARGET, Reply(status, httpx.Headers(named), body))


@pytest.mark.parametrize(
    ("status", "message", "code", "kind"),
    [
        (400, "No.", "", "INVALID_REQUEST"),
        (400, "The encrypted content …", "invalid_encrypted_content", "INVALID_REQUEST"),
        (400, "Item 'rs_1' of type 'reasoning' was provided without …", "", "INVALID_REQUEST"),
        (400, "Too long.", "context_length_exceeded", "CONTEXT_TOO_LONG"),
        (400, "Invalid prompt: your prompt was flagged as …", "invalid_prompt", "CONTENT_FILTERED"),
        (400, "No.", "misalignment_policy_violation", "CONTENT_FILTERED"),
        (401, "No.", "invalid_api_key", "NOT_AUTHORIZED"),
        (404, "No.", "model_not_found", "MODEL_NOT_FOUND"),
        (429, "Slow.", "rate_limit_exceeded", "RATE_LIMITED"),
        (429, "Pay.", "insufficient_quota", "QUOTA"),
        (429, "Until tomorrow.", "usage_limit_reached", "QUOTA"),
        (403, "Not in your plan.", "usage_not_included", "NOT_AUTHORIZED"),
        (500, "Oh.", "server_error", "SERVER_ERROR"),
        (503, "Oh.", "server_is_overloaded", "SERVER_ERROR"),
    ],
)
def test_what_a_refusal_means(status: int, message: str, code: str, kind: str) -> None:
    """A code decides, then a phrase, then the status."""
    failure = refuse(status, message, code)
    assert failure.kind == failure_pb2.ErrorKind.Value(f"ERROR_KIND_{kind}")
    assert failure.reply.http_status == status
    assert failure.reply.code == (code or "invalid_request_error")


def test_a_wait_and_an_id_are_read_as_in_chat_completions() -> None:
    """The headers are the same."""
    failure = refuse(429, "Slow.", retry_after_ms="1500", x_request_id="req_1")
    assert failure.reply.retry_after.ToTimedelta() == timedelta(seconds=1.5)
    assert failure.reply.request_id == "req_1"


def test_a_token_is_masked_in_the_providers_words() -> None:
    """A token that ends is as secret as a key."""
    failure = refuse(401, f"Your token {TOKEN} has expired.", x_request_id=TOKEN)
    assert failure.reply.message == f"Your token {MASK} has expired."
    assert TOKEN not in str(failure)


def test_a_list_of_models_proves_a_token() -> None:
    """A token counts as a key when the list of models accepts it."""
    found = ADAPTER.verify(
        TARGET,
        provider_pb2.PROBE_PURPOSE_PROVE_KEY,
        Reply(200, httpx.Headers(), b'{"data": [{"id": "gpt-5.5"}]}'),
    )
    assert found.verdict == provider_pb2.VERDICT_BILLING_NOT_CHECKED

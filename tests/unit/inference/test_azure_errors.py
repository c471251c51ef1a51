"""What a refusal of Azure means, and what a probe of it shows."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from trunkline.inference.adapters.adapter import Reply, Target
from trunkline.inference.adapters.azure import AzureAdapter
from trunkline.inference.masking import MASK
from trunkline.inference.v1 import failure_pb2, provider_pb2

ADAPTER = AzureAdapter()
KEY = "canary-0123456789abcdef"
TARGET = Target(
    "azure",
    "d",
    "https://my.openai.azure.com/openai/v1",
    secret=provider_pb2.ProviderSecret(api_key=KEY),
    type="azure-openai",
)


def reply(status: int, error: Any, **headers: str) -> Reply:
    """Return a refusal; `_` in a header's name stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, httpx.Headers(named), json.dumps({"error": error}).encode())


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "content_filter", "CONTENT_FILTERED"),
        (400, "context_length_exceeded", "CONTEXT_TOO_LONG"),
        (400, "unsupported_parameter", "INVALID_REQUEST"),
        (400, "BadRequest", "INVALID_REQUEST"),
        (400, "OperationNotSupported", "MODEL_NOT_FOUND"),
        (401, "401", "NOT_AUTHORIZED"),
        (401, "PermissionDenied", "NOT_AUTHORIZED"),
        (403, "AuthenticationTypeDisabled", "NOT_AUTHORIZED"),
        (404, "DeploymentNotFound", "MODEL_NOT_FOUND"),
        (404, "404", "MODEL_NOT_FOUND"),
        (408, "", "SERVER_ERROR"),
        (409, "Conflict", "SERVER_ERROR"),
        (422, "", "INVALID_REQUEST"),
        (424, "", "SERVER_ERROR"),
        (429, "429", "RATE_LIMITED"),
        (429, "RateLimitReached", "RATE_LIMITED"),
        (429, "too_many_requests", "RATE_LIMITED"),
        (429, "insufficient_quota", "RATE_LIMITED"),
        (500, "InternalServerError", "SERVER_ERROR"),
        (503, "", "SERVER_ERROR"),
    ],
)
def test_what_a_refusal_means(status: int, code: str, kind: str) -> None:
    """Azure's codes count, whatever letters they are written with."""
    failure = ADAPTER.classify(TARGET, reply(status, {"code": code, "message": "No."}))
    assert failure.kind == failure_pb2.ErrorKind.Value(f"ERROR_KIND_{kind}")
    assert failure.reply.http_status == status


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after_ms": "1500", "retry_after": "9"}, 1.5),
        ({"retry_after": "9"}, 9),
        ({"x_ratelimit_reset_tokens": "30"}, 30),
        ({"x_ratelimit_reset_tokens": "30", "x_ratelimit_reset_requests": "2"}, 2),
        (
            {
                "x_ratelimit_reset_tokens": "30",
                "x_ratelimit_remaining_tokens": "0",
                "x_ratelimit_reset_requests": "2",
            },
            30,
        ),
        ({"x_ratelimit_reset_tokens": "-1"}, None),
        ({"x_ratelimit_reset_tokens": "0"}, None),
        ({"x_ratelimit_reset_tokens": "1794000000"}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    """A wait is read in seconds, and what is none is no wait."""
    failure = ADAPTER.classify(TARGET, reply(429, {"code": "429"}, **headers))
    if seconds is None:
        assert not failure.reply.HasField("retry_after")
    else:
        assert failure.reply.retry_after.ToTimedelta() == timedelta(seconds=seconds)


def test_a_reset_is_a_wait_for_who_is_limited_only() -> None:
    """Every reply says when its limits are new."""
    failure = ADAPTER.classify(TARGET, reply(500, {}, x_ratelimit_reset_tokens="30"))
    assert not failure.reply.HasField("retry_after")


def test_the_id_that_azure_asks_for_and_no_key() -> None:
    """Of several ids the gateway's own is kept; the key is masked in what it repeats."""
    failure = ADAPTER.classify(
        TARGET,
        reply(401, {"code": "401", "message": f"{KEY}?"}, apim_request_id="a", x_request_id="x"),
    )
    assert failure.reply.request_id == "a"
    assert failure.reply.message == f"{MASK}?"


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (
            Reply(200, httpx.Headers(), b'{"data": [{"id": "gpt-5.5", "capabilities": {}}]}'),
            "BILLING_NOT_CHECKED",
        ),
        (reply(401, {"code": "401", "message": "Access denied due to invalid …"}), "REVOKED"),
        (
            reply(
                401,
                {
                    "code": "PermissionDenied",
                    "message": "The principal lacks the required data action",
                },
            ),
            "WRONG_SCOPE",
        ),
        (reply(403, {"code": "AuthenticationTypeDisabled", "message": "No."}), "WRONG_SCOPE"),
        (reply(404, {"code": "404", "message": "Resource not found"}), "NOT_FOUND"),
        (reply(429, {"code": "429"}), "RATE_LIMITED"),
        (reply(500, {}), "PROVIDER_ERROR"),
    ],
)
def test_what_a_probe_shows(found: Reply, verdict: str) -> None:
    """The list of Azure's models proves a key and an address, and no deployment."""
    shown = ADAPTER.verify(TARGET, provider_pb2.PROBE_PURPOSE_PROVE_KEY, found)
    assert shown.verdict == provider_pb2.Verdict.Value(f"VERDICT_{verdict}")

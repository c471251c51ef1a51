"""The official `anthropic` client meets the sick models with the errors that belong to them."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx2
import pytest

from sandbox.claude import HELLO, complete, stream, text_of
from trunkline.sandbox.scripts import OK_TEXT


@pytest.mark.parametrize("ask", [stream, complete])
@pytest.mark.parametrize(
    ("model", "error", "kind"),
    [
        ("429", anthropic.RateLimitError, "rate_limit_error"),
        ("429-retry-after-2", anthropic.RateLimitError, "rate_limit_error"),
        ("429-quota", anthropic.EnforcedSpendLimitReachedError, "rate_limit_error"),
        ("401", anthropic.AuthenticationError, "authentication_error"),
        ("403", anthropic.PermissionDeniedError, "permission_error"),
        ("404", anthropic.NotFoundError, "not_found_error"),
        ("no-such-model", anthropic.NotFoundError, "not_found_error"),
        ("400", anthropic.BadRequestError, "invalid_request_error"),
        ("400-context", anthropic.BadRequestError, "invalid_request_error"),
        ("400-content", anthropic.BadRequestError, "invalid_request_error"),
        ("500", anthropic.InternalServerError, "api_error"),
        ("503", anthropic.OverloadedError, "overloaded_error"),
    ],
)
async def test_a_status_becomes_its_error(
    claude: anthropic.AsyncAnthropic,
    model: str,
    error: type[anthropic.APIStatusError],
    kind: str,
    ask: Any,
) -> None:
    """The client raises the class that belongs to the status, with type and request id."""
    with pytest.raises(error) as caught:
        await ask(claude, model)
    assert type(caught.value) is error
    body: Any = caught.value.body
    assert body["error"]["type"] == kind
    assert caught.value.request_id == body["request_id"]
    headers = caught.value.response.headers
    waits = "retry-after" in model
    assert headers.get("retry-after") == ("2" if waits else None)
    assert ("anthropic-ratelimit-requests-reset" in headers) is waits


@pytest.mark.parametrize("model", ["cut-after-5", "reset-after-5"])
async def test_a_broken_connection_is_an_error(
    claude: anthropic.AsyncAnthropic, model: str
) -> None:
    """A stream that loses its connection raises, streamed and whole."""
    with pytest.raises(httpx2.TransportError):
        await stream(claude, model)
    with pytest.raises(anthropic.APIConnectionError):
        await complete(claude, model)


@pytest.mark.parametrize("model", ["stall-after-3", "no-first-token", "silent"])
async def test_silence_is_a_timeout(claude: anthropic.AsyncAnthropic, model: str) -> None:
    """A silent model lets the client's own time limit pass."""
    hasty = claude.with_options(timeout=0.3)
    with pytest.raises((anthropic.APITimeoutError, httpx2.TimeoutException)):
        await stream(hasty, model)
    with pytest.raises(anthropic.APITimeoutError):
        await hasty.messages.create(model=model, messages=HELLO, max_tokens=10)


async def test_an_error_inside_the_stream_is_raised(claude: anthropic.AsyncAnthropic) -> None:
    """The event `error` after some content reaches the caller as an error."""
    with pytest.raises(anthropic.APIStatusError) as caught:
        await stream(claude, "error-after-3")
    assert caught.value.response.status_code == 200
    assert "api_error" in str(caught.value)


async def test_a_malformed_frame_is_no_json(claude: anthropic.AsyncAnthropic) -> None:
    """The client fails on the frame that holds invalid JSON."""
    with pytest.raises(json.JSONDecodeError):
        await stream(claude, "malformed-after-3")


@pytest.mark.parametrize("model", ["end-after-5", "done-without-finish"])
async def test_an_end_without_stop_reason_looks_like_success(
    claude: anthropic.AsyncAnthropic, model: str
) -> None:
    """The client takes a cleanly cut stream for success: that is the trap the model sets."""
    message = await stream(claude, model)
    assert message.stop_reason is None
    assert OK_TEXT.startswith(text_of(message))

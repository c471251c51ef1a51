"""The official `google-genai` client meets the sick models with the errors that belong to them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from google.genai import errors
from google.genai.client import AsyncClient

from sandbox.gemini import BOTH, reason_of, stream, text_of
from trunkline.sandbox.scripts import OK_TEXT


@BOTH
@pytest.mark.parametrize(
    ("model", "code", "status"),
    [
        ("429", 429, "RESOURCE_EXHAUSTED"),
        ("429-retry-after-2", 429, "RESOURCE_EXHAUSTED"),
        ("429-quota", 429, "RESOURCE_EXHAUSTED"),
        # This vendor says 400 to a key that it does not know.
        ("401", 400, "INVALID_ARGUMENT"),
        ("403", 403, "PERMISSION_DENIED"),
        ("404", 404, "NOT_FOUND"),
        ("no-such-model", 404, "NOT_FOUND"),
        ("400", 400, "INVALID_ARGUMENT"),
        ("400-context", 400, "INVALID_ARGUMENT"),
        ("500", 500, "INTERNAL"),
        ("503", 503, "UNAVAILABLE"),
    ],
)
async def test_a_status_becomes_its_error(
    gemini: AsyncClient, model: str, code: int, status: str, ask: Any
) -> None:
    """The client raises the class that belongs to the status, with its name and details."""
    error = errors.ServerError if code >= 500 else errors.ClientError
    with pytest.raises(error) as caught:
        await ask(gemini, model)
    assert (caught.value.code, caught.value.status) == (code, status)
    details = {
        entry["@type"].rpartition(".")[2]: entry
        for entry in caught.value.details["error"].get("details", ())
    }
    assert details.get("RetryInfo", {}).get("retryDelay") == ("2s" if "after" in model else None)
    assert ("QuotaFailure" in details) is (code == 429)
    if code == 429:
        (violation,) = details["QuotaFailure"]["violations"]
        assert ("PerDay" in violation["quotaId"]) is ("quota" in model)
    assert details.get("ErrorInfo", {}).get("reason") == (
        "API_KEY_INVALID" if model == "401" else None
    )


@BOTH
@pytest.mark.parametrize("model", ["cut-after-5", "reset-after-5"])
async def test_a_broken_connection_is_an_error(gemini: AsyncClient, model: str, ask: Any) -> None:
    """A stream that loses its connection raises, streamed and whole."""
    with pytest.raises(httpx.TransportError):
        await ask(gemini, model)


@BOTH
@pytest.mark.parametrize("model", ["stall-after-3", "no-first-token", "silent"])
async def test_silence_is_a_timeout(hasty_gemini: AsyncClient, model: str, ask: Any) -> None:
    """A silent model lets the client's own time limit pass."""
    with pytest.raises(httpx.TimeoutException):
        await ask(hasty_gemini, model)


async def test_an_error_behind_the_stream_is_raised(gemini: AsyncClient) -> None:
    """The document after some events, which is no event itself, reaches the caller."""
    with pytest.raises(errors.ServerError) as caught:
        await stream(gemini, "error-after-3")
    assert (caught.value.code, caught.value.status) == (500, "INTERNAL")


async def test_a_malformed_frame_is_no_json(gemini: AsyncClient) -> None:
    """The client fails on the frame that holds invalid JSON."""
    with pytest.raises(errors.UnknownApiResponseError):
        await stream(gemini, "malformed-after-3")


@BOTH
@pytest.mark.parametrize("model", ["end-after-5", "done-without-finish"])
async def test_an_end_without_finish_reason_looks_like_success(
    gemini: AsyncClient, model: str, ask: Any
) -> None:
    """The client takes a cleanly cut answer for success: that is the trap the model sets."""
    answer = await ask(gemini, model)
    assert reason_of(answer) is None
    assert OK_TEXT.startswith(text_of(answer))

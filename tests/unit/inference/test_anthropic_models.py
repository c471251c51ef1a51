"""Anthropic's list of models, and what the reply to a probe shows about a key."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import httpx
import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.adapters.adapter import Reply, Target
from trunkline.inference.adapters.anthropic import AnthropicAdapter
from trunkline.inference.v1 import provider_pb2

ADAPTER = AnthropicAdapter()
SECRET = provider_pb2.ProviderSecret(api_key="sk-canary-123")
WITH_KEY = Target("anthropic", "", "https://api.anthropic.com/v1", secret=SECRET)
WITHOUT_KEY = Target("anthropic", "", "https://api.anthropic.com/v1")

LIST = provider_pb2.PROBE_PURPOSE_LIST_MODELS
PROVE = provider_pb2.PROBE_PURPOSE_PROVE_KEY

YES = {"supported": True}
NO = {"supported": False}


def read(body: Any) -> list[dict[str, Any]]:
    """Read a list and return what each model says of itself."""
    models = ADAPTER.read_models(json.dumps(body).encode())
    return [json_format.MessageToDict(m, preserving_proto_field_name=True) for m in models]


@pytest.mark.parametrize(
    ("entry", "facts"),
    [
        ({"type": "model", "object": "model", "created": 1}, {}),
        (
            {
                "type": "model",
                "display_name": "Claude Opus 5.5",
                "created_at": "2026-10-01T00:00:00Z",
                "lifecycle": "deprecated",
                "retires_at": "2027-01-14T00:00:00Z",
                "line": "opus",
                "max_input_tokens": 1_000_000,
                "max_tokens": 128_000,
                "capabilities": {
                    "batch": YES,
                    "effort": {"low": YES, "medium": YES, "high": YES, "xhigh": YES, "max": NO},
                    "image_input": YES,
                    "structured_outputs": YES,
                    "thinking": {**YES, "types": {"adaptive": YES, "enabled": NO}},
                },
            },
            {
                "display_name": "Claude Opus 5.5",
                "context_window": "1000000",
                "max_output_tokens": "128000",
                "vision": True,
                "thinking": True,
                "structured_output": True,
                "reasoning_modes": ["low", "medium", "high", "xhigh"],
                "deprecation_time": "2027-01-14T00:00:00Z",
            },
        ),
        (
            {
                "max_input_tokens": None,
                "max_tokens": None,
                "retires_at": None,
                "capabilities": {
                    "image_input": NO,
                    "structured_outputs": NO,
                    "thinking": {**NO, "types": {"enabled": NO, "disabled": YES}},
                },
            },
            {"vision": False, "thinking": False, "structured_output": False},
        ),
        (
            {
                "display_name": 7,
                "max_input_tokens": "much",
                "max_tokens": -1,
                "capabilities": {"image_input": "yes", "thinking": {"types": []}, "effort": 7},
                "retires_at": "soon",
            },
            {},
        ),
        ({"capabilities": []}, {}),
    ],
)
def test_what_anthropic_tells_of_a_model(entry: dict[str, Any], facts: dict[str, Any]) -> None:
    """What is said is read, and what is not is absent."""
    listed = {"data": [{"id": "m", **entry}], "has_more": False, "first_id": "m", "last_id": "m"}
    assert read(listed) == [{"id": "m", **facts}]


def test_which_models_of_anthropic_are_listed() -> None:
    """Each id once and in order; not those that are retired or that nobody could name."""
    entries = [{"id": each} for each in ["b", "a", "b", "with blank", "", "x" * 257]]
    retired = {"id": "off", "lifecycle": "retired"}
    listed = read({"data": [*entries, retired, {"id": "on", "lifecycle": "active"}]})
    assert [model["id"] for model in listed] == ["b", "a", "on"]
    assert read({"data": []}) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"{}",
        b"[]",
        b'{"data": {}}',
        b'{"data": [{"name": "m"}]}',
        b'{"data": ["m"]}',
        b"[" * 100_000,
        b'{"type": "error", "error": {"type": "api_error"}}',
        b'{"data": [',
    ],
)
def test_what_is_no_list_of_anthropic(body: bytes) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match=r"the body|an entry"):
        ADAPTER.read_models(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_list_of_anthropic_or_refused(body: bytes) -> None:
    """No body makes the reading fail otherwise."""
    with suppress(ValueError):
        assert all(model.id for model in ADAPTER.read_models(body))


def error(kind: str, message: str = "No.", **more: Any) -> bytes:
    """Return an error as Anthropic writes it."""
    body = {"type": "error", "error": {"type": kind, "message": message, **more}}
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (401, error("authentication_error", "invalid x-api-key"), provider_pb2.VERDICT_REVOKED),
        (401, b"", provider_pb2.VERDICT_REVOKED),
        (403, error("permission_error"), provider_pb2.VERDICT_WRONG_SCOPE),
        (403, b"<html>Blocked</html>", provider_pb2.VERDICT_NOT_FOUND),
        (
            400,
            error("invalid_request_error", "Your credit balance is too low to access …"),
            provider_pb2.VERDICT_BILLING,
        ),
        (402, error("billing_error"), provider_pb2.VERDICT_BILLING),
        (
            429,
            error("rate_limit_error", details={"error_code": "contract_spend_limit_reached"}),
            provider_pb2.VERDICT_BILLING,
        ),
        (429, error("rate_limit_error"), provider_pb2.VERDICT_RATE_LIMITED),
        (404, error("not_found_error"), provider_pb2.VERDICT_NOT_FOUND),
        (405, b"", provider_pb2.VERDICT_NOT_FOUND),
        (200, b"<html></html>", provider_pb2.VERDICT_NOT_FOUND),
        (200, b"", provider_pb2.VERDICT_NOT_FOUND),
        (200, error("authentication_error"), provider_pb2.VERDICT_REVOKED),
        (500, error("api_error"), provider_pb2.VERDICT_PROVIDER_ERROR),
        (529, error("overloaded_error"), provider_pb2.VERDICT_PROVIDER_ERROR),
        (502, b"<html></html>", provider_pb2.VERDICT_PROVIDER_ERROR),
    ],
)
@pytest.mark.parametrize("purpose", [LIST, PROVE])
def test_what_a_refusal_of_anthropic_shows(
    status: int,
    body: bytes,
    verdict: provider_pb2.Verdict.ValueType,
    purpose: provider_pb2.ProbePurpose.ValueType,
) -> None:
    """Each refusal has its verdict, a sentence, and the provider's words."""
    found = ADAPTER.verify(WITH_KEY, purpose, Reply(status, httpx.Headers(), body))
    assert found.verdict == verdict
    assert found.message.endswith(".")
    assert found.reply.http_status == status
    assert not found.HasField("time")


MODELS = b'{"data": [{"id": "m", "type": "model"}], "has_more": true}'


@pytest.mark.parametrize(
    ("target", "purpose", "verdict"),
    [
        (WITH_KEY, LIST, provider_pb2.VERDICT_VALID),
        (WITH_KEY, PROVE, provider_pb2.VERDICT_BILLING_NOT_CHECKED),
        (WITHOUT_KEY, LIST, provider_pb2.VERDICT_UNVERIFIABLE),
        (WITHOUT_KEY, PROVE, provider_pb2.VERDICT_UNVERIFIABLE),
    ],
)
def test_what_a_list_of_anthropic_proves(
    target: Target,
    purpose: provider_pb2.ProbePurpose.ValueType,
    verdict: provider_pb2.Verdict.ValueType,
) -> None:
    """A list proves a key that was sent, and not that the account may spend."""
    found = ADAPTER.verify(target, purpose, Reply(200, httpx.Headers(), MODELS))
    assert found.verdict == verdict
    assert not found.HasField("reply")


def test_a_key_that_anthropic_needs_and_was_not_sent() -> None:
    """Who sent no key is told so, and not that it is unknown."""
    found = ADAPTER.verify(WITHOUT_KEY, PROVE, Reply(401, httpx.Headers(), b""))
    assert found.verdict == provider_pb2.VERDICT_REVOKED
    assert found.message == "anthropic wants a key, and none was sent."


def test_anthropics_key_does_not_show_in_a_verification() -> None:
    """A provider that repeats the key does not make us repeat it."""
    body = error("authentication_error", "No such key: sk-canary-123")
    found = ADAPTER.verify(WITH_KEY, PROVE, Reply(401, httpx.Headers(), body))
    assert "canary" not in str(found)

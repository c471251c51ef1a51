"""Lists of models of the Gemini API, and what the reply to a probe shows about a key."""

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
from trunkline.inference.adapters.google import GoogleAdapter
from trunkline.inference.v1 import provider_pb2
from unit.inference.conformance.google_wire import error

ADAPTER = GoogleAdapter()
SECRET = provider_pb2.ProviderSecret(api_key="AIza-canary-123")
WITH_KEY = Target("google", "", "https://acme.example/v1beta", secret=SECRET)
WITHOUT_KEY = Target("google", "", "https://acme.example/v1beta")

LIST = provider_pb2.PROBE_PURPOSE_LIST_MODELS
PROVE = provider_pb2.PROBE_PURPOSE_PROVE_KEY

FLASH = {
    "name": "models/gemini-3.8-flash",
    "version": "001",
    "displayName": "Gemini 3.8 Flash",
    "description": "Fast.",
    "inputTokenLimit": 1048576,
    "outputTokenLimit": 65536,
    "supportedGenerationMethods": ["generateContent", "countTokens", "createCachedContent"],
    "temperature": 1,
    "topP": 0.95,
    "topK": 64,
    "maxTemperature": 2,
    "thinking": True,
}


def read(*entries: Any) -> list[dict[str, Any]]:
    """Read a list and return what each model says of itself."""
    models = ADAPTER.read_models(json.dumps({"models": entries, "nextPageToken": "x"}).encode())
    return [json_format.MessageToDict(m, preserving_proto_field_name=True) for m in models]


def test_what_a_model_says_of_itself() -> None:
    """Its names, its limits, whether it thinks and what it is for."""
    embedding = {
        "name": "models/gemini-embedding-001",
        "inputTokenLimit": 2048,
        "outputTokenLimit": 1,
        "supportedGenerationMethods": ["embedContent", "countTextTokens"],
    }
    assert read(FLASH, embedding) == [
        {
            "id": "gemini-3.8-flash",
            "display_name": "Gemini 3.8 Flash",
            "description": "Fast.",
            "context_window": "1048576",
            "max_output_tokens": "65536",
            "thinking": True,
            "embeddings": False,
        },
        {
            "id": "gemini-embedding-001",
            "context_window": "2048",
            "max_output_tokens": "1",
            "embeddings": True,
        },
    ]


def test_what_a_model_does_not_say_is_absent() -> None:
    """Of nonsense nothing is made up."""
    said = {
        "name": "models/m",
        "displayName": 7,
        "description": None,
        "inputTokenLimit": "8",
        "outputTokenLimit": -1,
        "thinking": "yes",
        "supportedGenerationMethods": [7],
    }
    assert read(said) == [{"id": "m"}]
    assert read({**said, "supportedGenerationMethods": "all"}) == [{"id": "m"}]


def test_which_models_are_listed() -> None:
    """Each once and in order; not those for pictures or speech, or that nobody could name."""
    pictures = {"name": "models/imagen-4", "supportedGenerationMethods": ["predict"]}
    live = {"name": "models/live", "supportedGenerationMethods": ["bidiGenerateContent"]}
    names = ["models/b", "a", "b", "models/", "models/with blank", "x" * 257, "tunedModels/t"]
    listed = read(*[{"name": name} for name in names], pictures, live)
    assert [model["id"] for model in listed] == ["b", "a", "tunedModels/t"]
    assert read() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"{}",
        b"[]",
        b'{"models": {}}',
        b'{"models": [{"id": "m"}]}',
        b'{"models": ["m"]}',
        b'{"data": [{"id": "m"}]}',
        b"7",
        b"[" * 100_000,
        b'{"models": [',
    ],
)
def test_what_is_no_list(body: bytes) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match=r"the body|an entry"):
        ADAPTER.read_models(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_list_or_refused(body: bytes) -> None:
    """No body makes the reading fail otherwise."""
    with suppress(ValueError):
        assert all(model.id for model in ADAPTER.read_models(body))


def said(status: str, reason: str = "", message: str = "No.") -> bytes:
    """Return an error with a reason."""
    details = [("ErrorInfo", {"reason": reason})] if reason else []
    return json.dumps(error(status, message, None, *details)).encode()


LEAKED = "Your API key was reported as leaked. Please use another API key."
SUSPENDED = "Permission denied: Consumer 'projects/1' has been suspended."


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (400, said("INVALID_ARGUMENT", "API_KEY_INVALID"), provider_pb2.VERDICT_REVOKED),
        (400, said("INVALID_ARGUMENT", message="API key expired."), provider_pb2.VERDICT_REVOKED),
        (401, said("UNAUTHENTICATED"), provider_pb2.VERDICT_REVOKED),
        (403, said("PERMISSION_DENIED", "SERVICE_DISABLED"), provider_pb2.VERDICT_WRONG_SCOPE),
        (403, said("PERMISSION_DENIED", "API_KEY_IP_ADDRESS_BLOCKED"),
         provider_pb2.VERDICT_WRONG_SCOPE),
        (403, b"", provider_pb2.VERDICT_WRONG_SCOPE),
        (403, said("PERMISSION_DENIED", message=LEAKED), provider_pb2.VERDICT_REVOKED),
        (403, said("PERMISSION_DENIED", "CONSUMER_SUSPENDED", SUSPENDED),
         provider_pb2.VERDICT_REVOKED),
        (403, b"<html>Blocked</html>", provider_pb2.VERDICT_NOT_FOUND),
        (403, said("PERMISSION_DENIED", "BILLING_DISABLED"), provider_pb2.VERDICT_BILLING),
        (400, said("FAILED_PRECONDITION", message="Please enable billing."),
         provider_pb2.VERDICT_BILLING),
        (429, said("RESOURCE_EXHAUSTED"), provider_pb2.VERDICT_RATE_LIMITED),
        (400, said("INVALID_ARGUMENT"), provider_pb2.VERDICT_NOT_FOUND),
        (404, b"", provider_pb2.VERDICT_NOT_FOUND),
        (302, b"", provider_pb2.VERDICT_NOT_FOUND),
        (200, b"<html></html>", provider_pb2.VERDICT_NOT_FOUND),
        (200, b'{"data": [{"id": "m"}]}', provider_pb2.VERDICT_NOT_FOUND),
        (500, said("INTERNAL"), provider_pb2.VERDICT_PROVIDER_ERROR),
        (503, b"<html></html>", provider_pb2.VERDICT_PROVIDER_ERROR),
    ],
)  # fmt: skip
@pytest.mark.parametrize("purpose", [LIST, PROVE])
def test_what_a_refusal_shows(
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


@pytest.mark.parametrize(
    ("target", "purpose", "verdict"),
    [
        (WITH_KEY, LIST, provider_pb2.VERDICT_VALID),
        (WITH_KEY, PROVE, provider_pb2.VERDICT_BILLING_NOT_CHECKED),
        (WITHOUT_KEY, LIST, provider_pb2.VERDICT_UNVERIFIABLE),
        (WITHOUT_KEY, PROVE, provider_pb2.VERDICT_UNVERIFIABLE),
    ],
)
def test_what_a_list_shows(
    target: Target,
    purpose: provider_pb2.ProbePurpose.ValueType,
    verdict: provider_pb2.Verdict.ValueType,
) -> None:
    """A list proves a key that was sent, as far as a list can."""
    body = json.dumps({"models": [FLASH]}, indent=2).encode()
    found = ADAPTER.verify(target, purpose, Reply(200, httpx.Headers(), body))
    assert found.verdict == verdict
    assert not found.HasField("reply")


def test_a_list_that_was_cut_is_still_a_list() -> None:
    """Of a long list only the start may be there."""
    long = json.dumps({"models": [FLASH] * 500}).encode()[: 64 * 1024]
    found = ADAPTER.verify(WITH_KEY, LIST, Reply(200, httpx.Headers(), long))
    assert found.verdict == provider_pb2.VERDICT_VALID


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_key_that_is_needed_and_was_not_sent(status: int) -> None:
    """Who sent no key is told so, and not that it is unknown or lacks something."""
    body = said("PERMISSION_DENIED", message="Please use API Key. Please pass a valid API key.")
    found = ADAPTER.verify(WITHOUT_KEY, PROVE, Reply(status, httpx.Headers(), body))
    assert found.verdict == provider_pb2.VERDICT_REVOKED
    assert found.message == "google wants a key, and none was sent."


def test_the_key_does_not_show_in_a_verification() -> None:
    """A provider that repeats the key does not make us repeat it."""
    body = said("PERMISSION_DENIED", message="No such key: AIza-canary-123")
    found = ADAPTER.verify(WITH_KEY, PROVE, Reply(403, httpx.Headers(), body))
    assert "canary" not in str(found)

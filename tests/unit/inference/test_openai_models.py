"""Lists of models, and what the reply to a probe shows about a key."""

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
from trunkline.inference.adapters.openai import OpenAIAdapter
from trunkline.inference.v1 import provider_pb2

ADAPTER = OpenAIAdapter()
SECRET = provider_pb2.ProviderSecret(api_key="sk-canary-123")
WITH_KEY = Target("acme", "", "https://acme.example/v1", secret=SECRET)
WITHOUT_KEY = Target("acme", "", "https://acme.example/v1")

LIST = provider_pb2.PROBE_PURPOSE_LIST_MODELS
PROVE = provider_pb2.PROBE_PURPOSE_PROVE_KEY


def read(body: Any) -> list[dict[str, Any]]:
    """Read a list and return what each model says of itself."""
    models = ADAPTER.read_models(json.dumps(body).encode())
    return [json_format.MessageToDict(m, preserving_proto_field_name=True) for m in models]


ENTRIES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("OpenAI", {"object": "model", "created": 1, "owned_by": "openai"}, {}),
    ("OpenAI, on its way out", {"shutdown_date": 1799884800},
     {"deprecation_time": "2027-01-14T00:00:00Z"}),
    ("vLLM", {"max_model_len": 32768, "permission": []}, {"context_window": "32768"}),
    ("Groq", {"active": True, "context_window": 131072, "max_completion_tokens": 8192},
     {"context_window": "131072", "max_output_tokens": "8192"}),
    ("LM Studio", {"type": "vlm", "max_context_length": 8192, "loaded_context_length": 4096,
                   "capabilities": ["tool_use"]},
     {"context_window": "4096", "vision": True, "tools": True, "embeddings": False}),
    ("LM Studio, its newer list, loaded", {
        "type": "llm", "display_name": "M", "max_context_length": 131072,
        "loaded_instances": [{"id": "m", "config": {"context_length": 4096}}],
        "capabilities": {"vision": False, "trained_for_tool_use": True,
                         "reasoning": {"allowed_options": ["off", "low"], "default": "low"}}},
     {"display_name": "M", "context_window": "4096", "vision": False, "tools": True,
      "thinking": True, "embeddings": False, "reasoning_modes": ["off", "low"],
      "default_reasoning_mode": "low"}),
    ("LM Studio, its newer list, not loaded", {
        "type": "embedding", "max_context_length": 8192, "loaded_instances": [],
        "capabilities": {"vision": True, "trained_for_tool_use": False}},
     {"context_window": "8192", "vision": True, "embeddings": True}),
    ("Together", {"type": "embedding", "display_name": "M", "context_length": 512},
     {"display_name": "M", "context_window": "512", "embeddings": True}),
    ("Mistral", {"name": "M", "description": "D", "max_context_length": 9,
                 "deprecation": "2027-01-14T00:00:00+02:00",
                 "capabilities": {"vision": False, "function_calling": True}},
     {"display_name": "M", "description": "D", "context_window": "9", "vision": False,
      "tools": True, "deprecation_time": "2027-01-13T22:00:00Z"}),
    ("OpenRouter", {
        "name": "M", "context_length": 100, "expiration_date": None,
        "architecture": {"input_modalities": ["text", "image"]},
        "top_provider": {"context_length": 90, "max_completion_tokens": 10},
        "supported_parameters": ["tools", "structured_outputs"],
        "reasoning": {"supported_efforts": ["high", "low"], "default_effort": "low"}},
     {"display_name": "M", "context_window": "90", "max_output_tokens": "10", "vision": True,
      "tools": True, "thinking": False, "structured_output": True,
      "reasoning_modes": ["high", "low"], "default_reasoning_mode": "low"}),
    ("Vercel", {"type": "language", "tags": ["reasoning", "vision"], "max_tokens": 7},
     {"vision": True, "tools": False, "thinking": True, "embeddings": False,
      "max_output_tokens": "7"}),
    ("Moonshot", {"context_length": 5, "supports_image_in": True, "supports_reasoning": False},
     {"context_window": "5", "vision": True, "thinking": False}),
    ("OpenRouter, a model that must think", {
        "reasoning": {"mandatory": True, "supported_efforts": ["high", "none"]}},
     {"thinking": True, "reasoning_modes": ["high"]}),
    ("OpenRouter, any effort", {"supported_parameters": ["reasoning"],
                                "reasoning": {"supported_efforts": None}},
     {"thinking": True, "tools": False, "structured_output": False}),
    ("LiteLLM", {"max_input_tokens": 9, "max_output_tokens": 4},
     {"context_window": "9", "max_output_tokens": "4"}),
    ("LiteLLM, what it knows of models", {
        "model_info": {"id": "3f", "mode": "chat", "max_input_tokens": 9, "max_output_tokens": 4,
                       "supports_vision": True, "supports_function_calling": False,
                       "supports_reasoning": None}},
     {"context_window": "9", "max_output_tokens": "4", "vision": True, "tools": False,
      "embeddings": False}),
    ("Fireworks", {"context_length": 5, "supports_image_input": False, "supports_tools": True},
     {"context_window": "5", "vision": False, "tools": True}),
    ("llama.cpp", {"meta": {"n_ctx_train": 9, "n_ctx": 4}}, {"context_window": "4"}),
    ("nonsense", {"name": 7, "context_length": "much", "max_model_len": -1, "context_window": True,
                  "capabilities": 7, "tags": [], "reasoning": [], "shutdown_date": "soon",
                  "top_provider": None, "type": []}, {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "facts"), [row[1:] for row in ENTRIES], ids=[row[0] for row in ENTRIES]
)
def test_what_a_service_tells_of_a_model(entry: dict[str, Any], facts: dict[str, Any]) -> None:
    """Each service's names are read, and what is not said is absent."""
    assert read({"object": "list", "data": [{"id": "m", **entry}]}) == [{"id": "m", **facts}]
    assert read([{"id": "m", **entry}]) == [{"id": "m", **facts}]


def test_lists_that_wrap_and_name_in_their_own_way() -> None:
    """LM Studio's has keys, LiteLLM's names of groups; llama.cpp's other list is passed over."""
    assert read({"models": [{"key": "a/b", "type": "llm"}]}) == [{"id": "a/b", "embeddings": False}]
    groups = [{"model_name": "g", "model_info": {"id": str(n)}} for n in range(2)]
    assert read({"data": groups}) == [{"id": "g"}]
    both = {"models": [{"name": "x", "model": "x"}], "data": [{"id": "m"}]}
    assert read(both) == [{"id": "m"}]
    with pytest.raises(ValueError, match="is no model"):
        read({"models": [{"name": "x", "model": "x"}]})


def test_which_models_are_listed() -> None:
    """Each id once and in order; not those that are inactive or that nobody could name."""
    ids = ["b", "a", "b", "with blank", "", "x" * 257, "o/k:free"]
    entries = [{"id": each} for each in ids]
    listed = read({"data": [*entries, {"id": "off", "active": False}]})
    assert [model["id"] for model in listed] == ["b", "a", "o/k:free"]
    assert read({"data": []}) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"{}",
        b'{"data": {}}',
        b'{"data": [{"name": "m"}]}',
        b'{"data": ["m"]}',
        b"7",
        b"[" * 100_000,
        b'{"error": {"message": "No."}}',
        b'{"data": [',
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


MODELS = b'{"object": "list", "data": [{"id": "m"}]}'
SCOPES = b'{"error": {"message": "You have insufficient permissions. Missing scopes: api.x."}}'
WITHOUT_DATABASE = b'{"error": {"message": "No connected db.", "type": "no_db_connection"}}'


def coded(code: str) -> bytes:
    """Return an error with a code."""
    return json.dumps({"error": {"message": "No.", "code": code}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (401, b"", provider_pb2.VERDICT_REVOKED),
        (401, coded("invalid_api_key"), provider_pb2.VERDICT_REVOKED),
        (401, SCOPES, provider_pb2.VERDICT_WRONG_SCOPE),
        (403, SCOPES, provider_pb2.VERDICT_WRONG_SCOPE),
        (403, b"", provider_pb2.VERDICT_WRONG_SCOPE),
        (403, b"<html>Blocked</html>", provider_pb2.VERDICT_NOT_FOUND),
        (400, b'{"error": "Incorrect API key provided: x."}', provider_pb2.VERDICT_REVOKED),
        (400, WITHOUT_DATABASE, provider_pb2.VERDICT_REVOKED),
        (503, WITHOUT_DATABASE, provider_pb2.VERDICT_PROVIDER_ERROR),
        (402, b"", provider_pb2.VERDICT_BILLING),
        (429, coded("insufficient_quota"), provider_pb2.VERDICT_BILLING),
        (429, b"", provider_pb2.VERDICT_RATE_LIMITED),
        (404, b"", provider_pb2.VERDICT_NOT_FOUND),
        (405, b"", provider_pb2.VERDICT_NOT_FOUND),
        (302, b"", provider_pb2.VERDICT_NOT_FOUND),
        (200, b"<html></html>", provider_pb2.VERDICT_NOT_FOUND),
        (200, b"", provider_pb2.VERDICT_NOT_FOUND),
        (200, coded("invalid_api_key"), provider_pb2.VERDICT_REVOKED),
        (500, b"", provider_pb2.VERDICT_PROVIDER_ERROR),
        (502, b"<html></html>", provider_pb2.VERDICT_PROVIDER_ERROR),
        (529, b"", provider_pb2.VERDICT_PROVIDER_ERROR),
    ],
)
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
    found = ADAPTER.verify(target, purpose, Reply(200, httpx.Headers(), MODELS))
    assert found.verdict == verdict
    assert not found.HasField("reply")


def test_a_list_that_was_cut_is_still_a_list() -> None:
    """Of a long list only the start may be there."""
    long = json.dumps({"data": [{"id": f"m{n}"} for n in range(5_000)]}).encode()[: 64 * 1024]
    reply = Reply(200, httpx.Headers(), long)
    assert ADAPTER.verify(WITH_KEY, LIST, reply).verdict == provider_pb2.VERDICT_VALID
    page = Reply(200, httpx.Headers(), b"<html>" + b" " * 64 * 1024)
    assert ADAPTER.verify(WITH_KEY, LIST, page).verdict == provider_pb2.VERDICT_NOT_FOUND


def test_a_key_that_is_needed_and_was_not_sent() -> None:
    """Who sent no key is told so, and not that it is unknown."""
    found = ADAPTER.verify(WITHOUT_KEY, PROVE, Reply(401, httpx.Headers(), b""))
    assert found.verdict == provider_pb2.VERDICT_REVOKED
    assert found.message == "acme wants a key, and none was sent."


def test_the_key_does_not_show_in_a_verification() -> None:
    """A provider that repeats the key does not make us repeat it."""
    reply = Reply(401, httpx.Headers(), b'{"error": {"message": "No such key: sk-canary-123"}}')
    found = ADAPTER.verify(WITH_KEY, PROVE, reply)
    assert "canary" not in str(found)

"""Lists of models of Ollama, and what the reply to a probe shows about a key."""

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
from trunkline.inference.adapters.ollama import OllamaAdapter
from trunkline.inference.v1 import provider_pb2
from unit.inference.conformance.ollama_wire import whole

ADAPTER = OllamaAdapter()
SECRET = provider_pb2.ProviderSecret(api_key="canary-0123456789")
CLOUD = Target("acme", "", "https://ollama.com", secret=SECRET)
LOCAL_WITH_KEY = Target("acme", "", "http://localhost:11434", secret=SECRET)
LOCAL = Target("acme", "", "http://localhost:11434")

LIST = provider_pb2.PROBE_PURPOSE_LIST_MODELS
PROVE = provider_pb2.PROBE_PURPOSE_PROVE_KEY

REVOKED = provider_pb2.VERDICT_REVOKED
WRONG_SCOPE = provider_pb2.VERDICT_WRONG_SCOPE
BILLING = provider_pb2.VERDICT_BILLING
RATE_LIMITED = provider_pb2.VERDICT_RATE_LIMITED
NOT_FOUND = provider_pb2.VERDICT_NOT_FOUND
PROVIDER_ERROR = provider_pb2.VERDICT_PROVIDER_ERROR
UNVERIFIABLE = provider_pb2.VERDICT_UNVERIFIABLE
BILLING_NOT_CHECKED = provider_pb2.VERDICT_BILLING_NOT_CHECKED


def read(body: Any) -> list[dict[str, Any]]:
    """Read a list and return what each model says of itself."""
    models = ADAPTER.read_models(json.dumps(body).encode())
    return [json_format.MessageToDict(m, preserving_proto_field_name=True) for m in models]


DETAILS = {"family": "qwen3", "parameter_size": "8.2B", "quantization_level": "Q4_K_M"}

ENTRIES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("an older server", {"size": 1, "digest": "d", "details": {"format": "gguf", **DETAILS}},
     {"description": "qwen3, 8.2B, Q4_K_M"}),
    ("all that is told", {"details": {**DETAILS, "context_length": 40960, "embedding_length": 9},
                          "capabilities": ["completion", "tools", "thinking", "vision"]},
     {"description": "qwen3, 8.2B, Q4_K_M", "context_window": "40960", "vision": True,
      "tools": True, "thinking": True, "embeddings": False}),
    ("a model that chats and no more", {"capabilities": ["completion"]},
     {"vision": False, "tools": False, "thinking": False, "embeddings": False}),
    ("a model of vectors", {"details": {"context_length": 512}, "capabilities": ["embedding"]},
     {"context_window": "512", "vision": False, "tools": False, "thinking": False,
      "embeddings": True}),
    ("a model that does both", {"capabilities": ["completion", "embedding"]},
     {"vision": False, "tools": False, "thinking": False, "embeddings": False}),
    ("a model of the cloud", {"remote_model": "qwen3", "remote_host": "https://ollama.com:443",
                              "details": {"family": "", "context_length": 0}}, {}),
    ("nonsense", {"details": 7, "capabilities": "tools"}, {}),
    ("no abilities", {"details": {"context_length": "many", "family": 7}, "capabilities": []}, {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "facts"), [row[1:] for row in ENTRIES], ids=[row[0] for row in ENTRIES]
)
def test_what_ollama_tells_of_a_model(entry: dict[str, Any], facts: dict[str, Any]) -> None:
    """What is said is read, and what is not said is absent."""
    named = {"name": "qwen3:8b", "model": "qwen3:8b"}
    assert read({"models": [{**named, **entry}]}) == [{"id": "qwen3:8b", **facts}]


def test_which_models_of_ollama_are_listed() -> None:
    """Each id once and in order, by either name; not those that nobody could name."""
    entries = [
        {"name": "b:latest", "model": "b:latest"},
        {"name": "a:1"},
        {"model": "b:latest"},
        {"model": "with blank"},
        {"model": "x" * 257},
        {"model": "hf.co/o/k:Q4"},
    ]
    assert [model["id"] for model in read({"models": entries})] == [
        "b:latest",
        "a:1",
        "hf.co/o/k:Q4",
    ]
    assert read({"models": []}) == read({"models": None}) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Ollama is running",
        b"null",
        b"[]",
        b"{}",
        b'{"models": {}}',
        b'{"models": [{"digest": "d"}]}',
        b'{"models": ["m"]}',
        b'{"error": "No."}',
        b'{"models": [',
        b"[" * 100_000,
    ],
)
def test_what_is_no_list_of_ollama(body: bytes) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match=r"the body|an entry"):
        ADAPTER.read_models(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_list_of_ollama_or_refused(body: bytes) -> None:
    """No body makes the reading fail otherwise."""
    with suppress(ValueError):
        assert all(model.id for model in ADAPTER.read_models(body))


def verdict(
    target: Target, purpose: provider_pb2.ProbePurpose.ValueType, status: int, body: bytes
) -> provider_pb2.Verdict.ValueType:
    """Return what a reply to a probe shows, asserting what holds of every verification."""
    found = ADAPTER.verify(target, purpose, Reply(status, httpx.Headers(), body))
    accepted = (provider_pb2.VERDICT_UNVERIFIABLE, provider_pb2.VERDICT_BILLING_NOT_CHECKED)
    assert found.HasField("reply") == (found.verdict not in accepted)
    assert found.message.endswith(".")
    assert "canary" not in str(found)
    assert not found.HasField("time")
    return found.verdict


MODELS = b'{"models": [{"name": "qwen3:8b", "model": "qwen3:8b"}]}'
LONG = json.dumps({"models": [{"model": f"m{n}"} for n in range(9_000)]}).encode()[: 64 * 1024]


@pytest.mark.parametrize("body", [MODELS, LONG, b'{"models": null}'])
@pytest.mark.parametrize(
    ("target", "purpose"), [(CLOUD, LIST), (LOCAL_WITH_KEY, LIST), (LOCAL, LIST), (LOCAL, PROVE)]
)
def test_a_list_of_ollama_proves_no_key(
    target: Target, purpose: provider_pb2.ProbePurpose.ValueType, body: bytes
) -> None:
    """Nobody needs a key for it: here there is none, and the cloud's list is public."""
    assert verdict(target, purpose, 200, body) == UNVERIFIABLE


SAID = b'{"error": "canary-0123456789"}'


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, b'{"error": "model is required"}', BILLING_NOT_CHECKED),
        (404, b'{"error": "model \'\' not found"}', BILLING_NOT_CHECKED),
        (200, whole({"content": ""}, "load"), BILLING_NOT_CHECKED),
        (401, SAID, REVOKED),
        (401, b"", REVOKED),
        (403, b'{"error": "this model requires a subscription"}', WRONG_SCOPE),
        (403, b"<html>Blocked</html>", NOT_FOUND),
        (402, b"", BILLING),
        (429, b'{"error": "you have reached your weekly usage limit"}', BILLING),
        (429, SAID, RATE_LIMITED),
        (400, b"<html></html>", NOT_FOUND),
        (404, b"404 page not found", NOT_FOUND),
        (200, b"<html></html>", NOT_FOUND),
        (200, SAID, NOT_FOUND),
        (302, b"", NOT_FOUND),
        (503, SAID, PROVIDER_ERROR),
    ],
)
def test_what_a_chat_of_nothing_shows(
    status: int, body: bytes, expected: provider_pb2.Verdict.ValueType
) -> None:
    """The cloud looks at the key first; a server of one's own never looks at it."""
    assert verdict(CLOUD, PROVE, status, body) == expected
    here = UNVERIFIABLE if expected == BILLING_NOT_CHECKED else expected
    assert verdict(LOCAL_WITH_KEY, PROVE, status, body) == here


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, SAID, REVOKED),
        (403, SAID, WRONG_SCOPE),
        (404, b"404 page not found", NOT_FOUND),
        (200, b"Ollama is running", NOT_FOUND),
        (502, b"", PROVIDER_ERROR),
    ],
)
@pytest.mark.parametrize("target", [CLOUD, LOCAL_WITH_KEY])
def test_what_a_refused_list_shows(
    target: Target, status: int, body: bytes, expected: provider_pb2.Verdict.ValueType
) -> None:
    """A gateway in front of a server may want a key; another address is told by its answer."""
    assert verdict(target, LIST, status, body) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://ollama.com", BILLING_NOT_CHECKED),
        ("https://api.ollama.com:443", BILLING_NOT_CHECKED),
        ("https://notollama.com", UNVERIFIABLE),
        ("https://ollama.com.acme.example", UNVERIFIABLE),
        ("http://127.0.0.1:11434/ollama", UNVERIFIABLE),
    ],
)
def test_which_addresses_are_the_cloud(
    address: str, expected: provider_pb2.Verdict.ValueType
) -> None:
    """Only there does a chat that is not refused for its key prove the key."""
    target = Target("acme", "", address, secret=SECRET)
    assert verdict(target, PROVE, 400, b'{"error": "model is required"}') == expected

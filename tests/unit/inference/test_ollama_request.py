"""The requests that the Ollama adapter builds, asserted in full."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.adapters.losses import MAX_LOSSES
from trunkline.inference.adapters.ollama import OllamaAdapter
from trunkline.inference.transcript import check
from trunkline.inference.v1 import chat_pb2, provider_pb2
from unit.inference.ollama_call_rows import CALLS
from unit.inference.ollama_message_rows import MESSAGES
from unit.inference.ollama_rows import CLOUD, LOCAL, SAID, USER, Row, messages, parts
from unit.inference.ollama_setting_rows import SETTINGS, TOOLS

ADAPTER = OllamaAdapter()

ROWS = MESSAGES + CALLS + SETTINGS + TOOLS

LIST = provider_pb2.PROBE_PURPOSE_LIST_MODELS
PROVE = provider_pb2.PROBE_PURPOSE_PROVE_KEY


def ask(asked: dict[str, Any]) -> chat_pb2.ChatRequest:
    """Return a request that has passed its checks; it says Hello unless it says otherwise."""
    request = json_format.ParseDict({"messages": [USER], **asked}, chat_pb2.ChatRequest())
    assert check(request) == []
    return request


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
@pytest.mark.parametrize("stream", [True, False])
def test_what_goes_out(row: Row, stream: bool) -> None:
    """Each row's request goes out as that body, key by key, and loses what it says."""
    built = ADAPTER.build_chat(row.target, ask(row.asked), stream=stream)
    # A prompt that does not fit is refused instead of being shortened in silence.
    always = {"model": row.target.model, "stream": stream, "truncate": False, "shift": False}
    assert json.loads(built.request.content) == {**always, "messages": [SAID], **row.sent}
    assert {loss.path: loss.action for loss in built.losses} == row.lost
    assert all(loss.reason.endswith(".") and not loss.attempt for loss in built.losses)


def test_json_in_words_goes_out_verbatim() -> None:
    """The order of keys, large numbers and blanks of schemas and arguments stay as they were."""
    text = '{ "z": 1, "a": {"maximum": 123456789012345678901234567890},\n "m": 1.0 }'
    built = ADAPTER.build_chat(
        LOCAL,
        ask(
            {
                **messages(
                    USER, parts("ROLE_ASSISTANT", {"tool_call": {"id": "x", "name": "f",
                                                                 "arguments": text}})
                ),
                "tools": [{"name": "f", "parameters_json": text}],
                "response_format": {"json_schema": {"name": "s", "schema_json": text}},
            }
        ),
        stream=False,
    )  # fmt: skip
    assert built.request.content.count(text.encode()) == 3


def test_equal_schemas_are_equal_bytes() -> None:
    """Keys of a schema that is given as an object are sorted all the way down."""

    def built(*keys: str) -> bytes:
        schema = {key: {"enum": [dict.fromkeys(keys, 1)]} for key in keys}
        asked = {
            "tools": [{"name": "f", "parameters": schema}],
            "response_format": {"json_schema": {"name": "s", "schema": schema}},
        }
        return ADAPTER.build_chat(LOCAL, ask(asked), stream=False).request.content

    assert built("a", "b", "c") == built("c", "a", "b")


def test_the_headers_of_a_chat() -> None:
    """Every header is ours, framing headers cannot be replaced, and secret ones win."""
    secret = provider_pb2.ProviderSecret(
        api_key="key-1", headers={"X-Key": "k"}, organization="org-1", project="proj-1"
    )
    given = {"X-Title": "t", "x-key": "not this", "Host": "evil.example", "Content-Length": "1"}
    target = Target("ollama", "qwen3", "http://box.local:11434", given, secret)
    for stream, accept in ((True, "application/x-ndjson"), (False, "application/json")):
        request = ADAPTER.build_chat(target, ask({}), stream=stream).request
        assert request.method == "POST"
        assert str(request.url) == "http://box.local:11434/api/chat"
        assert sorted(request.headers.multi_items()) == [
            ("accept", accept),
            ("accept-encoding", "identity"),
            ("authorization", "Bearer key-1"),
            ("content-length", str(len(request.content))),
            ("content-type", "application/json"),
            ("host", "box.local:11434"),
            ("user-agent", "trunkline"),
            ("x-key", "k"),
            ("x-title", "t"),
        ]


def test_without_a_key_none_is_sent() -> None:
    """A server of one's own takes none."""
    assert "authorization" not in ADAPTER.build_chat(LOCAL, ask({}), stream=True).request.headers


@pytest.mark.parametrize("target", [LOCAL, CLOUD], ids=["local", "cloud"])
@pytest.mark.parametrize(("purpose", "key"), [(LIST, ""), (LIST, "key-1"), (PROVE, "")])
def test_a_probe_asks_for_the_models(
    target: Target, purpose: provider_pb2.ProbePurpose.ValueType, key: str
) -> None:
    """It is the list, unless a key is to be proven."""
    secret = provider_pb2.ProviderSecret(api_key=key)
    asked = Target(target.provider, "", target.base_url, secret=secret)
    request = ADAPTER.build_probe(asked, purpose)
    assert (request.method, str(request.url)) == ("GET", f"{target.base_url}/api/tags")
    assert request.content == b""
    assert request.headers.get("authorization") == (f"Bearer {key}" if key else None)


@pytest.mark.parametrize(
    "secret",
    [
        provider_pb2.ProviderSecret(api_key="key-1"),
        provider_pb2.ProviderSecret(headers={"Authorization": "Bearer key-1"}),
    ],
)
def test_a_key_is_proven_by_a_chat_of_nothing(secret: provider_pb2.ProviderSecret) -> None:
    """The list is public; a chat without a model costs nothing and is looked at by its key."""
    request = ADAPTER.build_probe(Target("c", "", "https://ollama.com", secret=secret), PROVE)
    assert (request.method, str(request.url)) == ("POST", "https://ollama.com/api/chat")
    assert request.content == b"{}"
    assert request.headers["authorization"] == "Bearer key-1"


def test_the_losses_of_a_long_transcript_are_counted() -> None:
    """A transcript that loses something everywhere does not make a report of its own length."""
    refused = parts("ROLE_ASSISTANT", {"refusal": "No."})
    built = ADAPTER.build_chat(LOCAL, ask(messages(*[refused] * 1000)), stream=False)
    assert len(built.losses) == MAX_LOSSES + 1


def test_no_secret_shows_in_a_repr() -> None:
    """A built request does not print the key."""
    secret = provider_pb2.ProviderSecret(api_key="sk-canary", headers={"x-key": "sk-canary"})
    target = Target("ollama", "qwen3", "https://ollama.com", secret=secret)
    assert "sk-canary" not in repr(ADAPTER.build_chat(target, ask({}), stream=True))

"""The requests that the adapter of Responses builds, asserted in full."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.adapters.responses import ResponsesAdapter
from trunkline.inference.adapters.responses.abilities import Abilities, abilities_of
from trunkline.inference.transcript import check
from trunkline.inference.v1 import chat_pb2, provider_pb2
from unit.inference.responses_message_rows import MESSAGES
from unit.inference.responses_rows import PLAIN, SAID, USER, Row
from unit.inference.responses_setting_rows import SETTINGS, TOOLS

ADAPTER = ResponsesAdapter()

ROWS = [*MESSAGES, *TOOLS, *SETTINGS]


def ask(asked: dict[str, Any]) -> chat_pb2.ChatRequest:
    """Return a request that has passed its checks; it says Hello unless it says otherwise."""
    request = json_format.ParseDict({"messages": [USER], **asked}, chat_pb2.ChatRequest())
    assert check(request) == []
    return request


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_what_goes_out(row: Row) -> None:
    """Each row's request goes out as that body, key by key, and loses what it says."""
    built = ADAPTER.build_chat(row.target, ask(row.asked), stream=False)
    expected = {"model": row.target.model, "input": [SAID], "store": False, **row.sent}
    assert json.loads(built.request.content) == expected
    assert {loss.path: loss.action for loss in built.losses} == row.lost
    assert all(loss.reason.endswith(".") and not loss.attempt for loss in built.losses)


def test_a_stream_says_so() -> None:
    """A stream is asked for by one word, and brings its usage unasked."""
    built = ADAPTER.build_chat(PLAIN, ask({}), stream=True)
    assert json.loads(built.request.content) == {
        "model": "gpt-4.1",
        "input": [SAID],
        "store": False,
        "stream": True,
    }


def test_a_schema_in_words_goes_out_verbatim() -> None:
    """The order of keys, large numbers and blanks of a schema stay as the caller wrote them."""
    text = '{ "z": 1, "a": {"maximum": 123456789012345678901234567890},\n "m": 1.0 }'
    asked = {
        "tools": [{"name": "f", "parameters_json": text}],
        "response_format": {"json_schema": {"name": "s", "schema_json": text}},
    }
    content = ADAPTER.build_chat(PLAIN, ask(asked), stream=False).request.content
    assert content.count(text.encode()) == 2


@pytest.mark.parametrize("is_token", [False, True], ids=["key", "token"])
def test_the_headers_of_a_chat(*, is_token: bool) -> None:
    """Every header is ours, a key and a token go the same way, and secret ones win."""
    secret = provider_pb2.ProviderSecret(headers={"X-Key": "k"}, organization="o", project="p")
    if is_token:
        secret.bearer_token.token = "sk-1"
    else:
        secret.api_key = "sk-1"
    given = {"X-Title": "t", "x-key": "not this", "Host": "evil.example"}
    target = Target("openai", "gpt-5.5", "https://api.openai.com/v1", given, secret)
    for stream, accept in ((True, "text/event-stream"), (False, "application/json")):
        request = ADAPTER.build_chat(target, ask({}), stream=stream).request
        assert request.method == "POST"
        assert str(request.url) == "https://api.openai.com/v1/responses"
        assert sorted(request.headers.multi_items()) == [
            ("accept", accept),
            ("accept-encoding", "identity"),
            ("authorization", "Bearer sk-1"),
            ("content-length", str(len(request.content))),
            ("content-type", "application/json"),
            ("host", "api.openai.com"),
            ("openai-organization", "o"),
            ("openai-project", "p"),
            ("user-agent", "trunkline"),
            ("x-key", "k"),
            ("x-title", "t"),
        ]


def test_a_probe_asks_for_the_models() -> None:
    """The list of models is that of Chat Completions, and is read as that."""
    secret = provider_pb2.ProviderSecret(api_key="sk-1")
    target = Target("openai", "", "https://api.openai.com/v1", secret=secret)
    request = ADAPTER.build_probe(target, provider_pb2.PROBE_PURPOSE_PROVE_KEY)
    assert (request.method, str(request.url)) == ("GET", "https://api.openai.com/v1/models")
    assert request.headers["authorization"] == "Bearer sk-1"
    (model,) = ADAPTER.read_models(b'{"data": [{"id": "gpt-5.5"}]}')
    assert model.id == "gpt-5.5"


@pytest.mark.parametrize(
    ("name", "as_"),
    [
        ("gpt-5.6-sol", "gpt-5.6"),
        ("openai/GPT-5.6-terra", "gpt-5.6"),
        ("gpt-5.4-pro-2026-03-05", "gpt-5.4-pro"),
        ("gpt-7-sol", "gpt-unknown"),
        ("gpt-5-mini", "gpt-5"),
        ("gpt-55", "gpt-unknown"),
        ("o3-mini", "o3"),
        ("gpt-4o-mini", "gpt-4.1"),
        ("gpt-oss-120b", "qwen3"),
        ("o3x", "qwen3"),
    ],
)
def test_a_model_is_known_by_the_longest_beginning_of_its_name(name: str, as_: str) -> None:
    """A word of a name counts whole: `gpt-5.5` is no `gpt-5`."""
    assert abilities_of(name) == abilities_of(as_)
    assert abilities_of("gpt-unknown") == Abilities()
    assert abilities_of("qwen3") == Abilities(thinks=False, unasked="none")


def test_no_secret_shows_in_a_repr() -> None:
    """Neither target nor built request prints the token."""
    secret = provider_pb2.ProviderSecret(
        bearer_token=provider_pb2.BearerToken(token="sk-canary"), headers={"x-key": "sk-canary"}
    )
    target = Target("acme", "acme-1", "https://acme.example/v1", secret=secret)
    assert "sk-canary" not in repr(target)
    assert "sk-canary" not in repr(ADAPTER.build_chat(target, ask({}), stream=True))

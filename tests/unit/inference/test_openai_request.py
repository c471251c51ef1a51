"""The requests that the OpenAI adapter builds, asserted in full."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.adapters.losses import MAX_LOSSES
from trunkline.inference.adapters.openai import OpenAIAdapter
from trunkline.inference.transcript import check
from trunkline.inference.v1 import chat_pb2, provider_pb2
from unit.inference.openai_call_rows import CALLS
from unit.inference.openai_message_rows import MESSAGES
from unit.inference.openai_rows import ALIKE, OWN, SAID, USER, Row, messages, parts
from unit.inference.openai_service_rows import SERVICES
from unit.inference.openai_setting_rows import SETTINGS, TOOLS

ADAPTER = OpenAIAdapter()

ROWS = MESSAGES + CALLS + SETTINGS + TOOLS + SERVICES


def ask(asked: dict[str, Any]) -> chat_pb2.ChatRequest:
    """Return a request that has passed its checks; it says Hello unless it says otherwise."""
    request = json_format.ParseDict({"messages": [USER], **asked}, chat_pb2.ChatRequest())
    assert check(request) == []
    return request


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_what_goes_out(row: Row) -> None:
    """Each row's request goes out as that body, key by key, and loses what it says."""
    built = ADAPTER.build_chat(row.target, ask(row.asked), stream=False)
    expected = {"model": row.target.model, "messages": [SAID], **row.sent}
    assert json.loads(built.request.content) == expected
    assert {loss.path: loss.action for loss in built.losses} == row.lost
    assert all(loss.reason.endswith(".") and not loss.attempt for loss in built.losses)


def test_a_schema_in_words_goes_out_verbatim() -> None:
    """The order of keys, large numbers and blanks of a schema stay as the caller wrote them."""
    text = '{ "z": 1, "a": {"maximum": 123456789012345678901234567890},\n "m": 1.0 }'
    built = ADAPTER.build_chat(
        OWN,
        ask(
            {
                "tools": [{"name": "f", "parameters_json": text}],
                "response_format": {"json_schema": {"name": "s", "schema_json": text}},
            }
        ),
        stream=False,
    )
    assert built.request.content.count(text.encode()) == 2
    assert json.loads(built.request.content)["tools"][0]["function"]["parameters"]["z"] == 1


def test_equal_schemas_are_equal_bytes() -> None:
    """Keys of a schema that is given as an object are sorted all the way down."""

    def built(*keys: str) -> bytes:
        schema = {key: {"enum": [dict.fromkeys(keys, 1)]} for key in keys}
        asked = {
            "tools": [{"name": "f", "parameters": schema}],
            "response_format": {"json_schema": {"name": "s", "schema": schema}},
        }
        return ADAPTER.build_chat(OWN, ask(asked), stream=False).request.content

    assert built("a", "b", "c") == built("c", "a", "b")
    assert built("b", "a").count(b'{"a":{"enum":[{"a":1,"b":1}]},"b":{"enum"') == 2


def test_a_stream_asks_for_its_usage() -> None:
    """A stream is asked for with the usage at its end."""
    built = ADAPTER.build_chat(OWN, ask({}), stream=True)
    assert json.loads(built.request.content) == {
        "model": "gpt-1",
        "messages": [SAID],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_the_headers_of_a_chat() -> None:
    """Every header is ours, framing headers cannot be replaced, and secret ones win."""
    secret = provider_pb2.ProviderSecret(
        api_key="sk-1", headers={"X-Key": "k"}, organization="org-1", project="proj-1"
    )
    given = {"X-Title": "t", "x-key": "not this", "Host": "evil.example", "Content-Length": "1"}
    target = Target("openai", "gpt-1", "https://api.openai.com:8443/v1", given, secret)
    for stream, accept in ((True, "text/event-stream"), (False, "application/json")):
        request = ADAPTER.build_chat(target, ask({}), stream=stream).request
        assert request.method == "POST"
        assert str(request.url) == "https://api.openai.com:8443/v1/chat/completions"
        assert sorted(request.headers.multi_items()) == [
            ("accept", accept),
            ("accept-encoding", "identity"),
            ("authorization", "Bearer sk-1"),
            ("content-length", str(len(request.content))),
            ("content-type", "application/json"),
            ("host", "api.openai.com:8443"),
            ("openai-organization", "org-1"),
            ("openai-project", "proj-1"),
            ("user-agent", "trunkline"),
            ("x-key", "k"),
            ("x-title", "t"),
        ]


def test_a_secret_header_stands_in_the_place_of_the_key() -> None:
    """Who gives the whole `Authorization` gets it, and nothing is sent without any secret."""
    secret = provider_pb2.ProviderSecret(api_key="sk-1", headers={"Authorization": "Basic x"})
    target = Target("acme", "acme-1", "http://127.0.0.1:1234/v1", secret=secret)
    headers = ADAPTER.build_chat(target, ask({}), stream=True).request.headers
    assert headers.get_list("authorization") == ["Basic x"]
    assert headers["host"] == "127.0.0.1:1234"
    assert "authorization" not in ADAPTER.build_chat(ALIKE, ask({}), stream=True).request.headers


@pytest.mark.parametrize(
    "purpose", [provider_pb2.PROBE_PURPOSE_LIST_MODELS, provider_pb2.PROBE_PURPOSE_PROVE_KEY]
)
def test_a_probe_asks_for_the_models(purpose: provider_pb2.ProbePurpose.ValueType) -> None:
    """For both purposes it is the list, with everything that authenticates."""
    secret = provider_pb2.ProviderSecret(api_key="sk-1", organization="org-1")
    target = Target("acme", "", "https://acme.example/v1", secret=secret)
    request = ADAPTER.build_probe(target, purpose)
    assert (request.method, str(request.url)) == ("GET", "https://acme.example/v1/models")
    assert request.content == b""
    assert sorted(request.headers.multi_items()) == [
        ("accept", "application/json"),
        ("accept-encoding", "identity"),
        ("authorization", "Bearer sk-1"),
        ("host", "acme.example"),
        ("openai-organization", "org-1"),
        ("user-agent", "trunkline"),
    ]


def test_the_losses_of_a_long_transcript_are_counted() -> None:
    """A transcript that loses something everywhere does not make a report of its own length."""
    thought = parts("ROLE_ASSISTANT", {"reasoning": {"text": "Hm."}})
    built = ADAPTER.build_chat(OWN, ask(messages(*[thought] * 1000)), stream=False)
    assert len(built.losses) == MAX_LOSSES + 1
    assert built.losses[-1].reason.startswith("900 more")


def test_no_secret_shows_in_a_repr() -> None:
    """Neither target nor built request prints the key."""
    secret = provider_pb2.ProviderSecret(api_key="sk-canary", headers={"x-key": "sk-canary"})
    target = Target("acme", "acme-1", "https://acme.example/v1", secret=secret)
    assert "sk-canary" not in repr(target)
    assert "sk-canary" not in repr(ADAPTER.build_chat(target, ask({}), stream=True))

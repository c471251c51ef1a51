"""The requests that the Anthropic adapter builds, asserted in full."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.adapters.anthropic import AnthropicAdapter
from trunkline.inference.adapters.anthropic.abilities import abilities_of
from trunkline.inference.transcript import check
from trunkline.inference.v1 import chat_pb2, provider_pb2
from unit.inference.anthropic_call_rows import EXCHANGES
from unit.inference.anthropic_message_rows import MESSAGES
from unit.inference.anthropic_rows import ALIKE, COUNTING, SAID, USER, Row, messages
from unit.inference.anthropic_setting_rows import SETTINGS
from unit.inference.anthropic_thinking_rows import THINKING
from unit.inference.anthropic_tool_rows import TOOLS

ADAPTER = AnthropicAdapter()

USUAL = {"cache_control": {"type": "ephemeral"}}

ROWS = MESSAGES + EXCHANGES + SETTINGS + THINKING + TOOLS


def ask(asked: dict[str, Any]) -> chat_pb2.ChatRequest:
    """Return a request that has passed its checks; it says Hello unless it says otherwise."""
    request = json_format.ParseDict({"messages": [USER], **asked}, chat_pb2.ChatRequest())
    assert check(request) == []
    return request


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_what_goes_out(row: Row) -> None:
    """Each row's request goes out as that body, key by key, and loses what it says."""
    built = ADAPTER.build_chat(row.target, ask(row.asked), stream=False)
    expected = {
        "model": row.target.model,
        "max_tokens": abilities_of(row.target.model).max_output,
        "messages": [SAID],
        **row.sent,
    }
    if '"cache"' not in json.dumps(row.asked):
        expected = _with_usual_marks(expected)
    assert json.loads(built.request.content) == expected
    assert {loss.path: loss.action for loss in built.losses} == row.lost
    assert len(built.losses) == len(row.lost)
    assert all(loss.reason.endswith(".") and not loss.attempt for loss in built.losses)


def _with_usual_marks(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body of the rows with the marks that every prompt without marks gets."""
    system = body.get("system", [])
    if isinstance(system, str):
        system = [{"type": "text", "text": system}]
    marked = {"tools": body.get("tools", []), "system": system}
    return body | {
        name: [*blocks[:-1], {**blocks[-1], **USUAL}] for name, blocks in marked.items() if blocks
    }


def test_the_prompt_that_stays_is_marked_for_caching() -> None:
    """The last tool and the end of the system prompt, without being told (O9)."""
    system = {"role": "ROLE_SYSTEM", "content": [{"text": "Be brief."}, {"text": "Be kind."}]}
    tools = [{"name": "a"}, {"name": "b"}]
    for target in (COUNTING, ALIKE):
        built = ADAPTER.build_chat(
            target, ask({**messages(system, USER), "tools": tools}), stream=True
        )
        body = json.loads(built.request.content)
        assert body["system"] == [
            {"type": "text", "text": "Be brief."},
            {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}},
        ]
        assert [tool.get("cache_control") for tool in body["tools"]] == [
            None,
            {"type": "ephemeral"},
        ]
        assert body["messages"] == [SAID]
        assert built.losses == ()


def test_who_marks_something_is_left_alone() -> None:
    """The caller knows what it will ask again; a mark of ours could shorten one of its own."""
    system = {"role": "ROLE_SYSTEM", "content": [{"text": "Be brief."}]}
    user = {"role": "ROLE_USER", "content": [{"text": "Hello", "cache": {"ttl": "3600s"}}]}
    built = ADAPTER.build_chat(COUNTING, ask(messages(system, user)), stream=True)
    assert json.loads(built.request.content)["system"] == "Be brief."
    assert built.losses == ()


def test_what_the_caller_wrote_goes_out_verbatim() -> None:
    """Schemas and arguments keep the order of their keys, their large numbers and blanks."""
    schema = '{ "z": 1, "a": {"maximum": 123456789012345678901234567890},\n "m": 1.0 }'
    held = '{ "type": "string",  "enum": ["b", "a"] }'
    arguments = '{ "z": 123456789012345678901234567890, "a":  1.0 }'
    call = {"tool_call": {"id": "call_1", "name": "f", "arguments": arguments}}
    built = ADAPTER.build_chat(
        COUNTING,
        ask(
            {
                **messages(USER, {"role": "ROLE_ASSISTANT", "content": [call]}),
                "tools": [{"name": "f", "parameters_json": schema}],
                "response_format": {"json_schema": {"name": "s", "schema_json": held}},
            }
        ),
        stream=False,
    )
    content = built.request.content
    for verbatim in (schema, held, arguments):
        assert content.count(verbatim.encode()) == 1


def test_equal_schemas_are_equal_bytes() -> None:
    """Keys of a schema that is given as an object are sorted all the way down."""

    def built(*keys: str) -> bytes:
        asked = {"tools": [{"name": "f", "parameters": {key: {"enum": [key]} for key in keys}}]}
        return ADAPTER.build_chat(COUNTING, ask(asked), stream=False).request.content

    assert built("a", "b", "c") == built("c", "a", "b")


def test_a_stream_is_asked_for() -> None:
    """A stream differs from a whole answer by one key."""
    built = ADAPTER.build_chat(COUNTING, ask({}), stream=True)
    assert json.loads(built.request.content) == {
        "model": COUNTING.model,
        "max_tokens": 64_000,
        "messages": [SAID],
        "stream": True,
    }


def test_the_headers_of_a_chat_to_anthropic() -> None:
    """Every header is ours, framing headers cannot be replaced, and secret ones win."""
    secret = provider_pb2.ProviderSecret(
        api_key="sk-1", headers={"X-Key": "k"}, organization="org-1", project="wrkspc-1"
    )
    given = {"X-Title": "t", "x-key": "not this", "Host": "evil.example", "X-Api-Key": "nor this"}
    target = Target("anthropic", "claude-1", "https://api.anthropic.com:8443/v1", given, secret)
    for stream, accept in ((True, "text/event-stream"), (False, "application/json")):
        request = ADAPTER.build_chat(target, ask({}), stream=stream).request
        assert request.method == "POST"
        assert str(request.url) == "https://api.anthropic.com:8443/v1/messages"
        assert sorted(request.headers.multi_items()) == [
            ("accept", accept),
            ("accept-encoding", "identity"),
            ("anthropic-version", "2023-06-01"),
            ("anthropic-workspace-id", "wrkspc-1"),
            ("content-length", str(len(request.content))),
            ("content-type", "application/json"),
            ("host", "api.anthropic.com:8443"),
            ("user-agent", "trunkline"),
            ("x-api-key", "sk-1"),
            ("x-key", "k"),
            ("x-title", "t"),
        ]


def test_another_version_of_the_contract_can_be_named() -> None:
    """A provider's own header names the version, however it is written."""
    given = {"Anthropic-Version": "2026-10-21", "anthropic-beta": "a,b"}
    target = Target("anthropic", "claude-1", "https://api.anthropic.com/v1", given)
    headers = ADAPTER.build_chat(target, ask({}), stream=True).request.headers
    assert headers.get_list("anthropic-version") == ["2026-10-21"]
    assert headers["anthropic-beta"] == "a,b"
    assert "x-api-key" not in headers


def test_a_secret_header_goes_beside_no_key() -> None:
    """Who authenticates by a header of its own sends that header."""
    secret = provider_pb2.ProviderSecret(headers={"Authorization": "Bearer x"})
    target = Target("acme", "acme-1", "http://127.0.0.1:1234/v1", secret=secret)
    headers = ADAPTER.build_chat(target, ask({}), stream=True).request.headers
    assert headers.get_list("authorization") == ["Bearer x"]
    assert "x-api-key" not in headers
    assert "authorization" not in ADAPTER.build_chat(ALIKE, ask({}), stream=True).request.headers


@pytest.mark.parametrize(
    ("purpose", "limit"),
    [(provider_pb2.PROBE_PURPOSE_LIST_MODELS, 1000), (provider_pb2.PROBE_PURPOSE_PROVE_KEY, 1)],
)
def test_a_probe_of_anthropic(purpose: provider_pb2.ProbePurpose.ValueType, limit: int) -> None:
    """A list is the largest page; a proof needs one model."""
    secret = provider_pb2.ProviderSecret(api_key="sk-1")
    target = Target("anthropic", "", "https://api.anthropic.com/v1", secret=secret)
    request = ADAPTER.build_probe(target, purpose)
    assert request.method == "GET"
    assert str(request.url) == f"https://api.anthropic.com/v1/models?limit={limit}"
    assert request.content == b""
    assert sorted(request.headers.multi_items()) == [
        ("accept", "application/json"),
        ("accept-encoding", "identity"),
        ("anthropic-version", "2023-06-01"),
        ("host", "api.anthropic.com"),
        ("user-agent", "trunkline"),
        ("x-api-key", "sk-1"),
    ]


def test_no_secret_shows_in_a_repr_of_anthropic() -> None:
    """Neither target nor built request prints the key."""
    secret = provider_pb2.ProviderSecret(api_key="sk-canary", headers={"x-key": "sk-canary"})
    target = Target("anthropic", "claude-1", "https://api.anthropic.com/v1", secret=secret)
    assert "sk-canary" not in repr(target)
    assert "sk-canary" not in repr(ADAPTER.build_chat(target, ask({}), stream=True))

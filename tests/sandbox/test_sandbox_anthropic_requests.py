"""Requests of Anthropic Messages are checked as the real service checks them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from sandbox.faces import ask_face, headers_of
from sandbox.rawhttp import connect, request
from trunkline.sandbox.server import Sandbox
from trunkline.sandbox.signatures import sign

TOOL: dict[str, Any] = {"name": "f", "input_schema": {"type": "object"}}
USER: dict[str, Any] = {"role": "user", "content": "Hello there"}
CACHED: dict[str, Any] = {"cache_control": {"type": "ephemeral"}}
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n a picture").decode()
IMAGE: dict[str, Any] = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    """Write an assistant message."""
    return {"role": "assistant", "content": [*blocks]}


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    """Write a user message."""
    return {"role": "user", "content": [*blocks]}


def text(said: str, **fields: Any) -> dict[str, Any]:
    """Write a text block."""
    return {"type": "text", "text": said, **fields}


def call(call_id: str) -> dict[str, Any]:
    """Write a tool call."""
    return {"type": "tool_use", "id": call_id, "name": "f", "input": {}}


def result(call_id: str, content: Any = "42") -> dict[str, Any]:
    """Write a tool result."""
    return {"type": "tool_result", "tool_use_id": call_id, "content": content}


def thinking(model: str = "ok", thought: str = "Hm.", signature: str = "") -> dict[str, Any]:
    """Write a thinking block, signed for a model unless a signature is given."""
    signed = signature or sign("anthropic", model, thought)
    return {"type": "thinking", "thinking": thought, "signature": signed}


def form(schema: dict[str, Any]) -> dict[str, Any]:
    """Ask for an answer that fits a schema."""
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


def sealed(**fields: Any) -> dict[str, Any]:
    """Write a schema of an object that forbids other properties."""
    return {"type": "object", "properties": fields, "additionalProperties": False}


WRONG: list[tuple[dict[str, Any], str]] = [
    # fields of the request, and what the error says
    ({"model": None}, "model: Input should be a valid string"),
    ({"max_tokens": None}, "max_tokens: Field required"),
    ({"max_tokens": -1}, "max_tokens: Input should be greater"),
    ({"max_tokens": "5"}, "max_tokens: Input should be a valid integer"),
    ({"max_tokens": 128_001}, "max_tokens: 128001 > 128000"),
    ({"n": 2}, "n: Extra inputs are not permitted"),
    ({"stream": "yes"}, "stream: Input should be a valid boolean"),
    ({"messages": None}, "messages: Field required"),
    ({"messages": []}, "messages: at least one message is required"),
    ({"messages": ["Hello"]}, "messages.0: Input should be a valid dictionary"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role: Input should be 'user'"),
    ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
    ({"messages": [{**USER, "name": "Bo"}]}, "messages.0.name: Extra inputs"),
    ({"messages": [{"role": "user", "content": ""}]}, "messages.0: all messages must have"),
    ({"messages": [user(), USER]}, "messages.0: all messages must have"),
    ({"messages": [{"role": "system", "content": "x"}, USER]}, "a system message must follow"),
    ({"messages": [user(text(""))]}, "text content blocks must be non-empty"),
    ({"messages": [user(text("  "))]}, "must contain non-whitespace text"),
    ({"messages": [user({"type": "video"})]}, "Input tag 'video' found using 'type'"),
    ({"messages": [user(call("a"))]}, "Input tag 'tool_use'"),
    ({"messages": [USER, assistant(IMAGE)]}, "Input tag 'image'"),
    ({"messages": [user({"text": "x"})]}, "messages.0.content.0.type: Field required"),
    ({"messages": [user(text("x", mood="b"))]}, "text.mood: Extra inputs are not permitted"),
    ({"messages": [USER, assistant(text("I began "))]}, "cannot end with trailing whitespace"),
    ({"messages": [USER, assistant(call("a")), USER]}, "without `tool_result` blocks immediately"),
    ({"messages": [USER, assistant(call("a"))]}, "without `tool_result` blocks immediately"),
    ({"messages": [USER, user(result("a"))]}, "unexpected `tool_use_id` found"),
    (
        {"messages": [USER, assistant(call("a"), call("b")), user(result("a"))]},
        "blocks immediately after: b.",
    ),
    (
        {"messages": [USER, assistant(call("a")), user(text("So"), result("a"))]},
        "without `tool_result` blocks immediately",
    ),
    (
        {"messages": [USER, assistant(call("a")), user(result("a"), result("a"))]},
        "each tool_use must have a single result",
    ),
    (
        {"messages": [USER, assistant(call("a"), call("a")), user(result("a"))]},
        "`tool_use` ids must be unique",
    ),
    (
        {"messages": [USER, assistant({**call("a"), "id": "a.b"}), user(result("a.b"))]},
        "tool_use.id: String should match pattern",
    ),
    (
        {"messages": [USER, assistant({**call("a"), "input": "{}"}), user(result("a"))]},
        "tool_use.input: Input should be a valid dictionary",
    ),
    (
        {"messages": [USER, assistant(call("a")), user(result("a", [call("b")]))]},
        "Input tag 'tool_use'",
    ),
    (
        {
            "messages": [
                USER,
                assistant(call("a")),
                user({**result("a", [IMAGE]), "is_error": True}),
            ]
        },
        "all content must be type `text` if `is_error` is true",
    ),
    ({"messages": [USER, assistant(thinking(signature="AAAA")), USER]}, "Invalid `signature` in"),
    ({"messages": [USER, assistant(thinking("reason")), USER]}, "Invalid `signature` in"),
    ({"messages": [USER, assistant({**thinking(), **CACHED}), USER]}, "cache_control: Extra"),
    (
        {"messages": [USER, assistant({"type": "redacted_thinking", "data": "AAAA"}), USER]},
        "Invalid `data` in `redacted_thinking`",
    ),
    (
        {"messages": [user({"type": "image", "source": {"type": "url", "url": "http://a/b"}})]},
        "Only HTTPS URLs are supported",
    ),
    ({"messages": [user(*[text("x", **CACHED)] * 5)]}, "A maximum of 4 blocks with cache_control"),
    ({"messages": [user(text("x", cache_control={"type": "long"}))]}, "cache_control.type"),
    ({"system": [IMAGE]}, "Input tag 'image'"),
    ({"system": 7}, "system: Input should be a valid list"),
    ({"stop_sequences": [" "]}, "each stop sequence must contain non-whitespace"),
    ({"stop_sequences": "END"}, "stop_sequences: Input should be a valid list"),
    ({"temperature": 1.5}, "temperature: range: 0..1"),
    ({"temperature": 0.5, "top_p": 0.5}, "cannot both be specified"),
    ({"top_k": -1}, "top_k: Input should be greater"),
    ({"thinking": {"type": "enabled"}}, "thinking.enabled.budget_tokens: Field required"),
    ({"thinking": {"type": "enabled", "budget_tokens": 1_000}}, "greater than or equal to 1024"),
    (
        {"thinking": {"type": "enabled", "budget_tokens": 2_000}, "max_tokens": 2_000},
        "`max_tokens` must be greater than `thinking.budget_tokens`",
    ),
    ({"thinking": {"type": "adaptive", "budget_tokens": 2_000}}, "Extra inputs are not permitted"),
    ({"thinking": {"type": "adaptive"}, "temperature": 0.5}, "may only be set to 1"),
    ({"thinking": {"type": "adaptive"}, "top_k": 5}, "`top_k` must be unset"),
    (
        {"thinking": {"type": "adaptive"}, "messages": [USER, assistant(text("I began"))]},
        "ends with an assistant turn",
    ),
    (
        {
            "thinking": {"type": "enabled", "budget_tokens": 2_000},
            "tools": [TOOL],
            "tool_choice": {"type": "any"},
        },
        "Thinking may not be enabled when tool_choice forces tool use",
    ),
    ({"tools": [{**TOOL, "name": "a b"}]}, "tools.0.custom.name: String should match pattern"),
    ({"tools": [{"name": "f"}]}, "tools.0.custom.input_schema: Field required"),
    ({"tools": [{"name": "f", "input_schema": {}}]}, "input_schema.type: Input should be 'object'"),
    ({"tools": [TOOL, TOOL]}, "tools: Tool names must be unique"),
    ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "no server tools"),
    ({"tools": [{**TOOL, "strict": True}]}, "'additionalProperties' must be explicitly set"),
    ({"tool_choice": {"type": "auto"}}, "may only be specified while providing tools"),
    ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}}, "Tool 'g' not found"),
    ({"tools": [TOOL], "tool_choice": "auto"}, "tool_choice: Input should be a valid dictionary"),
    ({"output_config": {"effort": "great"}}, "output_config.effort: Input should be 'low'"),
    ({"output_format": {"type": "json_schema", "schema": sealed()}}, "Extra inputs"),
    ({"output_config": {"format": {"type": "json"}}}, "format.type: Input should be 'json_schema'"),
    (form({"type": "object"}), "'additionalProperties' must be explicitly set to false"),
    (form(sealed(a={"type": "string", "minLength": 2})), "property 'minLength' is not supported"),
    (form(sealed(a={"type": "integer", "minimum": 2})), "property 'minimum' is not supported"),
    (form(sealed(a={"type": "array", "minItems": 2})), "'minItems' values other than 0 or 1"),
    (
        form({**sealed(a={"$ref": "#/$defs/b"}), "$defs": {"b": sealed(c={"$ref": "#/$defs/b"})}}),
        "Recursive schemas are not supported",
    ),
    (form(sealed(a={"$ref": "#/nowhere"})), "Could not resolve reference"),
    (
        {**form(sealed()), "messages": [USER, assistant(text("I began"))]},
        "incompatible with structured outputs",
    ),
    ({"metadata": {"user": "u"}}, "metadata.user: Extra inputs are not permitted"),
    ({"service_tier": "flex"}, "service_tier: Input should be 'auto'"),
]

RIGHT: list[dict[str, Any]] = [
    {"max_tokens": 60, "system": "Be brief", "metadata": {"user_id": "u"}, "top_k": 5},
    {"system": [text("Be brief", cache_control={"type": "ephemeral", "ttl": "1h"})]},
    {"messages": [USER, USER, assistant(text("So")), USER]},
    {"messages": [assistant(text("I began")), USER]},
    {"messages": [USER, {"role": "assistant", "content": "I began"}]},
    {"messages": [USER, assistant(), USER][:2]},
    {"messages": [USER, assistant(text("So")), USER, {"role": "system", "content": "Hm"}]},
    {"messages": [USER, assistant(call("a"), call("b")), user(result("b"), result("a"))]},
    {"messages": [USER, assistant(call("a")), user(result("a")), USER]},
    {"messages": [USER, assistant(call("a")), user({**result("a"), "is_error": True}, text("?"))]},
    {"messages": [USER, assistant(call("a")), user(result("a", [text("See"), IMAGE]))]},
    {"messages": [USER, assistant(thinking(), text("So")), USER], "thinking": {"type": "adaptive"}},
    {"tools": [TOOL], "tool_choice": {"type": "none"}, "output_config": {"effort": "xhigh"}},
    {"tools": [{**TOOL, "type": "custom", "description": "Do", "strict": False, **CACHED}]},
    {"thinking": {"type": "adaptive", "display": "summarized"}, "temperature": 1},
    {"cache_control": {"type": "ephemeral"}, "service_tier": "auto"},
    form(sealed(a={"type": "array", "items": {"$ref": "#/$defs/b"}}) | {"$defs": {"b": sealed()}}),
]


@pytest.mark.parametrize(("fields", "said"), WRONG)
async def test_a_wrong_request_is_refused(
    sandbox: Sandbox, fields: dict[str, Any], said: str
) -> None:
    """The status is 400, the type `invalid_request_error`, and the message names the fault."""
    reply = await ask_face(sandbox, "anthropic", "ok", **fields)
    assert (reply.status, reply.json["type"]) == (400, "error")
    assert reply.json["error"]["type"] == "invalid_request_error"
    assert said in reply.json["error"]["message"]


@pytest.mark.parametrize("fields", RIGHT)
async def test_a_right_request_is_answered(sandbox: Sandbox, fields: dict[str, Any]) -> None:
    """What the real service takes is taken."""
    reply = await ask_face(sandbox, "anthropic", "ok", stream=False, **fields)
    assert reply.status == 200, reply.body
    assert reply.json["stop_reason"] == "end_turn"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"temperature": 1}, "temperature: Extra inputs are not permitted"),
        ({"messages": [user(text("x", citations=[{}]))]}, "citations: Extra inputs"),
        (
            {
                "messages": [
                    USER,
                    assistant(
                        {
                            "type": "document",
                            "source": {"type": "text", "media_type": "text/plain", "data": "x"},
                        }
                    ),
                    USER,
                ]
            },
            "not permitted in assistant messages",
        ),
    ],
)
async def test_the_new_contract_is_stricter(
    sandbox: Sandbox, fields: dict[str, Any], said: str
) -> None:
    """Version 2026-10-21 refuses what 2023-06-01 takes."""
    assert (await ask_face(sandbox, "anthropic", "ok", **fields)).status == 200
    headers = {"anthropic-version": "2026-10-21"}
    reply = await ask_face(sandbox, "anthropic", "ok", headers=headers, **fields)
    assert reply.status == 400
    assert said in reply.json["error"]["message"]


async def test_the_old_name_of_a_schema_needs_its_beta(sandbox: Sandbox) -> None:
    """`output_format` is taken with the header of the beta that it came with."""
    form = {"type": "json_schema", "schema": sealed(a={"type": "string"})}
    headers = {"anthropic-beta": "other-2025-01-01, structured-outputs-2025-11-13"}
    reply = await ask_face(
        sandbox, "anthropic", "ok", stream=False, headers=headers, output_format=form
    )
    assert reply.json["content"][0]["text"] == '{"a":"sandbox"}'


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"[" * 100_000])
async def test_a_body_that_is_no_object_is_refused(sandbox: Sandbox, body: bytes) -> None:
    """Bytes that are no JSON object are 400, however they are broken."""
    headers = headers_of("anthropic", "sandbox-key")
    async with connect(sandbox) as line:
        await line.send(
            request("POST", "/anthropic/v1/messages", key=None, headers=headers, body=body)
        )
        assert (await line.reply()).status == 400


async def test_no_token_at_all_is_said(sandbox: Sandbox) -> None:
    """A limit of 0 warms the cache: an answer without content."""
    reply = await ask_face(sandbox, "anthropic", "ok", stream=False, max_tokens=0)
    assert (reply.json["content"], reply.json["stop_reason"]) == ([], "max_tokens")

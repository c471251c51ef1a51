"""Requests are checked as the real service checks them, and refused with the field at fault."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.rawhttp import HELLO, ask, chat, connect, request
from trunkline.sandbox.server import Sandbox

TOOL: dict[str, Any] = {"type": "function", "function": {"name": "f"}}


def call(*ids: str) -> dict[str, Any]:
    """Write an assistant message that calls a tool once for each id."""
    function = {"name": "f", "arguments": "{}"}
    calls = [{"id": each, "type": "function", "function": function} for each in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(call_id: str) -> dict[str, Any]:
    """Write a tool result."""
    return {"role": "tool", "tool_call_id": call_id, "content": "42"}


def schema_format(**fields: Any) -> dict[str, Any]:
    """Write a response format of type `json_schema`."""
    return {"type": "json_schema", "json_schema": fields}


USER = HELLO[0]

WRONG: list[tuple[dict[str, Any], str | None]] = [
    # fields of the request, and the field at fault
    ({"model": ""}, "model"),
    ({"model": None}, "model"),
    ({"model": 7}, "model"),
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": "Hello"}, "messages"),
    ({"messages": ["Hello"]}, "messages[0]"),
    ({"messages": [{"content": "Hello"}]}, "messages[0].role"),
    ({"messages": [USER, {"role": "robot", "content": "Hello"}]}, "messages[1].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
    ({"messages": [{"role": "assistant", "content": None}]}, "messages[0].content"),
    (
        {"messages": [{"role": "user", "content": [{"type": "video"}]}]},
        "messages[0].content[0].type",
    ),
    (
        {"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": {}}]}]},
        "messages[0].content[0].type",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": 7}]}]},
        "messages[0].content[0].text",
    ),
    ({"messages": [USER, result("a")]}, "messages[1].tool_call_id"),
    ({"messages": [USER, call("a"), result("b")]}, "messages[2].tool_call_id"),
    ({"messages": [USER, call("a"), result("a"), result("a")]}, "messages[3].tool_call_id"),
    ({"messages": [USER, call("a", "b"), result("a")]}, "messages[3]"),
    ({"messages": [USER, call("a", "b"), result("a"), USER]}, "messages[3]"),
    ({"messages": [USER, call("a"), USER, result("a")]}, "messages[2]"),
    ({"messages": [USER, call("a", "a"), result("a")]}, "messages[1].tool_calls[1]"),
    ({"messages": [USER, call()]}, "messages[1].content"),
    ({"messages": [USER, {**call("a"), "tool_calls": 7}]}, "messages[1].tool_calls"),
    ({"messages": [USER, {**call("a"), "tool_calls": [7]}]}, "messages[1].tool_calls[0]"),
    (
        {"messages": [USER, {**call(), "tool_calls": [{"id": "a", "type": "function"}]}]},
        "messages[1].tool_calls[0]",
    ),
    ({"top_k": 40}, "top_k"),
    ({"stream": "yes"}, "stream"),
    ({"stream": False, "stream_options": {"include_usage": True}}, "stream_options"),
    ({"stream_options": 7}, "stream_options"),
    ({"stream_options": {"usage": True}}, "stream_options.usage"),
    ({"stream_options": {"include_usage": 1}}, "include_usage"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": 1.5}, "max_tokens"),
    ({"max_completion_tokens": True}, "max_completion_tokens"),
    ({"max_tokens": 5, "max_completion_tokens": 5}, "max_tokens"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    ({"stop": ""}, "stop"),
    ({"stop": [7]}, "stop"),
    ({"tools": []}, "tools"),
    ({"tools": [TOOL] * 129}, "tools"),
    ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0].type"),
    ({"tools": [{"type": "function"}]}, "tools[0].function"),
    ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
    (
        {"tools": [TOOL, {"type": "function", "function": {"name": "g", "parameters": 7}}]},
        "tools[1].function.parameters",
    ),
    ({"tool_choice": "auto"}, "tool_choice"),
    ({"tools": [TOOL], "tool_choice": "any"}, "tool_choice"),
    ({"tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice"),
    (
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}},
        "tool_choice",
    ),
    ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
    ({"response_format": "json"}, "response_format.type"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
    ({"response_format": {"type": "json_object"}}, "messages"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ({"response_format": schema_format(schema={})}, "response_format.json_schema"),
    (
        {"response_format": schema_format(name="card", schema=7)},
        "response_format.json_schema.schema",
    ),
    ({"temperature": 2.1}, "temperature"),
    ({"top_p": -0.1}, "top_p"),
    ({"presence_penalty": "much"}, "presence_penalty"),
    ({"n": 2}, "n"),
    ({"reasoning_effort": "max"}, "reasoning_effort"),
]

RIGHT: list[dict[str, Any]] = [
    {"messages": [{"role": role, "content": "Hi"} for role in ("developer", "system", "user")]},
    {"messages": [{"role": "assistant", "content": "I began"}]},
    {"messages": [USER, {"role": "assistant", "content": None, "refusal": "No."}, USER]},
    {"messages": [USER, call("a", "b"), result("b"), result("a")]},
    {"messages": [USER, call("a"), result("a"), call("a"), result("a"), USER]},
    {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                    {"type": "file", "file": {"file_id": "file-1"}},
                ],
            }
        ]
    },
    {"stop": None, "tools": None, "max_tokens": None, "response_format": None, "n": 1},
    {"response_format": {"type": "text"}, "seed": 7, "user": "u", "metadata": {"a": "b"}},
    {"temperature": 0, "top_p": 1.0, "frequency_penalty": -2, "reasoning_effort": "none"},
    {"tools": [TOOL] * 128, "tool_choice": "none", "parallel_tool_calls": False},
]


@pytest.mark.parametrize(("fields", "param"), WRONG)
async def test_a_wrong_request_is_refused(
    sandbox: Sandbox, fields: dict[str, Any], param: str | None
) -> None:
    """The status is 400 and `param` names the field; the connection stays open."""
    async with connect(sandbox) as line:
        await line.send(chat(**{"model": "ok", **fields}))
        reply = await line.reply()
        assert (reply.status, reply.json["error"]["param"]) == (400, param)
        assert reply.json["error"]["type"] == "invalid_request_error"
        await line.send(chat("ok"))
        assert (await line.reply()).status == 200


@pytest.mark.parametrize("fields", RIGHT)
async def test_a_right_request_is_answered(sandbox: Sandbox, fields: dict[str, Any]) -> None:
    """What the real service takes is taken."""
    assert (await ask(sandbox, "ok", **fields)).finish_reasons == ["stop"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe{}", b"[" * 100_000, b'{"model":NaN}']
)
async def test_a_body_that_is_no_object_is_refused(sandbox: Sandbox, body: bytes) -> None:
    """Bytes that are no JSON object are 400, however they are broken."""
    async with connect(sandbox) as line:
        await line.send(request("POST", "/v1/chat/completions", body=body))
        reply = await line.reply()
        assert (reply.status, reply.json["error"]["type"]) == (400, "invalid_request_error")
        assert sandbox.seen[0].model is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1"),
        ("GET", "/v1/models/"),
        ("GET", "/v1/models/ok/more"),
        ("POST", "/v1/models"),
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/completions"),
        ("OPTIONS", "/v1/models"),
        ("GET", "/sandbox/attempts"),
    ],
)
async def test_another_path_is_not_found(sandbox: Sandbox, method: str, path: str) -> None:
    """A path or method outside the format is a JSON 404, and is seen."""
    async with connect(sandbox) as line:
        await line.send(request(method, path))
        reply = await line.reply()
    assert (reply.status, reply.json["error"]["code"]) == (404, "unknown_url")
    assert reply.headers["x-request-id"].startswith("req_")
    assert [(seen.method, seen.path) for seen in sandbox.seen] == [(method, path)]


async def test_a_query_does_not_change_the_path(sandbox: Sandbox) -> None:
    """The query is kept in the sighting and plays no part in the route."""
    async with connect(sandbox) as line:
        await line.send(request("GET", "/v1/models?limit=3"))
        assert (await line.reply()).status == 200
    assert sandbox.seen[0].path == "/v1/models?limit=3"


async def test_an_unknown_parameter_is_not_echoed_at_length(sandbox: Sandbox) -> None:
    """An error stays short whatever the request held."""
    for fields in ({"x" * 100_000: 1}, {"model": "m" * 100_000}):
        body = json.dumps({"model": "ok", "messages": HELLO, **fields}).encode()
        async with connect(sandbox) as line:
            await line.send(request("POST", "/v1/chat/completions", body=body))
            assert len((await line.reply()).body) < 1_000

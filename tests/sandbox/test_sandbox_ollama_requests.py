"""Requests of Ollama's chat are checked as the server checks them: types, and little else."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from sandbox.faces import ask_face
from sandbox.rawhttp import connect, request
from trunkline.sandbox.server import Sandbox

USER: dict[str, Any] = {"role": "user", "content": "Hello there"}
WEBP = base64.b64encode(b"RIFF\x00\x00\x00\x00WEBPVP8 a picture").decode()


def with_call(function: Any) -> dict[str, Any]:
    """Write a transcript with one tool call."""
    called = {"role": "assistant", "content": "", "tool_calls": [{"function": function}]}
    return {"messages": [USER, called, {"role": "tool", "content": "42"}]}


WRONG: list[tuple[dict[str, Any], str]] = [
    # fields of the request, and what the error says
    ({"model": ""}, "model is required"),
    ({"model": 7}, "model is required"),
    ({"messages": "Hi"}, "cannot unmarshal string into Go struct field ChatRequest.messages"),
    ({"messages": ["Hi"]}, "cannot unmarshal string"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "cannot unmarshal array"),
    ({"messages": [{**USER, "images": ["no base64"]}]}, "illegal base64 data"),
    ({"messages": [{**USER, "images": ["AAAA"]}]}, "unknown format"),
    ({"messages": [{**USER, "images": [{"url": "x"}]}]}, "cannot unmarshal object"),
    (with_call({"name": "f", "arguments": "{}"}), "cannot unmarshal string"),
    (with_call({"arguments": {}}), "ToolCallFunction.name"),
    (with_call(7), "tool_calls.function"),
    ({"tools": {}}, "cannot unmarshal object into Go struct field ChatRequest.tools"),
    ({"tools": [{"type": "function"}]}, "ChatRequest.tools of type api.ToolFunction"),
    ({"tools": [{"function": {"name": "f", "parameters": 7}}]}, "ToolFunction.parameters"),
    ({"stream": "yes"}, "ChatRequest.stream of type bool"),
    ({"format": "xml"}, 'invalid format: "xml"'),
    ({"format": 7}, "invalid format: 7"),
    ({"think": "hard"}, 'invalid think value: "hard"'),
    ({"options": []}, "cannot unmarshal array"),
    ({"options": {"num_predict": "5"}}, 'option "num_predict" must be of type integer'),
    ({"options": {"seed": True}}, 'option "seed" must be of type integer'),
    ({"options": {"temperature": "hot"}}, 'option "temperature" must be of type float32'),
    ({"options": {"use_mmap": 1}}, 'option "use_mmap" must be of type boolean'),
    ({"options": {"stop": "END"}}, 'option "stop" must be of type array'),
]

RIGHT: list[dict[str, Any]] = [
    {"tool_choice": "none", "whatever": 7, "keep_alive": "10m", "truncate": False},
    {"options": {"num_predict": -2, "temperature": 0, "unheard_of": "x", "stop": []}},
    {"messages": [{"role": "system", "content": "Be brief"}, USER, USER]},
    {"messages": [USER, {"role": "assistant", "content": "I began"}]},
    {"messages": [USER, {"role": "tool", "tool_name": "f", "content": "42"}]},
    with_call({"name": "f", "arguments": {"a": 1}, "index": 0}),
    {"messages": [{**USER, "images": [WEBP]}]},
    {"messages": [{"role": "assistant", "thinking": "Hm", "content": None}, USER]},
    {"think": False, "format": "", "tools": [], "options": None},
]


@pytest.mark.parametrize(("fields", "said"), WRONG)
async def test_a_wrong_type_is_refused(sandbox: Sandbox, fields: dict[str, Any], said: str) -> None:
    """The status is 400, and the sentence is that of the server's decoder."""
    reply = await ask_face(sandbox, "ollama", "ok", **fields)
    assert (reply.status, list(reply.json)) == (400, ["error"])
    assert said in reply.json["error"]


@pytest.mark.parametrize("fields", RIGHT)
async def test_the_rest_is_answered(sandbox: Sandbox, fields: dict[str, Any]) -> None:
    """Fields and orders that mean nothing to the server are passed over."""
    reply = await ask_face(sandbox, "ollama", "ok", stream=False, **fields)
    assert reply.status == 200, reply.body
    assert reply.json["done_reason"] == "stop"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"[" * 100_000])
async def test_a_body_that_is_no_object_is_refused(sandbox: Sandbox, body: bytes) -> None:
    """Bytes that are no JSON object are 400, however they are broken."""
    async with connect(sandbox) as line:
        await line.send(request("POST", "/ollama/api/chat", key=None, body=body))
        assert (await line.reply()).status == 400

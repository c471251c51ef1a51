"""One question through each face, and what its answer says in the format's own terms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sandbox.rawhttp import LIMIT, Reply, connect, request
from trunkline.sandbox.server import Sandbox

FACES = ("openai", "anthropic", "google", "ollama")

QUESTION = "Hello there"

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"word": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["word", "count"],
}

_FUNCTION = {"name": "look_up", "parameters": SCHEMA}

BODIES: dict[str, dict[str, Any]] = {
    "openai": {"messages": [{"role": "user", "content": QUESTION}]},
    "anthropic": {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 100_000},
    "google": {"contents": [{"role": "user", "parts": [{"text": QUESTION}]}]},
    "ollama": {"messages": [{"role": "user", "content": QUESTION}]},
}
"""The smallest body of a question."""

TOOLS: dict[str, list[dict[str, Any]]] = {
    "openai": [{"type": "function", "function": _FUNCTION}],
    "anthropic": [{"name": "look_up", "input_schema": SCHEMA}],
    "google": [{"functionDeclarations": [_FUNCTION]}],
    "ollama": [{"type": "function", "function": _FUNCTION}],
}
"""One tool in each format."""

PATHS = {
    "openai": "/v1/chat/completions",
    "anthropic": "/anthropic/v1/messages",
    "ollama": "/ollama/api/chat",
}

LISTS = {
    "openai": "/v1/models",
    "anthropic": "/anthropic/v1/models",
    "google": "/google/v1beta/models",
    "ollama": "/ollama/api/tags",
}
"""Where each face lists its models."""


def headers_of(face: str, key: str) -> dict[str, str]:
    """Return the headers that a face demands, with a key; none without one."""
    version = {"anthropic-version": "2023-06-01"} if face == "anthropic" else {}
    if not key:
        return version
    if face == "anthropic":
        return {**version, "x-api-key": key}
    return {"x-goog-api-key": key} if face == "google" else {"authorization": f"Bearer {key}"}


def chat_of(
    face: str,
    model: str,
    /,
    *,
    stream: bool = True,
    key: str = "sandbox-key",
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> bytes:
    """Write a question to a model through a face; further headers go before its own."""
    body = {**BODIES[face], **fields}
    if face == "google":
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        path = f"/google/v1beta/models/{model}:{method}"
    else:
        path = PATHS[face]
        body = {"model": model, "stream": stream, **body}
    held = {**headers_of(face, key), **(headers or {})}
    return request("POST", path, key=None, body=json.dumps(body).encode(), headers=held)


async def ask_face(
    sandbox: Sandbox,
    face: str,
    model: str,
    /,
    *,
    stream: bool = True,
    silence: float = LIMIT,
    key: str = "sandbox-key",
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> Reply:
    """Ask a question through a face, on a connection of its own; an empty list of tools is none."""
    if fields.get("tools") == []:
        del fields["tools"]
    async with connect(sandbox) as line:
        await line.send(chat_of(face, model, stream=stream, key=key, headers=headers, **fields))
        return await line.reply(silence)


def documents(reply: Reply, face: str) -> list[Any]:
    """Return the JSON documents of a stream; one that is no JSON is left out."""
    found = []
    for frame in _frames(reply, face):
        try:
            found.append(json.loads(frame))
        except ValueError:
            continue
    return found


def _frames(reply: Reply, face: str) -> Iterator[bytes]:
    if face == "ollama":
        yield from reply.body.split(b"\n")
        return
    end = b"\r\n\r\n" if face == "google" else b"\n\n"
    for frame in reply.body.split(end):
        fields = [line for line in frame.split(b"\n") if line.startswith(b"data: ")]
        yield b"".join(line.removeprefix(b"data: ") for line in fields) or frame


def text_of(reply: Reply, face: str, *, stream: bool = True) -> str:
    """Return the text of an answer, refusals included and reasoning left out."""
    found = documents(reply, face) if stream else [reply.json]
    return "".join(_text(document, face) for document in found)


def _text(document: Any, face: str) -> str:
    match face:
        case "openai":
            choices = document.get("choices", ())
            said = [choice.get("delta") or choice.get("message") or {} for choice in choices]
            return "".join((one.get("content") or "") + (one.get("refusal") or "") for one in said)
        case "anthropic":
            blocks = document.get("content", [document.get("delta", {})])
            return "".join(block.get("text", "") for block in blocks)
        case "google":
            contents = [each.get("content", {}) for each in document.get("candidates", ())]
            parts = [part for content in contents for part in content.get("parts", ())]
            return "".join(part.get("text", "") for part in parts if not part.get("thought"))
        case _:
            return str(document.get("message", {}).get("content", ""))

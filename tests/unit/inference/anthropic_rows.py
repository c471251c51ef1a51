"""What a row of the tables of requests to Anthropic is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.v1 import result_pb2

BASE = "https://api.anthropic.com/v1"


def model(name: str) -> Target:
    """Return a model of Anthropic's own address."""
    return Target("anthropic", name, BASE, type="anthropic")


# Thinks by a number of tokens; takes sampling, a text to be continued, and schemas.
COUNTING = model("claude-opus-4-5-20251101")
# Thinks by a number of tokens or as it sees fit.
BOTH = model("claude-sonnet-4-6")
# Thinks as it sees fit, and only when it is asked to.
ADAPTIVE = model("claude-opus-4-8")
# Thinks whatever is said, and cannot be made to call a tool.
NEWEST = model("claude-opus-5-5")
# Does not think.
PLAIN = model("claude-3-5-haiku-20241022")
# Imitates the format.
ALIKE = Target("acme", "acme-1", "https://acme.example/v1")

USER = {"role": "ROLE_USER", "content": [{"text": "Hello"}]}
SAID = {"role": "user", "content": "Hello"}
NO_WORDS = {"role": "user", "content": "."}

DROPPED = result_pb2.Loss.ACTION_DROPPED
TRANSLATED = result_pb2.Loss.ACTION_TRANSLATED

NO_ARGUMENTS = {"type": "object", "properties": {}, "additionalProperties": False}


@dataclass(frozen=True, slots=True)
class Row:
    """A request, and what goes out.

    Attributes:
        name: of the row.
        asked: the request; `messages` may be left out for one that says Hello.
        sent: the body; `model`, `max_tokens` of the model, and `messages` of one that says
            Hello, may be left out.
        lost: action by path.
        target: who is asked.
    """

    name: str
    asked: dict[str, Any]
    sent: dict[str, Any]
    lost: Mapping[str, int] = field(default_factory=dict)
    target: Target = COUNTING


def messages(*given: dict[str, Any]) -> dict[str, Any]:
    """Return a request, or a body, of some messages."""
    return {"messages": list(given)}


def parts(role: str, *given: dict[str, Any]) -> dict[str, Any]:
    """Return a message of some parts."""
    return {"role": role, "content": list(given)}


def text(said: str, **more: Any) -> dict[str, Any]:
    """Return a block of text on the wire."""
    return {"type": "text", "text": said, **more}


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    """Return a message of the user on the wire."""
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    """Return a message of the model on the wire."""
    return {"role": "assistant", "content": list(blocks)}


def tools(*names: str) -> list[dict[str, Any]]:
    """Return tools without arguments, as asked for."""
    return [{"name": name} for name in names]


def tools_sent(*names: str) -> list[dict[str, Any]]:
    """Return tools without arguments on the wire."""
    return [{"name": name, "input_schema": NO_ARGUMENTS} for name in names]


CALL = {"tool_call": {"id": "call_1", "name": "f", "arguments": '{"b": 1, "a": 2}'}}
CALL_SENT = {"type": "tool_use", "id": "call_1", "name": "f", "input": {"b": 1, "a": 2}}
OTHER_CALL = {"tool_call": {"id": "call_2", "name": "g"}}
OTHER_CALL_SENT = {"type": "tool_use", "id": "call_2", "name": "g", "input": {}}
# What a transcript of calls brings with it in a request without tools.
CALLED = {
    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "none"},
}
CALLED_LOST = {"tools": TRANSLATED}


def result(*content: dict[str, Any], call_id: str = "call_1", **more: Any) -> dict[str, Any]:
    """Return a message that is the result of a tool."""
    return parts(
        "ROLE_TOOL", {"tool_result": {"call_id": call_id, "content": list(content), **more}}
    )


def answer(content: Any = None, call_id: Any = "call_1", **more: Any) -> dict[str, Any]:
    """Return a result on the wire."""
    block = {"type": "tool_result", "tool_use_id": call_id, **more}
    return block if content is None else {**block, "content": content}

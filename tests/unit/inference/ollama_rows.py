"""What a row of the tables of requests to Ollama is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.v1 import result_pb2

LOCAL = Target("ollama", "qwen3", "http://localhost:11434", type="ollama")
CLOUD = Target("ollama-cloud", "qwen3", "https://ollama.com")
HANDED_ON = Target("ollama", "gpt-oss:120b-cloud", "http://localhost:11434", type="ollama")

USER = {"role": "ROLE_USER", "content": [{"text": "Hello"}]}
SAID = {"role": "user", "content": "Hello"}

DROPPED = result_pb2.Loss.ACTION_DROPPED
TRANSLATED = result_pb2.Loss.ACTION_TRANSLATED


@dataclass(frozen=True, slots=True)
class Row:
    """A request, and what goes out.

    Attributes:
        name: of the row.
        asked: the request; `messages` may be left out for one that says Hello.
        sent: the body; what every body holds, and `messages` of one that says Hello, may be
            left out.
        lost: action by path.
        target: who is asked.
    """

    name: str
    asked: dict[str, Any]
    sent: dict[str, Any]
    lost: dict[str, int] = field(default_factory=dict)
    target: Target = LOCAL


EMPTY_SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}


def messages(*given: dict[str, Any]) -> dict[str, Any]:
    """Return a request, or a body, of some messages."""
    return {"messages": list(given)}


def parts(role: str, *given: dict[str, Any]) -> dict[str, Any]:
    """Return a message of some parts."""
    return {"role": role, "content": list(given)}


def tools(*names: str) -> list[dict[str, Any]]:
    """Return tools without arguments, as asked for."""
    return [{"name": name} for name in names]


def tools_sent(*names: str) -> list[dict[str, Any]]:
    """Return tools without arguments on the wire."""
    return [
        {"type": "function", "function": {"name": name, "parameters": EMPTY_SCHEMA}}
        for name in names
    ]

"""What a row of the tables of outgoing requests is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.v1 import result_pb2

OWN = Target("openai", "gpt-1", "https://api.openai.com/v1", type="openai")
ALIKE = Target("acme", "acme-1", "https://acme.example/v1")

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
        sent: the body; `model`, and `messages` of one that says Hello, may be left out.
        lost: action by path.
        target: who is asked.
    """

    name: str
    asked: dict[str, Any]
    sent: dict[str, Any]
    lost: Mapping[str, int] = field(default_factory=dict)
    target: Target = OWN


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


def named(name: str) -> dict[str, Any]:
    """Return the choice of a tool on the wire."""
    return {"type": "function", "function": {"name": name}}

"""What a row of the tables of requests to Responses is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.v1 import result_pb2

PLAIN = Target(
    "openai", "gpt-4.1", "https://api.openai.com/v1", credential_id="cred_1", type="openai"
)
THINKER = Target(
    "openai", "gpt-5.6-sol", "https://api.openai.com/v1", credential_id="cred_1", type="openai"
)
ALWAYS = Target("openai", "gpt-6.1-sol-2026-10-01", "https://api.openai.com/v1", type="openai")
QUIET = Target("openai", "gpt-5.2", "https://api.openai.com/v1", type="openai")

USER = {"role": "ROLE_USER", "content": [{"text": "Hello"}]}
SAID = {"type": "message", "role": "user", "content": "Hello"}

DROPPED = result_pb2.Loss.ACTION_DROPPED
TRANSLATED = result_pb2.Loss.ACTION_TRANSLATED

EMPTY_SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}
ENCRYPTED = {"include": ["reasoning.encrypted_content"]}


@dataclass(frozen=True, slots=True)
class Row:
    """A request, and what goes out.

    Attributes:
        name: of the row.
        asked: the request; `messages` may be left out for one that says Hello.
        sent: the body; `model`, `store`, and `input` of one that says Hello, may be left out.
        lost: action by path.
        target: who is asked.
    """

    name: str
    asked: dict[str, Any]
    sent: dict[str, Any]
    lost: dict[str, int] = field(default_factory=dict)
    target: Target = PLAIN


def messages(*given: dict[str, Any]) -> dict[str, Any]:
    """Return a request of some messages."""
    return {"messages": list(given)}


def items(*given: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a body of some items."""
    return {"input": list(given), **more}


def parts(role: str, *given: dict[str, Any]) -> dict[str, Any]:
    """Return a message of some parts."""
    return {"role": f"ROLE_{role.upper()}", "content": list(given)}


def spoken(role: str, content: Any) -> dict[str, Any]:
    """Return a message on the wire."""
    return {"type": "message", "role": role, "content": content}


def called(call_id: str = "call_1", name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    """Return a call on the wire."""
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def answered(output: Any, call_id: str = "call_1") -> dict[str, Any]:
    """Return a result on the wire."""
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def tool_sent(name: str, **more: Any) -> dict[str, Any]:
    """Return a tool on the wire."""
    tool = {"type": "function", "name": name, "parameters": EMPTY_SCHEMA, "strict": False}
    return {**tool, **more}

"""What a row of the tables of requests to Bedrock is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.v1 import result_pb2

BASE = "https://bedrock-runtime.us-east-1.amazonaws.com"

USER = {"role": "ROLE_USER", "content": [{"text": "Hello"}]}
SAID: dict[str, Any] = {"role": "user", "content": [{"text": "Hello"}]}
MARK: dict[str, Any] = {"cachePoint": {"type": "default"}}
LONG_MARK: dict[str, Any] = {"cachePoint": {"type": "default", "ttl": "1h"}}

DROPPED = result_pb2.Loss.ACTION_DROPPED
TRANSLATED = result_pb2.Loss.ACTION_TRANSLATED


def at(model: str) -> Target:
    """Return the vendor's own address."""
    return Target("bedrock", model, BASE)


# One that thinks by tokens and continues answers, one that thinks as it sees fit, one that does
# neither, and other families.
CLAUDE = at("us.anthropic.claude-opus-4-5-20251101-v1:0")
NEW_CLAUDE = at("global.anthropic.claude-opus-4-7-v1:0")
OLD_CLAUDE = at("anthropic.claude-3-5-haiku-20241022")
NOVA = at("amazon.nova-pro-v1:0")
NOVA_2 = at("us.amazon.nova-2-lite-v1:0")
LLAMA = at("meta.llama3-3-70b-instruct-v1:0")
MISTRAL = at("mistral.mistral-large-2407-v1:0")
WRITER = at("us.writer.palmyra-x5-v1:0")
GPT_OSS = at("openai.gpt-oss-120b-1:0")
QWEN = at("qwen.qwen3-32b-v1:0")
HIDDEN = at("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc")


@dataclass(frozen=True, slots=True)
class Row:
    """A request, and what goes out.

    Attributes:
        name: of the row.
        asked: the request; `messages` may be left out for one that says Hello.
        sent: the body; `messages` of one that says Hello may be left out, and so may the limit
            of the model.
        lost: action by path.
        target: who is asked.
    """

    name: str
    asked: dict[str, Any]
    sent: dict[str, Any]
    lost: dict[str, int] = field(default_factory=dict)
    target: Target = CLAUDE


def messages(*given: dict[str, Any]) -> dict[str, Any]:
    """Return a request, or a body, of some messages."""
    return {"messages": list(given)}


def parts(role: str, *given: dict[str, Any]) -> dict[str, Any]:
    """Return a message of some parts."""
    return {"role": role, "content": list(given)}


def user(*given: dict[str, Any]) -> dict[str, Any]:
    """Return a message of the user on the wire."""
    return {"role": "user", "content": list(given)}


def model(*given: dict[str, Any]) -> dict[str, Any]:
    """Return a message of the model on the wire."""
    return {"role": "assistant", "content": list(given)}


PNG = {"image": {"data": "iVBORw0KGgo=", "media_type": "image/png"}}
PNG_SENT = {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}}
PDF = {"document": {"data": "AA==", "media_type": "application/pdf", "name": "Report (1)"}}
PDF_SENT = {"document": {"format": "pdf", "name": "Report (1)", "source": {"bytes": "AA=="}}}

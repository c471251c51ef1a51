"""What a row of the tables of requests to the Gemini API is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.v1 import result_pb2

BASE = "https://generativelanguage.googleapis.com/v1beta"

USER = {"role": "ROLE_USER", "content": [{"text": "Hello"}]}
SAID: dict[str, Any] = {"role": "user", "parts": [{"text": "Hello"}]}
THOUGHTS = {"includeThoughts": True}

DROPPED = result_pb2.Loss.ACTION_DROPPED
TRANSLATED = result_pb2.Loss.ACTION_TRANSLATED


def at(model: str) -> Target:
    """Return the vendor's own address."""
    return Target("google", model, BASE, type="google")


# One of the newest, one of generation 3 that still continues answers, one of the one before,
# and one that is not known at all.
NEWEST = at("gemini-3.8-flash")
SECOND = at("gemini-3-pro-preview")
OLDER = at("gemini-2.5-flash")
UNKNOWN = at("gemma-4-27b-it")


@dataclass(frozen=True, slots=True)
class Row:
    """A request, and what goes out.

    Attributes:
        name: of the row.
        asked: the request; `messages` may be left out for one that says Hello.
        sent: the body; `contents` of one that says Hello may be left out, and so may a
            `generationConfig` that asks for thoughts and nothing else.
        lost: action by path.
        target: who is asked.
    """

    name: str
    asked: dict[str, Any]
    sent: dict[str, Any]
    lost: dict[str, int] = field(default_factory=dict)
    target: Target = NEWEST


def messages(*given: dict[str, Any]) -> dict[str, Any]:
    """Return a request of some messages."""
    return {"messages": list(given)}


def parts(role: str, *given: dict[str, Any]) -> dict[str, Any]:
    """Return a message of some parts."""
    return {"role": role, "content": list(given)}


def contents(*turns: dict[str, Any]) -> dict[str, Any]:
    """Return a body of some turns."""
    return {"contents": list(turns)}


def user(*given: dict[str, Any]) -> dict[str, Any]:
    """Return a turn of the user, or of results."""
    return {"role": "user", "parts": list(given)}


def model(*given: dict[str, Any]) -> dict[str, Any]:
    """Return a turn of the model."""
    return {"role": "model", "parts": list(given)}


def config(**given: Any) -> dict[str, Any]:
    """Return a body that has a generation config, with thoughts."""
    return {"generationConfig": {"thinkingConfig": THOUGHTS, **given}}


PNG = {"image": {"data": "iVBORw0KGgo=", "media_type": "image/png"}}
PNG_SENT = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
GIF = {"image": {"data": "R0lGODlh", "media_type": "image/gif"}}
PDF = {"document": {"data": "AA==", "media_type": "application/pdf"}}
PDF_SENT = {"inlineData": {"mimeType": "application/pdf", "data": "AA=="}}
AT = {"document": {"url": "https://acme.example/a", "media_type": "text/csv"}}
AT_SENT = {"fileData": {"fileUri": "https://acme.example/a", "mimeType": "text/csv"}}

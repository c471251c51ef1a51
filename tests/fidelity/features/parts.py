"""What transcripts and questions are made of."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from fidelity.reading import Json, Kind, Said


def user(*parts: Any) -> Json:
    """Return a message of the user; a string is a text."""
    return {"role": "ROLE_USER", "content": [_part(part) for part in parts]}


def system(*texts: str) -> Json:
    """Return instructions."""
    return {"role": "ROLE_SYSTEM", "content": [_part(text) for text in texts]}


def _part(part: Any) -> Json:
    """Return a part; a string is a text."""
    return {"text": part} if isinstance(part, str) else part


def result(call_id: str, *parts: Any, failed: bool = False) -> Json:
    """Return the result of a call."""
    content = [_part(part) for part in parts]
    return {"toolResult": {"callId": call_id, "content": content, "isError": failed}}


def results(*given: Json) -> Json:
    """Return a message of results."""
    return {"role": "ROLE_TOOL", "content": list(given)}


def image(media_type: str, start: bytes, mark: str) -> Json:
    """Return a picture by value, as far as anybody looks into it."""
    data = base64.b64encode(start + mark.encode()).decode()
    return {"image": {"data": data, "mediaType": media_type}}


def document(media_type: str, content: bytes, name: str = "") -> Json:
    """Return a document by value."""
    data = base64.b64encode(content).decode()
    return {"document": {"data": data, "mediaType": media_type, "name": name}}


def text(words: str, signature: str = "", cited: str = "") -> Said:
    """Return a text of the model."""
    return Said(Kind.TEXT, words, signature=signature, cited=cited)


def call(
    call_id: str, arguments: str = '{"q":"Bern"}', name: str = "search", signature: str = ""
) -> Said:
    """Return a call."""
    return Said(Kind.CALL, arguments, call_id, name, signature)


def tool(name: str = "search", **more: Any) -> Json:
    """Return a tool."""
    return {"name": name, "description": f"What {name} does", "parametersJson": SCHEMA, **more}


SCHEMA: Final = json.dumps(
    {
        "type": "object",
        # Not in the order of the alphabet: it is to be kept.
        "properties": {"q": {"type": "string"}, "limit": {"type": "integer"}},
        "required": ["q", "limit"],
        "additionalProperties": False,
    }
)
BOUNDED: Final = SCHEMA.replace('"integer"', '"integer", "maximum": 10')
REFERRING: Final = json.dumps(
    {
        "type": "object",
        "$defs": {"place": {"type": "string", "description": "A town"}},
        "properties": {"from": {"$ref": "#/$defs/place"}, "to": {"$ref": "#/$defs/place"}},
        "required": ["from", "to"],
        "additionalProperties": False,
    }
)
STRUCT: Final = {
    "type": "object",
    "properties": {"q": {"type": "string", "enum": ["a", "b"]}},
    "required": ["q"],
    "additionalProperties": False,
}

TOOLS: Final[Json] = {"tools": [tool()]}
PNG: Final = image("image/png", b"\x89PNG\r\n\x1a\n", "a picture")
GIF: Final = image("image/gif", b"GIF89a", "a moving picture")
PDF: Final = document("application/pdf", b"%PDF-1.7 a report")
PLAIN: Final = document("text/plain", "A list: é, 漢字".encode())
SIGNATURE: Final = "c2lnbmVkOnRoZSBtb2RlbA=="
ASKED: Final = user("Weather in Bern?")
FOUND: Final = results(result("call_1", "18 degrees"))
THANKS: Final = user("Thank you. And tomorrow?")
HELLO: Final = (user("Hello"),)

CALLED: Final = (ASKED, [call("call_1")], FOUND, THANKS)


def choice(**given: Any) -> Json:
    """Return options with two tools and a choice among them."""
    return {"tools": [tool("search"), tool("read")], "toolChoice": given}


def shape(schema: Json) -> Json:
    """Return options that ask for a shape by a schema."""
    return {"responseFormat": {"jsonSchema": {"name": "answer", **schema}}}


ANY_TEXT: Final = r"messages\[\d+\]\.content\[\d+\]\.text"
CALLS: Final = r"messages\[\d+\]\.content\[\d+\]\.tool_call"
RESULTS: Final = r"messages\[\d+\]\.content\[\d+\]\.tool_result.*"
PROOF: Final = r"messages\[\d+\]\.content\[0\]\.signature"

"""Schemas of tools, written without references."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format

from trunkline.inference.adapters.ollama import OllamaAdapter
from trunkline.inference.adapters.ollama.references import inline
from trunkline.inference.transcript import check
from trunkline.inference.v1 import chat_pb2, result_pb2
from unit.inference.ollama_rows import LOCAL, USER

PLACE = {"type": "object", "properties": {"city": {"type": "string"}}}


def written(schema: dict[str, Any]) -> dict[str, Any] | None:
    """Write a schema anew."""
    return inline(json.dumps(schema).encode())


def of(**properties: Any) -> dict[str, Any]:
    """Return the schema of an object."""
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {**of(a={"$ref": "#/$defs/Place"}), "$defs": {"Place": PLACE}},
            of(a=PLACE),
        ),
        (
            {**of(a={"$ref": "#/definitions/Place"}), "definitions": {"Place": PLACE}},
            of(a=PLACE),
        ),
        # What stands beside the reference holds as well.
        (
            {
                **of(a={"$ref": "#/$defs/Place", "description": "Where."}),
                "$defs": {"Place": {**PLACE, "description": "A place."}},
            },
            of(a={**PLACE, "description": "Where."}),
        ),
        # References within references, in lists, and more than once.
        (
            {
                **of(a={"anyOf": [{"$ref": "#/$defs/List"}, {"$ref": "#/$defs/Place"}]}),
                "$defs": {
                    "Place": PLACE,
                    "List": {"type": "array", "items": {"$ref": "#/$defs/Place"}},
                },
            },
            of(a={"anyOf": [{"type": "array", "items": PLACE}, PLACE]}),
        ),
        # Escapes of RFC 6901, section 6.
        (
            {**of(a={"$ref": "#/$defs/a~1b~0c%20d"}), "$defs": {"a/b~c d": PLACE}},
            of(a=PLACE),
        ),
        # A schema that is a reference itself.
        ({"$ref": "#/$defs/Place", "$defs": {"Place": PLACE}}, PLACE),
        # A property by that name is no reference.
        (of(**{"$ref": {"type": "string"}}), of(**{"$ref": {"type": "string"}})),
    ],
)
def test_what_a_reference_leads_to_stands_in_its_place(
    schema: dict[str, Any], expected: dict[str, Any]
) -> None:
    """The schema says the same without references and definitions, in the same order."""
    assert json.dumps(written(schema)) == json.dumps(expected)


@pytest.mark.parametrize(
    "schema",
    [
        {**of(a={"$ref": "#/$defs/Tree"}), "$defs": {"Tree": of(b={"$ref": "#/$defs/Tree"})}},
        of(a={"$ref": "#"}),
        of(a={"$ref": "#/$defs/Place"}),
        of(a={"$ref": "https://acme.example/schema"}),
        of(a={"$ref": "#/type"}),
        {**of(a={"$ref": "#/$defs/0"}), "$defs": [PLACE]},
    ],
)
def test_what_cannot_be_written_without_references(schema: dict[str, Any]) -> None:
    """A reference into itself, out of the schema, or to nothing."""
    assert written(schema) is None


def test_a_schema_that_grows_without_end_is_given_up() -> None:
    """Each of 100 definitions refers twice to the next: 2^100 values."""
    twice = {
        f"d{n}": of(a={"$ref": f"#/$defs/d{n + 1}"}, b={"$ref": f"#/$defs/d{n + 1}"})
        for n in range(100)
    }
    assert written({**of(a={"$ref": "#/$defs/d0"}), "$defs": {**twice, "d100": PLACE}}) is None


@pytest.mark.parametrize("inner", ["[" * 900 + "]" * 900, "1e999"])
def test_a_schema_that_cannot_be_read_is_given_up(inner: str) -> None:
    """It nests too deep, or holds a number that no double holds."""
    text = f'{{"a": {inner}, "$ref": "#/$defs/Place", "$defs": {{"Place": {{}}}}}}'
    assert inline(text.encode()) is None


def test_a_tool_goes_out_without_references_or_with_a_loss() -> None:
    """Ollama would drop them; what cannot be said otherwise goes out as it is."""
    good = {**of(a={"$ref": "#/$defs/Place"}), "$defs": {"Place": PLACE}}
    endless = '{ "$ref": "#" }'
    tools = [{"name": "f", "parameters": good}, {"name": "g", "parameters_json": endless}]
    request = json_format.ParseDict({"messages": [USER], "tools": tools}, chat_pb2.ChatRequest())
    assert check(request) == []
    built = OllamaAdapter().build_chat(LOCAL, request, stream=True)
    sent = [tool["function"]["parameters"] for tool in json.loads(built.request.content)["tools"]]
    assert sent == [of(a=PLACE), {"$ref": "#"}]
    assert endless.encode() in built.request.content
    assert {loss.path: loss.action for loss in built.losses} == {
        "tools[1].parameters_json": result_pb2.Loss.ACTION_DROPPED
    }

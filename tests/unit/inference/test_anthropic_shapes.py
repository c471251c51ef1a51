"""Which schemas Anthropic can hold a model to."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.adapters.anthropic.shapes import MAX_OPTIONAL, MAX_UNIONS, fit


def fitted(schema: Any) -> tuple[Any, bool] | None:
    """Fit a schema; return it, and whether constraints were left out."""
    found = fit(schema if isinstance(schema, dict) else msgspec.Raw(schema.encode()))
    return None if found is None else (json.loads(bytes(found.schema)), found.widened)


def obj(**properties: Any) -> dict[str, Any]:
    """Return an object schema that is open."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def closed(**properties: Any) -> dict[str, Any]:
    """Return an object schema that is closed."""
    return {**obj(**properties), "additionalProperties": False}


TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "sent", "widened"),
    [
        (closed(a=TEXT), closed(a=TEXT), False),
        (obj(a=TEXT), closed(a=TEXT), False),
        ({**obj(a=TEXT), "additionalProperties": True}, closed(a=TEXT), False),
        (obj(a=obj(b=TEXT)), closed(a=closed(b=TEXT)), False),
        ({"type": "object", "additionalProperties": False},
         {"type": "object", "additionalProperties": False}, False),
        (closed(a={"type": "integer", "minimum": 1, "maximum": 5}),
         closed(a={"type": "integer", "description": "{minimum: 1, maximum: 5}"}), True),
        (closed(a={**TEXT, "description": "A word.", "format": "colour"}),
         closed(a={**TEXT, "description": 'A word.\n\n{format: "colour"}'}), True),
        (closed(**{f"p{n}": TEXT for n in range(40)}), closed(**{f"p{n}": TEXT for n in range(40)}),
         False),
        (closed(a={**TEXT, "format": "uuid"}), closed(a={**TEXT, "format": "uuid"}), False),
        ({"oneOf": [TEXT, {"type": "null"}]}, {"anyOf": [TEXT, {"type": "null"}]}, False),
        (closed(a={"type": "array", "items": {**TEXT, "maxLength": 5}, "minItems": 1}),
         closed(a={"type": "array", "items": {**TEXT, "description": "{maxLength: 5}"},
                   "minItems": 1}), True),
        (closed(a={"type": "array", "items": TEXT, "minItems": 2}),
         closed(a={"type": "array", "items": TEXT, "description": "{minItems: 2}"}), True),
        # A property may be called like a constraint.
        (closed(minimum=TEXT), closed(minimum=TEXT), False),
        ({"anyOf": [obj(a=TEXT), TEXT]}, {"anyOf": [closed(a=TEXT), TEXT]}, False),
        ({**obj(a={"$ref": "#/$defs/b"}), "$defs": {"b": obj(c=TEXT)}},
         {**closed(a={"$ref": "#/$defs/b"}), "$defs": {"b": closed(c=TEXT)}}, False),
        ({"type": ["object", "null"], "properties": {"a": TEXT}},
         {"type": ["object", "null"], "properties": {"a": TEXT}, "additionalProperties": False},
         False),
    ],
)  # fmt: skip
def test_schemas_that_can_be_held(schema: Any, sent: Any, widened: bool) -> None:
    """Objects are closed; constraints that are not taken are left out, and that is told."""
    assert fitted(schema) == (sent, widened)


CHAIN: dict[str, Any] = {**TEXT}
for _ in range(100):
    CHAIN = {"anyOf": [CHAIN]}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "properties": {}},
        {"type": "object", "additionalProperties": TEXT},
        {**obj(a=TEXT), "patternProperties": {"^b": TEXT}},
        obj(a={"type": "object"}),
        obj(a=True),
        obj(a={"not": TEXT}),
        obj(a={"enum": [{"b": 1}]}),
        obj(a={"enum": 7}),
        {"$ref": "#"},
        obj(a={"$ref": "#/properties/b"}),
        obj(a={"$ref": "https://acme.example/schema"}),
        {"$defs": {"a": obj(b={"$ref": "#/$defs/a"})}, "$ref": "#/$defs/a"},
        {
            "$defs": {"a": obj(b={"$ref": "#/$defs/c"}), "c": obj(d={"$ref": "#/$defs/a"})},
            **obj(e={"$ref": "#/$defs/a"}),
        },
        {"type": "object", "properties": {f"p{n}": TEXT for n in range(MAX_OPTIONAL + 1)}},
        obj(**{f"p{n}": {"type": ["string", "null"]} for n in range(MAX_UNIONS + 1)}),
        obj(**{f"p{n}": {"anyOf": [TEXT]} for n in range(MAX_UNIONS + 1)}),
        CHAIN,
        "[" * 2000 + "]" * 2000,
        '{"type": "object", "properties": {"a": {"const": 1e999}}}',
        '{"const": ' + "7" * 5000 + "}",
    ],
)
def test_schemas_that_cannot_be_held(schema: Any) -> None:
    """Free keys, recursion, foreign references and what is too large."""
    assert fitted(schema) is None


def test_a_schema_that_fits_is_not_touched() -> None:
    """It goes out byte for byte."""
    text = '{ "type":"object", "required":[], "additionalProperties":false,"default":1.0 }'
    found = fit(msgspec.Raw(text.encode()))
    assert found is not None
    assert bytes(found.schema) == text.encode()


def test_a_schema_that_is_changed_keeps_its_order_and_its_numbers() -> None:
    """Only what must be is other than it was."""
    text = '{"type":"object","properties":{"z":{"enum":[123456789012345678901234567890]}}}'
    found = fit(msgspec.Raw(text.encode()))
    assert found is not None
    assert bytes(found.schema).decode() == text[:-1] + ',"additionalProperties":false}'


WORDS = ["type", "properties", "items", "anyOf", "oneOf", "$defs", "$ref", "required"]
KEYS = st.sampled_from([*WORDS, "minItems", "maximum", "format", "enum"])
NONSENSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["object", "#", "#/$defs/a", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.just("a"), inner),
    max_leaves=10,
)


@given(st.dictionaries(KEYS, NONSENSE))
def test_any_object_can_be_judged(schema: dict[str, Any]) -> None:
    """Nothing makes the judgement fail, and what fits fits again."""
    found = fit(msgspec.Raw(json.dumps(schema).encode()))
    if found is not None:
        again = fit(found.schema)
        assert again is not None
        assert bytes(again.schema) == bytes(found.schema)

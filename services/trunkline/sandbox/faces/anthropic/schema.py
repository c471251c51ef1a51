"""JSON schemas that Anthropic's structured output takes.

Source: the page on structured outputs: objects must forbid further properties, and recursion and
most bounds are not supported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trunkline.sandbox.faces.anthropic.fields import refuse
from trunkline.sandbox.prompt import JsonObject

MAX_DEPTH = 64
"""Deepest nesting that is taken."""

_UNSUPPORTED = {
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "string": ("minLength", "maxLength"),
    "array": ("maxItems", "uniqueItems"),
    "object": ("minProperties", "maxProperties", "patternProperties"),
}


def check_schema(schema: JsonObject, path: str) -> None:
    """Check the schema of an answer.

    Args:
        schema: the schema.
        path: where it stands, in dots.

    Raises:
        Refusal: it uses what the vendor does not compile.
    """
    _check(schema, path, schema, ())


def _check(
    schema: JsonObject, path: str, root: JsonObject, followed: tuple[str, ...], depth: int = 0
) -> None:
    if depth > MAX_DEPTH:
        refuse(path, "Schema is too complex for compilation")
    reference = schema.get("$ref")
    if isinstance(reference, str):
        if reference in followed:
            refuse(path, "Recursive schemas are not supported")
        target = _find(root, reference)
        if target is None:
            refuse(path, f"Could not resolve reference '{reference[:64]}'")
        _check(target, path, root, (*followed, reference), depth + 1)
        return
    kinds = schema.get("type")
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        for keyword in _UNSUPPORTED.get(str(kind), ()):
            if keyword in schema:
                refuse(path, f"For '{kind}' type, property '{keyword}' is not supported")
        if kind == "object" and schema.get("additionalProperties") is not False:
            refuse(
                path, "For 'object' type, 'additionalProperties' must be explicitly set to false"
            )
        if kind == "array" and schema.get("minItems", 0) not in (0, 1):
            refuse(path, "For 'array' type, 'minItems' values other than 0 or 1 are not supported")
    for inner in _inner(schema):
        _check(inner, path, root, followed, depth + 1)


def _inner(schema: JsonObject) -> Iterator[JsonObject]:
    """Yield the schemas that lie directly in a schema."""
    properties = schema.get("properties")
    held = list(properties.values()) if isinstance(properties, Mapping) else []
    held.append(schema.get("items"))
    for keyword in ("anyOf", "allOf", "oneOf"):
        options = schema.get(keyword)
        held.extend(options if isinstance(options, list) else ())
    yield from (entry for entry in held if isinstance(entry, Mapping))


def _find(root: JsonObject, reference: str) -> JsonObject | None:
    place: object = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        if step:
            place = place.get(step) if isinstance(place, Mapping) else None
    return place if isinstance(place, Mapping) else None

"""Values that fit a JSON schema, for tool arguments and structured answers.

Source: JSON Schema 2020-12, of it what tools use: type, enum, const, properties, required, items,
anyOf, oneOf, allOf, local `$ref`, and the bounds of strings, numbers and arrays. Other keywords
are passed over.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from trunkline.sandbox.prompt import JsonObject

MAX_DEPTH = 32
"""Deepest nesting that is filled; below it a value is null."""

MAX_VALUES = 10_000
"""Most values that are filled; a schema that demands more gets null for the rest."""

MAX_STRING = 10_000
"""Most characters that a string is lengthened to."""

_OPTIONAL_DEPTH = 4
"""Below it only required properties are filled, so that a recursive schema ends soon."""

_FORMATS = {
    "date": "2026-11-20",
    "date-time": "2026-11-20T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def fit(schema: JsonObject) -> Any:
    """Return a value that fits a schema; the same one each time.

    Args:
        schema: a JSON schema. An empty one fits everything and gives an object.
    """
    if not schema:
        return {"answer": "sandbox"}
    return _Filler(schema).fill(schema, 0)


class _Filler:
    """Fill one schema within the bounds of depth and number."""

    def __init__(self, root: JsonObject) -> None:
        self._root = root
        self._left = MAX_VALUES

    def fill(self, schema: object, depth: int) -> Any:
        """Fill one place, `depth` levels below the top."""
        self._left -= 1
        if not isinstance(schema, Mapping) or depth > MAX_DEPTH or self._left < 0:
            return None
        if "const" in schema:
            return schema["const"]
        for keyword in ("enum", "anyOf", "oneOf"):
            options = schema.get(keyword)
            if isinstance(options, list) and options:
                return options[0] if keyword == "enum" else self.fill(options[0], depth + 1)
        if isinstance(schema.get("$ref"), str):
            return self.fill(self._follow(schema), depth + 1)
        parts = schema.get("allOf")
        if isinstance(parts, list) and parts:
            return self.fill(self._merge(schema, parts), depth + 1)
        return self._fill_type(schema, depth)

    def _fill_type(self, schema: JsonObject, depth: int) -> Any:
        match _type_of(schema):
            case "object":
                return self._fill_object(schema, depth)
            case "array":
                return self._fill_array(schema, depth)
            case "string":
                return _string(schema)
            case "integer":
                return int(_number(schema, step=_bound(schema, "multipleOf") or 1.0))
            case "number":
                return _number(schema, step=_bound(schema, "multipleOf"))
            case "boolean":
                return True
            case _:
                return None

    def _fill_object(self, schema: JsonObject, depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        if not isinstance(properties, Mapping):
            properties = {}
        listed = schema.get("required")
        required = listed if isinstance(listed, list) else []
        names = [name for name in required if isinstance(name, str)]
        if depth < _OPTIONAL_DEPTH:
            names = [*properties, *(name for name in names if name not in properties)]
        return {name: self.fill(properties.get(name, {}), depth + 1) for name in names}

    def _fill_array(self, schema: JsonObject, depth: int) -> list[Any]:
        most = _bound(schema, "maxItems")
        usual = 1 if most is None else min(1, int(most))
        count = max(int(_bound(schema, "minItems") or 0), usual)
        items = schema.get("items", {"type": "string"})
        return [self.fill(items, depth + 1) for _ in range(min(count, MAX_VALUES))]

    def _follow(self, schema: object) -> object:
        """Follow a local reference such as `#/$defs/node`; None when it leads nowhere."""
        if not isinstance(schema, Mapping) or not isinstance(schema.get("$ref"), str):
            return schema
        place: object = self._root
        for step in schema["$ref"].removeprefix("#").strip("/").split("/"):
            if step:
                key = step.replace("~1", "/").replace("~0", "~")
                place = place.get(key) if isinstance(place, Mapping) else None
        return place

    def _merge(self, schema: JsonObject, parts: list[Any]) -> JsonObject:
        """Join the parts of an `allOf` with the schema around it."""
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        for part in map(self._follow, parts):
            if not isinstance(part, Mapping):
                continue
            for key, value in part.items():
                held = merged.get(key)
                if isinstance(held, Mapping) and isinstance(value, Mapping):
                    merged[key] = {**held, **value}
                elif isinstance(held, list) and isinstance(value, list):
                    merged[key] = [*held, *value]
                else:
                    merged[key] = value
        return merged


def _type_of(schema: JsonObject) -> str:
    """Name the schema's type: the first that is not null, or what its keywords imply."""
    named = schema.get("type")
    if isinstance(named, list):
        named = next((entry for entry in named if entry != "null"), "null")
    if isinstance(named, str):
        return named
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def _string(schema: JsonObject) -> str:
    text = _FORMATS.get(str(schema.get("format")), "sandbox")
    text = text.ljust(min(int(_bound(schema, "minLength") or 0), MAX_STRING), "x")
    longest = _bound(schema, "maxLength")
    return text if longest is None else text[: int(longest)]


def _number(schema: JsonObject, *, step: float | None) -> float:
    """Choose a number near 1 within the bounds, a multiple of `step` when there is one."""
    low, above = _bound(schema, "minimum"), _bound(schema, "exclusiveMinimum")
    high, below = _bound(schema, "maximum"), _bound(schema, "exclusiveMaximum")
    room = step or 0.5
    lowest = [] if low is None else [low]
    lowest += [] if above is None else [above + room]
    highest = [] if high is None else [high]
    highest += [] if below is None else [below - room]
    value = min([max([1.0, *lowest]), *highest])
    if not step or not math.isfinite(value / step):
        return value
    # Rounded away from the bound that was met, so that it stays met.
    rounded = math.floor(value / step) if value in highest else math.ceil(value / step)
    return rounded * step


def _bound(schema: JsonObject, keyword: str) -> float | None:
    """Read a numeric keyword; None when it is absent or no usable number."""
    value = schema.get(keyword)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    # An integer of hundreds of digits is valid JSON and no float.
    return float(value) if abs(value) < 2**53 else None

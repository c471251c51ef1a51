"""Fit JSON schemas to what Anthropic can hold a model to.

Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs, "JSON Schema
limitations". A schema that does not fit is refused with its request, so that it is better asked
for in words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from trunkline.inference.adapters.values import Json

MAX_OPTIONAL: Final = 24
"""How many properties of a schema may be optional."""

MAX_UNIONS: Final = 16
"""How many parts of a schema may be of several types."""

_MAX_DEPTH: Final = 64

# What the provider refuses and no other words of a schema can say.
_UNHOLDABLE: Final = frozenset(
    {
        "$dynamicRef",
        "contains",
        "dependentRequired",
        "dependentSchemas",
        "else",
        "if",
        "not",
        "patternProperties",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)

# Constraints that the provider refuses. The model is told of them in the description instead,
# as the vendor's own clients do it.
_UNKNOWN: Final = frozenset(
    {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
    }
)
_MIN_ITEMS: Final = (0, 1)
_FORMATS: Final = frozenset(
    {
        "date",
        "date-time",
        "duration",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "time",
        "uri",
        "uuid",
    }
)

_MAPS: Final = ("properties", "$defs", "definitions")
_LISTS: Final = ("anyOf", "allOf", "oneOf", "prefixItems")


@dataclass(frozen=True, slots=True)
class Fitted:
    """A schema that the provider takes.

    Attributes:
        schema: what to send.
        widened: constraints were left out, so that more answers fit.
    """

    schema: msgspec.Raw
    widened: bool


class _Misfit(Exception):
    """A schema cannot be held."""


def fit(schema: msgspec.Raw | Json) -> Fitted | None:
    """Fit a schema to what the provider takes.

    Objects are closed, which lets through less and never more. A schema that is fit as it
    stands goes out byte for byte.

    Args:
        schema: as `schemas.schema_of` returns it.

    Returns:
        None when it cannot be held: it recurs, has objects of free keys, or is too large.
    """
    text = bytes(schema) if isinstance(schema, msgspec.Raw) else msgspec.json.encode(schema)
    try:
        # The standard decoder keeps whole numbers of any size.
        plain = json.loads(text)
        walk = _Walk()
        walk.visit(plain, 0)
        walk.check_references()
        if not walk.changed:
            return Fitted(msgspec.Raw(text), widened=False)
        written = json.dumps(plain, allow_nan=False, separators=(",", ":"))
    except (_Misfit, ValueError, RecursionError):
        return None
    return Fitted(msgspec.Raw(written.encode()), widened=walk.widened)


class _Walk:
    """One walk over a schema, which it changes on the way.

    Attributes:
        changed: the schema is not what it was.
        widened: a constraint was left out.
    """

    __slots__ = ("_definitions", "_optional", "_references", "_unions", "changed", "widened")

    def __init__(self) -> None:
        self.changed = False
        self.widened = False
        self._optional = 0
        self._unions = 0
        # Which definitions each definition names; "" is the schema outside of all of them.
        self._definitions: set[str] = set()
        self._references: dict[str, set[str]] = {}

    def visit(self, schema: Any, depth: int, definition: str = "") -> None:
        """Fit one schema and all in it.

        Args:
            schema: a schema; true and false are schemas too.
            depth: how deep it stands.
            definition: the definition that it stands in.

        Raises:
            _Misfit: it cannot be held.
        """
        if not isinstance(schema, dict) or depth > _MAX_DEPTH or _UNHOLDABLE & schema.keys():
            raise _Misfit
        enum = schema.get("enum", ())
        if not isinstance(enum, list | tuple) or any(isinstance(e, dict | list) for e in enum):
            raise _Misfit
        self._definitions.add(definition)
        reference = schema.get("$ref")
        if reference is not None:
            self._references.setdefault(definition, set()).add(str(reference))
        self._close(schema)
        self._constrain(schema)
        if "oneOf" in schema and "anyOf" not in schema:
            schema["anyOf"] = schema.pop("oneOf")
            self.changed = True
        self._unions += "anyOf" in schema or isinstance(schema.get("type"), list)
        properties = schema.get("properties")
        if isinstance(properties, dict):
            required = schema.get("required")
            named = required if isinstance(required, list) else ()
            self._optional += sum(name not in named for name in properties)
        if self._optional > MAX_OPTIONAL or self._unions > MAX_UNIONS:
            raise _Misfit
        for where, inner in _inner(schema):
            self.visit(inner, depth + 1, where or definition)

    def check_references(self) -> None:
        """See that every definition that is named is there, and leads not back to itself.

        Raises:
            _Misfit: one is not, or does.
        """
        for definition in self._definitions:
            self._follow(definition, ())

    def _follow(self, definition: str, way: tuple[str, ...]) -> None:
        """Follow the references of a definition, having come a certain way."""
        if definition in way or definition not in self._definitions:
            raise _Misfit
        for named in self._references.get(definition, ()):
            self._follow(named, (*way, definition))

    def _close(self, schema: Json) -> None:
        """Let an object have no other keys than those that are named."""
        kind = schema.get("type")
        is_object = kind == "object" or (isinstance(kind, list) and "object" in kind)
        if not is_object and "properties" not in schema:
            return
        further = schema.get("additionalProperties")
        if further is False:
            return
        if not schema.get("properties"):
            # Closed, it would hold nothing at all.
            raise _Misfit
        schema["additionalProperties"] = False
        self.changed = True

    def _constrain(self, schema: Json) -> None:
        """Leave out the constraints that are not taken, and say them in the description."""
        gone = [key for key in schema if key in _UNKNOWN]
        if schema.get("minItems", 0) not in _MIN_ITEMS:
            gone.append("minItems")
        form = schema.get("format", "date")
        if not isinstance(form, str) or form not in _FORMATS:
            gone.append("format")
        if not gone:
            return
        said = ", ".join(f"{key}: {json.dumps(schema.pop(key))}" for key in gone)
        before = schema.get("description")
        schema["description"] = f"{before}\n\n{{{said}}}" if before else f"{{{said}}}"
        self.changed = self.widened = True


def _inner(schema: Json) -> Iterator[tuple[str, Any]]:
    """Yield the schemas in a schema, with the reference by which a definition is named."""
    for key in _MAPS:
        holder = schema.get(key)
        if isinstance(holder, dict):
            for name, inner in holder.items():
                yield ("" if key == "properties" else f"#/{key}/{name}"), inner
    for key in _LISTS:
        listed = schema.get(key)
        if isinstance(listed, list):
            for inner in listed:
                yield "", inner
    items = schema.get("items")
    if items is not None:
        yield "", items

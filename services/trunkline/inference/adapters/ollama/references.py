"""Write what a schema refers to in the place of the reference.

The server reads the schema of a tool into a type that has no `$ref`, so that of a reference
nothing reaches the model (`ToolProperty` in `api/types.go` of https://github.com/ollama/ollama).
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote

from trunkline.inference.adapters.values import Json, load

MAX_VALUES: Final = 20_000
"""How many values a schema may grow to; what refers to itself by twos grows without end."""

_DEFINITIONS: Final = frozenset({"$defs", "definitions"})


class _Unresolvable(Exception):
    """A reference leads out of the schema, or into itself, or the whole grows too large."""


def inline(text: bytes) -> Json | None:
    """Return a schema without references.

    Args:
        text: JSON of a schema of a tool's arguments.

    Returns:
        The same in other words, its definitions left out; None when there is no such schema,
        or the text cannot be read: a number may be too large, or it may nest too deep.
    """
    try:
        return _Inlining(load(text)).whole()
    except (_Unresolvable, ValueError, RecursionError):
        return None


class _Inlining:
    """One schema being written anew."""

    __slots__ = ("_left", "_schema")

    def __init__(self, schema: Json) -> None:
        self._schema = schema
        self._left = MAX_VALUES

    def whole(self) -> Json:
        """Return the schema without its references and definitions."""
        kept = {key: value for key, value in self._schema.items() if key not in _DEFINITIONS}
        written = self._write(kept, ())
        if not isinstance(written, dict):
            raise _Unresolvable
        return written

    def _write(self, value: Any, under: tuple[str, ...]) -> Any:
        """Return a value without references.

        Args:
            value: to write.
            under: the references that led here.
        """
        self._left -= 1
        if self._left < 0:
            raise _Unresolvable
        if isinstance(value, list):
            return [self._write(each, under) for each in value]
        if not isinstance(value, dict):
            return value
        reference = value.get("$ref")
        if not isinstance(reference, str):
            return {key: self._write(each, under) for key, each in value.items()}
        if reference in under:
            raise _Unresolvable
        found = self._write(self._find(reference), (*under, reference))
        # What stands beside a reference holds as well, since draft 2019-09.
        beside = {key: self._write(v, under) for key, v in value.items() if key != "$ref"}
        return {**found, **beside}

    def _find(self, reference: str) -> Json:
        """Return what a reference within the schema leads to (RFC 6901, section 6)."""
        start, *steps = unquote(reference).split("/")
        value: Any = self._schema
        for step in steps:
            key = step.replace("~1", "/").replace("~0", "~")
            value = value.get(key) if isinstance(value, dict) else None
        if start != "#" or not isinstance(value, dict):
            raise _Unresolvable
        return value

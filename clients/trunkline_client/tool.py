"""Tools of a program: a function's signature as a schema, its answer as a tool result."""

from __future__ import annotations

import inspect
import json
import logging
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin
from typing import get_type_hints as read_hints

from trunkline.inference.v1 import message_pb2

Function: TypeAlias = Callable[..., object]
"""Takes the arguments by name; may be async. It returns a text, a part or a list of parts,
nothing, or anything that JSON can say."""
Functions: TypeAlias = Mapping[str, Function | tuple[message_pb2.Tool, Function]]
"""By the name that the model knows; with a tool, that is shown instead of the signature."""

_LOG: Final = logging.getLogger("trunkline_client")
_PLAIN: Final[Mapping[object, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
}
_MAX_ERROR_CHARACTERS: Final = 4096


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The functions that a model may call.

    Attributes:
        tools: as the model is told of them.
        functions: by name.
    """

    tools: tuple[message_pb2.Tool, ...]
    functions: Mapping[str, Function]

    @classmethod
    def of(cls, given: Functions) -> Toolbox:
        """Return the functions with what the model is told of them.

        Raises:
            TypeError: a signature has no schema, or a tool has another name.
        """
        tools, functions = [], {}
        for name, entry in given.items():
            tool, function = entry if isinstance(entry, tuple) else (describe(entry, name), entry)
            if tool.name != name:
                raise TypeError(f"the tool {tool.name} stands under the name {name}")
            tools.append(tool)
            functions[name] = function
        return cls(tuple(tools), functions)

    def find(self, call: message_pb2.ToolCall) -> tuple[Function, dict[str, Any]]:
        """Return the function that a call means, and its arguments.

        Raises:
            ValueError: there is no such function, or the arguments are no object.
        """
        function = self.functions.get(call.name)
        if function is None:
            raise ValueError(f"there is no tool {call.name}")
        arguments = json.loads(call.arguments or "{}")
        if not isinstance(arguments, dict):
            raise ValueError("the arguments are no JSON object")
        return function, arguments


def describe(function: Function, name: str = "") -> message_pb2.Tool:
    """Return a function as a model is told of it.

    Args:
        function: its docstring is the description. Parameters are annotated with `str`, `int`,
            `float`, `bool`, lists, mappings and unions of these, `Literal`, or
            `Annotated[…, "what it means"]`; one without annotation takes anything.
        name: empty: its own.

    Raises:
        TypeError: an annotation says nothing in JSON Schema; give a `Tool` beside the function.
    """
    hints = read_hints(function, include_extras=True)
    properties, required = {}, []
    for each in inspect.signature(function).parameters.values():
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD, each.POSITIONAL_ONLY):
            raise TypeError(f"{each.name}: a tool's arguments come by name")
        properties[each.name] = _schema(hints.get(each.name, Any), each.name)
        if each.default is each.empty:
            required.append(each.name)
    schema = {"type": "object", "properties": properties, "required": required}
    return message_pb2.Tool(
        name=name or getattr(function, "__name__", ""),
        description=inspect.getdoc(function) or "",
        parameters_json=json.dumps(schema),
    )


def to_result(call: message_pb2.ToolCall, value: object) -> message_pb2.ToolResult:
    """Return what a function returned as the result of a call.

    Raises:
        TypeError: JSON cannot say it.
    """
    result = message_pb2.ToolResult(call_id=call.id)
    if isinstance(value, message_pb2.Part):
        result.content.append(value)
    elif (
        isinstance(value, Sequence)
        and value
        and all(isinstance(each, message_pb2.Part) for each in value)
    ):
        result.content.extend(value)
    elif value is not None:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        result.content.add(text=text)
    return result


def to_error(call: message_pb2.ToolCall, error: BaseException) -> message_pb2.ToolResult:
    """Return how a function failed as the result of a call: the model is told."""
    _LOG.warning("the tool %s failed", call.name, exc_info=error)
    text = f"{type(error).__name__}: {error}"[:_MAX_ERROR_CHARACTERS]
    return message_pb2.ToolResult(
        call_id=call.id, is_error=True, content=[message_pb2.Part(text=text)]
    )


def _schema(hint: Any, name: str) -> dict[str, Any]:
    """Return the JSON Schema of an annotation.

    Raises:
        TypeError: it has none.
    """
    origin, inside = get_origin(hint), get_args(hint)
    if hint is Any:
        return {}
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if origin is Annotated:
        words = [each for each in inside[1:] if isinstance(each, str)]
        return _schema(inside[0], name) | ({"description": " ".join(words)} if words else {})
    if origin is Literal:
        return {"enum": list(inside)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(each, name) for each in inside]}
    kind = origin or hint
    if kind in (dict, Mapping):
        values = _schema(inside[1], name) if inside else {}
        return {"type": "object", "additionalProperties": values or True}
    if kind in (list, Sequence):
        return {"type": "array", "items": _schema(inside[0], name) if inside else {}}
    raise TypeError(f"{name}: {hint} says nothing in JSON Schema; give a Tool beside the function")

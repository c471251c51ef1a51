"""Write the schemas that tools and structured answers lean on."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from google.protobuf import struct_pb2

from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import message_pb2

_MAX_EXACT: Final = 2**53
"""From here on a double no longer tells whole numbers apart."""

# Some services refuse a tool without a schema; this one says that there are no arguments.
_NO_ARGUMENTS: Final[Json] = {"type": "object", "properties": {}, "additionalProperties": False}


def schema_of(text: str, schema: struct_pb2.Struct) -> msgspec.Raw | Json:
    """Return a schema for encoding.

    Args:
        text: one whole JSON object, as `transcript.check` has seen to; goes out verbatim, so
            that the order of its keys is kept. Empty: there is none.
        schema: counts when there is no text; its keys are sorted, so that equal requests are
            equal bytes and hit the provider's prompt cache.
    """
    return msgspec.Raw(text.encode()) if text else _sorted_object(schema)


def arguments_schema(tool: message_pb2.Tool) -> msgspec.Raw | Json:
    """Return the schema of a tool's arguments; one without any where the tool has none."""
    if tool.WhichOneof("schema") is None:
        return _NO_ARGUMENTS
    return schema_of(tool.parameters_json, tool.parameters)


def _sorted_object(struct: struct_pb2.Struct) -> Json:
    """Return an object with sorted keys, all the way down."""
    return {key: _plain(struct.fields[key]) for key in sorted(struct.fields)}


def _plain(value: struct_pb2.Value) -> Any:
    """Return a JSON value as Python has it; whole numbers without a fraction."""
    match value.WhichOneof("kind"):
        case "struct_value":
            return _sorted_object(value.struct_value)
        case "list_value":
            return [_plain(each) for each in value.list_value.values]
        case "number_value":
            number = value.number_value
            whole = number.is_integer() and abs(number) < _MAX_EXACT
            return int(number) if whole else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
    return None

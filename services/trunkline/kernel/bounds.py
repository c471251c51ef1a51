"""Hold a request to the bounds that the contract declares."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any, TypeVar

import protovalidate
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from buf.validate import validate_pb2
from trunkline.kernel.clock import is_time
from trunkline.kernel.errors import InvalidArgument, Violation

# Naming a violation costs some 15 microseconds, and a field of two bytes can be one.
MAX_NAMED_BYTES = 16 * 1024

# Right requests whose verdict is remembered, and the longest text of one.
MAX_REMEMBERED = 4096
MAX_SHAPE = 1024

M = TypeVar("M", bound=Message)
Shape = tuple[Hashable, ...]

_RIGHT: OrderedDict[Shape, None] = OrderedDict()


def read(parse: Callable[[bytes], M], data: bytes) -> M:
    """Return the request that came as bytes.

    Raises:
        InvalidArgument: the bytes are no such message.
    """
    try:
        return parse(data)
    except DecodeError:
        raise InvalidArgument(
            "INVALID_REQUEST", "The request cannot be read: it is no message of its type."
        ) from None


def check(request: Message) -> None:
    """Refuse a request that breaks a bound declared in the contract.

    Raises:
        InvalidArgument: naming every field concerned; of a request over 16 KiB only the
            first one, since a hostile one has millions.
    """
    shape = _shape(request)
    if shape is not None and shape in _RIGHT:
        _RIGHT.move_to_end(shape)
        return
    # Most requests are right, and then both ways cost the same.
    violations = protovalidate.collect_violations(request, fail_fast=True)
    if not violations:
        if shape is not None:
            _RIGHT[shape] = None
            if len(_RIGHT) > MAX_REMEMBERED:
                _RIGHT.popitem(last=False)
        return
    if request.ByteSize() <= MAX_NAMED_BYTES:
        violations = protovalidate.collect_violations(request)
    raise InvalidArgument.of(
        *(
            Violation(field_path(violation.proto.field), violation.proto.message)
            for violation in violations
        )
    )


def read_time(value: Timestamp, field: str) -> int:
    """Return a time of a request in nanoseconds since 1970.

    Args:
        value: as it came.
        field: where it stands in the request.

    Raises:
        InvalidArgument: naming the field: it is beyond the bounds of its type.
    """
    if not is_time(value):
        raise InvalidArgument.of(Violation(field, "is not a time of the years 1 to 9999"))
    return value.ToNanoseconds()


def _shape(request: Message) -> Shape | None:
    """Return what a request's verdict depends on, where that is worth remembering.

    Of a type with fields that are never looked at (a transcript, which is checked by the
    walk that translates it), what is left is short and nearly always the same: the
    options of one program. Evaluating its rules touches so much memory that it costs ten
    times more among other work than in a loop by itself; see docs/performance.md.

    Returns:
        The values that count; None: of another type, or too long to keep.
    """
    ignored = _ignored(request.DESCRIPTOR)
    if not ignored:
        return None
    values: list[tuple[int, Hashable]] = []
    size = 0
    for field, value in request.ListFields():
        if field.number in ignored:
            continue
        if isinstance(value, Message):
            value = value.SerializeToString(deterministic=True)
        elif not isinstance(value, str | bytes | int | float):
            return None
        if isinstance(value, str | bytes):
            size += len(value)
        values.append((field.number, value))
    return (request.DESCRIPTOR.full_name, *values) if size <= MAX_SHAPE else None


@lru_cache(maxsize=1024)
def _ignored(descriptor: Descriptor) -> frozenset[int]:
    """Return the numbers of a type's fields that are never looked at."""
    return frozenset(
        field.number
        for field in descriptor.fields
        if field.GetOptions().Extensions[validate_pb2.field].ignore == validate_pb2.IGNORE_ALWAYS
    )


def field_path(path: Any) -> str:
    """Write a violation's path as the contract does: `messages[3].role`, `headers["x-org"]`.

    Args:
        path: a `buf.validate.FieldPath`; None or empty: the request as a whole.
    """
    written = []
    for element in path.elements if path is not None else ():
        name = element.field_name
        if element.subscript is not None:
            key = element.subscript.value
            name = f"{name}[{json.dumps(key, ensure_ascii=False)}]"
        written.append(name)
    return ".".join(written)

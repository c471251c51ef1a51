"""Requests that nobody means well by: hypothesis strategies made of the contract's descriptors."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from buf.validate import validate_pb2
from support.hostile_words import ADDRESSES, HEADERS, JSON, JSON_FIELDS, PAGE_TOKENS, PATHS, TEXTS

_MAX_DEPTH: Final = 4
_MAX_FIELDS: Final = 6
_MANY: Final = 1_100
"""More items than most lists may have."""
_SHOWN_BYTES: Final = 2_000
_SMALL_BYTES: Final = 64
"""Size up to which an item is repeated so often."""

_SECONDS: Final = (0, 1, -1, 60, 61, 3_600, 315_576_000_000, 315_576_000_001, 253_402_300_799)
_FAR_SECONDS: Final = (253_402_300_800, -62_135_596_801, 2**53, 2**63 - 1, -(2**63))
_NANOS: Final = (0, 0, 1, -1, 999_999_999, 1_000_000_000, 2**31 - 1, -(2**31))
_FLOATS: Final = (
    0.0,
    -0.0,
    1.0,
    2.5,
    -1.0,
    math.inf,
    -math.inf,
    math.nan,
    5e-324,
    1.7e308,
    2.0**53,
)

_WHOLE: Final = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


class Mode(StrEnum):
    """How a hostile request is made."""

    BUILT = "built"
    """Of nothing but the descriptor; the simplest one is empty."""
    MUTATED = "mutated"
    """A right request, of which one or two fields are not."""
    BYTES = "bytes"
    """No message at all, or a torn one."""


@dataclass(frozen=True, slots=True)
class Wire:
    """A request as it goes over the wire.

    Attributes:
        data: its bytes.
    """

    data: bytes

    def __repr__(self) -> str:
        # A failing one is printed, and may be large.
        return f"<{len(self.data)} bytes: {self.data[:_SHOWN_BYTES]!r}>"


class Hostile:
    """Hostile requests.

    Args:
        words: further texts: ids, names and page tokens that look right.
    """

    def __init__(self, words: Sequence[str] = ()) -> None:
        named = st.sampled_from((*words, *PAGE_TOKENS))
        self._texts = st.one_of(
            st.sampled_from(TEXTS),
            named,
            st.sampled_from((*JSON, *ADDRESSES)),
            st.text(max_size=40),
        )
        # Making a strategy costs more than drawing from it.
        self._values: dict[tuple[str, int], SearchStrategy[Any]] = {}

    def requests(
        self, descriptor: Descriptor, right: Sequence[Message], mode: Mode
    ) -> SearchStrategy[Wire]:
        """Return a method's requests.

        Args:
            descriptor: of the method's request.
            right: requests that the method takes, at least one.
            mode: how hostile ones are made.
        """
        match mode:
            case Mode.BUILT:
                requests = self._built(descriptor, 0).map(_serialize)
            case Mode.MUTATED:
                requests = self._mutated(right).map(_serialize)
            case Mode.BYTES:
                requests = self._torn(descriptor, right)

        @st.composite
        def pack(draw: DrawFn) -> Wire:
            return Wire(draw(requests))

        return pack()

    def _value(self, field: FieldDescriptor, depth: int) -> SearchStrategy[Any]:
        """Return values of a field, of one item where it is repeated."""
        key = (field.full_name, depth)
        if key not in self._values:
            self._values[key] = self._make_value(field, depth)
        return self._values[key]

    def _make_value(self, field: FieldDescriptor, depth: int) -> SearchStrategy[Any]:
        """Make what `_value` returns."""
        kind = field.cpp_type
        if kind == FieldDescriptor.CPPTYPE_MESSAGE:
            assert field.message_type is not None
            return self._built(field.message_type, depth)
        if kind == FieldDescriptor.CPPTYPE_ENUM:
            assert field.enum_type is not None
            known = [value.number for value in field.enum_type.values]
            return st.sampled_from((*known, 99, -1, 2**31 - 1, -(2**31)))
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return st.booleans()
        if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
            return st.sampled_from(_FLOATS) | st.floats(width=32)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return st.binary(max_size=40) | st.sampled_from((b"\0" * 1_000, b"\xff" * 200_000))
        if kind == FieldDescriptor.CPPTYPE_STRING:
            return self._texts_of(field)
        least, most = _WHOLE[kind]
        edges = (0, 1, 2, 1_000, 1_001, most, most - 1, least)
        return st.sampled_from(edges) | st.integers(least, most)

    def _texts_of(self, field: FieldDescriptor) -> SearchStrategy[str]:
        """Return texts for a field: any, and more of those that it may take."""
        rules = field.GetOptions().Extensions[validate_pb2.field]
        pattern = rules.string.pattern or rules.repeated.items.string.pattern
        if pattern:
            return self._texts | _within(pattern)
        if field.name in JSON_FIELDS:
            return self._texts | st.sampled_from(JSON)
        if field.name == "base_url":
            return self._texts | st.sampled_from(ADDRESSES)
        if field.name == "page_token":
            return self._texts | st.sampled_from(PAGE_TOKENS)
        return self._texts

    def _built(self, descriptor: Descriptor, depth: int) -> SearchStrategy[Message]:
        """Return messages with any fields."""
        match descriptor.full_name:
            case "google.protobuf.Struct":
                return _structs(self._texts)
            case "google.protobuf.Timestamp" | "google.protobuf.Duration":
                seconds = st.sampled_from((*_SECONDS, *_FAR_SECONDS))
                return st.builds(
                    GetMessageClass(descriptor), seconds=seconds, nanos=st.sampled_from(_NANOS)
                )
            case "google.protobuf.FieldMask":
                paths = st.lists(self._texts | st.sampled_from(PATHS), max_size=4)
                return st.builds(GetMessageClass(descriptor), paths=paths)
        return self._built_of_fields(descriptor, depth)

    def _built_of_fields(self, descriptor: Descriptor, depth: int) -> SearchStrategy[Message]:
        """Return messages of no well-known type."""
        fields = [
            field
            for field in descriptor.fields
            if depth < _MAX_DEPTH or field.cpp_type != FieldDescriptor.CPPTYPE_MESSAGE
        ]

        @st.composite
        def build(draw: DrawFn) -> Message:
            message = GetMessageClass(descriptor)()
            for field in draw(st.lists(st.sampled_from(fields), unique=True, max_size=_MAX_FIELDS)):
                self._set(draw, message, field, depth + 1)
            return message

        return build() if fields else st.builds(GetMessageClass(descriptor))

    def _mutated(self, right: Sequence[Message]) -> SearchStrategy[Message]:
        """Return right requests with one or two fields that are not."""

        @st.composite
        def mutate(draw: DrawFn) -> Message:
            chosen = draw(st.sampled_from(right))
            message = type(chosen)()
            message.CopyFrom(chosen)
            if message.DESCRIPTOR.fields:
                for _ in range(draw(st.integers(0, 2))):
                    self._mutate(draw, message)
            return message

        return mutate()

    def _mutate(self, draw: DrawFn, message: Message) -> None:
        """Change one field of a message, or one below a field."""
        depth = 1
        while True:
            fields = list(message.DESCRIPTOR.fields)
            # What is there is changed more often than something is added.
            present: list[Any] = [field for field, _ in message.ListFields()]
            field = draw(st.sampled_from((*present, *fields)))
            below = [each for each in _messages_at(message, field) if each.DESCRIPTOR.fields]
            if not below or not draw(st.sampled_from((True, True, False))):
                break
            message = draw(st.sampled_from(below))
            depth += 1
        if draw(st.sampled_from((False, False, False, True))):
            message.ClearField(field.name)
        else:
            self._set(draw, message, field, depth)

    def _set(self, draw: DrawFn, message: Message, field: FieldDescriptor, depth: int) -> None:
        """Give a field a value, or a few."""
        if _is_map(field):
            self._fill_map(draw, getattr(message, field.name), field, depth)
            return
        values = self._value(field, depth)
        if field.is_repeated:
            items = draw(st.lists(values, max_size=3))
            if len(items) == 1 and _size(items[0]) < _SMALL_BYTES and draw(st.booleans()):
                items *= _MANY
            getattr(message, field.name).extend(items)
        elif field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            getattr(message, field.name).CopyFrom(draw(values))
            getattr(message, field.name).SetInParent()
        else:
            setattr(message, field.name, draw(values))

    def _fill_map(self, draw: DrawFn, entries: Any, field: FieldDescriptor, depth: int) -> None:
        """Put entries into a map."""
        assert field.message_type is not None
        of_keys = field.message_type.fields_by_name["key"]
        of_values = field.message_type.fields_by_name["value"]
        keys = self._value(of_keys, depth)
        pattern = field.GetOptions().Extensions[validate_pb2.field].map.keys.string.pattern
        if pattern:
            keys = keys | _within(pattern) | st.sampled_from(HEADERS)
        for key in draw(st.lists(keys, max_size=3)):
            if of_values.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
                entries[key].CopyFrom(draw(self._value(of_values, depth)))
            else:
                entries[key] = draw(
                    self._value(of_values, depth) | st.just(of_values.default_value)
                )

    def _torn(self, descriptor: Descriptor, right: Sequence[Message]) -> SearchStrategy[bytes]:
        """Return bytes that are no message, or a strange one."""
        whole = st.sampled_from([_serialize(each) for each in right])
        numbers = [field.number for field in descriptor.fields] or [1]
        tags = st.builds(
            lambda number, kind: _varint(number << 3 | kind),
            st.sampled_from((*numbers, 0, 999, 2**29 - 1)),
            st.integers(0, 7),
        )
        return st.one_of(
            st.binary(max_size=60),
            st.lists(tags | st.binary(max_size=12), max_size=6).map(b"".join),
            st.builds(lambda data, part: data[: int(len(data) * part)], whole, st.floats(0, 1)),
            st.builds(_flip, whole, st.integers(0, 2**16), st.integers(1, 255)),
            st.builds(lambda data, more: data + more, whole, st.binary(max_size=20)),
            st.builds(_nest, st.sampled_from(numbers), st.sampled_from((30, 99, 101, 5_000))),
            st.sampled_from(numbers).map(lambda number: _varint(number << 3 | 2) + b"\x02\xff\xfe"),
            st.sampled_from(numbers).map(
                lambda number: _varint(number << 3 | 2) + b"\xff\xff\xff\xff\x0f"
            ),
        )


def _within(pattern: str) -> SearchStrategy[str]:
    """Return texts as strange as a declared pattern allows."""
    return st.from_regex(pattern, fullmatch=True)


def _structs(texts: SearchStrategy[str]) -> SearchStrategy[Struct]:
    """Return JSON objects: any, and some that nest as deep as a message may."""
    leaf = st.none() | st.booleans() | st.sampled_from(_FLOATS) | texts
    tree = st.recursive(
        leaf,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=6,
    )
    schemas = st.sampled_from(("type", "properties", "items", "enum", "$ref", "required", "anyOf"))
    objects = st.dictionaries(texts | schemas, tree, max_size=3).map(_to_struct)
    return objects | st.sampled_from((5, 20, 28)).map(_deep_struct)


def _to_struct(value: dict[str, Any]) -> Struct:
    """Return an object as a message."""
    made = Struct()
    made.update(value)
    return made


@functools.cache
def _deep_struct(depth: int) -> Struct:
    """Return an object in an object, and so on."""
    outer = Struct()
    inner = outer
    for _ in range(depth):
        inner = inner.fields["properties"].struct_value
    inner.update({"type": "string"})
    return outer


def _messages_at(message: Message, field: FieldDescriptor) -> list[Message]:
    """Return the messages that stand at a field, which can be changed in their place."""
    of = field.message_type
    if of is None or _is_map(field) or of.full_name.startswith("google.protobuf."):
        return []
    if field.is_repeated:
        return list(getattr(message, field.name))
    return [getattr(message, field.name)] if message.HasField(field.name) else []


def _is_map(field: FieldDescriptor) -> bool:
    """Tell whether a field is a map."""
    of = field.message_type
    return bool(of is not None and of.GetOptions().map_entry)


def _size(item: Any) -> int:
    """Return about how many bytes an item takes."""
    if isinstance(item, Message):
        return item.ByteSize()
    return len(item) if isinstance(item, str | bytes) else 8


def _serialize(message: Message) -> bytes:
    """Return a message as it goes over the wire."""
    return message.SerializeToString()


def _varint(number: int) -> bytes:
    """Return a number as the wire has it."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def _flip(data: bytes, place: int, mask: int) -> bytes:
    """Return data with other bits at one place."""
    if not data:
        return bytes((mask,))
    changed = bytearray(data)
    changed[place % len(data)] ^= mask
    return bytes(changed)


@functools.cache
def _nest(number: int, depth: int) -> bytes:
    """Return a field that holds itself, and so on."""
    data = b""
    for _ in range(depth):
        data = _varint(number << 3 | 2) + _varint(len(data)) + data
    return data

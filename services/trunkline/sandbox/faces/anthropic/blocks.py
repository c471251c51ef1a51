"""Content blocks of Anthropic Messages.

Source: the Messages API reference, and the pages on vision, PDF support, tool use and extended
thinking. What stands in a block and is not known is refused, as the vendor does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from trunkline.sandbox.faces.anthropic.fields import (
    check_cache_control,
    read_choice,
    read_flag,
    read_object,
    read_text,
    refuse,
)
from trunkline.sandbox.images import decode_base64, recognise
from trunkline.sandbox.prompt import JsonObject
from trunkline.sandbox.signatures import is_signed

VENDOR: Final = "anthropic"

IMAGE_TYPES: Final = ("image/jpeg", "image/png", "image/gif", "image/webp")

MAX_IMAGE_CHARS: Final = 10 * 2**20
"""Most characters of an image's base64."""

_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
_RESULT_TYPES: Final = ("text", "image", "document", "search_result")
_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "user": ("text", "image", "document", "search_result", "tool_result"),
    "assistant": ("text", "thinking", "redacted_thinking", "tool_use", "document"),
    "system": ("text",),
}
"""The blocks that each role may hold."""


@dataclass(frozen=True, slots=True)
class Block:
    """Hold what the sandbox needs of one block.

    Args:
        text: its text; that of a result for a result.
        calls: the id of the tool call that it is; empty for other blocks.
        answers: the id of the tool call that it answers; empty for other blocks.
        cache_points: how many cache points it holds.
    """

    text: str = ""
    calls: str = ""
    answers: str = ""
    cache_points: int = 0


@dataclass(frozen=True, slots=True)
class _Place:
    """Tell where a block stands: its path and role, the model asked, and the contract's age."""

    path: str
    role: str
    model: str
    new_contract: bool


def read_blocks(
    content: object, path: str, *, role: str, model: str, new_contract: bool
) -> list[Block]:
    """Check the content of one message.

    Args:
        content: a string or a list of blocks.
        path: where it stands, in dots.
        role: the message's role.
        model: the model that is asked, whose signatures are taken.
        new_contract: whether the rules of version 2026-10-21 hold.

    Raises:
        Refusal: a block is malformed, or its role may not hold it.
    """
    if isinstance(content, str):
        return [Block(content)] if content else []
    if not isinstance(content, list):
        refuse(path, "Input should be a valid list")
    return [
        _read_block(block, _TYPES[role], _Place(f"{path}.{index}", role, model, new_contract))
        for index, block in enumerate(content)
    ]


def read_system(system: object) -> list[Block]:
    """Check the field `system`: a string or a list of text blocks.

    Raises:
        Refusal: it is neither.
    """
    if system is None:
        return []
    return read_blocks(system, "system", role="system", model="", new_contract=False)


def _read_block(block: object, allowed: tuple[str, ...], place: _Place) -> Block:
    if not isinstance(block, Mapping):
        refuse(place.path, "Input should be a valid dictionary or object to extract fields from")
    kind = block.get("type")
    if kind is None:
        refuse(f"{place.path}.type", "Field required")
    if kind not in allowed:
        tags = ", ".join(f"'{tag}'" for tag in allowed)
        refuse(
            place.path,
            f"Input tag '{str(kind)[:64]}' found using 'type' does not match any of the expected"
            f" tags: {tags}",
        )
    fields, read = _READERS[kind]
    place = _Place(f"{place.path}.{kind}", place.role, place.model, place.new_contract)
    return read(read_object(block, place.path, ("type", *fields)), place)


def _read_text_block(block: JsonObject, place: _Place) -> Block:
    text = read_text(block, "text", place.path)
    if not text:
        refuse("messages", "text content blocks must be non-empty")
    if not text.strip() and place.role != "assistant":
        refuse("messages", "text content blocks must contain non-whitespace text")
    if place.role == "user" and place.new_contract and block.get("citations"):
        refuse(f"{place.path}.citations", "Extra inputs are not permitted")
    return Block(text, cache_points=check_cache_control(block, place.path))


def _read_image(block: JsonObject, place: _Place) -> Block:
    path = f"{place.path}.source"
    source = read_object(
        block.get("source"), path, ("type", "media_type", "data", "url", "file_id")
    )
    kind = read_choice(source, "type", path, ("base64", "url", "file"))
    if kind == "base64":
        _check_image(source, f"{path}.base64")
    elif kind == "url":
        if not read_text(source, "url", f"{path}.url").startswith("https://"):
            refuse(f"{path}.url.url", "Only HTTPS URLs are supported.")
    elif kind == "file":
        read_text(source, "file_id", f"{path}.file")
    else:
        refuse(f"{path}.type", "Field required")
    return Block(cache_points=check_cache_control(block, place.path))


def _check_image(source: JsonObject, path: str) -> None:
    named = read_choice(source, "media_type", path, IMAGE_TYPES)
    encoded = read_text(source, "data", path)
    if len(encoded) > MAX_IMAGE_CHARS:
        refuse(path, f"image exceeds 10 MB maximum: {len(encoded)} bytes > {MAX_IMAGE_CHARS} bytes")
    data = decode_base64(encoded)
    if data is None:
        refuse(f"{path}.data", "Invalid base64 data")
    shown = recognise(data)
    if shown is None:
        refuse(path, "Could not process image")
    if shown != named:
        refuse(
            f"{path}.media_type",
            f"Image does not match the provided media type {named}. The image appears to be"
            f" {shown}.",
        )


def _read_document(block: JsonObject, place: _Place) -> Block:
    if place.role == "assistant" and place.new_contract:
        refuse(place.path, "`document` blocks are not permitted in assistant messages")
    path = f"{place.path}.source"
    source = read_object(
        block.get("source"), path, ("type", "media_type", "data", "url", "file_id", "content")
    )
    kind = read_choice(source, "type", path, ("base64", "url", "text", "content", "file"))
    text = ""
    if kind == "base64":
        read_choice(source, "media_type", f"{path}.base64", ("application/pdf",))
        data = decode_base64(read_text(source, "data", f"{path}.base64"))
        if data is None or not data.startswith(b"%PDF-"):
            refuse(f"{path}.base64", "The PDF specified was not valid.")
    elif kind == "text":
        read_choice(source, "media_type", f"{path}.text", ("text/plain",))
        text = read_text(source, "data", f"{path}.text")
    elif kind == "content":
        content = source.get("content")
        if not isinstance(content, str | list):
            refuse(f"{path}.content.content", "Field required")
        text = content if isinstance(content, str) else ""
    elif kind in ("url", "file"):
        read_text(source, "url" if kind == "url" else "file_id", f"{path}.{kind}")
    else:
        refuse(f"{path}.type", "Field required")
    return Block(text, cache_points=check_cache_control(block, place.path))


def _read_search_result(block: JsonObject, place: _Place) -> Block:
    read_text(block, "source", place.path)
    read_text(block, "title", place.path)
    inner = _read_inner(block.get("content"), ("text",), place)
    return Block(
        "".join(part.text for part in inner), cache_points=check_cache_control(block, place.path)
    )


def _read_thinking(block: JsonObject, place: _Place) -> Block:
    thought = read_text(block, "thinking", place.path)
    signature = read_text(block, "signature", place.path)
    if not is_signed(signature, VENDOR, place.model, thought):
        _refuse_signature(place, "`signature` in `thinking`")
    return Block()


def _read_redacted(block: JsonObject, place: _Place) -> Block:
    if not is_signed(read_text(block, "data", place.path), VENDOR, place.model, ""):
        _refuse_signature(place, "`data` in `redacted_thinking`")
    return Block()


def _refuse_signature(place: _Place, what: str) -> None:
    refuse(place.path.rpartition(".")[0], f"Invalid {what} block")


def _read_tool_use(block: JsonObject, place: _Place) -> Block:
    call_id = read_text(block, "id", place.path)
    if not _ID.fullmatch(call_id):
        refuse(f"{place.path}.id", f"String should match pattern '^{_ID.pattern}$'")
    read_text(block, "name", place.path)
    if not isinstance(block.get("input"), Mapping):
        refuse(f"{place.path}.input", "Input should be a valid dictionary")
    return Block(calls=call_id, cache_points=check_cache_control(block, place.path))


def _read_tool_result(block: JsonObject, place: _Place) -> Block:
    answered = read_text(block, "tool_use_id", place.path)
    if not _ID.fullmatch(answered):
        refuse(f"{place.path}.tool_use_id", f"String should match pattern '^{_ID.pattern}$'")
    read_flag(block, "is_error", place.path)
    content = block.get("content")
    if block.get("is_error") and isinstance(content, list):
        # What it says itself: https://github.com/vellum-ai/vellum-assistant/pull/18387
        for part in content:
            if isinstance(part, Mapping) and part.get("type") != "text":
                refuse(place.path, "all content must be type `text` if `is_error` is true")
    inner = _read_inner(content, _RESULT_TYPES, place)
    points = check_cache_control(block, place.path) + sum(part.cache_points for part in inner)
    return Block("".join(part.text for part in inner), answers=answered, cache_points=points)


def _read_inner(content: object, allowed: tuple[str, ...], place: _Place) -> list[Block]:
    """Read the content of a block that holds others."""
    if content is None or isinstance(content, str):
        return [Block(content or "")]
    if not isinstance(content, list):
        refuse(f"{place.path}.content", "Input should be a valid list")
    return [
        _read_block(
            part,
            allowed,
            _Place(f"{place.path}.content.{index}", place.role, place.model, place.new_contract),
        )
        for index, part in enumerate(content)
    ]


_READERS: Final[Mapping[str, tuple[tuple[str, ...], Callable[[JsonObject, _Place], Block]]]] = {
    "text": (("text", "cache_control", "citations"), _read_text_block),
    "image": (("source", "cache_control"), _read_image),
    "document": (("source", "title", "context", "citations", "cache_control"), _read_document),
    "search_result": (
        ("source", "title", "content", "citations", "cache_control"),
        _read_search_result,
    ),
    "thinking": (("thinking", "signature"), _read_thinking),
    "redacted_thinking": (("data",), _read_redacted),
    "tool_use": (("id", "name", "input", "caller", "cache_control"), _read_tool_use),
    "tool_result": (("tool_use_id", "content", "is_error", "cache_control"), _read_tool_result),
}
"""The fields of each block besides `type`, and what reads it."""

"""Checks of fields, with the sentences of Anthropic's own validation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NoReturn

from trunkline.sandbox.faults import Refusal, Trouble
from trunkline.sandbox.prompt import JsonObject

MAX_CACHE_POINTS = 4


def refuse(path: str, message: str) -> NoReturn:
    """Refuse a request as invalid.

    Args:
        path: the field at fault, in dots (`messages.1.content`); empty for none.
        message: what is wrong.

    Raises:
        Refusal: always.
    """
    said = f"{path}: {message}" if path else message
    raise Refusal(Trouble.INVALID_REQUEST, said, param=path or None)


def read_object(value: object, path: str, known: Collection[str]) -> JsonObject:
    """Return an object whose fields are all known.

    Raises:
        Refusal: it is none, or has another field.
    """
    if not isinstance(value, Mapping):
        refuse(path, "Input should be a valid dictionary")
    for name in value:
        if name not in known:
            refuse(f"{path}.{name[:64]}" if path else name[:64], "Extra inputs are not permitted")
    return value


def read_text(holder: JsonObject, name: str, path: str) -> str:
    """Return a string field that must be there.

    Raises:
        Refusal: it is not.
    """
    value = holder.get(name)
    if name not in holder:
        refuse(f"{path}.{name}" if path else name, "Field required")
    if not isinstance(value, str):
        refuse(f"{path}.{name}" if path else name, "Input should be a valid string")
    return value


def read_flag(holder: JsonObject, name: str, path: str) -> bool:
    """Return a flag, false where it is absent.

    Raises:
        Refusal: it is no boolean.
    """
    value = holder.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        refuse(f"{path}.{name}" if path else name, "Input should be a valid boolean")
    return value


def read_choice(holder: JsonObject, name: str, path: str, allowed: Collection[str]) -> str | None:
    """Return a word out of a closed set; None where it is absent.

    Raises:
        Refusal: it is none of them.
    """
    value = holder.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or value not in allowed:
        words = ", ".join(f"'{word}'" for word in allowed)
        refuse(f"{path}.{name}" if path else name, f"Input should be {words}")
    return value


def check_cache_control(holder: JsonObject, path: str) -> int:
    """Check a cache point, and count it: 0 or 1.

    Raises:
        Refusal: it is malformed.
    """
    value = holder.get("cache_control")
    if value is None:
        return 0
    place = f"{path}.cache_control" if path else "cache_control"
    control = read_object(value, place, ("type", "ttl"))
    if read_choice(control, "type", place, ("ephemeral",)) is None:
        refuse(f"{place}.type", "Field required")
    read_choice(control, "ttl", place, ("5m", "1h"))
    return 1

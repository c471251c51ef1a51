"""Checks of fields, with the sentences of Google's proto-JSON parser and its validation.

Source: the JSON mapping of Protocol Buffers: names come in camelCase or in snake_case, and an
unknown one is an error.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

from trunkline.sandbox.faults import Refusal, Trouble

_UNDERSCORE = re.compile(r"(?<=[a-z0-9])_([a-z0-9])")


def refuse(message: str, path: str | None = None) -> NoReturn:
    """Refuse a request as invalid.

    Args:
        message: what is wrong.
        path: the field at fault, as the vendor writes it (`contents[0].parts[1]`).

    Raises:
        Refusal: always.
    """
    raise Refusal(Trouble.INVALID_REQUEST, message, param=path)


def read_object(value: object, path: str, known: Collection[str]) -> dict[str, Any]:
    """Return an object with its names in camelCase, all of them known and null ones left out.

    Raises:
        Refusal: it is none, or has another field.
    """
    if not isinstance(value, Mapping):
        refuse(f"Invalid value at '{path}', expected an object.", path)
    held: dict[str, Any] = {}
    for name, inner in value.items():
        camel = _UNDERSCORE.sub(lambda match: match[1].upper(), name)
        if camel not in known:
            where = f" at '{path}'" if path else ""
            refuse(
                f'Invalid JSON payload received. Unknown name "{name[:64]}"{where}: Cannot find'
                " field.",
                path or None,
            )
        if inner is not None:
            held[camel] = inner
    return held


def read_list(holder: Mapping[str, Any], name: str, path: str) -> list[Any]:
    """Return a repeated field, empty where it is absent.

    Raises:
        Refusal: it is no list.
    """
    value = holder.get(name, [])
    if not isinstance(value, list):
        refuse(f"Invalid value at '{_join(path, name)}', expected a list.", _join(path, name))
    return value


def read_text(holder: Mapping[str, Any], name: str, path: str) -> str:
    """Return a string field, empty where it is absent.

    Raises:
        Refusal: it is no string.
    """
    value = holder.get(name, "")
    if not isinstance(value, str):
        refuse(
            f"Invalid value at '{_join(path, name)}' (TYPE_STRING), {str(value)[:64]}",
            _join(path, name),
        )
    return value


def read_number(
    holder: Mapping[str, Any], name: str, path: str, low: float, high: float, *, whole: bool = False
) -> float | None:
    """Return a number within its bounds; None where it is absent.

    Raises:
        Refusal: it is no number, no integer where one is wanted, or out of bounds.
    """
    value = holder.get(name)
    if value is None:
        return None
    where = _join(path, name)
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or (whole and value != int(value))
    ):
        kind = "TYPE_INT32" if whole else "TYPE_FLOAT"
        refuse(f"Invalid value at '{where}' ({kind}), {str(value)[:64]}", where)
    if not low <= value <= high:
        refuse(f"* {where}: must be in the range [{low:g}, {high:g}].", where)
    return value


def read_word(
    holder: Mapping[str, Any], name: str, path: str, allowed: Collection[str]
) -> str | None:
    """Return a word of an enum in capitals; None where it is absent.

    Raises:
        Refusal: it is none of them.
    """
    value = holder.get(name)
    if value is None:
        return None
    where = _join(path, name)
    if not isinstance(value, str) or value.upper() not in allowed:
        refuse(f"Invalid value at '{where}' (TYPE_ENUM), \"{str(value)[:64]}\"", where)
    return value.upper()


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name

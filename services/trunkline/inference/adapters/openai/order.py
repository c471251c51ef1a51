"""Put messages into the order that a service takes, where it takes no other."""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.values import Json

_LATE: Final = "The service hears the system at the beginning only; later words are the user's."
_DONE: Final = "Done."
_NO_USER_NOW: Final = "The service wants the model to speak before the user does after results."
_NO_TOOLS: Final = "The service knows no tools: calls are left out, results are the user's words."


def alternate(messages: list[Json], losses: Losses) -> list[Json]:
    """Return messages in which nobody speaks twice in a row, but the system at the beginning.

    Args:
        messages: on the wire; they may be changed.
        losses: takes what is carried in another form.
    """
    spoken: list[Json] = []
    late = called = False
    for message in messages:
        began = bool(spoken) and spoken[-1]["role"] != "system"
        if message["role"] == "system" and began:
            late = True
            message = {"role": "user", "content": message["content"]}
        elif message["role"] == "tool":
            called = True
            message = {"role": "user", "content": message["content"]}
        elif message.pop("tool_calls", None):
            called = True
            if not message.get("content"):
                continue
        if began and spoken[-1]["role"] == message["role"]:
            spoken[-1]["content"] = _join(spoken[-1]["content"], message["content"])
        else:
            spoken.append(message)
    if late:
        losses.translated("messages", _LATE)
    if called:
        losses.translated("messages", _NO_TOOLS)
    return spoken


def close_results(messages: list[Json], losses: Losses) -> list[Json]:
    """Return messages in which the model speaks between results and the user.

    Args:
        messages: on the wire.
        losses: takes that words were put into the model's mouth.
    """
    spoken: list[Json] = []
    for message in messages:
        if message["role"] == "user" and spoken and spoken[-1]["role"] == "tool":
            spoken.append({"role": "assistant", "content": _DONE})
            losses.translated("messages", _NO_USER_NOW)
        spoken.append(message)
    return spoken


def _join(first: str | list[Json], second: str | list[Json]) -> str | list[Json]:
    """Return two contents as one."""
    if isinstance(first, str) and isinstance(second, str):
        return "\n\n".join(filter(None, (first, second)))
    return [*_parts(first), *_parts(second)]


def _parts(content: str | list[Json]) -> list[Json]:
    """Return a content as parts."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content

"""What is read of an answer on the wire, and no more.

Source: https://docs.ollama.com/api/chat, and `api/types.go` of https://github.com/ollama/ollama.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Function(msgspec.Struct, gc=False):
    """A function that is called.

    Attributes:
        name: its name.
        arguments: as they stand on the wire: an object; JSON text of one with some servers.
    """

    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw(b"")


class Call(msgspec.Struct, gc=False):
    """A tool call, which always comes whole.

    Attributes:
        id: absent with older servers.
        function: what is called.
    """

    id: str | None = None
    function: Function | None = None


class Message(msgspec.Struct, gc=False):
    """What is said: more of an answer in a stream, all of it without.

    Attributes:
        content: text.
        thinking: thought, of which nothing is signed.
        tool_calls: whole calls; parallel ones in one line or in several.
    """

    content: str | None = None
    thinking: str | None = None
    tool_calls: list[Call] | None = None


def is_plain(message: Message) -> bool:
    """Tell whether a message says text and nothing else."""
    return message.content.__class__ is str and not (message.thinking or message.tool_calls)


class Line(msgspec.Struct, gc=False):
    """One line of a stream, or the whole body without one.

    Attributes:
        message: what is said.
        done: this is the last line.
        done_reason: why; in the last line only, absent with older servers.
        prompt_eval_count: tokens of the prompt; in the last line only, absent when zero.
        eval_count: tokens of the answer, thoughts included; likewise.
        error: what went wrong, with status 200 too.
    """

    message: Message | None = None
    done: bool | None = None
    done_reason: str | None = None
    prompt_eval_count: Any = None
    eval_count: Any = None
    error: Any = None


decode = msgspec.json.Decoder(Line).decode
"""Decode a line; raises ValueError or, when it nests too deep, RecursionError."""

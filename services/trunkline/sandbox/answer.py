"""A whole answer, folded from what was said, free of any wire format."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, assert_never

import msgspec

from trunkline.sandbox.speech import (
    CallArguments,
    CallOpened,
    Reasoning,
    Refusing,
    Text,
    Utterance,
)


@dataclass(frozen=True, slots=True)
class Call:
    """Hold one tool call; `arguments` is JSON text, cut off where the answer was."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold everything that was said, in the order in which it always comes.

    Args:
        reasoning: empty when there was none.
        text: empty when there was none.
        refusal: what stands in place of text; empty when there was none.
        calls: the tool calls.
    """

    reasoning: str
    text: str
    refusal: str
    calls: tuple[Call, ...]


def fold(utterances: Iterable[Utterance]) -> Answer:
    """Join the pieces of an answer."""
    text: list[str] = []
    reasoning: list[str] = []
    refusal: list[str] = []
    opened: dict[int, CallOpened] = {}
    arguments: dict[int, list[str]] = {}
    for utterance in utterances:
        match utterance:
            case Text(piece):
                text.append(piece)
            case Reasoning(piece):
                reasoning.append(piece)
            case Refusing(piece):
                refusal.append(piece)
            case CallOpened(index):
                opened[index] = utterance
            case CallArguments(index, piece):
                arguments.setdefault(index, []).append(piece)
            case _:
                assert_never(utterance)
    calls = (
        Call(call.call_id, call.name, "".join(arguments.get(index, ())))
        for index, call in opened.items()
    )
    return Answer("".join(reasoning), "".join(text), "".join(refusal), tuple(calls))


def read_arguments(text: str) -> dict[str, Any] | None:
    """Return the object that arguments are; None when they broke off."""
    try:
        value = msgspec.json.decode(text or "{}")
    except msgspec.DecodeError:
        return None
    return value if isinstance(value, dict) else None

"""Values that a script says, free of any wire format."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Text:
    """Say a piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Say a piece of reasoning that precedes the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Refusing:
    """Say a piece of a refusal, which stands in place of text."""

    text: str


@dataclass(frozen=True, slots=True)
class CallOpened:
    """Open tool call number `index` (from 0) of this answer."""

    index: int
    call_id: str
    name: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    """Say a fragment of the JSON arguments of the open tool call number `index`."""

    index: int
    fragment: str


Utterance: TypeAlias = Text | Reasoning | Refusing | CallOpened | CallArguments


class FinishReason(Enum):
    """Why an answer ended."""

    STOP = auto()
    LENGTH = auto()
    TOOL_CALLS = auto()
    REFUSED = auto()


@dataclass(frozen=True, slots=True)
class Usage:
    """Count tokens: one for each word of the prompt, one for each utterance.

    `completion_tokens` includes `reasoning_tokens`.
    """

    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int


@dataclass(frozen=True, slots=True)
class Finish:
    """End an answer. It is the last thing said, exactly once.

    `stop_sequence` is the sequence that ended the text; None when none did.
    """

    reason: FinishReason
    usage: Usage
    stop_sequence: str | None = None


Speech: TypeAlias = Utterance | Finish

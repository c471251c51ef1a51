"""What a transcript tells a script: how far the tools are, and what an answer has said so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto


class Speaker(Enum):
    """Whose a message is."""

    USER = auto()
    ASSISTANT = auto()
    TOOL = auto()


@dataclass(frozen=True, slots=True)
class Message:
    """Hold one message, or several of one speaker.

    Args:
        speaker: whose it is.
        text: its text; of a tool what one call gave.
        calls: whether it calls tools.
    """

    speaker: Speaker
    text: str
    calls: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """Hold what a transcript tells a script.

    Args:
        last_user_text: text of the last user message; empty when there is none.
        tool_results: the newest results of tools since the last user message.
        calling_turns: how many messages called tools since then.
        prefill: text of the assistant's message that ends the transcript, which the answer is to
            go on from; None when it ends otherwise.
        before_user: text of the assistant's message before the user's that ends the transcript;
            None when it ends otherwise.
    """

    last_user_text: str = ""
    tool_results: tuple[str, ...] = ()
    calling_turns: int = 0
    prefill: str | None = None
    before_user: str | None = None


def read_history(messages: Iterable[Message]) -> History:
    """Read a checked transcript, instructions left out."""
    last_user_text = ""
    results: list[str] = []
    calling_turns = 0
    prefill: str | None = None
    before_user: str | None = None
    for message in messages:
        match message.speaker:
            case Speaker.USER:
                last_user_text = message.text
                results, calling_turns = [], 0
                before_user, prefill = prefill, None
            case Speaker.ASSISTANT:
                prefill, before_user = (None if message.calls else message.text), None
                if message.calls:
                    results = []
                    calling_turns += 1
            case Speaker.TOOL:
                results.append(message.text)
                prefill = before_user = None
    return History(last_user_text, tuple(results), calling_turns, prefill, before_user)

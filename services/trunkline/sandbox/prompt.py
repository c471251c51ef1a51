"""What a client asked, free of any wire format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeAlias

from trunkline.sandbox.history import History

JsonObject: TypeAlias = Mapping[str, Any]


class ToolChoice(Enum):
    """Whether the model may or must call a tool."""

    AUTO = auto()
    NONE = auto()
    REQUIRED = auto()


class Thoughts(Enum):
    """What becomes of a model's reasoning."""

    SHOWN = auto()
    HIDDEN = auto()
    """It is done and counted, and its text is not sent."""
    OFF = auto()


class CallStyle(Enum):
    """How a format carries tool calls in a stream."""

    INTERLEAVED = auto()
    """In fragments, those of several calls mixed."""
    IN_TURN = auto()
    """In fragments, one call after the other."""
    WHOLE = auto()
    """Each call's arguments in one piece."""


@dataclass(frozen=True, slots=True)
class Tool:
    """Offer a tool: its name and the JSON schema of its arguments."""

    name: str
    schema: JsonObject


@dataclass(frozen=True, slots=True)
class Prompt:
    """Hold one checked request.

    Args:
        model: the name that chooses the behaviour.
        stream: whether the answer is asked for as a stream.
        include_usage: whether a stream ends with the usage.
        message_count: how many messages the transcript has, at least 1.
        history: what the transcript says.
        tools: the tools that may be called; a choice by name leaves that one only.
        tool_choice: whether to call. A choice by name is REQUIRED.
        parallel_calls: whether one answer may hold several calls.
        max_tokens: most utterances to say, at least 0; None for no limit.
        stops: sequences that end the text and are not part of it.
        schema: JSON schema of the text; None for free text, empty for any JSON object.
        prompt_tokens: words in the transcript.
        thoughts: what becomes of the reasoning of a model that reasons.
        demands_thinking: whether a model that does not reason refuses the request.
        call_style: how the answer's tool calls are cut.
    """

    model: str
    stream: bool
    include_usage: bool
    message_count: int
    history: History
    tools: tuple[Tool, ...]
    tool_choice: ToolChoice
    parallel_calls: bool
    max_tokens: int | None
    stops: tuple[str, ...]
    schema: JsonObject | None
    prompt_tokens: int
    thoughts: Thoughts = Thoughts.SHOWN
    demands_thinking: bool = False
    call_style: CallStyle = CallStyle.INTERLEAVED

    @property
    def must_call(self) -> bool:
        """Tell whether the answer has to be a tool call."""
        return bool(self.tools) and self.tool_choice is ToolChoice.REQUIRED

    def may_call(self, turns: int) -> bool:
        """Tell whether a script that likes tools should call one now.

        Args:
            turns: in how many turns it calls; then it talks about the last results.
        """
        asked = bool(self.tools) and self.tool_choice is ToolChoice.AUTO
        return asked and self.history.calling_turns < turns

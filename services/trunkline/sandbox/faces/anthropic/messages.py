"""Transcripts of Anthropic Messages: turns, and tool calls with their results.

Source: the Messages API reference and the page on tool use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from trunkline.sandbox.faces.anthropic.blocks import Block, read_blocks
from trunkline.sandbox.faces.anthropic.fields import read_choice, read_object, refuse
from trunkline.sandbox.history import History, Message, Speaker, read_history

MAX_MESSAGES = 100_000

_ROLES = ("user", "assistant", "system")


@dataclass(frozen=True, slots=True)
class Transcript:
    """Hold what the sandbox needs of the messages; the fields are those of `Prompt`.

    `cache_points` counts the cache points, and `ends_with_assistant` tells whether the answer is
    to go on with an assistant's message.
    """

    message_count: int
    history: History
    word_count: int
    cache_points: int
    ends_with_assistant: bool


@dataclass(slots=True)
class _Turn:
    """Join the messages of one role that follow each other, as the vendor does."""

    role: str
    first: int
    blocks: list[Block] = field(default_factory=list)


def read_messages(messages: object, *, model: str, new_contract: bool) -> Transcript:
    """Check the messages of a request.

    Args:
        messages: the decoded field `messages`.
        model: the model that is asked, whose signatures are taken.
        new_contract: whether the rules of version 2026-10-21 hold.

    Raises:
        Refusal: a message is malformed, a tool result answers no call, or a call has no result.
    """
    if not isinstance(messages, list):
        refuse("messages", "Field required" if messages is None else "Input should be a valid list")
    if not 1 <= len(messages) <= MAX_MESSAGES:
        refuse("messages", "at least one message is required")
    turns: list[_Turn] = []
    for index, message in enumerate(messages):
        role, blocks = _read_message(
            message, f"messages.{index}", model=model, new_contract=new_contract
        )
        last = index == len(messages) - 1
        if not blocks and not (last and role == "assistant"):
            refuse(
                f"messages.{index}",
                "all messages must have non-empty content except for the optional final assistant"
                " message",
            )
        if role == "system":
            _check_system(messages, index)
        if not turns or turns[-1].role != role:
            turns.append(_Turn(role, index))
        turns[-1].blocks.extend(blocks)
    _check_calls(turns)
    _check_prefill(turns[-1])
    texts = [block.text for turn in turns for block in turn.blocks]
    return Transcript(
        message_count=len(messages),
        history=read_history(message for turn in turns for message in _messages(turn)),
        word_count=sum(len(text.split()) for text in texts),
        cache_points=sum(block.cache_points for turn in turns for block in turn.blocks),
        ends_with_assistant=turns[-1].role == "assistant",
    )


def _read_message(
    message: object, path: str, *, model: str, new_contract: bool
) -> tuple[str, list[Block]]:
    held = read_object(message, path, ("role", "content"))
    role = read_choice(held, "role", path, _ROLES)
    if role is None:
        refuse(f"{path}.role", "Field required")
    if "content" not in held:
        refuse(f"{path}.content", "Field required")
    blocks = read_blocks(
        held["content"], f"{path}.content", role=role, model=model, new_contract=new_contract
    )
    return role, blocks


def _check_system(messages: Sequence[object], index: int) -> None:
    """Check the place of a system message between others."""
    before = messages[index - 1] if index else None
    after = messages[index + 1] if index + 1 < len(messages) else None
    follows = isinstance(before, dict) and before.get("role") == "user"
    precedes = after is None or (isinstance(after, dict) and after.get("role") == "assistant")
    if not follows or not precedes:
        refuse(
            f"messages.{index}",
            "a system message must follow a user message, and be last or be followed by an"
            " assistant message",
        )


def _check_calls(turns: Sequence[_Turn]) -> None:
    """Check that each call is answered at once, and nothing else is."""
    calls: list[str] = []
    for turn in turns:
        path = f"messages.{turn.first}"
        answers = [block.answers for block in turn.blocks if block.answers]
        for number, answered in enumerate(answers):
            if answered not in calls:
                refuse(
                    f"{path}.content.{number}",
                    f"unexpected `tool_use_id` found in `tool_result` blocks: {answered[:64]}. Each"
                    " `tool_result` block must have a corresponding `tool_use` block in the"
                    " previous message.",
                )
        if len(set(answers)) < len(answers):
            refuse(path, "each tool_use must have a single result. Found multiple `tool_result`")
        missing = [call for call in calls if call not in answers]
        # Results come first: what stands before them hides them from the vendor's check.
        if missing or [block.answers for block in turn.blocks][: len(answers)] != answers:
            _refuse_unanswered(path, missing or answers)
        calls = [block.calls for block in turn.blocks if block.calls]
        if len(set(calls)) < len(calls):
            refuse(path, "`tool_use` ids must be unique")
    if calls:
        _refuse_unanswered(f"messages.{turns[-1].first}", calls)


def _refuse_unanswered(path: str, calls: Sequence[str]) -> None:
    refuse(
        path,
        "`tool_use` ids were found without `tool_result` blocks immediately after:"
        f" {', '.join(calls)[:200]}. Each `tool_use` block must have a corresponding `tool_result`"
        " block in the next message.",
    )


def _check_prefill(turn: _Turn) -> None:
    if turn.role != "assistant" or not turn.blocks:
        return
    text = turn.blocks[-1].text
    if text != text.rstrip():
        refuse("messages", "final assistant content cannot end with trailing whitespace")


def _messages(turn: _Turn) -> Iterator[Message]:
    """Say whose a turn is: a user's that ends with results is the tools', else the user's."""
    if turn.role == "assistant":
        text = "".join(block.text for block in turn.blocks)
        yield Message(Speaker.ASSISTANT, text, calls=any(block.calls for block in turn.blocks))
    elif turn.role == "user":
        for block in turn.blocks:
            if block.answers:
                yield Message(Speaker.TOOL, block.text)
        text = "".join(block.text for block in turn.blocks if not block.answers)
        if not turn.blocks[-1].answers:
            yield Message(Speaker.USER, text)

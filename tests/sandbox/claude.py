"""Questions through the official `anthropic` client, and what its messages hold."""

from __future__ import annotations

from typing import Any

import anthropic
from anthropic.types import Message, TextBlock, ToolUseBlock

HELLO: Any = [{"role": "user", "content": "Say  this\nback"}]


async def complete(claude: anthropic.AsyncAnthropic, model: str, **fields: Any) -> Message:
    """Ask for a whole answer."""
    fields = {"messages": HELLO, "max_tokens": 100_000, **fields}
    # The client's own rule against long answers without a stream is passed by a time limit.
    message: Message = await claude.messages.create(model=model, timeout=20.0, **fields)
    return message


async def stream(claude: anthropic.AsyncAnthropic, model: str, **fields: Any) -> Message:
    """Ask for a stream and let the client accumulate it."""
    fields = {"messages": HELLO, "max_tokens": 100_000, **fields}
    async with claude.messages.stream(model=model, **fields) as events:
        return await events.get_final_message()


def text_of(message: Message) -> str:
    """Join the text of a message."""
    return "".join(block.text for block in message.content if isinstance(block, TextBlock))


def calls_of(message: Message) -> list[ToolUseBlock]:
    """Return the tool calls of a message."""
    return [block for block in message.content if isinstance(block, ToolUseBlock)]


def plain(message: Message) -> dict[str, Any]:
    """Write a message as a request would give it back, with the reason and the usage."""
    return message.model_dump(
        exclude_none=True, exclude={"content": {"__all__": {"parsed_output"}}}
    )

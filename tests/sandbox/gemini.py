"""Questions through the official `google-genai` client, and what its responses hold."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest
from google.genai import types
from google.genai.client import AsyncClient

Response: TypeAlias = types.GenerateContentResponse

HELLO = "Say  this\nback"


async def complete(
    gemini: AsyncClient, model: str, *, contents: Any = HELLO, **config: Any
) -> list[Response]:
    """Ask for a whole answer: a list of one."""
    asked = types.GenerateContentConfig(**config)
    return [await gemini.models.generate_content(model=model, contents=contents, config=asked)]


async def stream(
    gemini: AsyncClient, model: str, *, contents: Any = HELLO, **config: Any
) -> list[Response]:
    """Ask for a stream and read it to its end."""
    asked = types.GenerateContentConfig(**config)
    responses = await gemini.models.generate_content_stream(
        model=model, contents=contents, config=asked
    )
    return [response async for response in responses]


BOTH = pytest.mark.parametrize("ask", [stream, complete])


def parts_of(responses: list[Response]) -> list[types.Part]:
    """Return all parts of an answer."""
    return [
        part
        for response in responses
        for candidate in response.candidates or ()
        for part in (candidate.content and candidate.content.parts) or ()
    ]


def text_of(responses: list[Response]) -> str:
    """Join the text of an answer, its thoughts left out."""
    return "".join(part.text or "" for part in parts_of(responses) if not part.thought)


def calls_of(responses: list[Response]) -> list[types.FunctionCall]:
    """Return the function calls of an answer."""
    return [part.function_call for part in parts_of(responses) if part.function_call]


def reason_of(responses: list[Response]) -> types.FinishReason | None:
    """Return the one finish reason of an answer."""
    candidates = [each for response in responses for each in response.candidates or ()]
    reasons = [each.finish_reason for each in candidates if each.finish_reason]
    assert len(reasons) <= 1
    return reasons[0] if reasons else None

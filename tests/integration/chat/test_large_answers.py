"""Answers that are larger than one message may be arrive all the same, at a default client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from support.chats import Reading, ask, read, run_id_of, stream, tool
from support.deployment import Deployment
from support.folding import fold
from trunkline.inference.v1 import chat_pb2, message_pb2, result_pb2, run_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAX_EVENT = 256 * 1024
MIB = 1024 * 1024
# What a client that sets nothing receives at most.
MAX_DEFAULT_MESSAGE = 4 * MIB


def _question(model: str) -> chat_pb2.ChatRequest:
    return ask(f"sandbox/{model}", tools=[tool("write", content="string")])


async def _read_three_ways(
    deployment: Deployment, request: chat_pb2.ChatRequest
) -> tuple[Reading, Reading, list[run_pb2.GetRunResponse]]:
    """Read an answer as it comes, again from the start, and page by page."""
    call = stream(deployment.channel, "StreamChat", request, deployment.admin)
    run_id = run_id_of(await call.initial_metadata())
    live = await read(call)
    resume = run_pb2.ResumeChatRequest(run_id=run_id)
    again = await read(stream(deployment.channel, "ResumeChat", resume, deployment.admin))
    return live, again, [page async for page in _pages(deployment, run_id)]


async def _pages(deployment: Deployment, run_id: str) -> AsyncIterator[run_pb2.GetRunResponse]:
    token = ""
    while True:
        page = await deployment.inference.GetRun(
            run_pb2.GetRunRequest(run_id=run_id, page_token=token), metadata=deployment.admin
        )
        yield page
        token = page.next_page_token
        if not token:
            return


def _joined(pages: list[run_pb2.GetRunResponse]) -> message_pb2.Part:
    """Join the pages of an answer of one part."""
    pieces = [part for page in pages for part in page.run.completed.message.content]
    assert len(pieces) == len(pages)
    assert [page.first_part_continues for page in pages] == [False] + [True] * (len(pages) - 1)
    whole = message_pb2.Part()
    whole.CopyFrom(pieces[0])
    for piece in pieces[1:]:
        if piece.HasField("tool_call"):
            assert (piece.tool_call.id, piece.tool_call.name) == (
                whole.tool_call.id,
                whole.tool_call.name,
            )
            whole.tool_call.arguments += piece.tool_call.arguments
        else:
            whole.text += piece.text
    return whole


async def test_tool_argument_of_five_megabytes_arrives(deployment: Deployment) -> None:
    """Five million bytes of arguments come in events, again by resume, and in pages."""
    live, again, pages = await _read_three_ways(deployment, _question("big-tool-5000000"))
    assert live.raw == again.raw
    assert max(map(len, live.raw)) <= MAX_EVENT
    assert not live.completed.HasField("message")
    assert live.completed.finish_reason == result_pb2.FINISH_REASON_TOOL_CALLS
    message = fold(live.events)
    (part,) = message.content
    assert len(part.tool_call.arguments.encode()) == 5_000_000
    assert set(json.loads(part.tool_call.arguments)["content"]) == {"x"}
    assert len(pages) == 5
    assert max(page.ByteSize() for page in pages) < MAX_DEFAULT_MESSAGE
    assert all(page.run.completed.message.ByteSize() <= MIB for page in pages)
    assert _joined(pages) == part


async def test_ten_thousand_deltas_of_one_character_arrive(deployment: Deployment) -> None:
    """However small the pieces are, none is lost and each is in its place."""
    live, again, pages = await _read_three_ways(deployment, ask("sandbox/chars-10000"))
    assert live.raw == again.raw
    assert fold(live.events) == live.completed.message
    (part,) = live.completed.message.content
    assert len(part.text) == 10_000
    assert live.completed.usage.output_tokens == 10_000
    (page,) = pages
    assert page.run.completed == live.completed


@pytest.mark.parametrize("letter", ["x", "日"])
@pytest.mark.parametrize(("length", "whole"), [(MIB - 64, True), (MIB, False), (2 * MIB, False)])
async def test_message_of_the_answer_is_left_out_above_one_mebibyte(
    deployment: Deployment, length: int, whole: bool, letter: str
) -> None:
    """The last event has the message up to 1 MiB; above, its deltas and its pages have it."""
    text = letter * (length // len(letter.encode()))
    live, again, pages = await _read_three_ways(deployment, ask("sandbox/echo", text))
    assert live.raw == again.raw
    assert max(map(len, live.raw[:-1])) <= MAX_EVENT
    assert live.completed.HasField("message") == whole
    assert fold(live.events).content[0].text == text
    assert _joined(pages).text == text
    assert len(pages) == (length + MIB - 1) // MIB + (not whole)


async def test_large_answer_of_a_unary_chat_is_had_by_its_pages(deployment: Deployment) -> None:
    """A unary chat answers without the message, and GetRun pages through it."""
    text = "y" * (2 * MIB)
    answer = await deployment.inference.Chat(ask("sandbox/echo", text), metadata=deployment.admin)
    assert not answer.completed.HasField("message")
    pages = [page async for page in _pages(deployment, answer.run_id)]
    assert _joined(pages).text == text
    for page in pages:
        page.run.completed.ClearField("message")
        assert page.run.completed == answer.completed


async def test_page_of_a_run_that_goes_on_has_no_answer(deployment: Deployment) -> None:
    """As long as a run goes on it has no answer and no pages."""
    call = stream(deployment.channel, "StreamChat", ask("sandbox/slow"), deployment.admin)
    run_id = run_id_of(await call.initial_metadata())
    (page,) = [page async for page in _pages(deployment, run_id)]
    assert page.run.state == run_pb2.RUN_STATE_RUNNING
    assert not page.run.HasField("completed")
    await deployment.cancel(run_id)
    await asyncio.wait_for(read(call), 1)

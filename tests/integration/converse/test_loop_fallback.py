"""Providers that die in the midst of a tool loop: another one goes on with its whole transcript."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from support.conversations import Durability, starting, talking, text_of
from support.deployment import Deployment
from support.folding import fold
from trunkline.inference.v1 import result_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Its calls take fewer frames, and its texts more.
DYING = "cut-at-15-of-tool-loop-2"
# Dies when a call is whole and before the turn is.
HASTY = "cut-at-18-of-text-then-tool"
# Dies in the midst of a call.
BROKEN = "cut-after-3-of-tool-loop-2"
SENTENCE = "It is sunny in the north and there is rain from the west with wind in the evening."


# A route that failed is asked last for a while: each test has its own.
ROUTES = {
    (kind, number): f"route-{number}@{kind}"
    for kind in (DYING, BROKEN, HASTY)
    for number in range(4)
}
_UNUSED = {kind: iter(range(4)) for kind in (DYING, BROKEN, HASTY)}


def route(kind: str) -> str:
    """Return a model that behaves so and that nobody has asked."""
    return ROUTES[kind, next(_UNUSED[kind])]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment() -> AsyncIterator[Deployment]:
    """A deployment with two providers of different formats."""
    names = [*ROUTES.values(), "tool-loop-2"]
    async with Deployment(models=names) as running:
        sandbox = running.sandbox
        await running.connect(
            sandbox.addresses["anthropic"],
            sandbox.api_key,
            names,
            name="claude",
            kind="sandbox-anthropic",
        )
        yield running


@pytest.mark.parametrize("other", ["sandbox/tool-loop-2", "claude/tool-loop-2"])
async def test_model_that_dies_in_the_second_turn_is_followed(
    deployment: Deployment, durability: Durability, other: str
) -> None:
    """The next one gets calls and results, completes the text, and asks for nothing again."""
    begin = starting(route(DYING), fallbacks=[other], durability=durability)
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        (call_id,) = await talk.turn()
        assert "attempt_failed" not in talk.kinds
        await talk.answer(call_id, SENTENCE)
        await talk.rest()
    completed = talk.completed
    assert [attempt.outcome for attempt in completed.attempts] == [
        result_pb2.ATTEMPT_OUTCOME_COMPLETED,
        result_pb2.ATTEMPT_OUTCOME_FAILED,
        result_pb2.ATTEMPT_OUTCOME_COMPLETED,
    ]
    assert completed.model == other
    assert text_of(completed.message) == f"The tool answered: {SENTENCE}"
    assert fold(talk.events) == completed.message
    assert talk.kinds.count("tool_call_completed") == talk.kinds.count("turn_completed") == 1
    # What it voids is of its own turn.
    turn = next(event.sequence for event in talk.events if event.HasField("turn_completed"))
    seams = [
        event.continuation_started
        for event in talk.events
        if event.HasField("continuation_started")
    ]
    assert len(seams) == 1
    assert not 0 < seams[0].void_from_sequence <= turn
    sent = deployment.sandbox.seen[-1].raw_body.decode()
    assert sent.count(SENTENCE) == 1


async def test_call_of_a_turn_that_broke_off_is_run_once(
    deployment: Deployment, durability: Durability
) -> None:
    """The turn ends early with its whole calls, and the next one goes on with their results."""
    begin = starting(
        f"claude/{route(HASTY)}", fallbacks=["sandbox/tool-loop-2"], durability=durability
    )
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        calls = await talk.turn()
        turn = talk.events[-1].turn_completed.message
        assert [part.WhichOneof("kind") for part in turn.content] == ["text", "tool_call"]
        assert "attempt_failed" in talk.kinds
        await talk.answer(calls[0], SENTENCE)
        await talk.rest()
    completed = talk.completed
    assert text_of(completed.message) == f"The tool answered: {SENTENCE}"
    assert talk.kinds.count("turn_completed") == talk.kinds.count("tool_call_completed") == 1
    assert completed.finish_reason == result_pb2.FINISH_REASON_STOP
    assert not completed.turn_ended_early
    assert _results(deployment.sandbox.seen[-1].raw_body) == 1


async def test_call_that_broke_off_is_asked_for_again(
    deployment: Deployment, durability: Durability
) -> None:
    """A half call is aborted; what is awaited are the whole ones alone."""
    begin = starting(route(BROKEN), fallbacks=["sandbox/tool-loop-2"], durability=durability)
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        calls = await talk.turn()
        aborted = [
            event.tool_call_aborted.call_id
            for event in talk.events
            if event.HasField("tool_call_aborted")
        ]
        assert len(calls) == len(aborted) == 1
        assert calls != aborted
        await talk.end()
        await talk.rest()
    assert talk.completed.message == fold(talk.events[: talk.kinds.index("turn_completed")])


def _results(body: bytes) -> int:
    """Return how many results of tools a request has."""
    sent: Any = msgspec.json.decode(body)
    found = 0
    for message in sent["messages"]:
        found += message["role"] == "tool"
        content = message.get("content")
        for block in content if isinstance(content, list) else ():
            found += block["type"] == "tool_result"
    return found

"""Turn after turn: calls go out, results come in, in whatever order, and count once."""

from __future__ import annotations

import asyncio

import pytest

from support.chats import say
from support.conversations import Durability, answer_to, attaching, starting, talking, text_of
from support.deployment import Deployment
from support.folding import fold
from trunkline.inference.v1 import message_pb2, result_pb2, run_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_loop_comes_to_its_answer(deployment: Deployment, durability: Durability) -> None:
    """Two turns of calls and one of text, in one run, numbered through without a gap."""
    begin = starting("tool-loop-3", durability=durability)
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        for number in (1, 2):
            (call_id,) = await talk.turn()
            turn = talk.events[-1].turn_completed
            assert turn.turn == number
            assert [part.tool_call.id for part in turn.message.content] == [call_id]
            await talk.answer(call_id, f"sunny {number}")
            accepted = await talk.until("tool_result_accepted")
            assert accepted.tool_result_accepted.call_id == call_id
        await talk.rest()
    completed = talk.completed
    assert talk.kinds.count("run_started") == talk.kinds.count("completed") == 1
    assert [event.sequence for event in talk.events] == list(range(1, len(talk.events) + 1))
    assert completed.finish_reason == result_pb2.FINISH_REASON_STOP
    assert "sunny 2" in text_of(completed.message)
    assert fold(talk.events) == completed.message
    assert [attempt.number for attempt in completed.attempts] == [1, 2, 3]
    # What the provider read in the third turn is the whole transcript, each result once.
    sent = deployment.sandbox.seen[-1].raw_body.decode()
    assert (sent.count("sunny 1"), sent.count("sunny 2")) == (1, 1)


async def test_events_of_a_turn_fold_to_its_message(deployment: Deployment) -> None:
    """TurnCompleted starts the fold anew, and the blocks count from 0 again."""
    async with talking(deployment.channel, deployment.admin, starting("text-then-tool")) as talk:
        (call_id,) = await talk.turn()
        first = list(talk.events)
        await talk.answer(call_id)
        await talk.rest()
    turn = first[-1].turn_completed
    kinds = [part.WhichOneof("kind") for part in turn.message.content]
    assert kinds == ["text", "tool_call"]
    assert fold(first[:-1]) == turn.message
    last = talk.events[len(first) :]
    assert {event.text_delta.block for event in last if event.HasField("text_delta")} == {0}
    assert fold(talk.events) == fold(last) == talk.completed.message


async def test_loop_without_a_call_ends_like_any_chat(
    deployment: Deployment, durability: Durability
) -> None:
    """A model that asks for nothing has answered after one turn."""
    begin = starting("ok", durability=durability)
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        await talk.rest()
    assert "turn_completed" not in talk.kinds
    assert talk.completed.finish_reason == result_pb2.FINISH_REASON_STOP


async def test_results_come_in_any_order(deployment: Deployment, durability: Durability) -> None:
    """Parallel calls are answered last one first; the provider reads them in the calls' order."""
    begin = starting("parallel-tools", durability=durability)
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        calls = await talk.turn()
        assert len(calls) > 1
        for number, call_id in reversed(list(enumerate(calls))):
            await talk.answer(call_id, f"result-{number}", is_error=number == 0)
        told = [
            (await talk.until("tool_result_accepted")).tool_result_accepted.call_id for _ in calls
        ]
        await talk.rest()
    assert told == calls[::-1]
    # Nobody is asked before the last result has come.
    accepted = [number for number, kind in enumerate(talk.kinds) if kind == "tool_result_accepted"]
    asked = [number for number, kind in enumerate(talk.kinds) if kind == "attempt_started"]
    assert asked[-1] > accepted[-1] > asked[0]
    sent = deployment.sandbox.seen[-1].raw_body.decode()
    places = [sent.index(f"result-{number}") for number in range(len(calls))]
    assert places == sorted(places)
    assert all(
        f"result-{number}" in text_of(talk.completed.message) for number, _ in enumerate(calls)
    )


async def test_result_that_comes_twice_counts_once(
    deployment: Deployment, durability: Durability
) -> None:
    """The same again is taken silently, while the turn waits and in the next turn."""
    begin = starting("tool-loop-3", durability=durability)
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        (first,) = await talk.turn()
        await talk.answer(first, "sunny first")
        await talk.answer(first, "sunny first")
        (second,) = await talk.turn()
        await talk.answer(first, "sunny first")
        await talk.answer(second, "sunny second")
        await talk.rest()
    told = [
        event.tool_result_accepted.call_id
        for event in talk.events
        if event.HasField("tool_result_accepted")
    ]
    assert told == [first, second]
    assert deployment.sandbox.seen[-1].raw_body.decode().count("sunny first") == 1
    assert talk.completed.message.content


async def test_result_that_comes_again_after_the_end_spoils_nothing(
    deployment: Deployment, durability: Durability
) -> None:
    """Who does not know whether its result came says it again, and hears the whole answer."""
    begin = starting("tool-loop-2", durability=durability)
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        (call_id,) = await talk.turn()
        await talk.answer(call_id)
        await talk.rest()
    again = attaching(talk.run_id)
    async with talking(deployment.channel, deployment.admin, again) as late:
        await late.answer(call_id)
        await late.rest()
    assert late.completed == talk.completed


async def test_another_result_of_a_call_ends_the_talk_and_not_the_loop(
    deployment: Deployment, durability: Durability
) -> None:
    """The first one stands; whoever comes back hears how it went on with it."""
    begin = starting("parallel-tools", durability=durability)
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        calls = await talk.turn()
        await talk.answer(calls[0], "sunny")
        await talk.until("tool_result_accepted")
        await talk.answer(calls[0], "raining")
        await talk.rest()
    failure = talk.failed
    assert (failure.code.name, failure.reason) == ("ALREADY_EXISTS", "TOOL_RESULT_MISMATCH")
    assert failure.metadata["call_id"] == calls[0]
    back = attaching(talk.run_id, talk.events[-1].sequence)
    async with talking(deployment.channel, deployment.admin, back) as talk:
        for call_id in calls[1:]:
            await talk.answer(call_id, "noon")
        await talk.rest()
    assert "sunny" in text_of(talk.completed.message)
    assert "raining" not in deployment.sandbox.seen[-1].raw_body.decode()


async def test_result_that_nobody_waits_for_ends_the_talk_and_not_the_loop(
    deployment: Deployment, durability: Durability
) -> None:
    """It is refused by its call, and the loop waits on for the right one."""
    begin = starting("tool-loop-2", durability=durability)
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        (call_id,) = await talk.turn()
        await talk.answer("call_of_nobody")
        await talk.rest()
    failure = talk.failed
    assert (failure.code.name, failure.reason) == ("FAILED_PRECONDITION", "UNEXPECTED_TOOL_RESULT")
    assert failure.metadata["call_id"] == "call_of_nobody"
    back = attaching(talk.run_id, talk.events[-1].sequence)
    async with talking(deployment.channel, deployment.admin, back) as talk:
        await talk.answer(call_id)
        await talk.rest()
    assert talk.completed.message.content


async def test_wrong_word_is_told_while_events_wait_to_be_sent(deployment: Deployment) -> None:
    """A client that does not read hears what was wrong, and not that somebody hung up."""
    async with talking(deployment.channel, deployment.admin, starting("long-10000")) as talk:
        await talk.until("text_delta")
        await talk.answer("call_of_nobody")
        await asyncio.sleep(0)
        await talk.rest()
    assert talk.failed.reason == "UNEXPECTED_TOOL_RESULT"


FIRST = {
    "tool_result": answer_to("call_1", "sunny"),
    "end": run_pb2.ConverseRequest(end=run_pb2.ConverseEnd()),
}


@pytest.mark.parametrize("kind", FIRST)
async def test_first_message_begins_or_attaches(deployment: Deployment, kind: str) -> None:
    """Anything else is refused, and the kind is named."""
    async with talking(deployment.channel, deployment.admin, FIRST[kind]) as talk:
        await talk.rest()
    assert (talk.failed.code.name, talk.failed.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert talk.failed.fields == ["kind"]


async def test_call_without_a_word_is_refused(deployment: Deployment) -> None:
    """A client that closes its side at once is told what it left out."""
    async with talking(deployment.channel, deployment.admin, None) as talk:
        await talk.call.done_writing()
        await talk.rest()
    assert (talk.failed.code.name, talk.failed.fields) == ("INVALID_ARGUMENT", ["kind"])


@pytest.mark.parametrize("kind", ["start", "attach"])
async def test_only_the_first_message_begins_or_attaches(deployment: Deployment, kind: str) -> None:
    """A second beginning is refused by its name, and the loop goes on without it."""
    async with talking(deployment.channel, deployment.admin, starting("tool-loop-2")) as talk:
        (call_id,) = await talk.turn()
        again = starting("ok") if kind == "start" else attaching(talk.run_id)
        await talk.say(again)
        await talk.rest()
    assert (talk.failed.code.name, talk.failed.fields) == ("INVALID_ARGUMENT", [kind])
    back = attaching(talk.run_id, talk.events[-1].sequence)
    async with talking(deployment.channel, deployment.admin, back) as talk:
        await talk.answer(call_id)
        await talk.rest()
    assert talk.completed.message.content


def _nested() -> run_pb2.ConverseRequest:
    call = message_pb2.ToolCall(id="c", name="weather")
    inner = message_pb2.Part(tool_call=call)
    return run_pb2.ConverseRequest(
        tool_result=message_pb2.ToolResult(call_id="call_1", content=[inner])
    )


OUT_OF_BOUNDS = {
    "tool_result.call_id": answer_to("", "sunny"),
    "tool_result": _nested(),
}


@pytest.mark.parametrize("field", OUT_OF_BOUNDS)
async def test_result_out_of_its_bounds_is_refused_by_name(
    deployment: Deployment, field: str
) -> None:
    """The call ends with the field's path, and the loop waits on."""
    async with talking(deployment.channel, deployment.admin, starting("tool-loop-2")) as talk:
        await talk.turn()
        await talk.say(OUT_OF_BOUNDS[field])
        await talk.rest()
    assert (talk.failed.code.name, talk.failed.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert talk.failed.fields == [field]
    run = await deployment.run(talk.run_id)
    assert run.state == run_pb2.RUN_STATE_WAITING


async def test_fault_of_the_question_is_named_by_its_path(deployment: Deployment) -> None:
    """What is wrong with the chat is found where it stands in the message that began."""
    begin = starting("ok")
    begin.start.chat.messages.append(message_pb2.Message(role=message_pb2.ROLE_USER))
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        await talk.rest()
    assert talk.failed.fields == ["start.chat.messages[1].content"]
    begin = starting("ok", session="one")
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        await talk.rest()
    assert talk.failed.fields == ["start.chat.session"]
    begin = starting("ok", max_turns=1_001)
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        await talk.rest()
    assert talk.failed.fields == ["start.max_turns"]


async def test_transcript_before_the_loop_goes_along(deployment: Deployment) -> None:
    """A loop may begin in the midst of a conversation that others led."""
    begin = starting("tool-loop-2")
    del begin.start.chat.messages[:]
    begin.start.chat.messages.extend(
        [
            say("Be brief.", message_pb2.ROLE_SYSTEM),
            say("Hello"),
            say("Hi!", message_pb2.ROLE_ASSISTANT),
            say("How is the weather?"),
        ]
    )
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        (call_id,) = await talk.turn()
        await talk.answer(call_id)
        await talk.rest()
    assert talk.completed.finish_reason == result_pb2.FINISH_REASON_STOP
    sent = deployment.sandbox.seen[-1].raw_body.decode()
    assert sent.index("Be brief.") < sent.index("Hi!") < sent.index("How is the weather?")

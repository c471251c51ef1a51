"""A tool loop's turns, and the results that it waits for."""

from __future__ import annotations

import asyncio
from itertools import permutations

import pytest

from support.chats import ask
from trunkline.inference.conversation import (
    MAX_TURN_MESSAGE,
    Conversation,
    Loop,
    call_ids,
    check_turn,
)
from trunkline.inference.v1 import message_pb2
from trunkline.kernel.errors import (
    AlreadyExists,
    DeadlineExceeded,
    FailedPrecondition,
    ResourceExhausted,
)

CALLS = ("call_a", "call_b", "call_c")


def _conversation(tool_timeout_s: float = 600.0, max_turns: int = 32) -> Conversation:
    return Conversation(Loop(max_turns, 16, tool_timeout_s), ask())


def _turn(*calls: str, text: str = "Let me look.") -> message_pb2.Message:
    parts = [message_pb2.Part(text=text)]
    parts += [
        message_pb2.Part(tool_call=message_pb2.ToolCall(id=call_id, name="look"))
        for call_id in calls
    ]
    return message_pb2.Message(role=message_pb2.ROLE_ASSISTANT, content=parts)


def _result(call_id: str, text: str = "sunny", *, is_error: bool = False) -> message_pb2.ToolResult:
    return message_pb2.ToolResult(
        call_id=call_id, content=[message_pb2.Part(text=text)], is_error=is_error
    )


def test_turn_tells_what_is_awaited() -> None:
    """Its number, its message, and the ids of its calls in their order."""
    conversation = _conversation()
    turn = _turn(*CALLS)
    told = conversation.complete_turn(turn)
    assert (told.turn, list(told.pending_call_ids)) == (1, list(CALLS))
    assert told.message == turn == conversation.last_message
    assert call_ids(turn) == conversation.missing == list(CALLS)
    assert conversation.is_waiting


@pytest.mark.parametrize(
    ("size", "is_told"), [(MAX_TURN_MESSAGE, True), (MAX_TURN_MESSAGE + 1, False)]
)
def test_large_message_of_a_turn_is_left_to_its_deltas(size: int, is_told: bool) -> None:
    """Up to 128 KiB it is told whole; it is part of the transcript either way."""
    conversation = _conversation()
    empty = _turn("call_a", text="x" * MAX_TURN_MESSAGE)
    turn = _turn("call_a", text="x" * (MAX_TURN_MESSAGE - (empty.ByteSize() - size)))
    assert turn.ByteSize() == size
    told = conversation.complete_turn(turn)
    assert told.HasField("message") == is_told
    assert conversation.question.messages[-1] == turn


@pytest.mark.parametrize("order", list(permutations(CALLS)))
def test_results_stand_in_the_order_of_their_calls(order: tuple[str, ...]) -> None:
    """In whatever order they came."""
    conversation = _conversation()
    conversation.complete_turn(_turn(*CALLS))
    for number, call_id in enumerate(order, 1):
        assert conversation.offer(_result(call_id, f"of {call_id}"))
        assert len(conversation.missing) == len(CALLS) - number
    conversation.next_turn()
    told = conversation.question.messages[-1]
    assert told.role == message_pb2.ROLE_TOOL
    assert [part.tool_result for part in told.content] == [
        _result(call_id, f"of {call_id}") for call_id in CALLS
    ]


def test_transcript_grows_by_turns_and_the_question_stays() -> None:
    """Each turn adds the model's message and the results; what was asked first is not changed."""
    question = ask()
    conversation = Conversation(Loop(32, 16, 600.0), question)
    before = question.SerializeToString()
    for number in (1, 2):
        call_id = f"call_{number}"
        conversation.complete_turn(_turn(call_id))
        conversation.offer(_result(call_id))
        conversation.next_turn()
        assert (conversation.turn, conversation.is_waiting) == (number + 1, False)
    assert question.SerializeToString() == before
    assert [message.role for message in conversation.question.messages] == [
        message_pb2.ROLE_USER,
        *(2 * [message_pb2.ROLE_ASSISTANT, message_pb2.ROLE_TOOL]),
    ]


def test_result_counts_once() -> None:
    """The same again is taken silently, in its turn and after it."""
    conversation = _conversation()
    conversation.complete_turn(_turn("call_a", "call_b"))
    assert conversation.offer(_result("call_a"))
    assert not conversation.offer(_result("call_a"))
    assert conversation.offer(_result("call_b"))
    conversation.next_turn()
    assert not conversation.offer(_result("call_a"))
    assert len(conversation.question.messages[-1].content) == 2


OTHERS = {
    "text": _result("call_a", "raining"),
    "error": _result("call_a", is_error=True),
    "nothing": message_pb2.ToolResult(call_id="call_a"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_result_of_a_call_is_refused(other: str) -> None:
    """The first one stands, in its turn and after it."""
    conversation = _conversation()
    conversation.complete_turn(_turn("call_a"))
    conversation.offer(_result("call_a"))
    for _ in range(2):
        with pytest.raises(AlreadyExists) as caught:
            conversation.offer(OTHERS[other])
        assert caught.value.reason == "TOOL_RESULT_MISMATCH"
        assert caught.value.metadata == {"call_id": "call_a"}
        if conversation.is_waiting:
            conversation.next_turn()
    assert conversation.question.messages[-1].content[0].tool_result == _result("call_a")


def test_result_that_nobody_waits_for_is_refused() -> None:
    """Before a turn, of another turn, and of no turn at all."""
    conversation = _conversation()
    for call_id in ("call_a", "call_z"):
        with pytest.raises(FailedPrecondition) as caught:
            conversation.offer(_result(call_id))
        assert caught.value.reason == "UNEXPECTED_TOOL_RESULT"
        assert caught.value.metadata == {"call_id": call_id}
        conversation.complete_turn(_turn("call_a"))


async def test_wait_ends_with_the_last_result() -> None:
    """Those that came before it began count too."""
    conversation = _conversation()
    conversation.complete_turn(_turn("call_a", "call_b"))
    conversation.offer(_result("call_b"))
    waiting = asyncio.ensure_future(conversation.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    conversation.offer(_result("call_a"))
    assert await waiting


@pytest.mark.parametrize("is_early", [True, False])
async def test_wait_ends_when_no_more_results_come(is_early: bool) -> None:
    """Whether that was said before it or during it."""
    conversation = _conversation()
    conversation.complete_turn(_turn("call_a"))
    if is_early:
        conversation.end()
    waiting = asyncio.ensure_future(conversation.wait())
    await asyncio.sleep(0)
    conversation.end()
    assert not await waiting


async def test_end_with_all_results_there_is_no_loss() -> None:
    """What was answered in full goes on to the model, whose turn is then the last."""
    conversation = _conversation()
    conversation.complete_turn(_turn("call_a"))
    conversation.offer(_result("call_a"))
    conversation.end()
    assert await conversation.wait()


async def test_wait_that_takes_too_long_names_the_calls() -> None:
    """Only those whose results did not come."""
    conversation = _conversation(tool_timeout_s=0.001)
    conversation.complete_turn(_turn(*CALLS))
    conversation.offer(_result("call_b"))
    with pytest.raises(DeadlineExceeded) as caught:
        await conversation.wait()
    assert caught.value.reason == "TOOL_TIMED_OUT"
    assert caught.value.metadata == {"call_ids": "call_a,call_c"}


@pytest.mark.parametrize(
    ("turn", "calls", "reason"),
    [
        (1, 16, ""),
        (1, 17, "CALL_LIMIT_REACHED"),
        (31, 1, ""),
        (32, 1, "TURN_LIMIT_REACHED"),
        (32, 17, "CALL_LIMIT_REACHED"),
    ],
)
def test_bounds_of_a_loop_hold(turn: int, calls: int, reason: str) -> None:
    """As many calls and turns as were settled, and none more."""
    conversation = _conversation()
    conversation.turn = turn
    if not reason:
        check_turn(conversation, calls)
        return
    with pytest.raises(ResourceExhausted) as caught:
        check_turn(conversation, calls)
    assert caught.value.reason == reason

"""The tool loop of a Converse: its turns, and the results that it waits for."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Final

from trunkline.inference.v1 import chat_pb2, event_pb2, message_pb2
from trunkline.kernel.errors import (
    AlreadyExists,
    DeadlineExceeded,
    FailedPrecondition,
    ResourceExhausted,
)

MAX_TURN_MESSAGE: Final = 128 * 1024


@dataclass(frozen=True, slots=True)
class Loop:
    """What was settled of a tool loop.

    Attributes:
        max_turns: of the model.
        max_parallel_calls: in one turn.
        tool_timeout_s: the longest wait for the results of a turn.
    """

    max_turns: int
    max_parallel_calls: int
    tool_timeout_s: float


class Conversation:
    """One tool loop, as far as it has come.

    Args:
        loop: what was settled.
        request: the first turn's question.

    Attributes:
        loop: what was settled.
        question: of the turn under way: the transcript so far.
        turn: the one under way, or waited after; from 1.
        is_waiting: results are awaited.
        is_ending: no more results come; the turn under way is the last.
        last_message: of the last turn that ended.
    """

    def __init__(self, loop: Loop, request: chat_pb2.ChatRequest) -> None:
        self.loop = loop
        self.question = request
        self.turn = 1
        self.is_waiting = False
        self.is_ending = False
        self.last_message = message_pb2.Message()
        self._pending: list[str] = []
        self._results: dict[str, message_pb2.ToolResult] = {}
        self._digests: dict[str, bytes] = {}
        self._something = asyncio.Event()

    @property
    def missing(self) -> list[str]:
        """Return the calls of this turn whose results have not come."""
        return [call_id for call_id in self._pending if call_id not in self._results]

    def complete_turn(self, message: message_pb2.Message) -> event_pb2.TurnCompleted:
        """Let a turn end with tool calls, whose results are awaited from now on.

        Args:
            message: of the turn, which becomes part of the transcript.
        """
        self._pending = call_ids(message)
        self.last_message = message
        self._extend(message)
        self.is_waiting = True
        told = event_pb2.TurnCompleted(turn=self.turn, pending_call_ids=self._pending)
        if message.ByteSize() <= MAX_TURN_MESSAGE:
            told.message.CopyFrom(message)
        return told

    def offer(self, result: message_pb2.ToolResult) -> bool:
        """Take a result.

        Returns:
            False: it had come before.

        Raises:
            FailedPrecondition: UNEXPECTED_TOOL_RESULT: its call does not wait for one.
            AlreadyExists: TOOL_RESULT_MISMATCH: the call has another result.
        """
        call_id, digest = result.call_id, digest_result(result)
        known = self._digests.get(call_id)
        if known is not None:
            if known != digest:
                raise mismatch(call_id)
            return False
        if call_id not in self._pending:
            raise unexpected(call_id)
        self._digests[call_id] = digest
        self._results[call_id] = result
        self._something.set()
        return True

    def end(self) -> None:
        """Let the turn under way be the last; a wait for results ends."""
        self.is_ending = True
        self._something.set()

    async def wait(self) -> bool:
        """Wait for the results of the turn.

        Returns:
            False: no more of them come.

        Raises:
            DeadlineExceeded: TOOL_TIMED_OUT.
        """
        try:
            async with asyncio.timeout(self.loop.tool_timeout_s):
                while self.missing and not self.is_ending:
                    self._something.clear()
                    await self._something.wait()
        except TimeoutError:
            names = ",".join(self.missing)
            raise DeadlineExceeded(
                "TOOL_TIMED_OUT",
                "The results of a turn did not come in time.",
                metadata={"call_ids": names},
            ) from None
        return not self.missing

    def next_turn(self) -> None:
        """Go on with the results, in the order of their calls."""
        self._extend(
            message_pb2.Message(
                role=message_pb2.ROLE_TOOL,
                content=[
                    message_pb2.Part(tool_result=self._results[call_id])
                    for call_id in self._pending
                ],
            )
        )
        self._pending = []
        self._results = {}
        self.is_waiting = False
        self.turn += 1

    def _extend(self, message: message_pb2.Message) -> None:
        """Add a message to the transcript; the first question stays as it was."""
        question = chat_pb2.ChatRequest()
        question.CopyFrom(self.question)
        question.messages.append(message)
        self.question = question


def check_turn(conversation: Conversation, calls: int) -> None:
    """Refuse a turn that asks for more than was settled.

    Raises:
        ResourceExhausted: CALL_LIMIT_REACHED, TURN_LIMIT_REACHED.
    """
    loop = conversation.loop
    if calls > loop.max_parallel_calls:
        raise ResourceExhausted(
            "CALL_LIMIT_REACHED",
            f"A turn has {calls} calls, and {loop.max_parallel_calls} are allowed.",
            metadata={"max_parallel_calls": str(loop.max_parallel_calls)},
        )
    if conversation.turn >= loop.max_turns:
        raise ResourceExhausted(
            "TURN_LIMIT_REACHED",
            f"The model still asks for tools after {loop.max_turns} turns.",
            metadata={"max_turns": str(loop.max_turns)},
        )


def call_ids(message: message_pb2.Message) -> list[str]:
    """Return the ids of the tool calls in a message, in their order."""
    return [part.tool_call.id for part in message.content if part.HasField("tool_call")]


def digest_result(result: message_pb2.ToolResult) -> bytes:
    """Return what tells whether two results are the same."""
    return hashlib.sha256(result.SerializeToString(deterministic=True)).digest()


def unexpected(call_id: str) -> FailedPrecondition:
    """Return the error for a result that nobody waits for."""
    return FailedPrecondition(
        "UNEXPECTED_TOOL_RESULT",
        f"No call {call_id} waits for a result.",
        metadata={"call_id": call_id},
    )


def mismatch(call_id: str) -> AlreadyExists:
    """Return the error for another result of a call."""
    return AlreadyExists(
        "TOOL_RESULT_MISMATCH",
        f"The call {call_id} has another result.",
        metadata={"call_id": call_id},
    )

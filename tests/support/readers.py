"""Readers of a run that lose their process and go on at another, and what holds for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import grpc

from support.chats import Failure, failure_of, stream
from support.deployment import Metadata
from support.folding import fold
from trunkline.inference.v1 import event_pb2, result_pb2, run_pb2
from trunkline_client.fold import Fold

# What a reader may meet on its way without the run having ended.
_PASSING = frozenset({"", "NOT_SERVING", "JOURNAL_UNAVAILABLE", "PEER_UNAVAILABLE"})
_PAUSE_S = 0.05


@dataclass
class Reader:
    """Reads one run to its end, at whichever process answers.

    Attributes:
        channels: to the processes, in the order in which they are tried.
        metadata: of each call.
        run_id: of the run; empty: not known yet.
        events: what came, by number.
        parted: how calls failed after which it went on.
        ended: how the run failed; None: it has not.
    """

    channels: Sequence[grpc.aio.Channel]
    metadata: Metadata
    run_id: str = ""
    events: dict[int, bytes] = field(default_factory=dict)
    parted: list[Failure] = field(default_factory=list)
    ended: Failure | None = None
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def last(self) -> int:
        """The number of the last event."""
        return len(self.events)

    @property
    def all(self) -> list[event_pb2.ChatEvent]:
        """The events, in order."""
        return [event_pb2.ChatEvent.FromString(self.events[each]) for each in sorted(self.events)]

    @property
    def completed(self) -> result_pb2.Completed:
        """The answer; it must have come."""
        assert self.ended is None, (self.run_id, self.ended)
        last = event_pb2.ChatEvent.FromString(self.events[self.last])
        assert last.HasField("completed"), (self.run_id, last)
        return last.completed

    async def reach(self, count: int) -> None:
        """Wait until so many events came."""
        while self.last < count:
            self._came.clear()
            await self._came.wait()

    async def begin(self, request: object) -> None:
        """Begin the run and read it to its end.

        Args:
            request: the ChatRequest; it has an idempotency key, by which it is sent again.
        """
        await self._go_on(request)

    async def follow(self, run_id: str) -> None:
        """Read a run to its end."""
        self.run_id = run_id
        await self._go_on(None)

    async def _go_on(self, request: object) -> None:
        """Call until the run has ended."""
        turn = 0
        while True:
            channel = self.channels[turn % len(self.channels)]
            turn += 1
            if self.run_id:
                resume = run_pb2.ResumeChatRequest(run_id=self.run_id, after_sequence=self.last)
                call = stream(channel, "ResumeChat", resume, self.metadata)
            else:
                call = stream(channel, "StreamChat", request, self.metadata)  # type: ignore[arg-type]
            try:
                await self._take(call)
                return
            except grpc.aio.AioRpcError as error:
                failure = failure_of(error)
                passes = failure.reason in _PASSING or failure.reason == "SEQUENCE_AHEAD"
                if failure.code is not grpc.StatusCode.UNAVAILABLE or not passes:
                    self.ended = failure
                    self._came.set()
                    return
                self.parted.append(failure)
            await asyncio.sleep(_PAUSE_S)

    async def _take(self, call: object) -> None:
        """Take events until the call ends; each has the number after the one before."""
        async for data in call:  # type: ignore[attr-defined]
            event = event_pb2.ChatEvent.FromString(data)
            if event.HasField("run_started"):
                self.run_id = event.run_started.run_id
            assert event.sequence == self.last + 1, (self.run_id, event.sequence, self.last)
            self.events[event.sequence] = data
            self._came.set()


def check_history(readers: Iterable[Reader], text: str) -> list[event_pb2.ChatEvent]:
    """Hold what is so of every run with an answer, however its processes died; return its events.

    Args:
        readers: of one run, each of which read it to the end.
        text: of the answer.
    """
    first, *others = readers
    completed = first.completed
    for other in others:
        assert other.completed == completed
        assert other.events == first.events, first.run_id
    events = first.all
    kinds = [event.WhichOneof("kind") for event in events]
    assert kinds.count("run_started") == 1
    assert kinds[0] == "run_started"
    assert kinds.count("completed") == 1
    folded = Fold()
    for event in events:
        folded.feed(event)
    assert fold(events) == completed.message
    assert folded.message() == completed.message
    assert "".join(part.text for part in completed.message.content) == text
    started = [event.attempt for event in events if event.HasField("attempt_started")]
    assert started == list(range(1, len(started) + 1))
    assert [attempt.number for attempt in completed.attempts] == started
    return events

"""The acts of the demonstration: what is broken, and how the chat goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from trunkline.cli.demo_evidence import Evidence, Step, find_faults
from trunkline.cli.demo_fleet import LEASE_S, Member
from trunkline.cli.demo_providers import Cast
from trunkline.cli.demo_stage import DarkStage, Scene, Stage
from trunkline.inference.v1 import event_pb2, result_pb2
from trunkline.sandbox.scripts import OK_TEXT
from trunkline.sandbox.server import Sandbox
from trunkline_client import AsyncClient, Event
from trunkline_client.asynchronous import AsyncStream

COMPLETED: Final = result_pb2.ATTEMPT_OUTCOME_COMPLETED
FAILED: Final = result_pb2.ATTEMPT_OUTCOME_FAILED
SUPERSEDED: Final = result_pb2.ATTEMPT_OUTCOME_SUPERSEDED
PREFILL: Final = result_pb2.CONTINUATION_STRATEGY_PREFILL
RESTART: Final = result_pb2.CONTINUATION_STRATEGY_RESTART

_QUESTION: Final = "Hello"
# Of sixty words: a reader has begun, and there is time left to break what follows.
_BREAK_AFTER: Final = 15
_CHAT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Act:
    """One chat of the demonstration, when it is over.

    Attributes:
        evidence: what came of it.
        faults: what is wrong with it, in sentences.
    """

    evidence: Evidence
    faults: list[str]


class Acts:
    """Plays the acts.

    Args:
        cast: the models.
        sandbox: their provider.
        owner: the process that begins the runs, and dies.
        other: the process that stays.
        token: of the reader.
        stage: where it is seen.
        pace_s: between two words.
    """

    def __init__(
        self,
        cast: Cast,
        sandbox: Sandbox,
        owner: Member,
        other: Member,
        token: str,
        stage: Stage,
        pace_s: float,
    ) -> None:
        self._cast = cast
        self._sandbox = sandbox
        self._owner = owner
        self._other = other
        self._token = token
        self._stage = stage
        self._pace_s = pace_s

    async def play(self) -> list[Act]:
        """Play all of them, one after the other."""
        return [
            await self.break_provider(),
            await self.end_provider(),
            await self.kill_owner(),
            await self.leave(),
        ]

    async def break_provider(self) -> Act:
        """Cut a provider in mid-sentence; the next one goes on after the last word."""
        self._stage.head("Act 1. A provider is cut in mid-sentence.")
        self._stage.say("The next model is known to go on from a partial answer: nothing is void.")
        steps = (
            Step(self._cast.cut, FAILED),
            Step(self._cast.steady, COMPLETED, PREFILL),
        )
        return await self._fall_back("provider-cut", steps)

    async def end_provider(self) -> Act:
        """End an answer in mid-sentence as if it were whole; the next model answers anew."""
        self._stage.say(
            "Another one ends in mid-sentence as if that were all, and the next one cannot go on."
        )
        steps = (
            Step(self._cast.ending, FAILED),
            Step(self._cast.plain, COMPLETED, RESTART),
        )
        return await self._fall_back("provider-ended", steps)

    async def kill_owner(self) -> Act:
        """Kill the process that has the run while it speaks; another one takes the run over."""
        self._stage.head("Act 2. The process that has the run is killed in mid-answer.")
        self._stage.say(
            f"Its lease runs out in {LEASE_S:g} s (5 s by default); then the other process takes"
            " the run over, and goes on from its journal."
        )
        steps = (
            Step(self._cast.steady, SUPERSEDED),
            Step(self._cast.steady, COMPLETED, PREFILL),
        )
        killed_s = resumed_s = 0.0
        with self._begin() as record:
            async with self._client(self._owner, self._other) as client:
                stream = client.stream(self._cast.steady, _QUESTION, timeout_s=_CHAT_S)
                async with stream:
                    async for event in stream:
                        record.take(event)
                        if not killed_s and _is_midway(stream):
                            killed_s = time.monotonic()
                            await self._owner.kill()
                            record.remark(f"SIGKILL to process {self._owner.pid}")
                        elif not resumed_s and event.text and event.attempt == len(steps):
                            resumed_s = time.monotonic()
                            record.remark(
                                f"the next word came {resumed_s - killed_s:.2f} s after the kill"
                            )
        return await self._judge("owner-killed", steps, stream, record, resumed_s - killed_s)

    async def leave(self) -> Act:
        """Leave in mid-answer and come back: what came meanwhile was kept."""
        self._stage.head("Act 3. The client itself leaves, and comes back.")
        self._stage.say("A run waits 15 s for its reader by default, and goes on meanwhile.")
        steps = (Step(self._cast.steady, COMPLETED),)
        with self._begin() as record:
            async with (
                self._client(self._other) as client,
                client.stream(self._cast.steady, _QUESTION, timeout_s=_CHAT_S) as first,
            ):
                async for event in first:
                    record.take(event)
                    if _is_midway(first):
                        break
            after = first.last_sequence
            record.remark(f"the client leaves after event {after}, and closes its connection")
            await asyncio.sleep(_BREAK_AFTER * self._pace_s)
            record.remark(f"another client resumes after event {after}")
            async with self._client(self._other) as client:
                rest = client.resume(first.run_id, after_sequence=after, timeout_s=_CHAT_S)
                await record.read(rest)
        return await self._judge("client-left", steps, rest, record, resumed_after=after)

    async def _fall_back(self, name: str, steps: Sequence[Step]) -> Act:
        """Ask one model with others behind it."""
        first, *others = (step.model for step in steps)
        with self._begin() as record:
            async with self._client(self._owner) as client:
                stream = client.stream(first, _QUESTION, fallbacks=others, timeout_s=_CHAT_S)
                await record.read(stream)
        return await self._judge(name, steps, stream, record)

    def _begin(self) -> _Record:
        """Begin a chat, and forget what the provider was asked before."""
        self._sandbox.seen.clear()
        return _Record(self._stage.open_scene())

    async def _judge(
        self,
        name: str,
        steps: Sequence[Step],
        stream: AsyncStream,
        record: _Record,
        takeover_s: float | None = None,
        resumed_after: int | None = None,
    ) -> Act:
        """Read the run once more, at the process that stays, and compare."""
        # Lists of models are asked for at times, too.
        asked = tuple(sight.model for sight in self._sandbox.seen if sight.model is not None)
        again = _Record(DarkStage().open_scene())
        async with self._client(self._other) as client:
            await again.read(client.resume(stream.run_id, timeout_s=_CHAT_S))
        evidence = Evidence(
            name=name,
            run_id=stream.run_id,
            events=tuple(record.events),
            again=tuple(again.events),
            asked=asked,
            takeover_s=takeover_s,
            resumed_after=resumed_after,
        )
        return Act(evidence, find_faults(evidence, OK_TEXT, steps))

    def _client(self, *members: Member) -> AsyncClient:
        """Return a reader who knows some of the processes."""
        first, *others = (member.address for member in members)
        return AsyncClient(first, self._token, addresses=others)


class _Record:
    """What came of a chat so far, and is seen.

    Args:
        scene: where it is seen.
    """

    def __init__(self, scene: Scene) -> None:
        self.events: list[event_pb2.ChatEvent] = []
        self._scene = scene

    def __enter__(self) -> Self:
        """Begin."""
        self._scene.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End."""
        self._scene.__exit__(kind, error, traceback)

    def take(self, event: Event) -> None:
        """Note an event and show it."""
        self.events.append(event.raw)
        self._scene.show(event.raw)

    def remark(self, line: str) -> None:
        """Show what is done to the chat."""
        self._scene.remark(line)

    async def read(self, stream: AsyncStream) -> None:
        """Take what comes, to the end."""
        async with stream:
            async for event in stream:
                self.take(event)


def _is_midway(stream: AsyncStream) -> bool:
    """Tell whether a reader is in the middle of the answer."""
    return len(stream.text.split()) >= _BREAK_AFTER

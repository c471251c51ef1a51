"""What lies in the journal: nobody reads it there, and nobody puts it elsewhere unnoticed."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import grpc
import pytest

from chaos.conftest import QUICK, SLOW, TALK
from chaos.stored_runs import StoredRuns, open_stored_runs
from support.canary import encodings
from support.chats import Reading, ask, read, stream
from support.conversations import starting, talking, text_of
from support.deployment import eventually
from support.readers import Reader
from support.replicas import Replicas
from trunkline.inference.v1 import inference_service_pb2_grpc, run_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")

# No other text of the deployment has these words.
PROMPT: Final = "Heliotropically-prompted"
RESULT: Final = "Quixotically-resulting"
UNARY: Final = "Unanimously-asked"
ANSWER: Final = "The line is open and this is the sandbox speaking"
_LIMIT_S: Final = 40.0


async def test_nothing_that_was_said_lies_anywhere(fleet: Replicas) -> None:
    """No prompt, answer or tool's result is in a file, its log, a page, a dump or a line of log."""
    stored = open_stored_runs(fleet)
    async with fleet.channels() as (other, owner), asyncio.timeout(_LIMIT_S):
        ended = Reader((owner,), fleet.admin)
        await ended.begin(ask("sandbox/echo", text=PROMPT))
        assert PROMPT in text_of(ended.completed.message)
        chats = inference_service_pb2_grpc.InferenceServiceStub(other)
        question = ask(f"sandbox/{QUICK}", text=UNARY, idempotency_key=UNARY)
        answer = await chats.Chat(question, metadata=fleet.admin)
        assert ANSWER in text_of(answer.completed.message)
        going = await read(stream(owner, "StreamChat", ask(f"sandbox/{SLOW}"), fleet.admin), 20)
        async with talking(owner, fleet.admin, starting(TALK)) as talk:
            (call_id,) = await talk.turn()
            await talk.answer(call_id, RESULT)
            await talk.until("tool_result_accepted")
            # One that goes on, one that waits for more, and two that have ended.
            runs = [_id_of(going), talk.run_id, ended.run_id, answer.run_id]
            _search(fleet, stored, runs)
            await talk.rest()
        _search(fleet, stored, runs)


def _search(fleet: Replicas, stored: StoredRuns, runs: list[str]) -> None:
    """Look for what was said in everything that lies anywhere."""
    found = dict(stored.pages())
    for run_id in runs:
        # What is looked through is what the runs lie in.
        assert any(run_id.encode() in data for data in found.values()), run_id
    for path in fleet.root.rglob("*"):
        if path.is_file():
            found[str(path.relative_to(fleet.root))] = path.read_bytes()
    for said in (PROMPT, RESULT, UNARY, ANSWER):
        needles = encodings(said)
        assert [name for name, data in found.items() if any(n in data for n in needles)] == [], said


@dataclass(frozen=True, slots=True)
class Altered:
    """A run in whose record or segments something was changed.

    Attributes:
        how: for people.
        run: as its reader saw it before.
    """

    how: str
    run: Reading


async def test_what_was_moved_or_replayed_is_refused(fleet: Replicas) -> None:
    """A reader gets DATA_LOSS, and nothing but what he saw before; a run nobody touched goes on."""
    stored = open_stored_runs(fleet)
    async with fleet.channels() as (other, owner), asyncio.timeout(_LIMIT_S):
        runs = await asyncio.gather(*(_begin(fleet, owner) for _ in range(7)))
        cancelled = await asyncio.gather(*(_cancel(fleet, owner) for _ in range(2)))
        untouched, source, *targets = runs
        await fleet.pair[1].end(signal.SIGKILL)
        dead = time.monotonic() + 2 * fleet.lease_s
        altered = list(_alter(stored, source, targets, cancelled))
        await _check_refused(fleet, other, altered)
        # Those that went on are not followed any more: they are claimed.
        await eventually(lambda: time.monotonic() >= dead, _LIMIT_S)
        await _check_refused(fleet, other, altered)
        whole = Reader((other,), fleet.admin)
        following = asyncio.create_task(whole.follow(_id_of(untouched)))
        await whole.reach(len(untouched.raw) + 20)
        assert [whole.events[n] for n in untouched.sequences] == untouched.raw
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_who_reads_on_is_told_that_what_he_read_was_moved(fleet: Replicas) -> None:
    """His run's process dies, and nobody can take over what is not as it was written."""
    stored = open_stored_runs(fleet)
    async with fleet.channels() as (other, owner), asyncio.timeout(_LIMIT_S):
        begun, source = [await _begin(fleet, owner) for _ in range(2)]
        reader = Reader((other,), fleet.admin)
        following = asyncio.create_task(reader.follow(_id_of(begun)))
        await reader.reach(20)
        await fleet.pair[1].end(signal.SIGKILL)
        _, *rest = stored.segments(_id_of(begun))
        stored.put_segments(_id_of(begun), [stored.segments(_id_of(source))[0], *rest])
        await following
    assert reader.ended is not None
    assert (reader.ended.code.name, reader.ended.reason) == ("DATA_LOSS", "INTERNAL")


async def _check_refused(
    fleet: Replicas, channel: grpc.aio.Channel, altered: Iterable[Altered]
) -> None:
    """Hold that runs are refused to their reader."""
    for each in altered:
        resume = run_pb2.ResumeChatRequest(run_id=_id_of(each.run))
        reading = await read(stream(channel, "ResumeChat", resume, fleet.admin))
        failed = reading.failed
        assert (failed.code.name, failed.reason) == ("DATA_LOSS", "INTERNAL"), each.how
        assert reading.raw == each.run.raw[: len(reading.raw)], each.how


def _alter(
    stored: StoredRuns, source: Reading, targets: list[Reading], cancelled: list[Reading]
) -> Iterator[Altered]:
    """Change each of some runs in its own way."""
    swapped, replayed, foreign, terms, row = targets
    first, second, *rest = stored.segments(_id_of(swapped))
    stored.put_segments(_id_of(swapped), [second, first, *rest])
    yield Altered("segments swapped", swapped)
    first, _, *rest = stored.segments(_id_of(replayed))
    stored.put_segments(_id_of(replayed), [first, first, *rest])
    yield Altered("segment replayed", replayed)
    first, *rest = stored.segments(_id_of(foreign))
    stored.put_segments(_id_of(foreign), [stored.segments(_id_of(source))[0], *rest])
    yield Altered("segment of another run", foreign)
    stored.put(_id_of(terms), "terms", stored.get(_id_of(source), "terms"))
    yield Altered("terms of another run", terms)
    for name in ("wrapped_key", "terms"):
        stored.put(_id_of(row), name, stored.get(_id_of(source), name))
    yield Altered("key and terms of another run", row)
    one, two = cancelled
    stored.put(_id_of(one), "status", stored.get(_id_of(two), "status"))
    yield Altered("status of another run", one)


async def _begin(fleet: Replicas, channel: grpc.aio.Channel) -> Reading:
    """Begin a run, and leave it when there are some segments of it."""
    return await read(stream(channel, "StreamChat", ask(f"sandbox/{SLOW}"), fleet.admin), 8)


async def _cancel(fleet: Replicas, channel: grpc.aio.Channel) -> Reading:
    """Begin a run, and end it."""
    begun = await _begin(fleet, channel)
    cancel = run_pb2.CancelChatRequest(run_id=_id_of(begun))
    await inference_service_pb2_grpc.InferenceServiceStub(channel).CancelChat(
        cancel, metadata=fleet.admin
    )
    resume = run_pb2.ResumeChatRequest(run_id=_id_of(begun))
    return await read(stream(channel, "ResumeChat", resume, fleet.admin))


def _id_of(reading: Reading) -> str:
    """Return the run that was read."""
    return reading.events[0].run_started.run_id

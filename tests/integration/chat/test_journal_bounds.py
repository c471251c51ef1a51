"""What a journal may hold: who does not read makes the provider wait, and the oldest goes first."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from support.begun import begin, resume
from support.chats import ask, kind_name, leaving, read, refused, run_id_of, stream
from support.crude_provider import CrudeProvider
from support.deployment import Deployment, eventually
from support.folding import fold
from trunkline.inference.app import InferenceService
from trunkline.inference.run import Run
from trunkline.inference.v1 import event_pb2, result_pb2, run_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")

KIB = 1024
MIB = 1024 * KIB
# One read of a provider's socket, framing included, may come on top of a bound.
ONE_READ = 512 * KIB


def _run(deployment: Deployment, run_id: str) -> Run:
    """Return a run as the process holds it, to see what it keeps."""
    inference = deployment.suite.services["inference"]
    assert isinstance(inference, InferenceService)
    return next(run for run in inference.runs.newest_first() if run.id == run_id)


@asynccontextmanager
async def endless(
    deployment: Deployment, name: str, mebibytes: int = 64
) -> AsyncIterator[CrudeProvider]:
    """Connect a provider that says more than all buffers on the way hold."""
    chunk = {"choices": [{"index": 0, "delta": {"content": "x" * 64 * KIB}}]}
    body = f"data: {json.dumps(chunk)}\n\n".encode() * (16 * mebibytes)
    chunk["choices"][0]["finish_reason"] = "stop"
    body += f"data: {json.dumps(chunk)}\n\n".encode()
    async with CrudeProvider(200, body, "text/event-stream") as provider:
        # It is asked once before it says so much, to see that it is connected.
        provider.body = b""
        await deployment.connect(provider.base_url, "key", ["crude"], name=name)
        provider.body, provider.sent = body, 0
        yield provider


async def test_reader_that_does_not_read_makes_the_provider_wait() -> None:
    """What nobody takes is bounded, other runs are not slowed, and reading lets it go on."""
    async with (
        Deployment(default_durability="memory", journal_run_bytes=256 * KIB) as deployment,
        endless(deployment, "endless") as other,
    ):
        question = ask("endless/crude", disconnect=leaving(0.1))
        call = stream(deployment.channel, "StreamChat", question, deployment.admin)
        run = _run(deployment, run_id_of(await call.initial_metadata()))
        held = await _stillness(run)
        for _ in range(20):
            answer = await deployment.inference.Chat(ask(), metadata=deployment.admin)
            assert answer.completed.attempts[0].duration.ToMilliseconds() < 1000
        assert run.journal.last_sequence == held
        assert run.journal.size < 256 * KIB + ONE_READ
        assert (other.sent, other.cut) == (0, 0)
        for sequence in range(1, held + 1):
            data: Any = await call.read()
            assert event_pb2.ChatEvent.FromString(data).sequence == sequence
        await eventually(lambda: run.journal.last_sequence > held)
        # It leaves in the midst of a write that nobody takes.
        await _stillness(run)
        call.cancel()
        await eventually(lambda: other.cut == 1)
        assert run.readers == 0
        assert run.state == run_pb2.RUN_STATE_CANCELLED


async def _stillness(run: Run) -> int:
    """Wait until a run goes on no more, and return the last event that it came to."""
    seen: list[int] = []

    def is_still() -> bool:
        seen.append(-1 if run.journal.has_room() else run.journal.last_sequence)
        # Looked at each 5 ms.
        return len(set(seen[-40:])) == 1 and len(seen) > 40 and seen[-1] > 0

    await eventually(is_still)
    return seen[-1]


async def test_run_without_a_reader_waits_at_the_same_bound(deployment: Deployment) -> None:
    """Within its grace a run whose reader left goes on until the bound, and no further."""
    async with endless(deployment, "unread") as provider:
        question = ask("unread/crude")
        call = stream(deployment.channel, "StreamChat", question, deployment.admin)
        run = _run(deployment, run_id_of(await call.initial_metadata()))
        call.cancel()
        await eventually(lambda: not run.readers and not run.journal.has_room())
        assert run.is_live
        assert provider.sent == 0
        await deployment.cancel(run.id)
        await eventually(lambda: provider.cut == 1)


async def test_taken_events_are_kept_up_to_the_bound_of_a_run() -> None:
    """A reader that keeps up has the rest trimmed behind it; the answer stays whole."""
    async with Deployment(default_durability="memory", journal_run_bytes=64 * KIB) as deployment:
        text = "z" * (2 * MIB)
        call = stream(deployment.channel, "StreamChat", ask("sandbox/echo", text), deployment.admin)
        run_id = run_id_of(await call.initial_metadata())
        reading = await read(call)
        assert fold(reading.events).content[0].text == text
        assert _run(deployment, run_id).journal.size <= 64 * KIB
        assert (await resume(deployment, run_id)).failed.reason == "EVENTS_TRIMMED"
        got = await deployment.inference.GetRun(
            run_pb2.GetRunRequest(run_id=run_id), metadata=deployment.admin
        )
        assert text.startswith(got.run.completed.message.content[0].text)
        assert got.next_page_token


async def test_reader_that_falls_too_far_behind_is_told() -> None:
    """Of two readers one keeps up; what the other missed is gone, and it learns the bounds."""
    async with (
        Deployment(default_durability="memory", journal_run_bytes=64 * KIB) as deployment,
        endless(deployment, "long", 24),
    ):
        question = ask("long/crude")
        slow = stream(deployment.channel, "StreamChat", question, deployment.admin)
        run = _run(deployment, run_id_of(await slow.initial_metadata()))
        held = await _stillness(run)
        fast = await resume(deployment, run.id, run.journal.first_sequence - 1)
        assert fast.completed.finish_reason == result_pb2.FINISH_REASON_STOP
        reading = await read(slow)
        assert reading.sequences == list(range(1, len(reading.events) + 1))
        assert len(reading.events) <= held
        failure = reading.failed
        assert (failure.code.name, failure.reason) == ("OUT_OF_RANGE", "EVENTS_TRIMMED")
        assert int(failure.metadata["first_sequence"]) > held
        assert failure.metadata["last_sequence"] == str(fast.sequences[-1])


async def test_ended_runs_go_first_when_all_journals_are_too_large() -> None:
    """Over the bound of all runs the one that ended first is forgotten, answer and all."""
    async with Deployment(default_durability="memory", journal_total_bytes=MIB) as deployment:
        live = await begin(deployment, "stall-after-20")
        ended = [
            (
                await deployment.inference.Chat(
                    ask("sandbox/echo", letter * 200 * KIB), metadata=deployment.admin
                )
            ).run_id
            for letter in "abcdefgh"
        ]
        kept = [run_id for run_id in ended if not await _is_trimmed(deployment, run_id)]
        assert kept == ended[-len(kept) :]
        assert 0 < len(kept) < 4
        run = await deployment.run(ended[0])
        assert run.state == run_pb2.RUN_STATE_SUCCEEDED
        assert run.first_sequence == run.last_sequence + 1
        assert not run.HasField("completed")
        assert (await deployment.run(ended[-1])).HasField("completed")
        assert (await deployment.run(live.run_id)).first_sequence == 1
        assert (await resume(deployment, live.run_id, count=3)).sequences == [1, 2, 3]


async def _is_trimmed(deployment: Deployment, run_id: str) -> bool:
    reading = await resume(deployment, run_id)
    if reading.failure is None:
        return False
    assert reading.failed.reason == "EVENTS_TRIMMED"
    assert "first_sequence" not in reading.failed.metadata
    return True


async def test_answer_without_an_end_is_cut_off(deployment: Deployment) -> None:
    """A provider that does not stop talking has failed at 32 MiB."""
    request = ask("talker/crude")
    # One that can be come back to is asked for in parts.
    request.disconnect.grace.FromSeconds(1)
    async with endless(deployment, "talker") as provider:
        failure = await refused(deployment.inference.Chat(request, metadata=deployment.admin))
        await eventually(lambda: provider.cut == 1)
    (attempt,) = failure.attempts
    assert kind_name(attempt.failure) == "BROKEN_STREAM"
    assert attempt.failure.mid_stream
    assert attempt.failure.message == "The answer is too long."

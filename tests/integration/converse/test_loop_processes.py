"""A tool loop over two processes: results come in at either, and one of them may die."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio

from support.chats import ask, failure_of, limits
from support.conversations import attaching, starting, talking, text_of
from support.deployment import Deployment, eventually
from support.folding import fold
from support.ports import free_ports
from support.replicas import Process
from trunkline.inference.v1 import chat_pb2, inference_service_pb2_grpc, run_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")

LEASE_S = 0.5
# Why a process that has just begun does not answer yet.
PASSING = ("MODEL_NOT_FOUND", "NO_CREDENTIAL", "TOKEN_INVALID", "PEER_UNAVAILABLE")
SLOW = "every-15-ms-of-tool-loop-2"


class Pair(Deployment):
    """A whole deployment in this process, and a second process of inference that can be killed.

    Attributes:
        other: the second process.
        far: a channel to it.
    """

    other: Process
    far: grpc.aio.Channel

    async def start(self, *names: str) -> None:
        """Start both."""
        await super().start(*names)
        (port,) = free_ports(1)
        env = {
            "TRUNKLINE_DATA_DIR": str(self.root / "data"),
            "TRUNKLINE_CONFIG_DIR": str(self.root / "config"),
            "TRUNKLINE_LISTEN": f"127.0.0.1:{port}",
            "TRUNKLINE_RUN_LEASE_S": str(LEASE_S),
            "TRUNKLINE_WORKER": "1",
        }
        self.other = Process(("inference",), env, self.root / "other.log")
        await self.other.start()
        self.far = self.other.channel()

    async def stop(self) -> None:
        """Stop both."""
        if hasattr(self, "other"):
            await self.far.close()
            await self.other.end()
        await super().stop()

    async def ready(self) -> None:
        """Wait until the second process can ask the sandbox."""
        stub = inference_service_pb2_grpc.InferenceServiceStub(self.far)

        async def is_known() -> bool:
            try:
                await stub.Chat(ask(f"sandbox/{SLOW}"), metadata=self.admin)
            except grpc.aio.AioRpcError as error:
                reason = failure_of(error).reason
            else:
                return True
            assert reason in PASSING, reason
            return False

        await eventually(is_known, 20.0)
        self.sandbox.seen.clear()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Pair]:
    """Two processes on one journal."""
    async with Pair(models=[SLOW, "tool-loop-2"], run_lease_s=LEASE_S) as made:
        await made.ready()
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def pair(running: Pair) -> Pair:
    """The same, both alive."""
    assert running.other.process is not None
    if running.other.process.returncode is not None:
        await running.far.close()
        await running.other.start()
        running.far = running.other.channel()
        await running.ready()
    return running


async def _run(channel: grpc.aio.Channel, pair: Pair, run_id: str) -> run_pb2.Run:
    stub = inference_service_pb2_grpc.InferenceServiceStub(channel)
    got = await stub.GetRun(run_pb2.GetRunRequest(run_id=run_id), metadata=pair.admin)
    return got.run


@pytest.mark.parametrize("begins_here", [True, False], ids=["begins-here", "begins-there"])
async def test_results_come_in_at_another_process(pair: Pair, begins_here: bool) -> None:
    """Whoever carries the loop gets them, once each, and both processes tell the same events."""
    near, far = (pair.channel, pair.far) if begins_here else (pair.far, pair.channel)
    async with talking(near, pair.admin, starting("parallel-tools")) as owner:
        calls = await owner.turn()
        async with talking(far, pair.admin, attaching(owner.run_id)) as other:
            assert await other.turn() == calls
            for number, call_id in enumerate(calls):
                await other.answer(call_id, f"sunny {number}")
                await other.answer(call_id, f"sunny {number}")
            await other.rest()
        await owner.rest()
    assert other.raw == owner.raw
    assert other.kinds.count("tool_result_accepted") == len(calls)
    assert all(
        f"sunny {number}" in text_of(owner.completed.message) for number in range(len(calls))
    )


async def test_loop_that_waits_elsewhere_is_seen_to_wait(pair: Pair) -> None:
    """How a run stands is told the same by a process that only follows it."""
    async with talking(pair.far, pair.admin, starting("tool-loop-2")) as owner:
        await owner.turn()
        run_id = owner.run_id

        async def is_waiting(channel: grpc.aio.Channel) -> bool:
            return (await _run(channel, pair, run_id)).state == run_pb2.RUN_STATE_WAITING

        await eventually(lambda: is_waiting(pair.far))
        await eventually(lambda: is_waiting(pair.channel))
        async with talking(pair.channel, pair.admin, attaching(run_id)) as other:
            await other.turn()
            await eventually(lambda: is_waiting(pair.channel))
            listed = await pair.inference.ListRuns(
                run_pb2.ListRunsRequest(state=run_pb2.RUN_STATE_WAITING), metadata=pair.admin
            )
            assert run_id in [run.id for run in listed.runs]


async def test_another_result_at_another_process_is_refused(pair: Pair) -> None:
    """It ends the talk there, whichever of the two came first."""
    async with talking(pair.channel, pair.admin, starting("parallel-tools")) as owner:
        calls = await owner.turn()
        async with talking(pair.far, pair.admin, attaching(owner.run_id)) as other:
            await other.turn()
            await other.answer(calls[0], "sunny")
            await owner.until("tool_result_accepted")
            await other.answer(calls[0], "raining")
            await other.rest()
        assert other.failed.reason == "TOOL_RESULT_MISMATCH"
        for call_id in calls[1:]:
            await owner.answer(call_id)
        await owner.rest()
    assert "sunny" in text_of(owner.completed.message)


async def test_result_that_nobody_waits_for_is_refused_elsewhere_too(pair: Pair) -> None:
    """The process that only follows the loop knows its calls as well."""
    async with talking(pair.channel, pair.admin, starting("tool-loop-2")) as owner:
        await owner.turn()
        async with talking(pair.far, pair.admin, attaching(owner.run_id)) as other:
            await other.turn()
            await other.answer("call_of_nobody")
            await other.rest()
    assert other.failed.reason == "UNEXPECTED_TOOL_RESULT"


async def test_loop_is_ended_at_another_process(pair: Pair) -> None:
    """The word that no more results come reaches who waits for them."""
    async with talking(pair.channel, pair.admin, starting("tool-loop-2")) as owner:
        await owner.turn()
        turn = owner.events[-1].turn_completed.message
        async with talking(pair.far, pair.admin, attaching(owner.run_id)) as other:
            await other.turn()
            await other.end()
            await other.rest()
        await owner.rest()
    assert other.completed == owner.completed
    assert owner.completed.message == turn


async def test_memory_loop_is_not_there_at_another_process(pair: Pair) -> None:
    """What only its process knows cannot be attached to elsewhere."""
    begin = starting("tool-loop-2", durability=chat_pb2.DURABILITY_MEMORY)
    async with talking(pair.channel, pair.admin, begin) as owner:
        await owner.turn()
        async with talking(pair.far, pair.admin, attaching(owner.run_id)) as other:
            await other.rest()
    assert other.failed.reason == "RUN_NOT_FOUND"


async def test_key_attaches_at_another_process(pair: Pair) -> None:
    """The same start with its key, sent elsewhere, finds the loop that it began."""
    begin = starting("tool-loop-2", idempotency_key="elsewhere")
    async with talking(pair.far, pair.admin, begin) as owner:
        (call_id,) = await owner.turn()
        async with talking(pair.channel, pair.admin, begin) as other:
            assert await other.turn() == [call_id]
            await other.answer(call_id)
            await other.rest()
        await owner.rest()
    assert other.raw == owner.raw


async def test_wait_for_tools_survives_its_process(pair: Pair) -> None:
    """Killed while it waits: another one waits on, results before and after count once.

    No provider is asked for the turn that was whole, and the time in which nobody carried
    the loop, or only waited, does not count.
    """
    begin = starting("parallel-tools", limits=limits(total=1.5))
    async with talking(pair.far, pair.admin, begin) as owner:
        first, *others = await owner.turn()
        await owner.answer(first, "sunny before")
        await owner.until("tool_result_accepted")
        asked = len(pair.sandbox.seen)
        await pair.other.end(signal.SIGKILL)
    heard = dict(owner.raw)
    run = await _run(pair.channel, pair, owner.run_id)
    over_ns = run.create_time.ToNanoseconds() + 1_600_000_000
    back = attaching(owner.run_id, max(heard))
    async with talking(pair.channel, pair.admin, back) as talk:
        await eventually(lambda: time.time_ns() > over_ns)
        run = await _run(pair.channel, pair, owner.run_id)
        assert run.state == run_pb2.RUN_STATE_WAITING
        # Nobody knows any more whether it came.
        await talk.answer(first, "sunny before")
        assert len(pair.sandbox.seen) == asked
        for call_id in others:
            await talk.answer(call_id, "sunny after")
        await talk.rest()
    heard |= talk.raw
    assert sorted(heard) == list(range(1, len(heard) + 1))
    assert len(pair.sandbox.seen) == asked + 1
    answer = text_of(talk.completed.message)
    assert ("sunny before" in answer, "sunny after" in answer) == (True, True)
    async with talking(pair.channel, pair.admin, attaching(owner.run_id)) as late:
        await late.rest()
    assert late.raw == heard
    assert late.kinds.count("turn_completed") == 1
    assert late.kinds.count("tool_result_accepted") == 1 + len(others)


async def test_result_that_nobody_took_in_is_not_lost(pair: Pair) -> None:
    """It was left here for a process that was dead: whoever takes over finds it."""
    async with talking(pair.far, pair.admin, starting("tool-loop-2")) as owner:
        (call_id,) = await owner.turn()
        async with talking(pair.channel, pair.admin, attaching(owner.run_id)) as other:
            await other.turn()
            pair.other.send(signal.SIGSTOP)
            await other.answer(call_id, "sunny meanwhile")
            await pair.other.end(signal.SIGKILL)
            await other.rest()
    assert "sunny meanwhile" in text_of(other.completed.message)
    assert other.kinds.count("tool_result_accepted") == 1


async def test_turn_under_way_survives_its_process(pair: Pair) -> None:
    """Killed in the second turn: it goes on after the first, whose call nobody makes again."""
    async with talking(pair.far, pair.admin, starting(SLOW)) as owner:
        (call_id,) = await owner.turn()
        await owner.answer(call_id, "It is sunny and there is some wind from the west.")
        await owner.until("text_delta")
        await pair.other.end(signal.SIGKILL)
        await owner.rest()
    back = attaching(owner.run_id, max(owner.raw))
    async with talking(pair.channel, pair.admin, back) as talk:
        await talk.rest()
    events = owner.events + talk.events
    completed = talk.completed
    assert text_of(completed.message) == (
        "The tool answered: It is sunny and there is some wind from the west."
    )
    assert fold(events) == completed.message
    kinds = [event.WhichOneof("kind") for event in events]
    assert kinds.count("turn_completed") == kinds.count("tool_call_completed") == 1
    assert pair.sandbox.seen[-1].raw_body.decode().count("wind from the west") == 1

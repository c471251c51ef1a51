"""A tool loop runs each function once, and says each result until it is accepted."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import grpc
import pytest

from client.conftest import QUICK, TOKEN
from client.recorder import Fault, Fleet, Step, call, completed, text, turn
from support.waiting import eventually
from trunkline.inference.v1 import event_pb2, message_pb2
from trunkline.kernel.errors import ResourceExhausted
from trunkline_client import AsyncClient, Client, DamagedStream, TurnLimitReached

BREAK = (grpc.StatusCode.UNAVAILABLE, "Socket closed")


class Tools:
    """Functions that record how they were called.

    Attributes:
        called: name and argument of each call, in order.
        gate: what `slow` waits for.
        begun: set when `slow` runs.
    """

    def __init__(self) -> None:
        self.called: list[tuple[str, str]] = []
        self.gate = threading.Event()
        self.begun = threading.Event()

    def weather(self, city: str) -> str:
        """Tell the weather."""
        self.called.append(("weather", city))
        return f"sunny in {city}"

    async def time(self, zone: str) -> dict[str, str]:
        """Tell the time."""
        self.called.append(("time", zone))
        return {"zone": zone}

    def slow(self, city: str) -> str:
        """Tell the weather, late."""
        self.called.append(("slow", city))
        self.begun.set()
        assert self.gate.wait(10)
        return "rain"

    def broken(self, city: str) -> str:
        """Fail."""
        self.called.append(("broken", city))
        raise LookupError(f"no such city: {city}")


def _loop(*steps: list[event_pb2.ChatEvent] | list[Step]) -> list[Step]:
    return [*(step for part in steps for step in part), text("Done."), completed("Done.")]


TWO_CALLS = _loop(
    [text("Let me see.")],
    call("call_1", "weather", '{"city": "Bern"}', block=1),
    call("call_2", "time", '{"zone": "CET"}', block=2),
    turn(1, "call_1", "call_2"),
)


def _said(fleet: Fleet, number: int = 0) -> list[str | None]:
    return [word.WhichOneof("kind") for word in fleet.seen[number].request]


async def test_loop_runs_functions_until_the_answer(fleet: Fleet, aclient: AsyncClient) -> None:
    """Sync and async functions are called with their arguments, and their answers are said."""
    tools = Tools()
    fleet.scripts.append(TWO_CALLS)
    loop = aclient.converse(
        "sandbox/ok",
        "Hello",
        tools={"weather": tools.weather, "time": tools.time},
        max_turns=3,
        max_parallel_calls=2,
        tool_timeout=timedelta(seconds=5),
        temperature=0.5,
    )
    answer = await loop.answer()
    assert answer.text == "Done."
    assert sorted(tools.called) == [("time", "CET"), ("weather", "Bern")]
    start = fleet.seen[0].request[0].start
    assert (start.max_turns, start.max_parallel_calls, start.tool_timeout.seconds) == (3, 2, 5)
    assert [tool.name for tool in start.chat.tools] == ["weather", "time"]
    assert start.chat.idempotency_key
    assert start.chat.sampling.temperature == 0.5
    results = fleet.runs["run_1"].results
    assert [part.text for part in results["call_1"].content] == ["sunny in Bern"]
    assert [part.text for part in results["call_2"].content] == ['{"zone": "CET"}']


async def test_transcript_holds_what_the_loop_added(fleet: Fleet, aclient: AsyncClient) -> None:
    """Answers and results stand in their order, good to be asked further with."""
    tools = Tools()
    fleet.scripts.append(TWO_CALLS)
    functions = {"weather": tools.weather, "time": tools.time}
    async with aclient.converse("sandbox/ok", "Hello", tools=functions) as loop:
        async for _ in loop:
            pass
        said = loop.transcript
    assert [message.role for message in said] == [
        message_pb2.ROLE_ASSISTANT,
        message_pb2.ROLE_TOOL,
        message_pb2.ROLE_ASSISTANT,
    ]
    assert [part.WhichOneof("kind") for part in said[0].content] == [
        "text",
        "tool_call",
        "tool_call",
    ]
    assert [part.tool_result.call_id for part in said[1].content] == ["call_1", "call_2"]
    assert said[2].content[0].text == "Done."


@pytest.mark.parametrize("after", range(1, 13))
async def test_loop_goes_on_after_a_break_anywhere(
    fleet: Fleet, aclient: AsyncClient, after: int
) -> None:
    """Cut after any event, it attaches: each function ran once, each result counts once."""
    tools = Tools()
    fleet.scripts.append(TWO_CALLS)
    fleet.faults.append(Fault(after, BREAK))
    functions = {"weather": tools.weather, "time": tools.time}
    async with aclient.converse("sandbox/ok", "Hello", tools=functions) as loop:
        numbers = [event.sequence async for event in loop]
    assert numbers == list(range(1, 14))
    assert sorted(tools.called) == [("time", "CET"), ("weather", "Bern")]
    assert set(fleet.runs["run_1"].results) == {"call_1", "call_2"}
    assert [_said(fleet, number)[0] for number in range(2)] == ["start", "attach"]
    assert fleet.seen[1].request[0].attach.after_sequence == after


async def test_loop_cut_before_its_id_is_known_starts_again_with_its_key(
    fleet: Fleet, aclient: AsyncClient
) -> None:
    """The same start comes again, and attaches to the one loop that it began."""
    tools = Tools()
    fleet.scripts.append(TWO_CALLS)
    fleet.faults.append(Fault(-1, BREAK))
    functions = {"weather": tools.weather, "time": tools.time}
    await aclient.converse("sandbox/ok", "Hello", tools=functions).answer()
    first, second = (each.request[0] for each in fleet.seen)
    assert first == second
    assert len(fleet.runs) == 1


async def test_result_of_a_function_that_ran_through_a_break_is_said_on_the_new_call(
    pair: Fleet, apair: AsyncClient
) -> None:
    """The replica goes while a function runs: its result is said to the other one."""
    tools = Tools()
    asked = call("call_1", "slow", '{"city": "Bern"}')
    pair.scripts.append(_loop(asked, turn(1, "call_1")))
    loop = apair.converse("sandbox/ok", "Hello", tools={"slow": tools.slow})
    answer = asyncio.create_task(loop.answer())
    await asyncio.to_thread(tools.begun.wait, 10)
    await asyncio.to_thread(pair.stop, 0)
    while len(pair.seen) < 2:
        await asyncio.sleep(0.005)
    tools.gate.set()
    assert (await answer).text == "Done."
    assert tools.called == [("slow", "Bern")]
    assert (pair.seen[-1].replica, _said(pair, -1)) == (1, ["attach", "tool_result"])


async def test_result_whose_acceptance_got_lost_is_said_again(
    fleet: Fleet, aclient: AsyncClient
) -> None:
    """A result that may not have arrived is said again, and counts once."""
    tools, gate = Tools(), threading.Event()
    asked = call("call_1", "weather", '{"city": "Bern"}')
    fleet.scripts.append([*asked, *turn(1, "call_1"), gate, text("Done."), completed("Done.")])
    # Run, call, turn: five events; the sixth accepts the result and is not seen.
    fleet.faults.append(Fault(5, BREAK))
    loop = aclient.converse("sandbox/ok", "Hello", tools={"weather": tools.weather})
    answer = asyncio.create_task(loop.answer())

    async def is_said_again() -> bool:
        return "run_1" in fleet.runs and fleet.runs["run_1"].repeated == 1

    await eventually(is_said_again)
    gate.set()
    assert (await answer).text == "Done."
    assert tools.called == [("weather", "Bern")]
    assert _said(fleet, 1) == ["attach", "tool_result"]


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("broken", '{"city": "Oz"}', "LookupError: no such city: Oz"),
        ("nobody", "{}", "there is no tool nobody"),
        ("weather", "[]", "no JSON object"),
        ("weather", "{", "JSONDecodeError"),
        ("weather", '{"town": "Bern"}', "TypeError"),
    ],
)
async def test_failure_of_a_function_is_told_to_the_model(
    fleet: Fleet, aclient: AsyncClient, name: str, arguments: str, words: str
) -> None:
    """Whatever is wrong with a call becomes a result that says so, and the loop goes on."""
    tools = Tools()
    fleet.scripts.append(_loop(call("call_1", name, arguments), turn(1, "call_1")))
    functions = {"weather": tools.weather, "broken": tools.broken}
    answer = await aclient.converse("sandbox/ok", "Hello", tools=functions).answer()
    assert answer.text == "Done."
    result = fleet.runs["run_1"].results["call_1"]
    assert result.is_error
    assert words in result.content[0].text


async def test_calls_of_a_turn_run_together(fleet: Fleet, aclient: AsyncClient) -> None:
    """One function waits for the other: both are under way at once."""
    met = asyncio.Event()

    async def wait() -> str:
        """Wait."""
        await met.wait()
        return "met"

    async def meet() -> str:
        """Come."""
        met.set()
        return "here"

    fleet.scripts.append(
        _loop(
            call("call_1", "wait", ""), call("call_2", "meet", "{}", 1), turn(1, "call_1", "call_2")
        )
    )
    await aclient.converse("sandbox/ok", "Hello", tools={"wait": wait, "meet": meet}).answer()
    assert set(fleet.runs["run_1"].results) == {"call_1", "call_2"}


async def test_turn_that_fails_has_run_nothing(fleet: Fleet, aclient: AsyncClient) -> None:
    """Calls of a turn that the server refuses are not run, though they were whole."""
    tools = Tools()
    refused = ResourceExhausted("TURN_LIMIT_REACHED", "Enough.", metadata={"max_turns": "1"})
    fleet.scripts.append([*call("call_1", "weather", '{"city": "Bern"}'), refused])
    with pytest.raises(TurnLimitReached):
        await aclient.converse("sandbox/ok", "Hello", tools={"weather": tools.weather}).answer()
    assert tools.called == []


async def test_await_of_a_call_that_never_came_is_an_error(
    fleet: Fleet, aclient: AsyncClient
) -> None:
    """A server that waits for what was never asked is not waited for in turn."""
    fleet.scripts.append([*turn(1, "call_ghost")])
    with pytest.raises(DamagedStream):
        await aclient.converse("sandbox/ok", "Hello", tools={}).answer()


async def test_loop_that_is_left_cancels_its_functions(fleet: Fleet, aclient: AsyncClient) -> None:
    """Who leaves leaves nothing running."""
    ended = asyncio.Event()

    async def endless() -> None:
        """Never end."""
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    fleet.scripts.append([*call("call_1", "endless", "{}"), *turn(1, "call_1")])
    async with aclient.converse("sandbox/ok", "Hello", tools={"endless": endless}) as loop:
        async for event in loop:
            if event.kind == "turn_completed":
                await asyncio.sleep(0)
                break
    assert ended.is_set()


def test_loop_without_asyncio_is_the_same(fleet: Fleet, client: Client) -> None:
    """The other world: sync and async functions, a break, and the answer."""
    tools = Tools()
    fleet.scripts.append(TWO_CALLS)
    fleet.faults.append(Fault(9, BREAK))
    functions = {"weather": tools.weather, "time": tools.time, "broken": tools.broken}
    with client.converse("sandbox/ok", "Hello", tools=functions) as loop:
        assert [event.sequence for event in loop] == list(range(1, 14))
        assert loop.answer().text == "Done."
        assert len(loop.transcript) == 3
    assert sorted(tools.called) == [("time", "CET"), ("weather", "Bern")]
    assert [_said(fleet, number)[0] for number in range(2)] == ["start", "attach"]


def test_loop_without_asyncio_reads_on_while_functions_run(pair: Fleet) -> None:
    """The replica goes while a function runs: the loop is at the other one before it ends."""
    tools = Tools()
    asked = call("call_1", "slow", '{"city": "Bern"}')
    pair.scripts.append(_loop(asked, turn(1, "call_1")))

    def move() -> None:
        assert tools.begun.wait(10)
        pair.stop(0)
        attached.wait(10)
        tools.gate.set()

    attached = threading.Event()
    mover = threading.Thread(target=move)
    mover.start()
    with (
        Client(token=TOKEN, addresses=pair.addresses, patience=QUICK) as client,
        client.converse("sandbox/ok", "Hello", tools={"slow": tools.slow}) as loop,
    ):
        pair.on_call = lambda seen: attached.set() if seen.replica == 1 else None
        assert loop.answer().text == "Done."
    mover.join()
    assert tools.called == [("slow", "Bern")]
    assert pair.seen[-1].replica == 1

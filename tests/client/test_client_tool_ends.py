"""However a function ends, the loop learns it: the model is told, or the reader."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import pytest

from client.recorder import Fleet, Step, call, completed, text, turn
from trunkline_client import AsyncClient, Client


class Interrupt(BaseException):
    """What no program takes for a failure."""


def leave() -> None:
    """Exit."""
    sys.exit(2)


async def leave_late() -> None:
    """Exit."""
    await asyncio.sleep(0)
    sys.exit(2)


async def await_cancelled() -> None:
    """Wait for what somebody cancels."""
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


def interrupt() -> None:
    """Raise what is no failure."""
    raise Interrupt


async def interrupt_late() -> None:
    """Raise what is no failure."""
    await asyncio.sleep(0)
    raise Interrupt


ENDS = [(leave, "SystemExit: 2"), (leave_late, "SystemExit: 2"), (await_cancelled, "Cancelled")]
INTERRUPTS = [interrupt, interrupt_late]


def _loop() -> list[Step]:
    return [
        *call("call_1", "tool", "{}"),
        *turn(1, "call_1"),
        text("Done."),
        completed("Done."),
    ]


def _told(fleet: Fleet) -> str:
    result = fleet.runs["run_1"].results["call_1"]
    assert result.is_error
    return result.content[0].text


@pytest.mark.parametrize(("function", "words"), ENDS)
async def test_end_of_a_function_is_told_to_the_model(
    fleet: Fleet, aclient: AsyncClient, function: Callable[[], object], words: str
) -> None:
    """One that exits, or whose wait was cancelled, failed like any other."""
    fleet.scripts.append(_loop())
    answer = await aclient.converse("sandbox/ok", "Hello", tools={"tool": function}).answer()
    assert answer.text == "Done."
    assert words in _told(fleet)


@pytest.mark.parametrize(("function", "words"), ENDS)
def test_end_of_a_function_without_asyncio_is_told_to_the_model(
    fleet: Fleet, client: Client, function: Callable[[], object], words: str
) -> None:
    """The other world."""
    fleet.scripts.append(_loop())
    answer = client.converse("sandbox/ok", "Hello", tools={"tool": function}).answer()
    assert answer.text == "Done."
    assert words in _told(fleet)


@pytest.mark.parametrize("function", INTERRUPTS)
async def test_interrupt_of_a_function_ends_the_loop(
    fleet: Fleet, aclient: AsyncClient, function: Callable[[], object]
) -> None:
    """What is no failure is raised to the reader, who would wait for a result in vain."""
    fleet.scripts.append(_loop())
    with pytest.raises(Interrupt):
        await aclient.converse("sandbox/ok", "Hello", tools={"tool": function}).answer()
    assert fleet.runs["run_1"].results == {}


@pytest.mark.parametrize("function", INTERRUPTS)
def test_interrupt_of_a_function_without_asyncio_ends_the_loop(
    fleet: Fleet, client: Client, function: Callable[[], object]
) -> None:
    """The other world."""
    fleet.scripts.append(_loop())
    with pytest.raises(Interrupt):
        client.converse("sandbox/ok", "Hello", tools={"tool": function}).answer()
    assert fleet.runs["run_1"].results == {}

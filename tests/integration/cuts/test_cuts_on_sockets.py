"""A share of every cut on real sockets: all services, durable runs, a provider of each format."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import product
from typing import Final

import grpc
import pytest
import pytest_asyncio
from google.protobuf.field_mask_pb2 import FieldMask

from support import matrix
from support.chats import Reading, ask, failure_of, limits, read, say, stream
from support.cut_cells import (
    AT,
    FACES,
    FORMATS,
    LOOP,
    SCRIPTS,
    TURNS,
    WHOLE,
    Cell,
    Turn,
    ask_for,
    ask_on,
    judge_turns,
)
from support.deployment import Deployment, eventually
from support.heard import Heard, hear_again
from trunkline.catalog.v1 import model_pb2
from trunkline.inference.v1 import chat_pb2, result_pb2, usage_pb2, usage_pb2_grpc
from trunkline.sandbox.sightings import Sighting

pytestmark = pytest.mark.asyncio(loop_scope="module")

_SAMPLE: Final = 24
_AT_ONCE: Final = 6
_SILENCE_S: Final = 1.0
_SILENT: Final = frozenset({"stall", "silent", "no-first-token"})
# Before a byte of the response: the transport cannot know that a kept connection did not just die.
_DROPPED: Final = frozenset({"cut", "reset"})
_PLACES: Final = (0, 2, 5, 9)
_TEXTS: Final = ("chars-30", "json", "reason", "tool", "parallel-tools", LOOP)
_LAST: Final = "ok"

_CELLS: Final = matrix.cells(
    "cuts-on-sockets",
    [
        Cell(form, script, failure, index, SCRIPTS[script][0])
        for form, script in product(FORMATS, _TEXTS)
        for failure, index in (*((each, None) for each in WHOLE), *product(AT, _PLACES))
    ],
    sample=_SAMPLE,
)


def _models(form: str) -> set[str]:
    """Return the models of a provider: those that fail, and those that others fall back to."""
    failing = {cell.first_model for cell in _CELLS if cell.form == form}
    return failing | {cell.second_model for cell in _CELLS if cell.heir_form == form}


def _prefilling() -> set[str]:
    """Return those models that are to be known to go on from a partial answer."""
    return {
        f"{form}/{model}"
        for cell in _CELLS
        for form, model in ((cell.form, cell.first_model), (cell.heir_form, cell.second_model))
        # Of those that fail, the ones that are asked again.
        if cell.prefills(form) and (model == cell.second_model or cell.failure == "error")
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cut() -> AsyncIterator[Deployment]:
    """Yield a deployment with a provider of each format; what its models can do is known."""
    async with Deployment(connected=False, retry_pause_s=0.0) as deployment:
        for form in FORMATS:
            await deployment.connect(
                deployment.sandbox.addresses[FACES.get(form, form)],
                "" if form == "ollama" else deployment.sandbox.api_key,
                _models(form),
                name=form,
                kind="sandbox" if FACES.get(form, form) == "openai" else f"sandbox-{form}",
                wire_format=form,
            )
        for name in _prefilling():
            made = model_pb2.Model(name=name)
            made.facts.prefill.value = True
            await _update(deployment, made, "facts.prefill")
        # Changes are known in their order: who knows the last one knows all.
        last = model_pb2.Model(name=f"openai/{_LAST}", enabled=False)
        await _update(deployment, last, "enabled")

        async def knows_all() -> bool:
            try:
                await deployment.inference.Chat(ask(last.name), metadata=deployment.admin)
            except grpc.aio.AioRpcError as error:
                return failure_of(error).reason == "MODEL_NOT_FOUND"
            return False

        await eventually(knows_all)
        yield deployment


async def _update(deployment: Deployment, model: model_pb2.Model, path: str) -> None:
    request = model_pb2.UpdateModelRequest(model=model, update_mask=FieldMask(paths=[path]))
    await deployment.catalog.UpdateModel(request, metadata=deployment.admin)


async def _play(deployment: Deployment, cell: Cell) -> list[Turn]:
    """Ask turn by turn until a model has said all."""
    turns: list[Turn] = []
    begun = ask_for(cell)
    begun.messages[0].CopyFrom(say(_mark(cell)))
    request: chat_pb2.ChatRequest | None = begun
    while request is not None and len(turns) < TURNS:
        asked = chat_pb2.ChatRequest()
        asked.CopyFrom(request)
        asked.model = f"{cell.form}/{cell.first_model}"
        asked.fallbacks.append(f"{cell.heir_form}/{cell.second_model}")
        if cell.failure in _SILENT:
            asked.limits.CopyFrom(limits(first_token=_SILENCE_S, idle=_SILENCE_S))
        before = len(_seen(deployment, cell))
        call = stream(deployment.channel, "StreamChat", asked, deployment.admin, timeout=30)
        reading = await read(call)
        heard = _heard(_seen(deployment, cell)[before:], cell, reading)
        run_id = reading.events[0].run_started.run_id
        rows = await _rows(deployment, run_id, reading.kinds.count("attempt_started"))
        turns.append(Turn(request, reading, heard, rows))
        request = ask_on(turns[-1])
    return turns


def _mark(cell: Cell) -> str:
    """Return what only the questions of a cell say."""
    return f"Hello from {cell.form} {cell.script} {cell.fault}."


def _seen(deployment: Deployment, cell: Cell) -> list[Sighting]:
    """Return the requests of a cell's runs so far, in order."""
    mark = _mark(cell).encode()
    return [each for each in deployment.sandbox.seen if mark in each.raw_body]


def _heard(seen: Sequence[Sighting], cell: Cell, reading: Reading) -> list[Heard]:
    """Return the requests of a run; one that went out twice over a kept connection counts once."""
    heard = [hear_again(each) for each in seen]
    if cell.index is not None or cell.failure not in _DROPPED:
        return heard
    firsts = [each for each in heard if each.model == cell.first_model]
    others = [each for each in heard if each.model != cell.first_model]
    started = [event for event in reading.events if event.HasField("attempt_started")]
    count = len(started) - len(others)
    assert count <= len(firsts) <= 2 * count
    return [*firsts[:count], *others]


async def _rows(deployment: Deployment, run_id: str, count: int) -> Sequence[result_pb2.Attempt]:
    """Return the ledger's rows of a run that has ended, once there are so many and all are closed.

    Raises:
        TimeoutError: that did not come.
    """
    stub = usage_pb2_grpc.UsageServiceStub(deployment.channel)
    request = usage_pb2.ListAttemptsRequest(filter=usage_pb2.UsageFilter(run_id=run_id))
    rows: list[result_pb2.Attempt] = []

    async def are_closed() -> bool:
        answer = await stub.ListAttempts(request, metadata=deployment.admin)
        rows[:] = sorted((each.attempt for each in answer.entries), key=lambda row: row.number)
        return len(rows) >= count and all(row.outcome for row in rows)

    await eventually(are_closed)
    return rows


@pytest.mark.parametrize("form", FORMATS)
async def test_no_chat_is_lost_on_sockets(cut: Deployment, form: str) -> None:
    """Through transport, journal and ledger it is as it is without them."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def check(cell: Cell) -> None:
        async with gate:
            turns = await _play(cut, cell)
        try:
            judge_turns(turns, cell)
        except AssertionError as error:
            error.add_note(str(cell))
            raise
        matrix.ran("cuts-on-sockets")

    async with asyncio.TaskGroup() as group:
        for cell in _CELLS:
            if cell.form == form:
                group.create_task(check(cell))

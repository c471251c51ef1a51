"""What another process carries on: a loop that waits, a run nobody reads, half a sentence."""

from __future__ import annotations

import asyncio
import signal
from typing import Final

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from chaos.conftest import QUICK, TALK, TEXT
from support.chats import ask, read, stream
from support.conversations import attaching, starting, talking, text_of
from support.deployment import eventually
from support.folding import fold
from support.readers import Reader, check_history
from support.replicas import Replicas
from trunkline.catalog.v1 import model_pb2
from trunkline.inference.v1 import chat_pb2, result_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")

_LIMIT_S: Final = 40.0


async def test_loop_whose_process_was_killed_takes_a_result_at_another(fleet: Replicas) -> None:
    """The turn that was whole is not asked for again, and its call is made once."""
    async with fleet.channels() as (other, owner), asyncio.timeout(_LIMIT_S):
        async with talking(owner, fleet.admin, starting(TALK)) as talk:
            (call_id,) = await talk.turn()
            asked = len(fleet.sandbox.seen)
            await fleet.pair[1].end(signal.SIGKILL)
        back = attaching(talk.run_id, len(talk.events))
        async with talking(other, fleet.admin, back) as again:
            await again.answer(call_id, "sunny in the end")
            await again.rest()
    events = [*talk.events, *again.events]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert fold(events) == again.completed.message
    assert "sunny in the end" in text_of(again.completed.message)
    kinds = [event.WhichOneof("kind") for event in events]
    assert kinds.count("tool_call_completed") == kinds.count("tool_result_accepted") == 1
    assert len(fleet.sandbox.seen) == asked + 1


async def test_run_that_continues_is_taken_over_without_a_reader(fleet: Replicas) -> None:
    """Its process is killed when nobody reads it: the other finds it, and has its answer."""
    words = "I shall come back for the answer."
    request = ask(f"sandbox/{QUICK}", text=words)
    request.disconnect.action = chat_pb2.DisconnectPolicy.ACTION_CONTINUE
    async with fleet.channels() as (other, owner), asyncio.timeout(_LIMIT_S):
        begun = await read(stream(owner, "StreamChat", request, fleet.admin), 10)
        await fleet.pair[1].end(signal.SIGKILL)
        await eventually(lambda: len(fleet.asked(words)) == 2, _LIMIT_S)
        reader = Reader((other,), fleet.admin)
        await reader.follow(begun.events[0].run_started.run_id)
    check_history([reader], TEXT)
    assert [reader.events[number] for number in begun.sequences] == begun.raw


async def test_model_that_can_goes_on_in_the_middle_of_its_answer(fleet: Replicas) -> None:
    """What was said before the process died stays, and the model is given it to go on from."""
    words = "Do not begin anew."
    await _let_prefill(fleet, f"sandbox/{QUICK}")
    async with fleet.channels() as (other, owner), asyncio.timeout(_LIMIT_S):
        reader = Reader((owner, other), fleet.admin)
        request = ask(f"sandbox/{QUICK}", text=words, idempotency_key=words)
        begun = asyncio.create_task(reader.begin(request))
        await reader.reach(15)
        await fleet.pair[1].end(signal.SIGKILL)
        await begun
    events = check_history([reader], TEXT)
    (seam,) = [event for event in events if event.HasField("continuation_started")]
    assert seam.continuation_started.strategy == result_pb2.CONTINUATION_STRATEGY_PREFILL
    assert not seam.continuation_started.void_from_sequence
    said = "".join(
        event.text_delta.text for event in events[: seam.sequence] if event.HasField("text_delta")
    )
    _, last = fleet.asked(words)
    assert last.prefill is not None
    assert last.prefill.strip() == said.strip()
    assert len(said) < len(TEXT)


async def _let_prefill(fleet: Replicas, name: str) -> None:
    """Let it be known of a model that it goes on from a partial answer."""
    model = model_pb2.Model(name=name)
    model.facts.prefill.value = True
    request = model_pb2.UpdateModelRequest(
        model=model, update_mask=FieldMask(paths=["facts.prefill"])
    )
    await fleet.catalog.UpdateModel(request, metadata=fleet.admin)

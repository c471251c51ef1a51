"""Clients of a tool loop that go and come back, to the same process."""

from __future__ import annotations

import grpc
import pytest

from support.chats import RUN_ID, ask, leaving, read, run_id_of, stream
from support.conversations import Durability, Talk, attaching, starting, talking, text_of
from support.deployment import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _is_attached(talk: Talk) -> bool:
    return ("trunkline-attached", "true") in tuple(await talk.call.initial_metadata())


async def test_client_that_comes_back_gets_what_it_missed(
    deployment: Deployment, durability: Durability
) -> None:
    """Whoever left before, in and after a wait has each event once, under the same number."""
    begin = starting("tool-loop-3", durability=durability, disconnect=leaving(30))
    heard: dict[int, bytes] = {}
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        assert (
            run_id_of(await talk.call.initial_metadata())
            == (await talk.until("run_started")).run_started.run_id
        )
    heard |= talk.raw
    run_id = talk.run_id
    back = attaching(run_id, max(heard))
    async with talking(deployment.channel, deployment.admin, back) as talk:
        (first,) = await talk.turn()
    heard |= talk.raw
    back = attaching(run_id, max(heard))
    async with talking(deployment.channel, deployment.admin, back) as talk:
        assert run_id_of(await talk.call.initial_metadata()) == run_id
        await talk.answer(first, "sunny first")
        (second,) = await talk.turn()
        # The same result again, in another call than the one that it came in first.
    heard |= talk.raw
    back = attaching(run_id, max(heard))
    async with talking(deployment.channel, deployment.admin, back) as talk:
        await talk.answer(first, "sunny first")
        await talk.answer(second, "sunny second")
        await talk.rest()
    heard |= talk.raw
    assert sorted(heard) == list(range(1, len(heard) + 1))
    async with talking(deployment.channel, deployment.admin, attaching(run_id)) as late:
        await late.rest()
    assert late.raw == heard
    assert "sunny second" in text_of(talk.completed.message)


async def test_two_clients_of_a_loop_hear_the_same(
    deployment: Deployment, durability: Durability
) -> None:
    """Each brings one result, and both hear of both."""
    begin = starting("parallel-tools", durability=durability)
    async with talking(deployment.channel, deployment.admin, begin) as one:
        first, *others = await one.turn()
        async with talking(deployment.channel, deployment.admin, attaching(one.run_id)) as two:
            assert await two.turn() == [first, *others]
            await one.answer(first)
            for call_id in others:
                await two.answer(call_id)
            await one.rest()
            await two.rest()
    assert one.raw == two.raw
    assert one.completed == two.completed


async def test_loop_can_be_read_like_any_run(
    deployment: Deployment, durability: Durability
) -> None:
    """ResumeChat yields the same events; it brings no results."""
    begin = starting("tool-loop-2", durability=durability)
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        (call_id,) = await talk.turn()
        await talk.answer(call_id)
        await talk.rest()
        request = attaching(talk.run_id, 3).attach
        reading = await read(stream(deployment.channel, "ResumeChat", request, deployment.admin))
    assert reading.raw == [talk.raw[number] for number in sorted(talk.raw)[3:]]


async def test_loop_of_another_is_not_there(deployment: Deployment, durability: Durability) -> None:
    """Somebody else, and the same backend for another user, find nothing to attach to."""
    owner = await deployment.issue(impersonate=True)
    other = await deployment.issue()
    begin = starting("tool-loop-2", durability=durability, on_behalf_of="ann")
    async with talking(deployment.channel, owner.metadata, begin) as talk:
        await talk.turn()
        for metadata, user in ((other.metadata, ""), (owner.metadata, ""), (owner.metadata, "bob")):
            back = attaching(talk.run_id, on_behalf_of=user)
            async with talking(deployment.channel, metadata, back) as stranger:
                await stranger.rest()
            assert (stranger.failed.code, stranger.failed.reason) == (
                grpc.StatusCode.NOT_FOUND,
                "RUN_NOT_FOUND",
            )
            assert stranger.events == []
        back = attaching(talk.run_id, on_behalf_of="ann")
        async with talking(deployment.channel, owner.metadata, back) as again:
            await again.turn()


async def test_events_that_are_not_there_yet_cannot_be_asked_for(deployment: Deployment) -> None:
    """A number beyond the last one is refused, with the last one."""
    async with talking(deployment.channel, deployment.admin, starting("tool-loop-2")) as talk:
        await talk.turn()
        last = talk.events[-1].sequence
        ahead = attaching(talk.run_id, last + 1)
        async with talking(deployment.channel, deployment.admin, ahead) as early:
            await early.rest()
    assert (early.failed.code.name, early.failed.reason) == ("OUT_OF_RANGE", "SEQUENCE_AHEAD")
    assert early.failed.metadata["last_sequence"] == str(last)


async def test_result_for_a_chat_is_waited_for_by_nobody(
    deployment: Deployment, durability: Durability
) -> None:
    """A run that is no loop can be attached to, and takes no results."""
    request = ask("sandbox/every-15-ms-of-tool-loop-2", durability=durability)
    call = stream(deployment.channel, "StreamChat", request, deployment.admin)
    run_id = run_id_of(await call.initial_metadata())
    async with talking(deployment.channel, deployment.admin, attaching(run_id)) as talk:
        await talk.until("run_started")
        await talk.answer("call_1")
        await talk.rest()
    call.cancel()
    assert talk.failed.reason == "UNEXPECTED_TOOL_RESULT"


async def test_key_begins_one_loop(deployment: Deployment, durability: Durability) -> None:
    """The second start with a key attaches from the first event on, and says so."""
    begin = starting("tool-loop-2", idempotency_key=f"loop-{durability}", durability=durability)
    async with talking(deployment.channel, deployment.admin, begin) as one:
        (call_id,) = await one.turn()
        asked = len(deployment.sandbox.seen)
        assert not await _is_attached(one)
        async with talking(deployment.channel, deployment.admin, begin) as two:
            assert await _is_attached(two)
            assert await two.turn() == [call_id]
            assert len(deployment.sandbox.seen) == asked
            await two.answer(call_id)
            await two.rest()
            await one.rest()
    assert one.raw == two.raw
    async with talking(deployment.channel, deployment.admin, begin) as late:
        await late.rest()
    assert late.raw == one.raw


async def test_key_belongs_to_one_question_and_its_bounds(
    deployment: Deployment, durability: Durability
) -> None:
    """Another question, or other bounds of the loop, under the same key is refused."""
    key = f"bounds-{durability}"
    begin = starting("tool-loop-2", idempotency_key=key, durability=durability)
    others = (
        starting("tool-loop-2", idempotency_key=key, durability=durability, max_turns=5),
        starting("tool-loop-3", idempotency_key=key, durability=durability),
    )
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        await talk.turn()
        for other in others:
            async with talking(deployment.channel, deployment.admin, other) as refused:
                await refused.rest()
            failure = refused.failed
            assert (failure.code.name, failure.reason) == ("ALREADY_EXISTS", "IDEMPOTENCY_MISMATCH")


async def test_key_of_a_loop_is_none_of_a_chat(
    deployment: Deployment, durability: Durability
) -> None:
    """Chat and Converse do not share keys: each begins its own run."""
    key = f"family-{durability}"
    begin = starting("tool-loop-2", idempotency_key=key, durability=durability)
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        await talk.turn()
        call = stream(deployment.channel, "StreamChat", begin.start.chat, deployment.admin)
        metadata = dict(await call.initial_metadata())
        reading = await read(call)
    assert metadata[RUN_ID] != talk.run_id
    assert "trunkline-attached" not in metadata
    assert reading.completed.message.content

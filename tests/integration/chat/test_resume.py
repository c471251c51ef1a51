"""Who comes back gets what it missed: the same events, under the same numbers, once."""

from __future__ import annotations

import asyncio

import pytest

from support.begun import resume
from support.chats import Reading, ask, read, refused, run_id_of, stream, tool
from support.deployment import Deployment, Token, eventually
from trunkline.inference.v1 import chat_pb2, run_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCRIPTS = ("ok", "reason", "tool", "parallel-tools", "refuse", "unicode")


def _question(model: str) -> chat_pb2.ChatRequest:
    tools = [tool("weather", city="string"), tool("time", zone="string", hours="integer")]
    return ask(f"sandbox/{model}", tools=tools)


@pytest.mark.parametrize("script", SCRIPTS)
async def test_client_dropped_after_any_event_misses_none(
    deployment: Deployment, script: str
) -> None:
    """Dropped after every event and resumed: together the events of the run, byte for byte."""
    metadata = (await deployment.issue()).metadata
    question = _question(f"tokens-50-per-second-of-{script}")
    whole = await read(stream(deployment.channel, "StreamChat", question, metadata))
    assert whole.completed.HasField("message")

    async def drop(count: int) -> int:
        call = stream(deployment.channel, "StreamChat", question, metadata)
        run_id = run_id_of(await call.initial_metadata())
        before = await read(call, count)
        assert before.failure is None
        after = await resume(deployment, run_id, len(before.raw), metadata=metadata)
        again = await resume(deployment, run_id, 0, metadata=metadata)
        assert before.raw + after.raw == again.raw
        assert again.sequences == list(range(1, len(again.raw) + 1))
        assert again.completed.message == whole.completed.message
        return len(after.raw)

    missed = await asyncio.gather(*(drop(count) for count in range(len(whole.raw) + 1)))
    # Who left before the first event missed all, and each who left later missed less.
    assert missed[0] > len(whole.raw) / 2
    assert missed[-1] < missed[0]


async def test_resume_from_the_last_event_gives_only_the_end(deployment: Deployment) -> None:
    """Who has everything gets OK and no event."""
    token = await deployment.issue()
    answer = await deployment.inference.Chat(ask(), metadata=token.metadata)
    last = (await deployment.run(answer.run_id)).last_sequence
    reading = await resume(deployment, answer.run_id, last, metadata=token.metadata)
    assert (reading.events, reading.failure) == ([], None)


@pytest.mark.parametrize("model", ["ok", "stall-after-20"])
async def test_resume_beyond_the_last_event_is_refused(deployment: Deployment, model: str) -> None:
    """A number that the run does not have yet is out of range, whether it has ended or not."""
    token = await deployment.issue()
    call = stream(deployment.channel, "StreamChat", ask(f"sandbox/{model}"), token.metadata)
    run_id = run_id_of(await call.initial_metadata())
    reading = await read(call, None if model == "ok" else 3)
    assert (await deployment.run(run_id)).last_sequence >= len(reading.events)
    failure = (await resume(deployment, run_id, 10_000, metadata=token.metadata)).failed
    assert (failure.code.name, failure.reason) == ("OUT_OF_RANGE", "SEQUENCE_AHEAD")
    assert failure.metadata["last_sequence"].isdecimal()
    assert failure.metadata["run_id"] == run_id
    await deployment.cancel(run_id)


async def test_resume_from_what_was_trimmed_names_the_bounds() -> None:
    """Events that are kept no more are out of range, and what is kept can still be read."""
    async with Deployment(
        default_durability="memory", journal_run_bytes=4096, journal_untaken_bytes=2048
    ) as deployment:
        metadata = deployment.admin
        call = stream(deployment.channel, "StreamChat", ask("sandbox/long-1000"), metadata)
        run_id = run_id_of(await call.initial_metadata())
        reading = await read(call)
        last = reading.sequences[-1]
        failure = (await resume(deployment, run_id, 0, metadata=metadata)).failed
        assert (failure.code.name, failure.reason) == ("OUT_OF_RANGE", "EVENTS_TRIMMED")
        first = int(failure.metadata["first_sequence"])
        assert 1 < first <= last == int(failure.metadata["last_sequence"])
        kept = await resume(deployment, run_id, first - 1, metadata=metadata)
        assert kept.raw == reading.raw[first - 1 :]
        trimmed = await resume(deployment, run_id, first - 2, metadata=metadata)
        assert (trimmed.raw, trimmed.failed.reason) == ([], "EVENTS_TRIMMED")
        run = await deployment.run(run_id)
        assert (run.first_sequence, run.last_sequence) == (first, last)


async def test_readers_at_the_same_time_get_the_same(deployment: Deployment) -> None:
    """Three readers of one run that goes on, each from another place, get the same bytes."""
    metadata = (await deployment.issue()).metadata
    question = _question("tokens-50-per-second-of-reason")
    call = stream(deployment.channel, "StreamChat", question, metadata)
    run_id = run_id_of(await call.initial_metadata())

    async def has_begun() -> bool:
        return (await deployment.run(run_id)).last_sequence > 0

    await eventually(has_begun)
    first, *others = await asyncio.gather(
        read(call), *(resume(deployment, run_id, after, metadata=metadata) for after in (0, 1, 0))
    )
    assert [reading.raw for reading in others] == [first.raw, first.raw[1:], first.raw]
    assert first.completed.model == "sandbox/tokens-50-per-second-of-reason"


async def test_resumed_run_goes_on_live(deployment: Deployment) -> None:
    """Who comes back in the middle reads on while the provider still speaks."""
    metadata = (await deployment.issue()).metadata
    call = stream(deployment.channel, "StreamChat", ask("sandbox/slow"), metadata)
    run_id = run_id_of(await call.initial_metadata())
    before = await read(call, 4)
    resumed = stream(
        deployment.channel,
        "ResumeChat",
        run_pb2.ResumeChatRequest(run_id=run_id, after_sequence=4),
        metadata,
    )
    live = await read(resumed, 3)
    run = await deployment.run(run_id)
    assert run.state == run_pb2.RUN_STATE_RUNNING
    assert before.sequences + live.sequences == [1, 2, 3, 4, 5, 6, 7]
    rest = await resume(deployment, run_id, 7, metadata=metadata, count=2)
    assert rest.sequences == [8, 9]
    await deployment.cancel(run_id)


async def _fail(deployment: Deployment, token: Token, model: str) -> tuple[str, Reading]:
    call = stream(deployment.channel, "StreamChat", ask(f"sandbox/{model}"), token.metadata)
    run_id = run_id_of(await call.initial_metadata())
    return run_id, await read(call)


@pytest.mark.parametrize("model", ["500", "429-retry-after-2", "cut-after-40", "nothing-like-it"])
async def test_failed_run_gives_everybody_the_same_status(
    deployment: Deployment, model: str
) -> None:
    """Whoever reads a failed run, from wherever and whenever, gets one status, details and all."""
    token = await deployment.issue()
    run_id, reading = await _fail(deployment, token, model)
    last = len(reading.events)
    run = await deployment.run(run_id)
    assert run.state == run_pb2.RUN_STATE_FAILED
    for after in (0, 1, last - 1, last):
        again = await resume(deployment, run_id, after, metadata=token.metadata)
        assert again.raw == reading.raw[after:]
        assert again.failed == reading.failed
    assert run.failure.code == reading.failed.status.code
    assert run.failure.message == reading.failed.message
    assert list(run.failure.trail.attempts) == reading.failed.attempts
    assert reading.failed.metadata["run_id"] == run_id
    assert reading.failed.metadata["last_sequence"] == str(last)


async def test_unary_chat_fails_with_the_status_of_its_run(deployment: Deployment) -> None:
    """A unary chat and whoever reads its run get the same status."""
    token = await deployment.issue()
    failure = await refused(deployment.inference.Chat(ask("sandbox/503"), metadata=token.metadata))
    reading = await resume(deployment, failure.metadata["run_id"], 0, metadata=token.metadata)
    assert reading.failed == failure
    assert reading.kinds == ["run_started", *["attempt_started", "attempt_failed"] * 2]


async def test_cancelled_run_gives_everybody_the_same_status(deployment: Deployment) -> None:
    """Readers of a cancelled run, then and later, get one status."""
    token = await deployment.issue()
    question = ask("sandbox/stall-after-20")
    call = stream(deployment.channel, "StreamChat", question, token.metadata)
    run_id = run_id_of(await call.initial_metadata())
    reader = asyncio.create_task(read(call))

    async def has_spoken() -> bool:
        return (await deployment.run(run_id)).last_sequence > 2

    await eventually(has_spoken)
    await deployment.cancel(run_id)
    reading = await reader
    assert reading.failed.metadata["by"] == "cancel"
    again = await resume(deployment, run_id, 0, metadata=token.metadata)
    assert (again.raw, again.failed) == (reading.raw, reading.failed)


async def test_run_of_a_unary_chat_can_be_read(deployment: Deployment) -> None:
    """A unary chat has events like any other, and ends in the same answer."""
    token = await deployment.issue()
    answer = await deployment.inference.Chat(_question("parallel-tools"), metadata=token.metadata)
    reading = await resume(deployment, answer.run_id, 0, metadata=token.metadata)
    assert reading.kinds[:2] == ["run_started", "attempt_started"]
    assert reading.completed == answer.completed


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("run_id", run_pb2.ResumeChatRequest(run_id="run-1")),
        ("run_id", run_pb2.ResumeChatRequest()),
        ("after_sequence", run_pb2.ResumeChatRequest(run_id="run_1", after_sequence=-1)),
    ],
)
async def test_resume_out_of_bounds_is_refused_by_name(
    deployment: Deployment, field: str, request_: run_pb2.ResumeChatRequest
) -> None:
    """What the contract bounds is checked before any work."""
    reading = await read(stream(deployment.channel, "ResumeChat", request_, deployment.admin))
    assert (reading.failed.reason, reading.failed.fields) == ("INVALID_REQUEST", [field])

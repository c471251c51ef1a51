"""Idempotency keys: what is sent twice is answered once, by the run that the first one began."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass

import pytest

from support.chats import RUN_ID, Reading, ask, leaving, limits, read, refused, stream
from support.conversations import Durability
from support.deployment import Deployment, Metadata, eventually
from trunkline.inference.v1 import chat_pb2, run_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")

SLOW = "sandbox/tokens-50-per-second-of-ok"
# Still speaks when its readers have left, also on a machine that is busy.
SLOWER = "sandbox/tokens-12-per-second-of-ok"
ATTACHED = "trunkline-attached"
_NUMBERS = itertools.count(1)


@pytest.fixture(
    params=[chat_pb2.DURABILITY_MEMORY, chat_pb2.DURABILITY_DURABLE], ids=["memory", "durable"]
)
def durability(request: pytest.FixtureRequest) -> Durability:
    """What the runs of a test survive."""
    chosen: Durability = request.param
    return chosen


@pytest.fixture
def key() -> str:
    """A key that nobody has used."""
    return f"key-{next(_NUMBERS)}"


@dataclass(frozen=True, slots=True)
class Told:
    """What a call said before its answer.

    Attributes:
        run_id: the run that answers.
        is_attached: it was there.
    """

    run_id: str
    is_attached: bool

    @classmethod
    async def by(cls, call: object) -> Told:
        """Return what a call says."""
        metadata = dict(await call.initial_metadata())  # type: ignore[attr-defined] # of grpc.aio
        assert metadata.get(ATTACHED) in (None, "true")
        return cls(metadata[RUN_ID], ATTACHED in metadata)


async def _stream(
    deployment: Deployment, request: chat_pb2.ChatRequest, metadata: Metadata
) -> tuple[Told, Reading]:
    call = stream(deployment.channel, "StreamChat", request, metadata, timeout=20)
    told = await Told.by(call)
    return told, await read(call)


async def test_second_stream_with_a_key_attaches_to_the_first(
    deployment: Deployment, durability: Durability, key: str
) -> None:
    """While the run goes on and when it has ended: all its events, and nobody is asked again."""
    request = ask(SLOW, idempotency_key=key, durability=durability)
    asked = len(deployment.sandbox.seen)
    first = stream(deployment.channel, "StreamChat", request, deployment.admin)
    begun = await Told.by(first)
    reading = asyncio.ensure_future(read(first))
    running, second = await _stream(deployment, request, deployment.admin)
    one = await reading
    ended, third = await _stream(deployment, request, deployment.admin)
    assert (begun.is_attached, running.is_attached, ended.is_attached) == (False, True, True)
    assert begun.run_id == running.run_id == ended.run_id
    assert one.raw == second.raw == third.raw
    assert one.completed.message.content
    assert len(deployment.sandbox.seen) == asked + 1


async def test_chat_and_stream_share_keys(
    deployment: Deployment, durability: Durability, key: str
) -> None:
    """A unary chat is answered by the stream's run, and a stream reads the unary chat's."""
    request = ask(SLOW, idempotency_key=key, durability=durability)
    first = stream(deployment.channel, "StreamChat", request, deployment.admin)
    begun = await Told.by(first)
    call = deployment.inference.Chat(request, metadata=deployment.admin)
    told = await Told.by(call)
    answer = await call
    streamed = await read(first)
    assert told == Told(begun.run_id, is_attached=True)
    assert (answer.run_id, answer.completed) == (begun.run_id, streamed.completed)

    request.idempotency_key = f"{key}-unary"
    call = deployment.inference.Chat(request, metadata=deployment.admin)
    begun = await Told.by(call)
    told, reading = await _stream(deployment, request, deployment.admin)
    answer = await call
    assert (begun.is_attached, told.is_attached) == (False, True)
    assert answer.run_id == begun.run_id == told.run_id
    assert reading.completed == answer.completed


async def test_of_many_at_once_one_begins(
    deployment: Deployment, durability: Durability, key: str
) -> None:
    """However many send the same, there is one run, and one who began it."""
    request = ask(idempotency_key=key, durability=durability)
    asked = len(deployment.sandbox.seen)
    answers = await asyncio.gather(
        *(_stream(deployment, request, deployment.admin) for _ in range(8))
    )
    assert len({told.run_id for told, _ in answers}) == 1
    assert [told.is_attached for told, _ in answers].count(False) == 1
    assert len({tuple(reading.raw) for _, reading in answers}) == 1
    assert len(deployment.sandbox.seen) == asked + 1


async def test_call_without_a_key_attaches_to_nothing(
    deployment: Deployment, durability: Durability
) -> None:
    """The same question twice is two runs, and no call says that it was attached."""
    request = ask(durability=durability)
    (one, _), (two, _) = [await _stream(deployment, request, deployment.admin) for _ in range(2)]
    assert one.run_id != two.run_id
    assert not one.is_attached
    assert not two.is_attached


async def test_key_of_another_request_is_refused(
    deployment: Deployment, durability: Durability, key: str
) -> None:
    """Nobody is asked, and the first run stays as it is."""
    request = ask(idempotency_key=key, durability=durability)
    begun, reading = await _stream(deployment, request, deployment.admin)
    asked = len(deployment.sandbox.seen)
    other = ask(text="Goodbye", idempotency_key=key, durability=durability)
    failures = [
        (await read(stream(deployment.channel, "StreamChat", other, deployment.admin))).failed,
        await refused(deployment.inference.Chat(other, metadata=deployment.admin)),
    ]
    for failure in failures:
        assert (failure.code.name, failure.reason) == ("ALREADY_EXISTS", "IDEMPOTENCY_MISMATCH")
    assert len(deployment.sandbox.seen) == asked
    told, again = await _stream(deployment, request, deployment.admin)
    assert told == Told(begun.run_id, is_attached=True)
    assert again.raw == reading.raw


async def test_key_is_its_principals_and_users_alone(
    deployment: Deployment, durability: Durability, key: str
) -> None:
    """Others may use the same one for whatever they ask; each has a run of its own."""
    backend = await deployment.issue(impersonate=True)
    other = await deployment.issue()
    owners = [
        (backend.metadata, ""),
        (backend.metadata, "ann"),
        (backend.metadata, "bob"),
        (other.metadata, ""),
    ]
    found = []
    for number, (metadata, user) in enumerate(owners):
        request = ask(
            text=f"I am number {number}.",
            idempotency_key=key,
            durability=durability,
            on_behalf_of=user,
        )
        first, _ = await _stream(deployment, request, metadata)
        second, _ = await _stream(deployment, request, metadata)
        assert second == Told(first.run_id, is_attached=True)
        assert not first.is_attached
        found.append(first.run_id)
    assert len(set(found)) == len(owners)


async def test_key_does_not_cover_waits_and_policy(
    deployment: Deployment, durability: Durability, key: str
) -> None:
    """Who comes back with other limits, or another policy, attaches; the first ones hold."""
    request = ask(SLOW, idempotency_key=key, durability=durability, limits=limits(total=30))
    first = stream(deployment.channel, "StreamChat", request, deployment.admin)
    begun = await Told.by(first)
    other = ask(SLOW, idempotency_key=key, durability=durability)
    other.limits.CopyFrom(limits(total=0.01, first_token=0.01))
    other.disconnect.action = chat_pb2.DisconnectPolicy.ACTION_CONTINUE
    told, reading = await _stream(deployment, other, deployment.admin)
    assert told == Told(begun.run_id, is_attached=True)
    assert reading.completed == (await read(first)).completed


async def test_run_that_ended_because_its_readers_left_frees_its_key(
    deployment: Deployment, durability: Durability, key: str
) -> None:
    """Who comes back too late begins anew."""
    request = ask(SLOWER, idempotency_key=key, durability=durability, disconnect=leaving(0.05))
    call = stream(deployment.channel, "StreamChat", request, deployment.admin)
    begun = await Told.by(call)
    await read(call, 3)

    async def is_over() -> bool:
        return (await deployment.run(begun.run_id)).state == run_pb2.RUN_STATE_CANCELLED

    await eventually(is_over)
    told, reading = await _stream(deployment, request, deployment.admin)
    assert not told.is_attached
    assert told.run_id != begun.run_id
    assert reading.completed.message.content


async def test_run_that_failed_before_a_word_frees_its_key(
    deployment: Deployment, durability: Durability, key: str
) -> None:
    """A failure that another try may mend is tried again under the same key."""
    deployment.sandbox.reset_attempts()
    # Shorter than the pause before a busy provider is asked once more.
    request = ask(
        "sandbox/once-503",
        idempotency_key=key,
        durability=durability,
        limits=limits(first_token=0.45),
    )
    begun, reading = await _stream(deployment, request, deployment.admin)
    assert reading.failed.code.name == "UNAVAILABLE"
    told, again = await _stream(deployment, request, deployment.admin)
    assert not told.is_attached
    assert told.run_id != begun.run_id
    assert again.completed.message.content
    # The new run has the key now.
    late, _ = await _stream(deployment, request, deployment.admin)
    assert late == Told(told.run_id, is_attached=True)


KEPT = {
    # Words had come: another answer would be another one.
    "cut-after-40": "NO_FALLBACK",
    # Another try would fail alike.
    "400": "PROVIDER_REJECTED",
    "404": "MODEL_NOT_FOUND",
}


@pytest.mark.parametrize("model", KEPT)
async def test_run_that_failed_otherwise_keeps_its_key(
    deployment: Deployment, durability: Durability, key: str, model: str
) -> None:
    """Whoever sends it again gets the same events and the same status."""
    request = ask(f"sandbox/{model}", idempotency_key=key, durability=durability)
    begun, reading = await _stream(deployment, request, deployment.admin)
    assert reading.failed.reason == KEPT[model]
    told, again = await _stream(deployment, request, deployment.admin)
    assert told == Told(begun.run_id, is_attached=True)
    assert again.raw == reading.raw
    assert (again.failed.code, again.failed.reason) == (reading.failed.code, KEPT[model])
    assert again.failed.attempts == reading.failed.attempts


async def test_run_that_was_cancelled_keeps_its_key(
    deployment: Deployment, durability: Durability, key: str
) -> None:
    """Who ended it meant it: the key does not begin it again."""
    request = ask(SLOW, idempotency_key=key, durability=durability)
    call = stream(deployment.channel, "StreamChat", request, deployment.admin)
    begun = await Told.by(call)
    await deployment.cancel(begun.run_id)
    await read(call)
    told, again = await _stream(deployment, request, deployment.admin)
    assert told == Told(begun.run_id, is_attached=True)
    assert (again.failed.reason, again.failed.metadata["by"]) == ("RUN_CANCELLED", "cancel")

"""Embeddings that meet trouble: bounds, fallback, keys, callers who leave, and what is written."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.field_mask_pb2 import FieldMask

from support.chats import RUN_ID, ask, failure_of, limits, refused
from support.crude_provider import CrudeProvider
from support.deployment import Deployment, eventually
from trunkline.catalog.v1 import model_pb2
from trunkline.inference.v1 import (
    embedding_pb2,
    failure_pb2,
    result_pb2,
    usage_pb2,
    usage_pb2_grpc,
)
from trunkline.sandbox.server import Sandbox
from trunkline.sandbox.sightings import State
from trunkline.sandbox.vectors import make_vector

pytestmark = pytest.mark.asyncio(loop_scope="module")

ATTACHED = "trunkline-attached"
PARALLEL = 3
MODELS = (
    "vectors-4096",
    "vectors-1536",
    "once-503-of-vectors-16",
    "first-token-after-9",
    "bound@silent",
    "held-back@vectors-1536",
    "left-stream@silent",
    "left-unary@silent",
)
_NUMBERS = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment() -> AsyncIterator[Deployment]:
    """Yield a deployment that is connected to the sandbox."""
    async with Deployment(
        models=MODELS, embed_parallel=PARALLEL, retry_pause_s=0.01, max_runs=3
    ) as made:
        yield made


@pytest.fixture
def key() -> str:
    """A key that nobody has used."""
    return f"key-{next(_NUMBERS)}"


def request(
    model: str, inputs: list[str] | None = None, **fields: Any
) -> embedding_pb2.EmbedRequest:
    """Return a request to the sandbox."""
    name = model if "/" in model else f"sandbox/{model}"
    return embedding_pb2.EmbedRequest(model=name, inputs=inputs or ["Hello"], **fields)


def texts(count: int) -> list[str]:
    """Return different texts."""
    return [f"text number {index}" for index in range(count)]


async def read(deployment: Deployment, asked: embedding_pb2.EmbedRequest) -> list[list[float]]:
    """Return the vectors of a stream that is read to its end."""
    call = deployment.inference.StreamEmbed(asked, metadata=deployment.admin, timeout=20)
    vectors: list[list[float]] = []
    async for message in call:
        vectors += [list(each.values) for each in message.batch.embeddings]
    return vectors


async def test_requests_go_out_side_by_side_within_a_bound(deployment: Deployment) -> None:
    """No more than so many wait for their answers at once."""
    asked = request("bound@silent", texts(1_000), limits=limits(total=0.5))
    failure = await refused(deployment.inference.Embed(asked, metadata=deployment.admin))
    assert failure.reason == "RUN_TIMED_OUT"
    assert [each.outcome for each in failure.attempts] == (
        [result_pb2.ATTEMPT_OUTCOME_CANCELLED] * PARALLEL
    )
    assert len(deployment.sandbox.seen.of_model("bound@silent")) == PARALLEL


async def test_a_reader_that_is_slow_holds_the_requests_back(deployment: Deployment) -> None:
    """What waits for it is bounded; when it reads on, everything comes."""
    model = "held-back@vectors-1536"
    inputs = texts(2_000)
    call = deployment.inference.StreamEmbed(
        request(model, inputs), metadata=deployment.admin, timeout=30
    )
    messages = aiter(call)
    first = await anext(messages)
    counts = [0]

    def stands_still() -> bool:
        counts.append(len(deployment.sandbox.seen.of_model(model)))
        return len(counts) > 60 and len(set(counts[-60:])) == 1

    await eventually(stands_still, limit_s=20)
    assert counts[-1] < 20
    vectors = [list(each.values) for each in first.batch.embeddings]
    async for message in messages:
        vectors += [list(each.values) for each in message.batch.embeddings]
    assert vectors == [make_vector(text, 1536) for text in inputs]
    assert len(deployment.sandbox.seen.of_model(model)) == 20


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "unary"])
async def test_who_leaves_ends_the_embedding(deployment: Deployment, streamed: bool) -> None:
    """At once: the provider's sockets close, and the ledger says why."""
    deployment.sandbox.seen.clear()
    model = "left-stream@silent" if streamed else "left-unary@silent"
    asked = request(model, texts(300))
    call: Any
    if streamed:
        call = deployment.inference.StreamEmbed(asked, metadata=deployment.admin)
    else:
        call = deployment.inference.Embed(asked, metadata=deployment.admin)
    sightings = await deployment.sandbox.seen.wait_for(PARALLEL, timeout=5)
    call.cancel()
    for sighting in sightings:
        assert await sighting.ended(5) is State.CLIENT_CLOSED
    rows = await ledger(deployment, PARALLEL, model=f"sandbox/{model}")
    assert {row.outcome for row in rows} == {result_pb2.ATTEMPT_OUTCOME_CANCELLED}


async def ledger(deployment: Deployment, count: int, **fields: Any) -> list[result_pb2.Attempt]:
    """Return the attempts that a filter names when the ledger has so many."""
    stub = usage_pb2_grpc.UsageServiceStub(deployment.channel)
    wanted = usage_pb2.ListAttemptsRequest(filter=usage_pb2.UsageFilter(**fields))
    rows: list[result_pb2.Attempt] = []

    async def are_there() -> bool:
        answer: Any = await stub.ListAttempts(wanted, metadata=deployment.admin)
        rows[:] = [entry.attempt for entry in answer.entries]
        return len(rows) == count

    await eventually(are_there)
    return sorted(rows, key=lambda row: row.number)


async def test_every_attempt_is_in_the_ledger(deployment: Deployment) -> None:
    """With its number in the run and what it took."""
    deployment.sandbox.reset_attempts()
    asked = request("once-503-of-vectors-16", ["one two three"])
    answer = await deployment.inference.Embed(asked, metadata=deployment.admin)
    rows = await ledger(deployment, 2, run_id=answer.summary.run_id)
    assert [(row.number, row.outcome) for row in rows] == [
        (1, result_pb2.ATTEMPT_OUTCOME_FAILED),
        (2, result_pb2.ATTEMPT_OUTCOME_COMPLETED),
    ]
    assert rows[1].usage.input_tokens == 3
    assert rows[1].credential_id.startswith("cred_")


async def test_embeddings_have_places_among_the_runs(deployment: Deployment) -> None:
    """Too many are refused, and the places come back."""
    deployment.sandbox.seen.clear()
    calls = [
        deployment.inference.StreamEmbed(request("silent"), metadata=deployment.admin)
        for _ in range(3)
    ]
    await deployment.sandbox.seen.wait_for(3, timeout=5)
    failure = await refused(
        deployment.inference.Embed(request("vectors-16"), metadata=deployment.admin)
    )
    assert (failure.reason, failure.metadata["subject"]) == ("LIMIT_REACHED", "deployment")
    failure = await refused(deployment.inference.Chat(ask(), metadata=deployment.admin))
    assert failure.reason == "LIMIT_REACHED"
    for call in calls:
        call.cancel()

    async def has_place() -> bool:
        try:
            await deployment.inference.Embed(request("vectors-16"), metadata=deployment.admin)
        except grpc.aio.AioRpcError:
            return False
        return True

    await eventually(has_place)


async def test_a_key_answers_again_without_asking(deployment: Deployment, key: str) -> None:
    """Both methods share it; another request with it is refused."""
    asked = request("vectors-16", texts(250), idempotency_key=key)
    first = await deployment.inference.Embed(asked, metadata=deployment.admin)
    deployment.sandbox.seen.clear()
    call = deployment.inference.Embed(asked, metadata=deployment.admin)
    told = dict(await call.initial_metadata())
    assert (told[RUN_ID], told[ATTACHED]) == (first.summary.run_id, "true")
    assert await call == first
    assert await read(deployment, asked) == [list(each.values) for each in first.embeddings]
    assert not len(deployment.sandbox.seen)
    other = request("vectors-16", texts(249), idempotency_key=key)
    failure = await refused(deployment.inference.Embed(other, metadata=deployment.admin))
    assert failure.reason == "IDEMPOTENCY_MISMATCH"
    assert failure.metadata["run_id"] == first.summary.run_id


async def test_a_key_joins_what_goes_on(deployment: Deployment, key: str) -> None:
    """One asks, both get the vectors; it goes on until the last of them leaves."""
    deployment.sandbox.seen.clear()
    asked = request("first-token-after-9", texts(2), idempotency_key=key)
    calls = [
        deployment.inference.StreamEmbed(asked, metadata=deployment.admin, timeout=20)
        for _ in range(2)
    ]
    assert len({dict(await call.initial_metadata())[RUN_ID] for call in calls}) == 1
    calls[0].cancel()
    batch = await calls[1].read()
    assert isinstance(batch, embedding_pb2.StreamEmbedResponse)
    assert [list(each.values) for each in batch.batch.embeddings] == [
        make_vector(text, 8) for text in asked.inputs
    ]
    assert len(deployment.sandbox.seen) == 1


async def test_a_long_answer_is_not_kept_for_its_key(deployment: Deployment, key: str) -> None:
    """It is asked for anew; the key still belongs to its request."""
    asked = request("vectors-1536", texts(300), idempotency_key=key)
    first = await deployment.inference.Embed(asked, metadata=deployment.admin)
    again = await deployment.inference.Embed(asked, metadata=deployment.admin)
    assert again.summary.run_id != first.summary.run_id
    assert again.embeddings == first.embeddings
    other = request("vectors-1536", ["Hello"], idempotency_key=key)
    failure = await refused(deployment.inference.Embed(other, metadata=deployment.admin))
    assert failure.reason == "IDEMPOTENCY_MISMATCH"


async def test_a_failure_that_may_pass_frees_its_key(deployment: Deployment, key: str) -> None:
    """One that does not is told again."""
    asked = request("503", idempotency_key=key)
    failures = [
        await refused(deployment.inference.Embed(asked, metadata=deployment.admin))
        for _ in range(2)
    ]
    assert {each.reason for each in failures} <= {"NO_FALLBACK", "ALL_CANDIDATES_EXHAUSTED"}
    assert failures[0].metadata["run_id"] != failures[1].metadata["run_id"]
    kept = request("vectors-nan", idempotency_key=f"{key}-kept")
    failures = [
        await refused(deployment.inference.Embed(kept, metadata=deployment.admin)) for _ in range(2)
    ]
    assert failures[0].metadata == failures[1].metadata


async def test_users_of_a_principal_have_keys_of_their_own(
    deployment: Deployment, key: str
) -> None:
    """And rows of their own; who may not name users is refused."""
    token = await deployment.issue(impersonate=True)
    answers = []
    for user in ("ann", "ben"):
        asked = request("vectors-16", idempotency_key=key, on_behalf_of=user)
        answers.append(await deployment.inference.Embed(asked, metadata=token.metadata))
    assert answers[0].summary.run_id != answers[1].summary.run_id
    stub = usage_pb2_grpc.UsageServiceStub(deployment.channel)
    listing = usage_pb2.ListAttemptsRequest(on_behalf_of="ann")

    async def is_hers() -> bool:
        listed: Any = await stub.ListAttempts(listing, metadata=token.metadata)
        return [entry.run_id for entry in listed.entries] == [answers[0].summary.run_id]

    await eventually(is_hers)
    plain = await deployment.issue()
    failure = await refused(deployment.inference.Embed(asked, metadata=plain.metadata))
    assert failure.reason == "OUT_OF_SCOPE"


async def test_revoked_principals_embed_no_more(deployment: Deployment) -> None:
    """What goes on for them ends."""
    token = await deployment.issue()
    deployment.sandbox.seen.clear()
    call = deployment.inference.Embed(request("silent"), metadata=token.metadata)
    [sighting] = await deployment.sandbox.seen.wait_for(1, timeout=5)
    await deployment.revoke(token)
    assert (await refused(call)).reason in ("TOKEN_INVALID", "RUN_CANCELLED")
    assert await sighting.ended(5) is State.CLIENT_CLOSED


async def test_what_an_answer_does_not_hold_is_refused_before_it_is_asked() -> None:
    """Where the length of the vectors is known, else when the first ones show it."""
    async with Deployment(models=("vectors-4096",), max_message_bytes=100_000) as deployment:
        foreseen = request("vectors-4096", texts(8), dimensions=4096)
        failure = await refused(deployment.inference.Embed(foreseen, metadata=deployment.admin))
        assert (failure.reason, failure.fields) == ("INVALID_REQUEST", ["inputs"])
        assert not len(deployment.sandbox.seen)
        unknown = request("vectors-4096", texts(8))
        failure = await refused(deployment.inference.Embed(unknown, metadata=deployment.admin))
        assert (failure.reason, failure.fields) == ("INVALID_REQUEST", ["inputs"])
        assert len(await read(deployment, foreseen)) == 8


async def test_only_the_same_model_stands_in(deployment: Deployment) -> None:
    """By its name, or where somebody says that the spaces are one; others are passed over (N13)."""
    sandbox = deployment.sandbox
    async with Sandbox(api_key=sandbox.api_key) as away:
        await deployment.connect(away.base_url, away.api_key, ("vectors-16",), name="away")
    await deployment.connect(sandbox.base_url, sandbox.api_key, ("503", "vectors-16"), name="other")
    # The same model elsewhere.
    same = request("away/vectors-16", fallbacks=["other/vectors-16"])
    answer = await deployment.inference.Embed(same, metadata=deployment.admin)
    assert answer.summary.model == "other/vectors-16"
    assert answer.summary.attempts[0].model == "away/vectors-16"
    # Another one is not asked.
    asked = request("other/503", fallbacks=["sandbox/vectors-16"])
    failure = await refused(deployment.inference.Embed(asked, metadata=deployment.admin))
    trail = failure.detail(result_pb2.AttemptTrail())
    assert trail is not None
    assert {each.model for each in trail.attempts} == {"other/503"}
    [skip] = trail.skipped
    assert skip.model == "sandbox/vectors-16"
    assert skip.reason == failure_pb2.SKIP_REASON_OTHER_VECTOR_SPACE
    # Until somebody says that its vectors lie in the same space.
    await share_a_space(deployment, "other/503", "sandbox/vectors-16")
    answer = await deployment.inference.Embed(asked, metadata=deployment.admin)
    assert answer.summary.model == "sandbox/vectors-16"


async def share_a_space(deployment: Deployment, *names: str) -> None:
    """State by hand that models have one vector space, and wait until inference knows."""
    for name in names:
        await state(deployment, name, vector_space=model_pb2.TextFact(value="one"))
    # What is stated later is known later.
    await state(deployment, "sandbox/slow", embeddings=model_pb2.BoolFact(value=False))

    async def is_known() -> bool:
        call = deployment.inference.Embed(request("slow"), metadata=deployment.admin)
        try:
            await call
        except grpc.aio.AioRpcError as error:
            return failure_of(error).reason == "NO_EMBEDDINGS"
        return False

    await eventually(is_known)


async def state(deployment: Deployment, name: str, **facts: Any) -> None:
    """State facts of a model by hand."""
    await deployment.catalog.UpdateModel(
        model_pb2.UpdateModelRequest(
            model=model_pb2.Model(name=name, facts=model_pb2.ModelFacts(**facts)),
            update_mask=FieldMask(paths=[f"facts.{each}" for each in facts]),
        ),
        metadata=deployment.admin,
    )


class Changing(CrudeProvider):
    """Answers a hundred texts with vectors of two numbers, and then with something else."""

    def __init__(self, then: bytes) -> None:
        self._bodies = [vectors_of(2)]
        self._then = then
        super().__init__(200, b"")

    @property
    def body(self) -> bytes:
        """What is answered now."""
        return self._bodies.pop() if self._bodies else self._then

    @body.setter
    def body(self, value: bytes) -> None:
        assert not value


def vectors_of(dimensions: int) -> bytes:
    """Return an answer for a hundred texts."""
    data = [{"index": each, "embedding": [0.5] * dimensions} for each in range(100)]
    return json.dumps({"object": "list", "data": data}).encode()


async def test_no_vector_after_the_first_has_another_length() -> None:
    """Neither of the same model nor of one that stands in for it (N13)."""
    async with (
        Deployment(embed_parallel=1) as deployment,
        Changing(vectors_of(3)) as longer,
        Changing(b"<html>") as broken,
    ):
        for name, crude in (("longer", longer), ("broken", broken)):
            # The chat that tells when all is known goes to the last model, and is answered first.
            await deployment.connect(crude.base_url, "key", ("crude", "last"), name=name)

            crude._bodies[:] = [vectors_of(2)]
        asked = request("longer/crude", texts(200))
        failure = await refused(deployment.inference.Embed(asked, metadata=deployment.admin))
        assert (failure.reason, failure.metadata["index"]) == ("BAD_VECTOR", "100")
        assert failure.metadata["model"] == "longer/crude"
        await share_a_space(deployment, "broken/crude", "sandbox/vectors-16")
        asked = request("broken/crude", texts(200), fallbacks=["sandbox/vectors-16"])
        failure = await refused(deployment.inference.Embed(asked, metadata=deployment.admin))
        assert (failure.reason, failure.metadata["index"]) == ("BAD_VECTOR", "100")
        assert failure.metadata["model"] == "sandbox/vectors-16"


async def test_a_stopping_service_ends_embeddings() -> None:
    """Who waits for vectors learns that it stops."""
    async with Deployment() as deployment:
        call = deployment.inference.Embed(request("silent"), metadata=deployment.admin)
        refusal = asyncio.ensure_future(refused(call))
        await deployment.sandbox.seen.wait_for(1, timeout=5)
        await deployment.suite.stop(0.0)
        failure = await refusal
        assert failure.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)

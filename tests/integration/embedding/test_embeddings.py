"""Embeddings from end to end: a saved key, a real HTTP server, and vectors on the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from support.chats import RUN_ID, refused
from support.deployment import Deployment
from trunkline.inference.v1 import embedding_pb2, result_pb2
from trunkline.sandbox.vectors import make_vector

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORMATS = ("openai", "google", "ollama")
# By the sandbox's names; the first part is what a vendor's model would be called.
MODELS = (
    "vectors-4096",
    "text-embedding-3-small@vectors-1536",
    "gemini-embedding-001@vectors-16",
    "gemini-embedding-2@vectors-16",
    "once-503-of-vectors-16",
    "once-429-retry-after-1-of-vectors-16",
)

both = pytest.mark.parametrize("streamed", [True, False], ids=["stream", "unary"])
every = pytest.mark.parametrize("name", FORMATS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def formats() -> AsyncIterator[Deployment]:
    """Yield a deployment with a provider of each format, named after it."""
    async with Deployment(connected=False, retry_pause_s=0.01) as deployment:
        for name in (*FORMATS, "anthropic"):
            await deployment.connect(
                deployment.sandbox.addresses[name],
                "" if name == "ollama" else deployment.sandbox.api_key,
                MODELS,
                name=name,
                kind="sandbox" if name == "openai" else f"sandbox-{name}",
            )
        yield deployment


class Answer:
    """The vectors of an embedding, and what it took."""

    def __init__(self) -> None:
        self.vectors: list[list[float]] = []
        self.messages: list[int] = []
        self.summary = embedding_pb2.EmbeddingSummary()


def texts(count: int, first: int = 0) -> list[str]:
    """Return different texts."""
    return [f"text number {index}" for index in range(first, first + count)]


def expected(inputs: list[str], dimensions: int) -> list[list[float]]:
    """Return the vectors that the sandbox makes of texts."""
    return [make_vector(text, dimensions) for text in inputs]


async def embed(
    deployment: Deployment,
    model: str,
    inputs: list[str],
    *,
    streamed: bool = False,
    **fields: Any,
) -> Answer:
    """Embed texts; a stream's batches follow each other without a gap, and the summary is last."""
    request = embedding_pb2.EmbedRequest(model=model, inputs=inputs, **fields)
    found = Answer()
    if not streamed:
        response = await deployment.inference.Embed(request, metadata=deployment.admin, timeout=20)
        found.vectors = [list(each.values) for each in response.embeddings]
        found.summary = response.summary
        return found
    call = deployment.inference.StreamEmbed(request, metadata=deployment.admin, timeout=20)
    async for message in call:
        if message.HasField("summary"):
            found.summary = message.summary
            continue
        assert not found.summary.model
        assert message.batch.first_index == len(found.vectors)
        found.vectors += [list(each.values) for each in message.batch.embeddings]
        found.messages.append(message.ByteSize())
    return found


@both
@every
async def test_each_text_has_its_vector(formats: Deployment, name: str, streamed: bool) -> None:
    """In the order of the texts, each number as the provider gave it, with what it took."""
    inputs = texts(3)
    answer = await embed(formats, f"{name}/vectors-16", inputs, streamed=streamed)
    assert answer.vectors == expected(inputs, 16)
    summary = answer.summary
    assert (summary.model, summary.dimensions) == (f"{name}/vectors-16", 16)
    assert [each.outcome for each in summary.attempts] == [result_pb2.ATTEMPT_OUTCOME_COMPLETED]
    assert summary.usage.input_tokens > 0
    assert summary.usage.source == (
        result_pb2.USAGE_SOURCE_ESTIMATED if name == "google" else result_pb2.USAGE_SOURCE_REPORTED
    )
    assert summary.run_id.startswith("run_")


@both
@every
async def test_many_texts_are_split_and_stay_in_order(
    formats: Deployment, name: str, streamed: bool
) -> None:
    """More than a provider takes at once go out in several requests, none of them too large."""
    formats.sandbox.seen.clear()
    inputs = texts(450)
    answer = await embed(formats, f"{name}/vectors-16", inputs, streamed=streamed)
    assert answer.vectors == expected(inputs, 16)
    sent = [_texts_of(each.body) for each in formats.sandbox.seen]
    assert max(map(len, sent)) <= {"openai": 100, "google": 100, "ollama": 64}[name]
    assert sorted(text for each in sent for text in each) == sorted(inputs)
    attempts = answer.summary.attempts
    assert [each.number for each in attempts] == list(range(1, len(sent) + 1))


@every
async def test_the_length_of_vectors_is_asked_for(formats: Deployment, name: str) -> None:
    """In the provider's own field."""
    inputs = texts(2)
    answer = await embed(formats, f"{name}/vectors-16", inputs, dimensions=32)
    assert answer.vectors == expected(inputs, 32)
    assert answer.summary.dimensions == 32


async def test_openai_is_asked_for_base64() -> None:
    """Where the service is the vendor's own; the vectors are the same."""
    async with Deployment(connected=False) as deployment:
        sandbox = deployment.sandbox
        await deployment.connect(
            sandbox.base_url, sandbox.api_key, MODELS, name="own", kind="openai"
        )
        inputs = texts(2)
        answer = await embed(deployment, "own/text-embedding-3-small@vectors-1536", inputs)
        assert answer.vectors == expected(inputs, 1536)
        assert _body(deployment)["encoding_format"] == "base64"


@pytest.mark.parametrize(
    ("model", "field", "text"),
    [
        ("gemini-embedding-001@vectors-16", "RETRIEVAL_QUERY", "text number 0"),
        ("gemini-embedding-2@vectors-16", None, "task: search result | query: text number 0"),
    ],
)
async def test_google_is_told_what_vectors_are_for(
    formats: Deployment, model: str, field: str | None, text: str
) -> None:
    """By a field, or by words where the model has none; that is told as a loss."""
    task = embedding_pb2.EMBEDDING_TASK_QUERY
    answer = await embed(formats, f"google/{model}", texts(1), task=task)
    [asked] = _body(formats)["requests"]
    assert asked.get("taskType") == field
    assert asked["content"]["parts"] == [{"text": text}]
    assert [loss.path for loss in answer.summary.losses] == ([] if field else ["task"])


@pytest.mark.parametrize("name", ["openai", "ollama"])
async def test_a_task_that_cannot_be_carried_is_a_loss(formats: Deployment, name: str) -> None:
    """Told once, however many requests there were."""
    task = embedding_pb2.EMBEDDING_TASK_QUERY
    answer = await embed(formats, f"{name}/vectors-16", texts(250), task=task)
    [loss] = answer.summary.losses
    assert (loss.path, loss.action) == ("task", result_pb2.Loss.ACTION_DROPPED)


async def test_texts_are_cut_where_that_is_asked_for(formats: Deployment) -> None:
    """By their length, and the cut is told; without being asked, nothing is cut."""
    long = "word " * 2_000
    model = "google/gemini-embedding-001@vectors-16"
    await embed(formats, model, [long])
    assert _texts_of(formats.sandbox.seen[-1].body) == [long]
    answer = await embed(formats, model, ["short", long], truncate=True)
    assert _texts_of(formats.sandbox.seen[-1].body) == ["short", long[: 2048 * 3]]
    assert [loss.path for loss in answer.summary.losses] == ["inputs[1]"]
    for truncate in (True, False):
        await embed(formats, "ollama/vectors-16", [long], truncate=truncate)
        body = _body(formats)
        assert (body["truncate"], body["input"]) == (truncate, [long])


@every
@pytest.mark.parametrize(
    "model", ["once-503-of-vectors-16", "once-429-retry-after-1-of-vectors-16"]
)
async def test_a_failure_that_passes_is_asked_again(
    formats: Deployment, name: str, model: str
) -> None:
    """The attempts are told, and stand in the ledger's numbering."""
    formats.sandbox.reset_attempts()
    inputs = texts(2)
    answer = await embed(formats, f"{name}/{model}", inputs)
    assert answer.vectors == expected(inputs, 16)
    assert [each.outcome for each in answer.summary.attempts] == [
        result_pb2.ATTEMPT_OUTCOME_FAILED,
        result_pb2.ATTEMPT_OUTCOME_COMPLETED,
    ]


@both
@every
@pytest.mark.parametrize(
    ("model", "index"),
    [("vectors-nan", 2), ("vectors-empty", 2), ("vectors-short", 2), ("vectors-few", 2)],
)
async def test_what_is_no_vector_is_an_error(
    formats: Deployment, name: str, model: str, index: int, streamed: bool
) -> None:
    """Named by model and text; nobody gets part of an answer for the whole."""
    request = embedding_pb2.EmbedRequest(model=f"{name}/{model}", inputs=texts(3))
    if streamed:
        failure = await refused(_last(formats, request))
    else:
        failure = await refused(formats.inference.Embed(request, metadata=formats.admin))
    assert failure.reason == "BAD_VECTOR"
    assert failure.metadata["model"] == f"{name}/{model}"
    assert failure.metadata["index"] == str(index)
    assert [each.outcome for each in failure.attempts] == [result_pb2.ATTEMPT_OUTCOME_FAILED]


async def test_a_provider_without_embeddings_is_refused_before_it_is_asked(
    formats: Deployment,
) -> None:
    """The error names the role and models that can (decision 22)."""
    formats.sandbox.seen.clear()
    request = embedding_pb2.EmbedRequest(model="anthropic/vectors-16", inputs=["Hello"])
    failure = await refused(formats.inference.Embed(request, metadata=formats.admin))
    assert (failure.reason, failure.code.name) == ("NO_EMBEDDINGS", "FAILED_PRECONDITION")
    assert failure.metadata["model"] == "anthropic/vectors-16"
    assert failure.metadata["role"] == "embedder"
    capable = failure.metadata["capable"].split(",")
    assert len(capable) == 3
    assert all(each.startswith("google/") for each in capable)
    assert not list(formats.sandbox.seen)


async def test_a_model_that_is_known_to_chat_is_refused(formats: Deployment) -> None:
    """As a provider without embeddings is."""
    request = embedding_pb2.EmbedRequest(model="google/ok", inputs=["Hello"])
    failure = await refused(formats.inference.Embed(request, metadata=formats.admin))
    assert failure.reason == "NO_EMBEDDINGS"


async def test_a_stream_s_messages_fit_a_default_client(formats: Deployment) -> None:
    """However large the answer is as a whole."""
    inputs = texts(300)
    answer = await embed(formats, "google/vectors-4096", inputs, streamed=True)
    assert answer.vectors == expected(inputs, 4096)
    assert sum(answer.messages) > 4 * 2**20
    assert max(answer.messages) < 4 * 2**20


async def test_the_caller_is_told_the_run(formats: Deployment) -> None:
    """Before the first vector, by the call's metadata."""
    request = embedding_pb2.EmbedRequest(model="openai/vectors-16", inputs=["Hello"])
    call = formats.inference.Embed(request, metadata=formats.admin)
    told = dict(await call.initial_metadata())
    assert told[RUN_ID] == (await call).summary.run_id


async def _last(deployment: Deployment, request: embedding_pb2.EmbedRequest) -> None:
    """Read a stream to its end."""
    async for _ in deployment.inference.StreamEmbed(request, metadata=deployment.admin):
        pass


def _body(deployment: Deployment) -> dict[str, Any]:
    """Return the body of the latest request that the sandbox received."""
    body: Any = deployment.sandbox.seen[-1].body
    return dict(body)


def _texts_of(body: Any) -> list[str]:
    """Return the texts of a request."""
    if "requests" in body:
        return [each["content"]["parts"][0]["text"] for each in body["requests"]]
    return list(body["input"])

"""Embed and StreamEmbed: gRPC in, and bytes that are messages already out."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import Any, Final

import grpc

from trunkline.inference.embedding.embeddings import Embeddings
from trunkline.inference.embedding.run import EmbeddingRun, Reader
from trunkline.inference.embedding.terms import (
    EmbeddingTerms,
    digest_embedding_key,
    digest_request,
)
from trunkline.inference.embedding.wire import write_batches, write_embeddings, write_summary
from trunkline.inference.runner import Runner
from trunkline.inference.settings import InferenceSettings
from trunkline.inference.terms import own
from trunkline.inference.v1 import embedding_pb2
from trunkline.kernel.call import current_call, current_caller
from trunkline.kernel.clock import to_seconds

Context = grpc.aio.ServicerContext[Any, Any]

RUN_ID: Final = "trunkline-run-id"
ATTACHED: Final = "trunkline-attached"


class EmbeddingMethods:
    """The methods of the inference service that make embeddings.

    Args:
        embeddings: of this process.
        runner: tells whether runs can begin.
        settings: default waits.
    """

    def __init__(self, embeddings: Embeddings, runner: Runner, settings: InferenceSettings) -> None:
        self._embeddings = embeddings
        self._runner = runner
        self._settings = settings

    async def embed(self, request: embedding_pb2.EmbedRequest, context: Context) -> bytes:
        """Answer with all vectors at once: a serialised `EmbedResponse`."""
        count = len(request.inputs)
        parts: list[bytes] = []
        async with self._reading(request, context, unary=True) as (run, reader):
            async for piece in reader.pieces():
                self._embeddings.check_size(count, run.dimensions)
                parts.append(write_embeddings(piece.vectors))
        assert run.summary is not None
        parts.append(write_summary(run.summary))
        return b"".join(parts)

    async def stream_embed(
        self, request: embedding_pb2.EmbedRequest, context: Context
    ) -> AsyncGenerator[bytes]:
        """Answer batch by batch: serialised `StreamEmbedResponse`s."""
        async with self._reading(request, context, unary=False) as (run, reader):
            async for piece in reader.pieces():
                for message in write_batches(piece.first_index, piece.vectors):
                    yield message
        assert run.summary is not None
        yield embedding_pb2.StreamEmbedResponse(summary=run.summary).SerializeToString()

    @contextlib.asynccontextmanager
    async def _reading(
        self, request: embedding_pb2.EmbedRequest, context: Context, *, unary: bool
    ) -> AsyncGenerator[tuple[EmbeddingRun, Reader]]:
        """Begin or find an embedding, and read it for as long as the call goes on."""
        terms = self._settle(request)
        await self._runner.check_ready()
        run, attached = self._embeddings.begin(terms, unary=unary)
        with run.reading() as reader:
            told = ((RUN_ID, run.id), (ATTACHED, "true")) if attached else ((RUN_ID, run.id),)
            await context.send_initial_metadata(told)
            yield run, reader

    def _settle(self, request: embedding_pb2.EmbedRequest) -> EmbeddingTerms:
        """Return the terms of an embedding: the request's, else the deployment's."""
        call = current_call()
        caller = current_caller()
        owner = own(caller, request.on_behalf_of)
        total_s = self._settings.run_total_s
        remaining = call.remaining() if call is not None else None
        if request.limits.HasField("total"):
            total_s = to_seconds(request.limits.total)
        elif remaining is not None:
            total_s = min(total_s, remaining)
        key = digest_embedding_key(owner, request.idempotency_key)
        return EmbeddingTerms(
            owner=owner,
            caller=caller,
            request_id=call.request_id if call is not None else "",
            request=request,
            total_s=total_s,
            key_digest=key,
            request_digest=digest_request(request) if key else b"",
        )

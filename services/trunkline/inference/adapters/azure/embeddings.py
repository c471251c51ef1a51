"""Embeddings of Azure OpenAI: OpenAI's, elsewhere and with another key.

Source: https://learn.microsoft.com/azure/ai-foundry/openai/reference.
"""

from __future__ import annotations

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.adapters.azure.addresses import model_place
from trunkline.inference.adapters.azure.request import own_headers
from trunkline.inference.adapters.embedder import (
    Batch,
    BuiltEmbedding,
    Embedded,
    EmbeddingLimits,
)
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.openai.embedding_services import OPENAI
from trunkline.inference.adapters.openai.embeddings import encode_batch, read_embedded
from trunkline.inference.adapters.requests import JSON, build_request


class AzureEmbedder:
    """`/embeddings`; see `Embedder`. It holds nothing: one serves all attempts."""

    def limits(self, base_url: str, model: str, *, provider_type: str) -> EmbeddingLimits | None:
        """Return what a deployment takes at once; see `Embedder.limits`.

        A deployment is called as one likes, so that which model it has is not known. 2,048 texts
        of 8,192 tokens are documented; that all texts together have the limit that they have with
        OpenAI is not confirmed.
        """
        del base_url, model, provider_type
        return OPENAI.limits

    def build(self, target: Target, batch: Batch) -> BuiltEmbedding:
        """Build the request; see `Embedder.build`."""
        losses = Losses()
        content = encode_batch(target, batch, OPENAI, losses)
        place, path = model_place(target, "/embeddings")
        return BuiltEmbedding(
            request=build_request(
                "POST", place, path, accept=JSON, own=own_headers(target), content=content
            ),
            losses=losses.collected(),
        )

    def read(self, target: Target, batch: Batch, body: bytes) -> Embedded:
        """Read the vectors; see `Embedder.read`."""
        return read_embedded(target, batch, body, OPENAI)

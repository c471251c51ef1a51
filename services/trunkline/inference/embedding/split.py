"""Split texts into batches that a provider takes at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from trunkline.inference.adapters.embedder import Batch, EmbeddingLimits
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.embedding.wire import MESSAGE_BYTES, size_of
from trunkline.inference.v1 import embedding_pb2

_BYTES_PER_TOKEN: Final = 3
"""No tokenizer is at hand. English has four bytes a token, most other writing three, so that a
batch that is full by this holds no more than it may but for code and rare scripts."""

_BATCH_BYTES: Final = 4 * 1024 * 1024
# Longer ones take more room than was meant, and are cut into more messages.
_ASSUMED_DIMENSIONS: Final = 1536
_UNKNOWN_LENGTH: Final = "It is not known how long a text the model takes; none was cut."


def narrow(limits: Iterable[EmbeddingLimits]) -> EmbeddingLimits:
    """Return limits that hold for each of several services, of which one at least is given."""
    each = list(limits)
    return EmbeddingLimits(
        items=min(one.items for one in each),
        item_tokens=min((one.item_tokens for one in each if one.item_tokens), default=0),
        request_tokens=min((one.request_tokens for one in each if one.request_tokens), default=0),
        truncates=all(one.truncates for one in each),
    )


def fit(
    request: embedding_pb2.EmbedRequest, limits: EmbeddingLimits, losses: Losses
) -> Sequence[str]:
    """Return the texts of a request, cut where that is asked for and the provider does not.

    Args:
        request: that passed its checks.
        limits: of the services that may be asked.
        losses: is told of each text that is cut.
    """
    if not request.truncate or limits.truncates:
        return request.inputs
    if not limits.item_tokens:
        losses.dropped("truncate", _UNKNOWN_LENGTH)
        return request.inputs
    most = limits.item_tokens * _BYTES_PER_TOKEN
    texts = list(request.inputs)
    for index, text in enumerate(texts):
        if len(text) > most or _count_bytes(text) > most:
            texts[index] = text.encode()[:most].decode("utf-8", "ignore")
            reason = f"The text is longer than the model takes; its first {most:,} bytes are sent."
            losses.dropped(f"inputs[{index}]", reason)
    return texts


def split(
    request: embedding_pb2.EmbedRequest,
    texts: Sequence[str],
    limits: EmbeddingLimits,
    dimensions: int,
) -> Iterator[Batch]:
    """Yield the batches of a request, in the order of its texts.

    Args:
        request: says what the vectors are for.
        texts: as they are sent.
        limits: of the services that may be asked.
        dimensions: length of the vectors; 0: not known.
    """
    # What a batch comes to is one message of a stream, and the bound of what is held of it.
    most = max(1, MESSAGE_BYTES // size_of(1, dimensions or _ASSUMED_DIMENSIONS))
    most = min(most, limits.items)
    tokens_left = size_left = 0
    first, batch = 0, list[str]()
    for index, text in enumerate(texts):
        size = _count_bytes(text)
        tokens = estimate_tokens(size)
        is_full = len(batch) == most or size > size_left
        if batch and (is_full or (limits.request_tokens and tokens > tokens_left)):
            yield _batch(request, first, batch)
            batch = []
        if not batch:
            first, tokens_left, size_left = index, limits.request_tokens, _BATCH_BYTES
        batch.append(text)
        tokens_left -= tokens
        size_left -= size
    yield _batch(request, first, batch)


def estimate_tokens(size: int) -> int:
    """Return how many tokens a text of so many bytes has, and rather more than less."""
    return -(-size // _BYTES_PER_TOKEN)


def estimate_usage(texts: Iterable[str]) -> int:
    """Return about how many tokens texts have together."""
    return sum(estimate_tokens(_count_bytes(text)) for text in texts)


def _batch(request: embedding_pb2.EmbedRequest, first: int, texts: Sequence[str]) -> Batch:
    """Return texts as they are asked for."""
    return Batch(
        first_index=first,
        texts=texts,
        dimensions=request.dimensions,
        task=request.task,
        truncate=request.truncate,
    )


def _count_bytes(text: str) -> int:
    """Return how many bytes of UTF-8 a text has."""
    return len(text) if text.isascii() else len(text.encode())

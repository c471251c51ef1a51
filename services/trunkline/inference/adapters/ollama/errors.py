"""Say what a failure of Ollama means; see `failures` for the order of judging."""

from __future__ import annotations

import re
from typing import Final

from trunkline.inference.adapters.adapter import ProviderFailed, Reply, Target
from trunkline.inference.adapters.failures import (
    CONTEXT_TOO_LONG,
    MODEL_NOT_FOUND,
    QUOTA,
    SERVER_ERROR,
    FailureTable,
    Kind,
    refusal,
    stream_failure,
)
from trunkline.inference.adapters.ollama.words import read_words
from trunkline.inference.adapters.waits import read_retry_after
from trunkline.inference.adapters.words import Words
from trunkline.inference.v1 import failure_pb2

_CODES: Final[dict[str, Kind]] = {
    # llama-server, https://github.com/ggml-org/llama.cpp/pull/15780
    "exceed_context_size_error": CONTEXT_TOO_LONG,
}

_PHRASES: Final[tuple[tuple[int, str, Kind], ...]] = (
    # The server, when it may not shorten the prompt (`truncate`, which
    # https://github.com/ollama/ollama/pull/17944 documents); some versions say it with 500
    (400, "exceeds the context length", CONTEXT_TOO_LONG),
    (500, "exceeds the context length", CONTEXT_TOO_LONG),
    # llama-server behind it, https://github.com/ollama/ollama/issues/17889
    (400, "exceeds the available context size", CONTEXT_TOO_LONG),
    (400, "exceed context size", CONTEXT_TOO_LONG),
    # The cloud, which documents no wording
    (400, "exceeded max context length", CONTEXT_TOO_LONG),
    # The cloud's limits by hour, session and week, which no short wait ends:
    # https://github.com/continuedev/continue/issues/11444
    (429, "usage limit", QUOTA),
    # A model that was not pulled. As a status it is 404; inside of a stream it has none.
    (404, "try pulling it first", MODEL_NOT_FOUND),
)

_STATUSES: Final[dict[int, Kind]] = {
    499: SERVER_ERROR,  # the server gave the request up
}

_TABLE: Final = FailureTable(_CODES, _PHRASES, _STATUSES)

# The cloud ends its sentences with the id of the request.
_REFERENCE: Final = re.compile(r"\(ref: ([0-9A-Za-z-]{1,64})\)\s*\Z")

# https://github.com/langchain-ai/langchain/issues/31482
_NOT_ANSWERED: Final = "The server moved the model in or out of memory and did not answer."


def classify(target: Target, reply: Reply) -> failure_pb2.AttemptFailure:
    """Say what a refusal means; see `Adapter.classify`."""
    words = read_words(reply.body) or Words()
    reference = _REFERENCE.search(words.message)
    return refusal(
        target,
        reply,
        words,
        _TABLE.refused(reply, words),
        # Ollama names none, but what stands in front of a server may.
        wait=read_retry_after(reply.headers),
        request_id=reference[1] if reference else reply.headers.get("x-request-id", ""),
    )


def in_stream(target: Target, words: Words, frame: bytes) -> ProviderFailed:
    """Return the failure for an error inside of a reply with status 200."""
    return stream_failure(target, words, _TABLE.kind(words, words.status, words.message), frame)


def not_answered(target: Target, reason: str) -> ProviderFailed:
    """Return the failure for a model that was only loaded: another try finds it in memory."""
    return stream_failure(target, Words(_NOT_ANSWERED, (reason,)), SERVER_ERROR, b"")

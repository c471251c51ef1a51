"""What the stand-in provider says, by model name, as bytes made once.

    unary-N      N words; as a stream N events, one after the other
    burst-N      N events, one after the other
    paced-R-N    N events, R of them a second; a word is the time at which it was sent
    overlong     refuses: its window is smaller than any prompt

An event is one word and a space in one chunk of the OpenAI Chat Completions format
(https://platform.openai.com/docs/api-reference/chat-streaming) and in one chunk of HTTP/1.1's
chunked coding (RFC 9112 §7.1). After them come the finish reason, the usage and `[DONE]`.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle, islice
from typing import Final

import msgspec

KEY: Final = "bench-key"

# What is refused again and again: no kind of failure but this one falls back without a rest for
# the route.
OVERLONG: Final = "overlong"

# What the bench asks for; any other name of the first three forms is answered as well.
MODELS: Final = (
    OVERLONG,
    "unary-32",
    "burst-8",
    "burst-256",
    "paced-5-8",
    "paced-5-30",
    "paced-5-48",
    "paced-5-60",
    "paced-20-600",
)

TEXT: Final = (
    "the line carries every word from its model to whoever asked and keeps what was said until "
    "nobody needs it any more"
)
_NAME: Final = re.compile(r"(?:unary|burst|paced-(?P<rate>[1-9][0-9]{0,3}))-(?P<count>[1-9][0-9]*)")
MAX_COUNT: Final = 100_000
# Stands in a paced event until it is sent.
_UNSENT: Final = "0" * 19
_CREATED: Final = 1_760_000_000
_PROMPT_TOKENS: Final = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """One model's answer, ready to be sent.

    Attributes:
        whole: the reply to a request that asks for no stream, head included.
        head: the head of a stream's reply.
        pieces: a stream's body, each piece a chunk with one event; the content, then finish reason,
            usage, and `[DONE]` with the end of the body.
        contents: how many of the pieces are content.
        period_seconds: from one event to the next; 0 is without delay.
    """

    whole: bytes
    head: bytes
    pieces: tuple[bytes, ...]
    contents: int
    period_seconds: float


@lru_cache(maxsize=64)
def find_answer(model: str) -> Answer | None:
    """Return the answer of a model, or None when there is no such model."""
    match = _NAME.fullmatch(model)
    if match is None or int(match["count"]) > MAX_COUNT:
        return None
    count = int(match["count"])
    said = [_UNSENT] if match["rate"] else TEXT.split()
    words = [f"{word} " for word in islice(cycle(said), count)]
    usage = {
        "prompt_tokens": _PROMPT_TOKENS,
        "completion_tokens": count,
        "total_tokens": _PROMPT_TOKENS + count,
    }
    whole = {
        "id": "chatcmpl-standin",
        "object": "chat.completion",
        "created": _CREATED,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "".join(words), "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": usage,
    }
    deltas = [{"content": word} for word in words]
    deltas[0] = {"role": "assistant", **deltas[0]}
    return Answer(
        whole=compose_reply(200, msgspec.json.encode(whole)),
        head=(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
        ),
        pieces=(
            *(_frame(_chunk(model, delta, None)) for delta in deltas),
            _frame(_chunk(model, {}, "stop")),
            _frame({**_chunk(model, {}, None), "choices": [], "usage": usage}),
            _coded(b"data: [DONE]\n\n") + b"0\r\n\r\n",
        ),
        contents=count,
        period_seconds=1 / int(match["rate"]) if match["rate"] else 0.0,
    )


def stamp(piece: bytes) -> bytes:
    """Return a paced event with the time of now, in nanoseconds of the machine's monotonic clock.

    All processes of a machine read the same clock, so that the receiver can tell how long it took.
    """
    return piece.replace(_UNSENT.encode(), b"%019d" % time.monotonic_ns(), 1)


def compose_models() -> bytes:
    """Return the reply to a request for the list of models."""
    listed = [
        {"id": model, "object": "model", "created": _CREATED, "owned_by": "bench"}
        for model in MODELS
    ]
    return compose_reply(200, msgspec.json.encode({"object": "list", "data": listed}))


def compose_refusal(status: int, code: str, message: str) -> bytes:
    """Return a reply with an error in the format's own shape."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return compose_reply(status, msgspec.json.encode({"error": error}))


def compose_reply(status: int, body: bytes) -> bytes:
    """Return a whole reply with a body of JSON."""
    return (
        b"HTTP/1.1 %d Reply\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
        % (status, len(body), body)
    )


def _chunk(model: str, delta: dict[str, str], finish: str | None) -> dict[str, object]:
    return {
        "id": "chatcmpl-standin",
        "object": "chat.completion.chunk",
        "created": _CREATED,
        "model": model,
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
    }


def _frame(chunk: dict[str, object]) -> bytes:
    return _coded(b"data: %b\n\n" % msgspec.json.encode(chunk))


def _coded(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)

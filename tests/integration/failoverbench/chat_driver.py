"""Ask over gRPC what the benchmark asks a gateway over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterable

import grpc

from support.chats import Failure, ask, kind_name, read, stream
from support.folding import fold
from trunkline.benchmark.observation import Call, End
from trunkline.inference.v1 import event_pb2, result_pb2

# The benchmark's words for what the contract says without them.
_CODES = {"CONTENT_FILTERED": "content_policy_violation"}


class ChatDriver:
    """Ask for chats by `StreamChat`; a `bench.Driver`.

    Args:
        channel: to a server of the inference service.
        metadata: of every call.
        primary: the provider of the models that fail.
        second: the provider of the models to fall back to.

    Attributes:
        events: of each call, in the order of their ends.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        metadata: Iterable[tuple[str, str]],
        primary: str = "primary",
        second: str = "second",
    ) -> None:
        self._channel = channel
        self._metadata = tuple(metadata)
        self._primary = primary
        self._second = second
        self.events: list[list[event_pb2.ChatEvent]] = []

    async def ask(self, model: str, fallback: str, limit_s: float) -> Call:
        """Ask one question, the fallback as the request's own."""
        request = ask(f"{self._primary}/{model}", fallbacks=[f"{self._second}/{fallback}"])
        started_at = time.monotonic()
        call = stream(self._channel, "StreamChat", request, self._metadata, timeout=limit_s)
        reading = await read(call)
        ended_at = time.monotonic()
        self.events.append(reading.events)
        text = "".join(part.text for part in fold(reading.events).content)
        if reading.failure is None:
            completed = reading.completed
            # What a lost attempt cost is an estimate, and says so.
            has_usage = completed.usage.source in (
                result_pb2.USAGE_SOURCE_REPORTED,
                result_pb2.USAGE_SOURCE_ESTIMATED,
            )
            return Call(started_at, ended_at, End.ANSWERED, text, completed.model, has_usage)
        failure = reading.failure
        hung = failure.code is grpc.StatusCode.DEADLINE_EXCEEDED
        end = End.HUNG if hung else End.FAILED
        return Call(started_at, ended_at, end, text, error=_tell(failure))


def _tell(failure: Failure) -> str:
    """Return what an error says."""
    kinds = [kind_name(attempt.failure) for attempt in failure.attempts]
    codes = [_CODES[kind] for kind in kinds if kind in _CODES]
    return " ".join([failure.code.name, failure.reason, failure.message, *kinds, *codes])

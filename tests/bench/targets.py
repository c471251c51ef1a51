"""The load's routes to a model: straight to the stand-in, or through a gateway's gRPC."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import grpc.aio
import msgspec

from bench.answers import KEY
from bench.direct import DirectClient, compose_request
from trunkline.inference.v1 import chat_pb2, embedding_pb2, event_pb2, message_pb2

PROVIDER: Final = "standin"
# The same stand-in as the vendor itself, who is asked for vectors in base64.
EMBEDDING_PROVIDER: Final = "vectors"
_PROMPT: Final = "Say what you always say."
_CALL_LIMIT_SECONDS: Final = 60.0
_CHANNELS: Final = 8
_UnaryCall: TypeAlias = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
_StreamCall: TypeAlias = grpc.aio.UnaryStreamMultiCallable[bytes, bytes]
_SENT: Final = re.compile(rb'"content":"([0-9]{19}) "')
_SERVICE: Final = "/trunkline.inference.v1.InferenceService"


class DirectRoute(msgspec.Struct, frozen=True, tag_field="kind", tag="direct"):
    """Straight to the stand-in.

    Attributes:
        address: the stand-in's, `host:port`.
        refusing: a model that is asked before the one that is meant, and refuses; empty: none.
    """

    address: str
    refusing: str = ""


class GatewayRoute(msgspec.Struct, frozen=True, tag_field="kind", tag="gateway"):
    """Through a gateway that serves the contract.

    Attributes:
        address: the gateway's, `host:port`.
        token_file: holds the access token, which is never an argument; empty: none is sent.
        durable: ask for runs that survive their process, else for those that do not.
        refusing: a model before the one that is meant, which refuses; empty: none.
    """

    address: str
    token_file: str = ""
    durable: bool = False
    refusing: str = ""


Route: TypeAlias = DirectRoute | GatewayRoute


@dataclass(frozen=True, slots=True)
class Reading:
    """What a stream said.

    Attributes:
        words: words of its text, one for each event of the stand-in.
        messages: pieces of content that the text came in.
    """

    words: int
    messages: int


class Target(Protocol):
    """Something that answers chats."""

    async def chat(self, model: str) -> int:
        """Ask for an answer in one piece; return how many words it has."""
        ...

    def stream(self, model: str) -> AsyncIterator[bytes]:
        """Ask for a stream and yield what comes, undecoded, so that reading it costs little."""
        ...

    def read(self, messages: list[bytes]) -> Reading:
        """Decode what streams said."""
        ...

    def read_times(self, message: bytes) -> list[int]:
        """Return when the paced events of a message were sent, by the monotonic clock's ns."""
        ...

    async def time_first_content(self, model: str) -> int:
        """Return the nanoseconds from asking for a stream to its first content; read its rest."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


def open_target(route: Route) -> Target:
    """Return the target that a route leads to. Nothing is connected yet."""
    if isinstance(route, DirectRoute):
        return _Direct(route)
    return GatewayTarget(route)


class _Direct:
    def __init__(self, route: DirectRoute) -> None:
        host, _, port = route.address.rpartition(":")
        self._origin = (host, int(port))
        self._refusing = route.refusing
        self._client = DirectClient()

    async def chat(self, model: str) -> int:
        body = b"".join([piece async for piece in self._post(model, stream=False)])
        content: str = msgspec.json.decode(body)["choices"][0]["message"]["content"]
        return content.count(" ")

    async def stream(self, model: str) -> AsyncIterator[bytes]:
        rest = b""
        async for piece in self._post(model, stream=True):
            # Cut after whole events, so that counting them in a piece counts each once.
            whole, end, rest = (rest + piece).rpartition(b"\n\n")
            if end:
                yield whole

    def read(self, messages: list[bytes]) -> Reading:
        words = sum(message.count(b'"content":') for message in messages)
        return Reading(words=words, messages=len(messages))

    def read_times(self, message: bytes) -> list[int]:
        return [int(word) for word in _SENT.findall(message)]

    async def time_first_content(self, model: str) -> int:
        start, first = time.perf_counter_ns(), 0
        if self._refusing:
            async for _ in self._post(self._refusing, stream=True):
                pass
        async for piece in self.stream(model):
            if not first and b'"content":' in piece:
                first = time.perf_counter_ns()
        return first - start

    async def _post(self, model: str, *, stream: bool) -> AsyncIterator[bytes]:
        body = msgspec.json.encode(
            {
                "model": model,
                "messages": [{"role": "user", "content": _PROMPT}],
                "stream": stream,
            }
        )
        request = compose_request(self._origin, body, KEY)
        exchange = await self._client.exchange(self._origin, request)
        try:
            async for piece in exchange.read():
                yield piece
        finally:
            exchange.close()

    async def close(self) -> None:
        self._client.close()


class GatewayTarget:
    """Chats and embeddings through a gateway.

    Args:
        route: how it is reached.
    """

    def __init__(self, route: GatewayRoute) -> None:
        # Backends are several, so calls are spread over connections.
        self._channels = [
            grpc.aio.insecure_channel(
                route.address, options=[("grpc.use_local_subchannel_pool", 1)]
            )
            for _ in range(_CHANNELS)
        ]
        self._chats: Iterator[_UnaryCall] = cycle(
            [c.unary_unary(f"{_SERVICE}/Chat") for c in self._channels]
        )
        self._streams: Iterator[_StreamCall] = cycle(
            [c.unary_stream(f"{_SERVICE}/StreamChat") for c in self._channels]
        )
        self._embeds: Iterator[_UnaryCall] = cycle(
            [c.unary_unary(f"{_SERVICE}/Embed") for c in self._channels]
        )
        self._route = route
        self._metadata: tuple[tuple[str, str], ...] = ()
        if route.token_file:
            token = Path(route.token_file).read_text().strip()
            self._metadata = (("authorization", f"Bearer {token}"),)

    async def chat(self, model: str) -> int:
        answer = await next(self._chats)(
            self._ask(model), metadata=self._metadata, timeout=_CALL_LIMIT_SECONDS
        )
        message = chat_pb2.ChatResponse.FromString(answer).completed.message
        return sum(part.text.count(" ") for part in message.content)

    async def embed(self, model: str, texts: Sequence[str]) -> bytes:
        """Ask for embeddings; return the answer undecoded, so that reading it costs little."""
        request = embedding_pb2.EmbedRequest(model=f"{EMBEDDING_PROVIDER}/{model}", inputs=texts)
        return await next(self._embeds)(
            request.SerializeToString(), metadata=self._metadata, timeout=_CALL_LIMIT_SECONDS
        )

    def stream(self, model: str) -> AsyncIterator[bytes]:
        call = next(self._streams)(
            self._ask(model), metadata=self._metadata, timeout=_CALL_LIMIT_SECONDS
        )
        messages: AsyncIterator[bytes] = call.__aiter__()
        return messages

    def read(self, messages: list[bytes]) -> Reading:
        events = [event_pb2.ChatEvent.FromString(message) for message in messages]
        texts = [event.text_delta.text for event in events if event.HasField("text_delta")]
        return Reading(words=sum(text.count(" ") for text in texts), messages=len(texts))

    def read_times(self, message: bytes) -> list[int]:
        return [
            int(word) for word in event_pb2.ChatEvent.FromString(message).text_delta.text.split()
        ]

    async def time_first_content(self, model: str) -> int:
        start, first = time.perf_counter_ns(), 0
        async for message in self.stream(model):
            if not first and event_pb2.ChatEvent.FromString(message).HasField("text_delta"):
                first = time.perf_counter_ns()
        return first - start

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()

    def _ask(self, model: str) -> bytes:
        route = self._route
        part = message_pb2.Part(text=_PROMPT)
        message = message_pb2.Message(role=message_pb2.ROLE_USER, content=[part])
        durability = chat_pb2.DURABILITY_DURABLE if route.durable else chat_pb2.DURABILITY_MEMORY
        first, *others = [route.refusing, model] if route.refusing else [model]
        request = chat_pb2.ChatRequest(
            model=f"{PROVIDER}/{first}",
            fallbacks=[f"{PROVIDER}/{other}" for other in others],
            messages=[message],
            durability=durability,
        )
        return request.SerializeToString()

"""The bare relay that Trunkline is compared with: gRPC in, HTTP out, and no policy at all.

`Chat`, `StreamChat` and `Embed` of the contract over grpc.aio, aiohttp and uvloop, one message for
each event of the provider. It checks no caller and no bound, keeps nothing, retries nothing. With
`--per-read` it writes one message for each read from the provider instead.

Run as `python -m bench.relay ADDRESS` with the provider's address; it prints `{"address": …}` and
then answers every line on its standard input with its counters.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
import grpc
import grpc.aio
import msgspec
import uvloop

from bench.answers import KEY
from bench.child import attend
from trunkline.inference.v1 import (
    chat_pb2,
    embedding_pb2,
    event_pb2,
    message_pb2,
    result_pb2,
)

_ROLES: Final = {
    message_pb2.ROLE_SYSTEM: "system",
    message_pb2.ROLE_USER: "user",
    message_pb2.ROLE_ASSISTANT: "assistant",
}


class _Delta(msgspec.Struct):
    content: str = ""


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    message: _Delta = msgspec.field(default_factory=_Delta)
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice]


class _Vector(msgspec.Struct):
    embedding: list[float]


class _Vectors(msgspec.Struct):
    data: list[_Vector]


_decode: Final = msgspec.json.Decoder(_Chunk).decode
_decode_vectors: Final = msgspec.json.Decoder(_Vectors).decode
_Context = grpc.aio.ServicerContext[chat_pb2.ChatRequest, Any]


class Relay:
    """Serves chats by asking one provider.

    Args:
        provider: its address, `host:port`.
        session: asks it; as many connections at once as there are chats.
        per_read: write one message for each read, and not for each event.
    """

    def __init__(self, provider: str, session: aiohttp.ClientSession, *, per_read: bool) -> None:
        self._url = f"http://{provider}/v1/chat/completions"
        self._embeddings_url = f"http://{provider}/v1/embeddings"
        self._session = session
        self._per_read = per_read
        self.events = 0
        self.reads = 0

    async def chat(self, request: chat_pb2.ChatRequest, context: _Context) -> chat_pb2.ChatResponse:
        """Answer in one piece."""
        async with self._session.post(self._url, data=_translate(request, stream=False)) as reply:
            [choice] = _decode(await reply.read()).choices
        return chat_pb2.ChatResponse(completed=_complete(choice.message.content))

    async def embed(
        self, request: embedding_pb2.EmbedRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> embedding_pb2.EmbedResponse:
        """Answer with the numbers of all vectors, read from JSON."""
        asked = {"model": request.model.partition("/")[2], "input": list(request.inputs)}
        content = msgspec.json.encode(asked)
        async with self._session.post(self._embeddings_url, data=content) as reply:
            vectors = _decode_vectors(await reply.read()).data
        return embedding_pb2.EmbedResponse(
            embeddings=[embedding_pb2.Embedding(values=vector.embedding) for vector in vectors]
        )

    async def stream_chat(
        self, request: chat_pb2.ChatRequest, context: _Context
    ) -> AsyncIterator[event_pb2.ChatEvent]:
        """Answer event by event."""
        sequence = 0
        rest = b""
        async with self._session.post(self._url, data=_translate(request, stream=True)) as reply:
            async for data in reply.content.iter_any():
                self.reads += 1
                *frames, rest = (rest + data).split(b"\n\n")
                texts = [text for frame in frames if (text := _read_text(frame))]
                self.events += len(texts)
                for text in ["".join(texts)] if self._per_read and texts else texts:
                    sequence += 1
                    yield event_pb2.ChatEvent(
                        sequence=sequence, text_delta=event_pb2.TextDelta(text=text)
                    )
        yield event_pb2.ChatEvent(sequence=sequence + 1, completed=_complete(""))


def _translate(request: chat_pb2.ChatRequest, *, stream: bool) -> bytes:
    messages = [
        {"role": _ROLES[message.role], "content": "".join(part.text for part in message.content)}
        for message in request.messages
    ]
    model = request.model.partition("/")[2]
    return msgspec.json.encode({"model": model, "messages": messages, "stream": stream})


def _read_text(frame: bytes) -> str:
    if frame == b"data: [DONE]":
        return ""
    return "".join(choice.delta.content for choice in _decode(frame[6:]).choices)


def _complete(text: str) -> result_pb2.Completed:
    part = message_pb2.Part(text=text)
    return result_pb2.Completed(
        finish_reason=result_pb2.FINISH_REASON_STOP,
        message=message_pb2.Message(role=message_pb2.ROLE_ASSISTANT, content=[part]),
    )


def _handle(relay: Relay) -> grpc.GenericRpcHandler:
    read = chat_pb2.ChatRequest.FromString
    return grpc.method_handlers_generic_handler(
        "trunkline.inference.v1.InferenceService",
        {
            "Chat": grpc.unary_unary_rpc_method_handler(
                relay.chat, read, chat_pb2.ChatResponse.SerializeToString
            ),
            "Embed": grpc.unary_unary_rpc_method_handler(
                relay.embed,
                embedding_pb2.EmbedRequest.FromString,
                embedding_pb2.EmbedResponse.SerializeToString,
            ),
            "StreamChat": grpc.unary_stream_rpc_method_handler(
                relay.stream_chat, read, event_pb2.ChatEvent.SerializeToString
            ),
        },
    )


async def serve(provider: str, *, per_read: bool) -> None:
    """Serve on a free port of loopback until standard input ends."""
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout()
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, timeout=timeout
    ) as session:
        relay = Relay(provider, session, per_read=per_read)
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((_handle(relay),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()

        async def answer(_: object) -> dict[str, int]:
            return {"events": relay.events, "reads": relay.reads}

        await attend({"address": f"127.0.0.1:{port}"}, answer)
        await server.stop(grace=None)


def main() -> None:
    """Serve for the provider that the command line names."""
    parser = argparse.ArgumentParser(prog="bench.relay", description=__doc__)
    parser.add_argument("provider", help="its address, host:port")
    parser.add_argument("--per-read", action="store_true", help="one message for each read")
    options = parser.parse_args()
    uvloop.run(serve(options.provider, per_read=options.per_read))


if __name__ == "__main__":
    main()

"""What each format's decoder takes for a frame of text, beside the least that reads the same.

The decoder works as in a run: it is fed reads as they come from a socket, frames them, and
writes into drafts, which are taken after each read. The least cuts the same reads at the frames'
ends with `bytes.split`, has msgspec decode each frame into a struct that holds the way to its text
and nothing else, and joins the texts of a read: it knows no error, no usage, no tool, no second
way to end a line, and no limit.

The frames are the sandbox's, in answer to the request that the adapter built.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final

import msgspec

from bench.answers import TEXT
from trunkline.catalog.provider_types import SAME_PATHS
from trunkline.inference.adapters.adapter import Adapter, Target
from trunkline.inference.adapters.anthropic import AnthropicAdapter
from trunkline.inference.adapters.google import GoogleAdapter
from trunkline.inference.adapters.ollama import OllamaAdapter
from trunkline.inference.adapters.openai import OpenAIAdapter
from trunkline.inference.adapters.responses import ResponsesAdapter
from trunkline.inference.drafts import Drafts
from trunkline.inference.v1 import chat_pb2, message_pb2
from trunkline.sandbox.face import Occasion
from trunkline.sandbox.faces.all import FACES, place
from trunkline.sandbox.prompt import Prompt
from trunkline.sandbox.request import Request
from trunkline.sandbox.speech import Finish, FinishReason, Text, Usage

_READ_BYTES: Final = 16 * 1024
_TRIES: Final = 5
_MODEL: Final = "model-with-a-usual-name"
_REQUEST: Final = chat_pb2.ChatRequest(
    messages=[
        message_pb2.Message(role=message_pb2.ROLE_USER, content=[message_pb2.Part(text="Hello")])
    ]
)


@dataclass(frozen=True, slots=True)
class Decoding:
    """What a format's frames of text take, sample by sample, each the best of a few tries.

    Attributes:
        adapter_us: processor time of the adapter's decoder for a frame.
        bare_us: of the least that reads it.
        frame_bytes: length of a frame, on average.
    """

    adapter_us: list[float]
    bare_us: list[float]
    frame_bytes: float


def measure_decodings(samples: int, frames: int = 4_000) -> dict[str, Decoding]:
    """Measure every format.

    Args:
        samples: how many, of each format in turn.
        frames: of a stream.

    Returns:
        By format.
    """
    streams = [_Stream.compose(adapter, frames) for adapter in _ADAPTERS]
    decodings = {
        stream.adapter.format: Decoding([], [], sum(map(len, stream.reads)) / frames)
        for stream in streams
    }
    with _uncollected():
        for _ in range(samples):
            for stream in streams:
                least = _LEAST[stream.adapter.format]
                # By turns, so that the machine's moods hit both.
                tries = [(_decode(stream), _decode_bare(stream, least)) for _ in range(_TRIES)]
                decoding = decodings[stream.adapter.format]
                adapter_ns, bare_ns = (min(times) for times in zip(*tries, strict=True))
                decoding.adapter_us.append(adapter_ns / frames / 1e3)
                decoding.bare_us.append(bare_ns / frames / 1e3)
    return decodings


@dataclass(frozen=True, slots=True)
class _Stream:
    """An answer as it comes from a socket.

    Attributes:
        adapter: whose format it has.
        target: whence it comes.
        opening: the bytes as far as the first text.
        reads: frames of text and nothing else, cut anywhere.
        ending: the bytes after them.
        text: what the reads say.
    """

    adapter: Adapter
    target: Target
    opening: bytes
    reads: tuple[bytes, ...]
    ending: bytes
    text: str

    @classmethod
    def compose(cls, adapter: Adapter, frames: int) -> _Stream:
        """Have the sandbox say as many words to the adapter's own request."""
        name = SAME_PATHS.get(adapter.format, adapter.format)
        face = next(face for face in FACES if face.name == name)
        target = Target("provider", _MODEL, f"http://127.0.0.1{face.base_path}")
        built = adapter.build_chat(target, _REQUEST, stream=True).request
        request = Request(
            method=built.method,
            target=built.url.raw_path.decode(),
            headers=tuple((name.lower(), value) for name, value in built.headers.items()),
            body=built.content,
            keep_alive=True,
        )
        _, head = place(request)
        route = face.route(head)
        assert route is not None
        prompt = face.read(head, route, msgspec.json.decode(request.body))
        assert isinstance(prompt, Prompt)
        voice = face.voice(prompt, Occasion("request", route, _MODEL))
        words = [f"{word} " for word in islice(cycle(TEXT.split()), frames + 1)]
        usage = Usage(prompt.prompt_tokens, len(words), 0)
        opening = voice.open() + voice.say(Text(words[0]))
        said = b"".join(voice.say(Text(word)) for word in words[1:])
        finish = voice.finish(Finish(FinishReason.STOP, usage))
        return cls(
            adapter=adapter,
            target=target,
            opening=opening,
            reads=tuple(
                said[start : start + _READ_BYTES] for start in range(0, len(said), _READ_BYTES)
            ),
            ending=finish + voice.count(usage) + voice.close(),
            text="".join(words[1:]),
        )


@dataclass(frozen=True, slots=True)
class _Least:
    """The least that reads a format's frames of text.

    Attributes:
        separator: stands after each frame.
        skip: bytes of a frame before its JSON.
        read_text: returns the text in a frame's JSON.
    """

    separator: bytes
    skip: int
    read_text: Callable[[bytes], str]


def _decode(stream: _Stream) -> int:
    """Return the nanoseconds of processor time that the adapter's decoder takes for the reads."""
    decoder, drafts = stream.adapter.decoder(stream.target, _REQUEST, stream=True), Drafts()
    decoder.feed(stream.opening, drafts)
    drafts.take()
    events = []
    begin = time.thread_time_ns()
    for read in stream.reads:
        decoder.feed(read, drafts)
        events += drafts.take()
    took = time.thread_time_ns() - begin
    decoder.feed(stream.ending, drafts)
    decoder.end(drafts)
    assert "".join(event.text_delta.text for event in events) == stream.text
    return took


def _decode_bare(stream: _Stream, least: _Least) -> int:
    """Return the nanoseconds of processor time that the least takes for the reads."""
    separator, skip, read_text = least.separator, least.skip, least.read_text
    texts = []
    rest = b""
    begin = time.thread_time_ns()
    for read in stream.reads:
        whole, _, rest = (rest + read).rpartition(separator)
        texts.append("".join([read_text(frame[skip:]) for frame in whole.split(separator)]))
    took = time.thread_time_ns() - begin
    assert "".join(texts) == stream.text
    return took


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep Python's collector out of what is measured, as it seldom looks in a gateway."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _OpenAIDelta(msgspec.Struct, gc=False):
    content: str


class _OpenAIChoice(msgspec.Struct, gc=False):
    delta: _OpenAIDelta


class _OpenAIChunk(msgspec.Struct, gc=False):
    choices: list[_OpenAIChoice]


class _AnthropicDelta(msgspec.Struct, gc=False):
    text: str


class _AnthropicEvent(msgspec.Struct, gc=False):
    delta: _AnthropicDelta


class _ResponsesEvent(msgspec.Struct, gc=False):
    delta: str


class _GooglePart(msgspec.Struct, gc=False):
    text: str


class _GoogleContent(msgspec.Struct, gc=False):
    parts: list[_GooglePart]


class _GoogleCandidate(msgspec.Struct, gc=False):
    content: _GoogleContent


class _GoogleChunk(msgspec.Struct, gc=False):
    candidates: list[_GoogleCandidate]


class _OllamaMessage(msgspec.Struct, gc=False):
    content: str


class _OllamaLine(msgspec.Struct, gc=False):
    message: _OllamaMessage


_openai_chunk: Final = msgspec.json.Decoder(_OpenAIChunk).decode
_anthropic_event: Final = msgspec.json.Decoder(_AnthropicEvent).decode
_responses_event: Final = msgspec.json.Decoder(_ResponsesEvent).decode
_google_chunk: Final = msgspec.json.Decoder(_GoogleChunk).decode
_ollama_line: Final = msgspec.json.Decoder(_OllamaLine).decode

_ADAPTERS: Final[tuple[Adapter, ...]] = (
    OpenAIAdapter(),
    AnthropicAdapter(),
    GoogleAdapter(),
    OllamaAdapter(),
    ResponsesAdapter(),
)

_LEAST: Final = {
    "openai": _Least(
        b"\n\n", len(b"data: "), lambda frame: _openai_chunk(frame).choices[0].delta.content
    ),
    "anthropic": _Least(
        b"\n\n",
        len(b"event: content_block_delta\ndata: "),
        lambda frame: _anthropic_event(frame).delta.text,
    ),
    "google": _Least(
        b"\r\n\r\n",
        len(b"data: "),
        lambda frame: _google_chunk(frame).candidates[0].content.parts[0].text,
    ),
    "ollama": _Least(b"\n", 0, lambda frame: _ollama_line(frame).message.content),
    "openai-responses": _Least(
        b"\n\n",
        len(b"event: response.output_text.delta\ndata: "),
        lambda frame: _responses_event(frame).delta,
    ),
}

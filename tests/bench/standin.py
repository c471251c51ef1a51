"""The stand-in provider: OpenAI Chat Completions over HTTP/1.1, as lean as Python gets.

It makes embeddings too (`vectors`).

Every event of a stream leaves in a system call of its own: the server writes to its sockets itself,
since a transport of the event loop joins what is written within one turn of the loop. Nagle's
algorithm is off, so that each event is a segment of its own while the reader keeps up; TCP alone
joins what waits for a reader that does not. Between two events of a stream every other stream has
its turn, so that streams asked for at the same time come interleaved, as they would from many
machines.

Run as `python -m bench.standin`; it prints `{"address": …}` and then answers every line on its
standard input with its counters.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import asdict, dataclass
from typing import Final

import httptools
import msgspec
import uvloop

from bench import answers, vectors
from bench.child import attend

_RECEIVE_SIZE: Final = 65_536
_BACKLOG: Final = 4_096
_GOLDEN: Final = 0.618_033_988_749_895
_AUTHORIZATION: Final = f"Bearer {answers.KEY}".encode()


class _Request(msgspec.Struct):
    model: str
    stream: bool = False


@dataclass(slots=True)
class Counters:
    """What the stand-in did since it started.

    Attributes:
        requests: requests for a chat or for embeddings.
        refusals: requests that were too long for the model.
        events: events with content that were handed to the kernel, each by a call of its own.
        stalls: times that a socket took nothing or only a part, and the stream waited.
        connections: connections accepted.
        open_streams: streams that are not at their end now.
    """

    requests: int = 0
    refusals: int = 0
    events: int = 0
    stalls: int = 0
    connections: int = 0
    open_streams: int = 0


class Connection:
    """One client's connection. A client that asks again before it was answered is cut off.

    Args:
        sock: connected and non-blocking; each event goes to one call of its `send`.
        counters: told what happens.
    """

    def __init__(self, sock: socket.socket, counters: Counters) -> None:
        self._sock = sock
        self._counters = counters
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._authorization = b""
        self._body = bytearray()
        self._unsent: bytes | memoryview = b""
        self._pieces: tuple[bytes, ...] = ()
        self._next = 0
        self._contents = 0
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._period_seconds = 0.0
        self._due_seconds = 0.0
        self._loop.add_reader(sock.fileno(), self._receive)

    # httptools calls these as it parses.

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"authorization":
            self._authorization = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._pieces or self._unsent:
            self._close()
            return
        url, authorization, body = self._url, self._authorization, bytes(self._body)
        self._url, self._authorization = b"", b""
        self._body.clear()
        if authorization != _AUTHORIZATION:
            self._write(answers.compose_refusal(401, "invalid_api_key", "Wrong API key."))
        elif url == b"/v1/models":
            self._write(answers.compose_models())
        elif url == b"/v1/chat/completions":
            self._answer(body)
        elif url == b"/v1/embeddings":
            self._embed(body)
        else:
            self._write(answers.compose_refusal(404, "not_found", "No such path."))

    def _answer(self, body: bytes) -> None:
        try:
            request = msgspec.json.decode(body, type=_Request)
        except msgspec.MsgspecError:
            self._write(answers.compose_refusal(400, "invalid_json", "Not a chat request."))
            return
        if request.model == answers.OVERLONG:
            self._counters.refusals += 1
            code = "context_length_exceeded"
            self._write(answers.compose_refusal(400, code, "The prompt is too long."))
            return
        answer = answers.find_answer(request.model)
        if answer is None:
            self._write(answers.compose_refusal(404, "model_not_found", "No such model."))
            return
        self._counters.requests += 1
        if not request.stream:
            self._write(answer.whole)
            return
        self._counters.open_streams += 1
        self._pieces, self._contents, self._next = answer.pieces, answer.contents, 0
        self._period_seconds = answer.period_seconds
        # The starts of paced streams spread evenly over the period, the same in every run.
        jitter = self._counters.requests * _GOLDEN % 1.0 * self._period_seconds
        self._due_seconds = self._loop.time() + jitter
        self._write(answer.head)
        self._continue()

    def _embed(self, body: bytes) -> None:
        try:
            asked = msgspec.json.decode(body, type=vectors.EmbeddingsAsked)
        except msgspec.MsgspecError:
            self._write(answers.compose_refusal(400, "invalid_json", "Not an embedding request."))
            return
        reply = vectors.find_embeddings(asked.model, asked.input, asked.encoding_format)
        if reply is None:
            self._write(answers.compose_refusal(404, "model_not_found", "No such model."))
            return
        self._counters.requests += 1
        # Megabytes: what the socket does not take at once is not copied again and again.
        self._write(memoryview(reply))

    def _continue(self) -> None:
        if self._unsent or not self._pieces:
            return
        if self._period_seconds and self._next < self._contents:
            self._timer = self._loop.call_at(self._due_seconds, self._go_on)
        else:
            self._timer = self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        piece = self._pieces[self._next]
        if self._next < self._contents:
            self._counters.events += 1
            if self._period_seconds:
                self._due_seconds += self._period_seconds
                piece = answers.stamp(piece)
        self._next += 1
        if self._next == len(self._pieces):
            # Before it is sent: who has the end of an answer may ask again at once.
            self._end()
        self._write(piece)
        self._continue()

    def _end(self) -> None:
        if self._pieces:
            self._pieces = ()
            self._counters.open_streams -= 1

    def _write(self, piece: bytes | memoryview) -> None:
        try:
            sent = self._sock.send(piece)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close()
            return
        if sent < len(piece):
            self._counters.stalls += 1
            self._unsent = piece[sent:]
            self._loop.add_writer(self._sock.fileno(), self._write_unsent)

    def _write_unsent(self) -> None:
        self._loop.remove_writer(self._sock.fileno())
        piece, self._unsent = self._unsent, b""
        self._write(piece)
        self._continue()

    def _receive(self) -> None:
        try:
            data = self._sock.recv(_RECEIVE_SIZE)
            if data:
                self._parser.feed_data(data)
                return
        except BlockingIOError:
            return
        except (OSError, httptools.HttpParserError):
            pass
        self._close()

    def _close(self) -> None:
        if self._sock.fileno() < 0:
            return
        self._end()
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()


def listen(counters: Counters) -> socket.socket:
    """Serve on a free port of loopback within the running loop; return the listening socket."""
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
    listener.setblocking(False)

    def accept() -> None:
        try:
            sock, _ = listener.accept()
        except BlockingIOError:
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        counters.connections += 1
        Connection(sock, counters)

    loop.add_reader(listener.fileno(), accept)
    return listener


async def serve() -> None:
    """Serve until standard input ends."""
    counters = Counters()
    listener = listen(counters)

    async def answer(_: object) -> dict[str, int]:
        return asdict(counters)

    await attend({"address": f"127.0.0.1:{listener.getsockname()[1]}"}, answer)


if __name__ == "__main__":
    uvloop.run(serve())

"""The sandbox on the bare socket: breaks, pieces, clients that leave, keep-alive and bounds."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from sandbox.rawhttp import LIMIT, End, ask, chat, connect, request
from trunkline.sandbox.request import Bounds
from trunkline.sandbox.server import Sandbox, serve
from trunkline.sandbox.sightings import State

SMALL = Bounds(
    head_bytes=2_000, body_bytes=5_000, idle_seconds=0.2, write_seconds=0.3, linger_seconds=0.2
)


class SmallSandbox(Sandbox):
    """A sandbox whose bounds are soon met."""

    bounds = SMALL


def leave_in_order(connection: socket.socket) -> None:
    """Close a connection (FIN)."""
    connection.close()


def leave_by_reset(connection: socket.socket) -> None:
    """Reset a connection (RST)."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


async def test_a_cut_ends_the_connection_inside_the_chunked_body(sandbox: Sandbox) -> None:
    """After the last event comes the end of the connection (FIN), no last chunk."""
    reply = await ask(sandbox, "cut-after-4")
    assert reply.end is End.CLOSED
    assert reply.headers["transfer-encoding"] == "chunked"
    assert reply.raw.endswith(b"]}\n\n\r\n")
    assert len(reply.deltas) == 4


@pytest.mark.parametrize("after", [0, 1, 40])
async def test_a_reset_follows_the_last_event(sandbox: Sandbox, after: int) -> None:
    """All events arrive, then the connection is reset (RST)."""
    reply = await ask(sandbox, f"reset-after-{after}")
    assert (reply.end, len(reply.deltas)) == (End.RESET, after)


async def test_a_whole_answer_is_cut_inside_its_body(sandbox: Sandbox) -> None:
    """Without a stream half of the announced bytes come."""
    reply = await ask(sandbox, "cut-after-4", stream=False)
    assert reply.end is End.CLOSED
    assert 0 < len(reply.body) < int(reply.headers["content-length"])


@pytest.mark.parametrize("model", ["stall-after-4", "silent", "no-first-token"])
async def test_a_silence_ends_at_last(model: str) -> None:
    """A client that does not leave is let go after ten minutes of scaled time."""
    async with Sandbox(time_scale=0.0005) as sandbox:
        begun = time.monotonic()
        assert (await ask(sandbox, model)).end is End.CLOSED
        assert time.monotonic() - begun > 0.25
        assert sandbox.seen[0].state is State.CUT


@pytest.mark.parametrize(
    ("model", "state"),
    [
        ("ok", State.ANSWERED),
        ("no-done", State.ANSWERED),
        ("end-after-2", State.ANSWERED),
        ("html-200", State.ANSWERED),
        ("empty-200", State.ANSWERED),
        ("503", State.ANSWERED),
        ("cut-after-2", State.CUT),
        ("reset-after-2", State.CUT),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_sighting_tells_how_the_answer_ended(
    sandbox: Sandbox, model: str, state: State, stream: bool
) -> None:
    """Whatever is wrong with the content, an orderly end is ANSWERED, a break is CUT."""
    await ask(sandbox, model, stream=stream)
    (sighting,) = await sandbox.seen.wait_for(1, timeout=LIMIT)
    assert await sighting.ended(LIMIT) is state
    assert sighting.ended_at is not None
    assert sighting.ended_at >= sighting.started_at


@pytest.mark.parametrize("leave", [leave_in_order, leave_by_reset])
@pytest.mark.parametrize(
    ("model", "stream"),
    [
        ("stall-after-3", True),
        ("stall-after-3", False),
        ("slow", True),
        ("slow", False),
        ("no-first-token", True),
        ("no-first-token", False),
        ("silent", True),
        ("silent", False),
        ("long-1000000", True),
    ],
)
async def test_a_client_that_leaves_is_noticed_at_once(
    model: str, stream: bool, leave: Callable[[socket.socket], None]
) -> None:
    """In a stall, in a pause and while writing the server sees its client go within a second."""
    async with Sandbox() as sandbox, connect(sandbox) as line:
        await line.send(chat(model, stream=stream))
        (sighting,) = await sandbox.seen.wait_for(1, timeout=LIMIT)
        if stream and model != "silent":
            await line.receive()
        assert sighting.state is State.OPEN
        left_at = time.monotonic()
        leave(line.socket)
        assert await sighting.ended(LIMIT) is State.CLIENT_CLOSED
        assert sighting.client_closed
        assert sighting.ended_at is not None
        assert sighting.ended_at - left_at < 1.0


async def test_pieces_have_the_size_asked_for(sandbox: Sandbox) -> None:
    """With one byte a write the reads are so small that characters and frames are cut."""
    async with connect(sandbox) as line:
        await line.send(chat("split-1-of-unicode"))
        reads: list[bytes] = []
        while not b"".join(reads[-9:]).endswith(b"\n0\r\n\r\n"):
            reads.append(await line.receive())
    body = reads[1:]
    assert min(len(read) for read in body) == 1
    # How many writes a read joins is the kernel's choice; most are alone.
    assert len(body) > sum(map(len, body)) / 50
    assert any(_is_cut_in_character(read) for read in body)


def _is_cut_in_character(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return True
    return False


async def test_a_burst_is_one_write(sandbox: Sandbox) -> None:
    """All events of a burst are in one HTTP chunk."""
    reply = await ask(sandbox, "burst-100")
    chunks = reply.raw.partition(b"\r\n\r\n")[2]
    sizes = []
    while chunks:
        size, _, rest = chunks.partition(b"\r\n")
        sizes.append(rest[: int(size, 16)].count(b'"delta":{"content"'))
        chunks = rest[int(size, 16) + 2 :]
    assert sorted(sizes)[-2:] == [0, 100]


async def test_a_connection_serves_many_healthy_answers(sandbox: Sandbox) -> None:
    """Streams, whole answers and refusals follow each other on one connection."""
    async with connect(sandbox) as line:
        for model, stream, status in [
            ("ok", True, 200),
            ("ok", False, 200),
            ("503", True, 503),
            ("nothing", True, 404),
            ("end-after-3", True, 200),
            ("echo", True, 200),
        ]:
            await line.send(chat(model, stream=stream))
            reply = await line.reply()
            assert (reply.status, reply.end) == (status, End.COMPLETE)
            assert "connection" not in reply.headers


async def test_requests_in_a_row_are_answered_in_their_order(sandbox: Sandbox) -> None:
    """A client that sends all requests before it reads gets all answers in order."""
    async with connect(sandbox) as line:
        await line.send(b"".join(chat(f"long-{count}", stream=False) for count in range(1, 6)))
        received = b""
        while received.count(b"HTTP/1.1 200") < 5 or not received.endswith(b"}}"):
            received += await line.receive()
    assert [sighting.model for sighting in sandbox.seen] == [f"long-{n}" for n in range(1, 6)]
    places = [received.index(b'"model":"long-%d"' % count) for count in range(1, 6)]
    assert places == sorted(places)


async def test_a_client_may_ask_to_close(sandbox: Sandbox) -> None:
    """`connection: close` is answered in kind, and the connection ends after the answer."""
    async with connect(sandbox) as line:
        await line.send(request("GET", "/v1/models", headers={"connection": "close"}))
        reply = await line.reply()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert await line.receive() == b""


@pytest.mark.parametrize("size", [1, 7, 100])
async def test_a_request_may_come_in_pieces(sandbox: Sandbox, size: int) -> None:
    """A request is read whatever way it is cut."""
    data = chat("echo", stream=False)
    async with connect(sandbox) as line:
        for start in range(0, len(data), size):
            await line.send(data[start : start + size])
            await asyncio.sleep(0)
        assert (await line.reply()).json["choices"][0]["message"]["content"] == "Hello there"


async def test_a_chunked_request_body_is_read(sandbox: Sandbox) -> None:
    """A body in chunks, with a trailer, is a body."""
    body = json.dumps({"model": "ok", "messages": [{"role": "user", "content": "Hi"}]}).encode()
    chunked = b"5\r\n%b\r\n%x\r\n%b\r\n0\r\nx-sum: 1\r\n\r\n" % (body[:5], len(body) - 5, body[5:])
    async with connect(sandbox) as line:
        headers = {"transfer-encoding": "chunked"}
        await line.send(request("POST", "/v1/chat/completions", headers=headers, body=chunked))
        assert (await line.reply()).status == 200
    assert sandbox.seen[0].raw_body == body
    assert "x-sum" not in dict(sandbox.seen[0].headers)


async def test_a_held_back_body_is_asked_for(sandbox: Sandbox) -> None:
    """`expect: 100-continue` gets its go-ahead before the body is sent."""
    body = json.dumps({"model": "ok", "messages": [{"role": "user", "content": "Hi"}]}).encode()
    headers = {"expect": "100-continue", "content-length": str(len(body))}
    async with connect(sandbox) as line:
        await line.send(request("POST", "/v1/chat/completions", headers=headers))
        assert await line.receive() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await line.send(body)
        assert (await line.reply()).status == 200


async def test_a_head_request_gets_no_body(sandbox: Sandbox) -> None:
    """The connection stays in step after a HEAD."""
    async with connect(sandbox) as line:
        await line.send(request("HEAD", "/v1/models"))
        head = await line.receive()
        assert head.startswith(b"HTTP/1.1 404 ")
        assert head.endswith(b"\r\n\r\n")
        await line.send(request("GET", "/v1/models"))
        assert (await line.reply()).status == 200


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9, 400),
        (b"GET /v1/models HTTP/1.0\r\n\r\n", 400),
        (b"CONNECT example.com:443 HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: 5001\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1389\r\n" + b"x" * 5001, 413),
        (b"GET /" + b"x" * 2000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"x-filler: 0123456789\r\n" * 100 + b"\r\n", 431),
    ],
)
async def test_what_is_no_request_is_refused(data: bytes, status: int) -> None:
    """The refusal is readable JSON, and the connection ends after it."""
    async with SmallSandbox() as sandbox:
        async with connect(sandbox) as line:
            await line.send(data)
            reply = await line.reply()
            assert (reply.status, reply.headers["connection"]) == (status, "close")
            assert reply.json["error"]["message"]
            assert await line.receive() == b""
        assert len(sandbox.seen) == 0


async def test_a_client_that_sends_too_much_reads_why() -> None:
    """The refusal arrives although the client goes on sending its body."""
    async with SmallSandbox() as sandbox, connect(sandbox) as line:
        await line.send(request("POST", "/v1/chat/completions", body=bytes(4_000_000)))
        reply = await line.reply()
        assert (reply.status, reply.json["error"]["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("pieces", [1, 15])
async def test_a_header_without_end_is_refused(pieces: int) -> None:
    """A head that never ends is refused at its bound, in one piece or in many."""
    async with SmallSandbox() as sandbox, connect(sandbox) as line:
        await line.send(b"GET / HTTP/1.1\r\nx-endless: ")
        for _ in range(pieces):
            await line.send(b"x" * (3_000 // pieces))
            await asyncio.sleep(0)
        assert (await line.reply()).status == 431


async def test_the_bounds_themselves_are_allowed() -> None:
    """A body of exactly the bound is read."""
    async with SmallSandbox() as sandbox, connect(sandbox) as line:
        body = json.dumps({"model": "ok", "messages": [{"role": "user", "content": "Hi"}]})
        await line.send(request("POST", "/v1/chat/completions", body=body.ljust(5_000).encode()))
        assert (await line.reply()).status == 200


async def test_the_default_bounds_hold_what_chats_need(sandbox: Sandbox) -> None:
    """Thirty megabytes of images pass with the default bounds, a head of 60 kB as well."""
    assert (sandbox.bounds.head_bytes, sandbox.bounds.body_bytes) == (65_536, 33_554_432)
    text = "x" * 30_000_000
    messages = [{"role": "user", "content": text}]
    reply = await ask(sandbox, "ok", messages=messages)
    assert reply.finish_reasons == ["stop"]
    async with connect(sandbox) as line:
        await line.send(request("GET", "/v1/models", headers={"x-filler": "x" * 60_000}))
        assert (await line.reply()).status == 200


async def test_an_idle_connection_is_closed() -> None:
    """Without a request, or with half of one, the connection ends after the idle limit."""
    async with SmallSandbox() as sandbox:
        for beginning in (b"", b"GET /v1/models HT"):
            async with connect(sandbox) as line:
                if beginning:
                    await line.send(beginning)
                assert await line.receive() == b""


async def test_a_waiting_client_is_not_idle() -> None:
    """The idle limit does not end an answer that takes longer."""
    async with SmallSandbox(time_scale=0.2) as sandbox:
        reply = await ask(sandbox, "first-token-after-3")
        assert reply.finish_reasons == ["stop"]


async def test_a_client_that_does_not_read_is_dropped() -> None:
    """A full socket is given up after the write limit; the answer counts as cut."""
    async with SmallSandbox() as sandbox, connect(sandbox) as line:
        await line.send(chat("long-1000000"))
        (sighting,) = await sandbox.seen.wait_for(1, timeout=LIMIT)
        assert await sighting.ended(LIMIT) is State.CUT


async def test_a_stop_ends_what_is_under_way() -> None:
    """Stopping closes stalled connections at once; their answers count as cut."""
    sandbox = Sandbox()
    await sandbox.start()
    async with connect(sandbox) as line, connect(sandbox) as idle:
        await line.send(chat("stall-after-1"))
        (sighting,) = await sandbox.seen.wait_for(1, timeout=LIMIT)
        begun = time.monotonic()
        await sandbox.stop()
        assert time.monotonic() - begun < 2.0
        assert sighting.state is State.CUT
        assert (await line.reply()).end in (End.CLOSED, End.RESET)
        assert await idle.receive() == b""
    with pytest.raises(ConnectionRefusedError):
        await ask(sandbox, "ok")


async def test_a_sandbox_starts_again() -> None:
    """A stopped sandbox can be started; a running one cannot."""
    sandbox = Sandbox()
    await sandbox.stop()
    await sandbox.start()
    with pytest.raises(RuntimeError, match="already running"):
        await sandbox.start()
    await sandbox.stop()
    async with sandbox:
        assert (await ask(sandbox, "ok")).finish_reasons == ["stop"]


async def test_a_taken_port_is_an_error(sandbox: Sandbox) -> None:
    """A port that another holds is refused by the system, in its words."""
    port = urlsplit(sandbox.base_url).port
    assert port is not None
    with pytest.raises(OSError, match="address already in use"):
        await Sandbox(port=port).start()


def test_nonsense_settings_are_refused() -> None:
    """A sandbox without a key, or with time running backwards, is not made."""
    with pytest.raises(ValueError, match="key"):
        Sandbox(api_key="")
    with pytest.raises(ValueError, match="scale"):
        Sandbox(time_scale=-1)


async def test_serve_runs_until_cancelled() -> None:
    """`serve` tells when it listens, with the settings it was given, and stops when cancelled."""
    ready: asyncio.Future[Sandbox] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve("127.0.0.1", 0, "my-key", 0.5, ready.set_result))
    sandbox = await asyncio.wait_for(ready, LIMIT)
    assert (await ask(sandbox, "ok", key="my-key")).status == 200
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ConnectionRefusedError):
        await ask(sandbox, "ok", key="my-key")


async def test_a_late_usage_comes_after_the_finish_reason() -> None:
    """Between finish reason and usage there is a pause of three scaled seconds."""
    async with Sandbox(time_scale=0.1) as sandbox, connect(sandbox) as line:
        await line.send(chat("late-usage", stream_options={"include_usage": True}))
        received = b""
        while b'"finish_reason":"stop"' not in received:
            received += await line.receive()
        finished_at = time.monotonic()
        assert b'"usage":{' not in received
        while not received.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"):
            received += await line.receive()
        assert b'"usage":{' in received
        assert time.monotonic() - finished_at > 0.2

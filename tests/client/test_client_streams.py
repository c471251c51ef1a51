"""A stream brings every event once, whatever becomes of connections and replicas."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta

import grpc
import pytest

from client.conftest import QUICK, TOKEN
from client.recorder import Fault, Fleet, completed, say, text
from support import matrix
from support.cuttable_line import CuttableLine
from trunkline.inference.v1 import event_pb2, run_pb2
from trunkline.kernel.errors import ResourceExhausted, Unavailable
from trunkline_client import (
    AsyncClient,
    AsyncStream,
    CallTimedOut,
    Client,
    IncompleteStream,
    JournalUnavailable,
    LimitReached,
    RunCancelled,
    RunNotFound,
    TrunklineError,
    Unreachable,
)

WORDS = ("One", " two", " three", " four")
WHOLE = "One two three four"
# Each is told by gRPC itself when a connection, a proxy or a server goes away.
BREAKS = (
    (grpc.StatusCode.UNAVAILABLE, "Socket closed"),
    (grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2"),
    (grpc.StatusCode.UNKNOWN, "Stream removed"),
    (grpc.StatusCode.CANCELLED, "CANCELLED"),
)
_CELLS = matrix.cells(
    "client-breaks", [(after, how) for after in range(1, 6) for how in BREAKS], sample=8
)


def _away(reason: str, wait_s: float | None = 0.0) -> Unavailable:
    wait = None if wait_s is None else timedelta(seconds=wait_s)
    return Unavailable(reason, "It goes away.", retry_after=wait)


async def _sequences(stream: AsyncStream) -> list[int]:
    return [event.sequence async for event in stream]


async def test_stream_yields_events_with_the_message_so_far(
    fleet: Fleet, aclient: AsyncClient
) -> None:
    """Each event comes with what the message is then, and the end with the whole answer."""
    fleet.scripts.append(say(*WORDS))
    so_far = []
    async with aclient.stream("sandbox/ok", "Hello") as stream:
        async for event in stream:
            so_far.append((event.kind, event.text, stream.text))
            assert "".join(part.text for part in stream.message.content) == stream.text
    assert so_far == [
        ("run_started", "", ""),
        ("text_delta", "One", "One"),
        ("text_delta", " two", "One two"),
        ("text_delta", " three", "One two three"),
        ("text_delta", " four", WHOLE),
        ("completed", "", WHOLE),
    ]
    assert stream.completed is not None
    assert (stream.completed.text, stream.completed.run_id) == (WHOLE, "run_1")
    (seen,) = fleet.seen
    assert (seen.method, seen.token) == ("StreamChat", TOKEN)
    assert seen.request.messages[0].content[0].text == "Hello"


async def test_every_request_has_a_key_of_its_own(fleet: Fleet, aclient: AsyncClient) -> None:
    """A key is made for each request, and one that the caller gave is left as it is."""
    fleet.scripts.extend([say("a"), say("b"), say("c")])
    await aclient.stream("sandbox/ok", "Hello").answer()
    await aclient.chat("sandbox/ok", "Hello")
    await aclient.chat("sandbox/ok", "Hello", idempotency_key="mine")
    keys = [each.request.idempotency_key for each in fleet.seen]
    assert all(keys)
    assert len(set(keys)) == 3
    assert keys[-1] == "mine"


@pytest.mark.parametrize(("after", "how"), _CELLS)
async def test_broken_stream_is_read_on(
    fleet: Fleet, aclient: AsyncClient, after: int, how: tuple[grpc.StatusCode, str]
) -> None:
    """Cut after any event, the rest is asked for by number: none missing, none twice."""
    fleet.scripts.append(say(*WORDS))
    fleet.faults.append(Fault(after, how))
    async with aclient.stream("sandbox/ok", "Hello") as stream:
        assert await _sequences(stream) == [1, 2, 3, 4, 5, 6]
        assert stream.text == WHOLE
    first, second = fleet.seen
    assert (first.method, second.method) == ("StreamChat", "ResumeChat")
    assert second.request == run_pb2.ResumeChatRequest(run_id="run_1", after_sequence=after)
    matrix.ran("client-breaks")


async def test_break_after_the_last_event_loses_nothing(fleet: Fleet, aclient: AsyncClient) -> None:
    """Who has the whole answer needs no other end."""
    fleet.scripts.append(say(*WORDS))
    fleet.faults.append(Fault(6, BREAKS[0]))
    async with aclient.stream("sandbox/ok", "Hello") as stream:
        assert await _sequences(stream) == [1, 2, 3, 4, 5, 6]
    assert fleet.methods() == ["StreamChat"]


async def test_stream_that_breaks_again_and_again_is_read_on(
    fleet: Fleet, aclient: AsyncClient
) -> None:
    """Whatever is new restores the patience: more breaks than tries, and nothing is lost."""
    words = [f"{number} " for number in range(QUICK.tries * 2)]
    fleet.scripts.append(say(*words))
    fleet.faults.extend([Fault(1, BREAKS[0])] * (len(words) + 1))
    async with aclient.stream("sandbox/ok", "Hello") as stream:
        assert await _sequences(stream) == list(range(1, len(words) + 3))
    assert len(fleet.seen) == len(words) + 2


async def test_call_cut_before_its_id_is_known_is_sent_again_with_its_key(
    fleet: Fleet, aclient: AsyncClient
) -> None:
    """The same request comes again, and attaches to the one run that it began."""
    fleet.scripts.append(say(*WORDS))
    fleet.faults.append(Fault(-1, BREAKS[0]))
    answer = await aclient.stream("sandbox/ok", "Hello").answer()
    assert answer.text == WHOLE
    first, second = fleet.seen
    assert (first.method, second.method) == ("StreamChat", "StreamChat")
    assert first.request == second.request
    assert len(fleet.runs) == 1


async def test_unary_chat_is_sent_again_with_its_key(fleet: Fleet, aclient: AsyncClient) -> None:
    """A whole answer that got lost on its way is asked for again, and not made again."""
    fleet.scripts.append(say(*WORDS))
    fleet.faults.append(Fault(3, BREAKS[1]))
    answer = await aclient.chat("sandbox/ok", "Hello")
    assert answer.text == WHOLE
    assert fleet.methods() == ["Chat", "Chat"]
    assert fleet.seen[0].request == fleet.seen[1].request
    assert len(fleet.runs) == 1


async def test_answer_too_large_for_its_message_is_read_from_its_events(
    fleet: Fleet, aclient: AsyncClient
) -> None:
    """A unary answer without message is put together from the run's events."""
    fleet.scripts.append([*(text(word) for word in WORDS), completed()])
    answer = await aclient.chat("sandbox/ok", "Hello", on_behalf_of="ann")
    assert (answer.text, answer.message.content[0].text) == (WHOLE, WHOLE)
    assert fleet.methods() == ["Chat", "ResumeChat"]
    assert fleet.seen[1].request == run_pb2.ResumeChatRequest(run_id="run_1", on_behalf_of="ann")


async def test_draining_replica_is_left_at_once_for_another(
    pair: Fleet, apair: AsyncClient
) -> None:
    """A replica that stops serving says so, and the run is read on at the next."""
    pair.scripts.append(say(*WORDS))
    pair.faults.append(Fault(2, _away("NOT_SERVING")))
    async with apair.stream("sandbox/ok", "Hello", on_behalf_of="ann") as stream:
        assert await _sequences(stream) == [1, 2, 3, 4, 5, 6]
    assert [(each.replica, each.method) for each in pair.seen] == [
        (0, "StreamChat"),
        (1, "ResumeChat"),
    ]
    assert pair.seen[1].request == run_pb2.ResumeChatRequest(
        run_id="run_1", after_sequence=2, on_behalf_of="ann"
    )
    # What answered is asked first from now on.
    pair.scripts.append(say("again"))
    await apair.chat("sandbox/ok", "Hello")
    assert pair.seen[2].replica == 1


async def test_replica_that_answered_a_chat_is_asked_first(pair: Fleet, apair: AsyncClient) -> None:
    """One that was not ready is not asked again as long as the other one answers."""
    pair.scripts.extend([say("a"), say("b")])
    pair.faults.append(Fault(-1, _away("NOT_SERVING")))
    await apair.chat("sandbox/ok", "Hello")
    await apair.chat("sandbox/ok", "Hello")
    assert [each.replica for each in pair.seen] == [0, 1, 1]


async def test_replica_that_stops_is_left_for_another(pair: Fleet, apair: AsyncClient) -> None:
    """A replica dies in mid-answer: the other one gives the rest."""
    gate = threading.Event()
    pair.scripts.append([text("One"), gate, text(" two"), completed("One two")])
    async with apair.stream("sandbox/ok", "Hello") as stream:
        first = [(await anext(stream)).sequence, (await anext(stream)).sequence]
        await asyncio.to_thread(pair.stop, 0)
        gate.set()
        assert first + await _sequences(stream) == [1, 2, 3, 4]
        assert stream.text == "One two"
    assert pair.seen[-1].replica == 1


async def test_memory_run_of_a_dead_process_is_told_with_the_message_so_far(
    unshared: Fleet,
) -> None:
    """Nothing is sent again, since the answer is lost: the caller has what was said of it."""
    gate = threading.Event()
    unshared.scripts.append([*(text(word) for word in WORDS[:2]), gate])
    addresses = unshared.addresses
    async with (
        AsyncClient(token=TOKEN, addresses=addresses, patience=QUICK) as client,
        client.stream("sandbox/ok", "Hello", durability="memory") as stream,
    ):
        for _ in range(3):
            await anext(stream)
        await asyncio.to_thread(unshared.stop, 0)
        with pytest.raises(RunNotFound) as caught:
            await anext(stream)
        assert stream.text == "One two"
    gate.set()
    error = caught.value
    assert error.partial is not None
    assert [part.text for part in error.partial.content] == ["One two"]
    assert (error.run_id, error.last_sequence) == ("run_1", 3)
    assert unshared.methods() == ["StreamChat", "ResumeChat"]


@pytest.fixture
def unshared() -> Iterator[Fleet]:
    """Two replicas that do not know each other's runs."""
    with Fleet(2, share=False) as running:
        yield running


async def test_named_wait_is_kept(fleet: Fleet, aclient: AsyncClient) -> None:
    """Who is told when to come back comes then, and not as early as it would by itself."""
    loop = asyncio.get_running_loop()
    fleet.scripts.append(say(*WORDS))
    fleet.faults.append(Fault(1, _away("JOURNAL_UNAVAILABLE", 0.3)))
    async with aclient.stream("sandbox/ok", "Hello") as stream:
        await anext(stream)
        before = loop.time()
        await anext(stream)
        assert loop.time() - before >= 0.3
        assert len(await _sequences(stream)) == 4


async def test_refused_resume_waits_for_room(fleet: Fleet, aclient: AsyncClient) -> None:
    """A server with too many calls does not cost a reader its run."""
    full = ResourceExhausted(
        "LIMIT_REACHED", "Too many calls.", retry_after=timedelta(milliseconds=10)
    )
    fleet.scripts.append(say(*WORDS))
    fleet.faults.extend([Fault(2, BREAKS[0]), Fault(-1, full), None])
    assert (await aclient.stream("sandbox/ok", "Hello").answer()).text == WHOLE
    assert fleet.methods() == ["StreamChat", "ResumeChat", "ResumeChat"]


async def test_refused_beginning_is_told(fleet: Fleet, aclient: AsyncClient) -> None:
    """Who begins when there is no room learns it, with the time to come back."""
    full = ResourceExhausted("LIMIT_REACHED", "Too many.", retry_after=timedelta(seconds=7))
    fleet.faults.append(Fault(-1, full))
    with pytest.raises(LimitReached) as caught:
        await aclient.chat("sandbox/ok", "Hello")
    assert caught.value.retry_after == timedelta(seconds=7)
    assert fleet.methods() == ["Chat"]


async def test_run_that_failed_is_not_tried_again(fleet: Fleet, aclient: AsyncClient) -> None:
    """How a run ended stands: it is told once, with what was said before."""
    failure = Unavailable("ALL_CANDIDATES_EXHAUSTED", "All failed.", metadata={"attempts": "2"})
    fleet.scripts.append([text("One"), failure])
    with pytest.raises(TrunklineError) as caught:
        await aclient.stream("sandbox/ok", "Hello").answer()
    assert type(caught.value).__name__ == "AllCandidatesExhausted"
    assert caught.value.metadata["attempts"] == "2"
    assert caught.value.partial is not None
    assert fleet.methods() == ["StreamChat"]


async def test_patience_ends(aclient: AsyncClient, fleet: Fleet) -> None:
    """A server that stays away is given up, and the caller told what is needed to come back."""
    gate = threading.Event()
    fleet.scripts.append([text("One"), gate])
    async with aclient.stream("sandbox/ok", "Hello") as stream:
        await anext(stream)
        await anext(stream)
        await asyncio.to_thread(fleet.stop, 0)
        with pytest.raises(Unreachable) as caught:
            await anext(stream)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    gate.set()
    assert (caught.value.run_id, caught.value.last_sequence) == ("run_1", 2)
    assert TOKEN not in str(caught.value)


async def test_reason_is_told_when_patience_ends(fleet: Fleet, aclient: AsyncClient) -> None:
    """A server that says why it cannot go on is quoted."""
    fleet.scripts.append(say(*WORDS))
    fleet.faults.extend([Fault(0, _away("JOURNAL_UNAVAILABLE", None))] * 20)
    with pytest.raises(JournalUnavailable):
        await aclient.stream("sandbox/ok", "Hello").answer()
    assert len(fleet.seen) == QUICK.tries + 1


async def test_time_of_the_caller_ends(fleet: Fleet, aclient: AsyncClient) -> None:
    """When the time that the caller gave is over, nothing is tried any more."""
    fleet.scripts.append([text("One"), threading.Event()])
    stream = aclient.stream("sandbox/ok", "Hello", timeout_s=0.2)
    with pytest.raises(CallTimedOut) as caught:
        await stream.answer()
    assert caught.value.run_id == "run_1"
    assert fleet.methods() == ["StreamChat"]


async def test_void_text_is_folded_away(fleet: Fleet, aclient: AsyncClient) -> None:
    """After a restart the text so far is the new one alone, and the event says so."""
    seam = event_pb2.ContinuationStarted(void_from_sequence=2)
    fleet.scripts.append(
        [
            text("Wrong"),
            text(" way"),
            event_pb2.ChatEvent(continuation_started=seam),
            text("Right"),
            completed("Right"),
        ]
    )
    seen = []
    async with aclient.stream("sandbox/ok", "Hello") as stream:
        async for event in stream:
            seen.append((stream.text, event.voids))
    assert seen == [
        ("", False),
        ("Wrong", False),
        ("Wrong way", False),
        ("", True),
        ("Right", False),
        ("Right", False),
    ]


async def test_cancel_ends_the_run(fleet: Fleet, aclient: AsyncClient) -> None:
    """The run is cancelled by its id, and who reads it learns by whom."""
    fleet.scripts.append([text("One"), threading.Event(), text(" two")])
    async with aclient.stream("sandbox/ok", "Hello") as stream:
        await anext(stream)
        await anext(stream)
        run = await stream.cancel()
        assert run is not None
        assert run.state == run_pb2.RUN_STATE_CANCELLED
        with pytest.raises(RunCancelled) as caught:
            await anext(stream)
    assert caught.value.metadata["by"] == "cancel"
    assert fleet.seen[-1].request == run_pb2.CancelChatRequest(run_id="run_1")


async def test_cancelled_before_the_first_event_ends_the_run(
    fleet: Fleet, aclient: AsyncClient
) -> None:
    """The id comes before any event does, and is enough."""
    fleet.scripts.append([threading.Event()])
    async with aclient.stream("sandbox/ok", "Hello") as stream:
        assert await stream.cancel() is not None
    assert fleet.methods() == ["StreamChat", "CancelChat"]


async def test_reader_that_was_tired_of_waiting_reads_on(
    fleet: Fleet, aclient: AsyncClient
) -> None:
    """A read that was given up loses nothing: the next one comes back for it."""
    gate = threading.Event()
    fleet.scripts.append([text("One"), gate, text(" two"), completed("One two")])
    async with aclient.stream("sandbox/ok", "Hello") as stream:
        await anext(stream)
        await anext(stream)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(stream)
        gate.set()
        assert await _sequences(stream) == [3, 4]
        assert stream.text == "One two"


async def test_stream_closed_by_another_task_ends(fleet: Fleet, aclient: AsyncClient) -> None:
    """Who reads a stream that somebody else closes comes to its end."""
    fleet.scripts.append([text("One"), threading.Event()])
    stream = aclient.stream("sandbox/ok", "Hello")
    reader = asyncio.create_task(_sequences(stream))
    while stream.last_sequence < 2:
        await asyncio.sleep(0)
    await stream.close()
    assert await reader == [1, 2]
    assert stream.completed is None


async def test_resume_of_another_process_reads_the_rest(fleet: Fleet, aclient: AsyncClient) -> None:
    """A run is read by its id alone, from where the caller says."""
    fleet.scripts.append(say(*WORDS))
    await aclient.chat("sandbox/ok", "Hello")
    async with aclient.resume("run_1", after_sequence=3) as stream:
        assert await _sequences(stream) == [4, 5, 6]
        assert stream.text == " three four"
        assert stream.completed is not None
        assert stream.completed.text == WHOLE
    assert (await aclient.resume("run_1").answer()).text == WHOLE
    async with aclient.resume("run_1", after_sequence=6) as stream:
        assert await _sequences(stream) == []
    with pytest.raises(IncompleteStream):
        await aclient.resume("run_1", after_sequence=6).answer()
    with pytest.raises(RunNotFound):
        await aclient.resume("run_none").answer()


async def test_end_without_the_last_event_is_an_error(fleet: Fleet, aclient: AsyncClient) -> None:
    """A stream that ends in good order and without an answer is no answer."""
    fleet.scripts.append([text("One")])
    with pytest.raises(IncompleteStream) as caught:
        await aclient.stream("sandbox/ok", "Hello").answer()
    assert caught.value.partial is not None


async def test_cut_connection_is_made_again(fleet: Fleet) -> None:
    """A cut on the line itself, with the server as it was: the rest is read over a new one."""
    gate = threading.Event()
    fleet.scripts.append([text("One"), gate, text(" two"), completed("One two")])
    with CuttableLine(fleet.addresses[0]) as line:
        async with (
            AsyncClient(line.address, TOKEN, patience=QUICK) as client,
            client.stream("sandbox/ok", "Hello") as stream,
        ):
            await anext(stream)
            await anext(stream)
            line.cut()
            gate.set()
            assert await _sequences(stream) == [3, 4]
        assert line.connections == 2


def test_stream_without_asyncio_is_the_same(fleet: Fleet, client: Client) -> None:
    """The other world: events, key, resume, and the answer."""
    fleet.scripts.append(say(*WORDS))
    fleet.faults.extend([Fault(-1, BREAKS[0]), Fault(3, BREAKS[1]), None])
    with client.stream("sandbox/ok", "Hello") as stream:
        assert [(event.sequence, event.text) for event in stream] == [
            (1, ""),
            *enumerate(WORDS, 2),
            (6, ""),
        ]
        assert stream.answer().text == WHOLE
    assert fleet.methods() == ["StreamChat", "StreamChat", "ResumeChat"]
    assert fleet.seen[2].request.after_sequence == 3


def test_chat_without_asyncio_is_the_same(fleet: Fleet, client: Client) -> None:
    """The other world: a unary chat is sent again, and an error has its type."""
    fleet.scripts.append(say(*WORDS))
    fleet.faults.append(Fault(2, BREAKS[3]))
    assert client.chat("sandbox/ok", "Hello").text == WHOLE
    assert fleet.methods() == ["Chat", "Chat"]
    assert client.resume("run_1").answer().text == WHOLE
    with pytest.raises(RunNotFound):
        client.cancel("run_none")


def test_stream_without_asyncio_is_cancelled_by_another_thread(
    fleet: Fleet, client: Client
) -> None:
    """Who waits for the next event in one thread is told when another ends the run."""
    fleet.scripts.append([text("One"), threading.Event(), text(" two")])
    with client.stream("sandbox/ok", "Hello") as stream:
        next(stream)
        next(stream)
        canceller = threading.Thread(target=stream.cancel)
        canceller.start()
        with pytest.raises(RunCancelled):
            next(stream)
        canceller.join()


def test_stream_without_asyncio_is_closed_by_another_thread(fleet: Fleet, client: Client) -> None:
    """Who waits for the next event in one thread comes to the end when another leaves."""
    fleet.scripts.append([text("One"), threading.Event()])
    with client.stream("sandbox/ok", "Hello") as stream:
        next(stream)
        next(stream)
        threading.Timer(0.01, stream.close).start()
        assert list(stream) == []

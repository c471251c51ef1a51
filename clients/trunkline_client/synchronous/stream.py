"""Runs that are read event by event."""

from __future__ import annotations

import asyncio
import inspect
import queue
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, Self

import grpc

from trunkline.inference.v1 import chat_pb2, event_pb2, message_pb2, run_pb2
from trunkline.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from trunkline_client.answer import Answer
from trunkline_client.errors import TrunklineError
from trunkline_client.event import Event
from trunkline_client.failure import read_failure
from trunkline_client.reading import LoopReading, Reading, find_run_id
from trunkline_client.synchronous.lines import Lines
from trunkline_client.terms import CALL_S
from trunkline_client.token import Metadata
from trunkline_client.tool import to_error, to_result
from trunkline_client.view import LoopView, R, View

# As many calls as a turn has by default.
_MAX_WORKERS: Final = 16


class _Stream(View[R]):
    """The events of a run; see the two that are made of it.

    Args:
        lines: to the replicas.
        reading: of the run.
    """

    def __init__(self, lines: Lines, reading: R) -> None:
        super().__init__(reading)
        self._lines = lines
        self._call: Any = None
        self._caller: Metadata = ()
        self._over = threading.Event()

    def answer(self) -> Answer:
        """Read to the end, and return the whole answer; the stream is closed.

        Raises:
            TrunklineError: there is none.
        """
        try:
            for _ in self:
                pass
        finally:
            self.close()
        return self._reading.answer()

    def cancel(self) -> run_pb2.Run | None:
        """End the run and its provider's request, and return how it stands.

        Who reads on gets `RunCancelled`. None: nothing was asked for, or it was refused.

        Raises:
            TrunklineError: it could not be said to any server.
        """
        call = self._call
        if call is not None and not self.run_id:
            self._reading.begin(find_run_id(call.initial_metadata()))
        if not self.run_id and self._reading.may_have_begun:
            self._find_run()
        if not self.run_id:
            self.close()
            return None
        return self._lines.cancel(self.run_id, self._reading.on_behalf_of, self._reading.replica)

    def _find_run(self) -> None:
        """Learn the id of a run whose first call broke before it was told: its key finds it.

        Raises:
            TrunklineError: no server tells it.
        """

        def ask(stub: InferenceServiceStub, left_s: float, caller: Metadata) -> str:
            call = self._open_again(stub, left_s, caller)
            try:
                run_id = find_run_id(call.initial_metadata())
                if not run_id:
                    next(call, None)  # raises how it failed
                return run_id
            finally:
                call.cancel()

        budget = self._lines.budget(self._reading.replica)
        asking = Reading(budget, time.monotonic() + CALL_S)
        self._reading.begin(self._lines.ask(asking, ask))

    def close(self) -> None:
        """Leave the run; one that nobody reads is ended by the server after its grace."""
        self._over.set()
        self._drop()

    def __enter__(self) -> Self:
        """Begin."""
        if not self._over.is_set():
            self._current()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave."""
        self.close()

    def __iter__(self) -> Self:
        """Return the stream: it is read once."""
        return self

    def __next__(self) -> Event:
        """Return the next event, whatever becomes of connections.

        Raises:
            TrunklineError: the run failed, or could not be read on.
        """
        while not self._over.is_set():
            call = self._current()
            try:
                raw = next(call, None)
            except grpc.RpcError:
                self._recover(call)
                continue
            event = self._take(raw)
            if event is not None:
                self._lines.preferred = self._reading.replica
                self._act(event)
                return event
        raise StopIteration

    def _take(self, raw: event_pb2.ChatEvent | None) -> Event | None:
        """Take what was read, None for the end; None: nothing new, or the end."""
        try:
            if raw is None:
                self._over.set()
                self._reading.end()
                return None
            return self._reading.take(raw)
        except TrunklineError:
            self._over.set()
            self._drop()
            raise

    def _current(self) -> Any:
        """Return the call to read from; a new one where there is none.

        Raises:
            TrunklineError: none can be opened.
        """
        call = self._call
        if call is None:
            try:
                call = self._call = self._open(*self._terms())
                self._reading.call()
            except TrunklineError as error:
                self._over.set()
                raise self._reading.about(error) from None
            if self._over.is_set():  # somebody left meanwhile
                self._drop()
        return call

    def _drop(self) -> None:
        """Give the call up that is open, if one is."""
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _terms(self) -> tuple[InferenceServiceStub, float, Metadata]:
        """Return where to call, the longest wait in seconds, and who calls."""
        # Who gives tokens may take their time, in which the client may be closed.
        self._caller = self._lines.metadata()
        left_s = max(0.0, self._reading.deadline_s - time.monotonic())
        return self._lines.stub(self._reading.replica), left_s, self._caller

    def _open(self, stub: InferenceServiceStub, left_s: float, caller: Metadata) -> Any:
        """Call for the events that were not read yet."""
        opening = self._reading.opening()
        if isinstance(opening, chat_pb2.ChatRequest):
            return stub.StreamChat(opening, timeout=left_s, metadata=caller)
        return stub.ResumeChat(opening, timeout=left_s, metadata=caller)

    def _open_again(self, stub: InferenceServiceStub, left_s: float, caller: Metadata) -> Any:
        """Call beside the call that is read, if there is one."""
        return self._open(stub, left_s, caller)

    def _act(self, event: Event) -> None:
        """Do what an event asks for."""

    def _recover(self, call: Any) -> None:
        """Wait until it is time to come back after a failed call."""
        self._call = None
        if self._over.is_set() or self._reading.completed is not None:
            self._over.set()
            return
        self._reading.begin(find_run_id(call.initial_metadata()))
        error = read_failure(call)
        try:
            is_renewed = self._lines.is_renewed(error, self._caller)
            wait_s = self._reading.recover(error, time.monotonic(), is_renewed=is_renewed)
        except BaseException:
            self._over.set()
            raise
        self._over.wait(wait_s)


class Stream(_Stream[Reading]):
    """A chat, event by event: `with client.stream(…) as stream: for event in stream`.

    It goes on by itself after a broken connection, a restarted server, or at another replica:
    no event comes twice, and none is missing.
    """


class ToolLoop(LoopView, _Stream[LoopReading]):
    """A tool loop, event by event; its functions run in threads, those of a turn together.

    Each function runs once for each call, however often the connection breaks. It is read on
    while they run, so that a broken connection is noticed before the run misses its reader.
    """

    def __init__(self, lines: Lines, reading: LoopReading) -> None:
        super().__init__(lines, reading)
        # Holds no more than one turn's results, which the server bounds.
        self._words: queue.SimpleQueue[run_pb2.ConverseRequest | None] | None = None
        # Results come from threads while a new call is opened: each is said on that one.
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(_MAX_WORKERS, "trunkline-tool")
        self._broken: BaseException | None = None

    def __next__(self) -> Event:
        """Return the next event, whatever becomes of connections.

        Raises:
            TrunklineError: the run failed, or could not be read on.
            BaseException: a function raised what is no failure of its own.
        """
        try:
            return super().__next__()
        except StopIteration:
            if self._broken is not None:
                raise self._broken from None
            raise

    def close(self) -> None:
        """Leave the run. A function that is under way comes to its end, and is not waited for."""
        self._over.set()
        with self._lock:
            self._hang_up()
        self._workers.shutdown(wait=False, cancel_futures=True)
        super().close()

    def _open(self, stub: InferenceServiceStub, left_s: float, caller: Metadata) -> Any:
        """Begin the loop, or attach to it."""
        words: queue.SimpleQueue[run_pb2.ConverseRequest | None] = queue.SimpleQueue()
        with self._lock:
            self._hang_up()
            for word in self._reading.first_words():
                words.put(word)
            self._words = words
        return stub.Converse(iter(words.get, None), timeout=left_s, metadata=caller)

    def _open_again(self, stub: InferenceServiceStub, left_s: float, caller: Metadata) -> Any:
        """Call beside the call that is read; it says nothing more."""
        return stub.Converse(iter(self._reading.first_words()), timeout=left_s, metadata=caller)

    def _hang_up(self) -> None:
        """Say nothing more on the call that is open."""
        if self._words is not None:
            self._words.put(None)
            self._words = None

    def _act(self, event: Event) -> None:
        """Run the functions of a turn that has ended."""
        for call in self._reading.due(event):
            self._workers.submit(self._run, call).add_done_callback(self._leave_running)

    def _leave_running(self, worker: Future[None]) -> None:
        """Note how a function ended; without a result the run would wait for it in vain."""
        if not worker.cancelled() and (broken := worker.exception()) is not None:
            self._broken = broken
            self._over.set()
            self._drop()

    def _run(self, call: message_pb2.ToolCall) -> None:
        """Run the function of a call, and say its result."""
        try:
            function, arguments = self._reading.toolbox.find(call)
            value = function(**arguments)
            if inspect.iscoroutine(value):
                value = asyncio.run(value)
            result = to_result(call, value)
        # Nobody cancels an async one here: what it waited for was.
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            result = to_error(call, error)
        with self._lock:
            word = self._reading.settle(result)
            if self._words is not None:
                self._words.put(word)

"""Runs that are read event by event."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import grpc

from trunkline.inference.v1 import chat_pb2, message_pb2, run_pb2
from trunkline_client.answer import Answer
from trunkline_client.asynchronous.lines import Lines, is_cancelled
from trunkline_client.errors import TrunklineError
from trunkline_client.event import Event
from trunkline_client.failure import read_failure
from trunkline_client.reading import LoopReading, Reading, find_run_id
from trunkline_client.terms import CALL_S
from trunkline_client.token import Metadata
from trunkline_client.tool import to_error, to_result
from trunkline_client.view import LoopView, R, View

if TYPE_CHECKING:
    from trunkline.inference.v1.inference_service_pb2_grpc import InferenceServiceAsyncStub


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
        self._over = asyncio.Event()

    async def answer(self) -> Answer:
        """Read to the end, and return the whole answer; the stream is closed.

        Raises:
            TrunklineError: there is none.
        """
        try:
            async for _ in self:
                pass
        finally:
            await self.close()
        return self._reading.answer()

    async def cancel(self) -> run_pb2.Run | None:
        """End the run and its provider's request, and return how it stands.

        Who reads on gets `RunCancelled`. None: nothing was asked for, or it was refused.

        Raises:
            TrunklineError: it could not be said to any server.
        """
        call = self._call
        if call is not None and not self.run_id:
            self._reading.begin(find_run_id(await call.initial_metadata()))
        if not self.run_id and self._reading.may_have_begun:
            await self._find_run()
        if not self.run_id:
            await self.close()
            return None
        return await self._lines.cancel(
            self.run_id, self._reading.on_behalf_of, self._reading.replica
        )

    async def _find_run(self) -> None:
        """Learn the id of a run whose first call broke before it was told: its key finds it.

        Raises:
            TrunklineError: no server tells it.
        """

        async def ask(stub: InferenceServiceAsyncStub, left_s: float, caller: Metadata) -> str:
            call = self._open_again(stub, left_s, caller)
            try:
                run_id = find_run_id(await call.initial_metadata())
                if not run_id:
                    await call.read()  # raises how it failed
                return run_id
            finally:
                call.cancel()

        budget = self._lines.budget(self._reading.replica)
        asking = Reading(budget, time.monotonic() + CALL_S)
        self._reading.begin(await self._lines.ask(asking, ask))

    async def close(self) -> None:
        """Leave the run; one that nobody reads is ended by the server after its grace."""
        self._over.set()
        self._drop()

    async def __aenter__(self) -> Self:
        """Begin."""
        if not self._over.is_set():
            self._current()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave."""
        await self.close()

    def __aiter__(self) -> Self:
        """Return the stream: it is read once."""
        return self

    async def __anext__(self) -> Event:
        """Return the next event, whatever becomes of connections.

        Raises:
            TrunklineError: the run failed, or could not be read on.
        """
        while not self._over.is_set():
            call = self._current()
            try:
                raw = await call.read()
            except grpc.aio.AioRpcError as failed:
                await self._recover(call, failed)
                continue
            except asyncio.CancelledError:
                # grpc gives a call up whose read is cancelled, and says the same of one that
                # `close` gave up, the stream's or its client's. Who was only tired of waiting
                # may read on.
                self._call = None
                if is_cancelled() or not (self._over.is_set() or self._lines.is_closed):
                    raise
                continue
            event = self._take(raw)
            if event is not None:
                self._lines.preferred = self._reading.replica
                self._act(event)
                return event
        raise StopAsyncIteration

    def _take(self, raw: Any) -> Event | None:
        """Take what was read; None: nothing new, or the end."""
        try:
            if raw is grpc.aio.EOF:
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
        if self._call is None:
            try:
                self._call = self._open(*self._terms())
                self._reading.call()
            except TrunklineError as error:
                self._over.set()
                raise self._reading.about(error) from None
        return self._call

    def _drop(self) -> None:
        """Give the call up that is open, if one is."""
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _terms(self) -> tuple[InferenceServiceAsyncStub, float, Metadata]:
        """Return where to call, the longest wait in seconds, and who calls."""
        self._caller = self._lines.metadata()
        left_s = max(0.0, self._reading.deadline_s - time.monotonic())
        return self._lines.stub(self._reading.replica), left_s, self._caller

    def _open(self, stub: InferenceServiceAsyncStub, left_s: float, caller: Metadata) -> Any:
        """Call for the events that were not read yet."""
        opening = self._reading.opening()
        if isinstance(opening, chat_pb2.ChatRequest):
            return stub.StreamChat(opening, timeout=left_s, metadata=caller)
        return stub.ResumeChat(opening, timeout=left_s, metadata=caller)

    def _open_again(self, stub: InferenceServiceAsyncStub, left_s: float, caller: Metadata) -> Any:
        """Call beside the call that is read, if there is one."""
        return self._open(stub, left_s, caller)

    def _act(self, event: Event) -> None:
        """Do what an event asks for."""

    async def _recover(self, call: Any, failed: grpc.aio.AioRpcError) -> None:
        """Wait until it is time to come back after a failed call."""
        self._call = None
        if self._over.is_set() or self._reading.completed is not None:
            self._over.set()
            return
        self._reading.begin(find_run_id(await call.initial_metadata()))
        error = read_failure(failed)
        try:
            is_renewed = self._lines.is_renewed(error, self._caller)
            wait_s = self._reading.recover(error, time.monotonic(), is_renewed=is_renewed)
        except BaseException:
            self._over.set()
            raise
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._over.wait()


class AsyncStream(_Stream[Reading]):
    """A chat, event by event: `async with client.stream(…) as stream: async for event in stream`.

    It goes on by itself after a broken connection, a restarted server, or at another replica:
    no event comes twice, and none is missing.
    """


class AsyncToolLoop(LoopView, _Stream[LoopReading]):
    """A tool loop, event by event; its functions run beside it, those of a turn together.

    Each function runs once for each call, however often the connection breaks.
    """

    def __init__(self, lines: Lines, reading: LoopReading) -> None:
        super().__init__(lines, reading)
        # Holds no more than one turn's results, which the server bounds.
        self._words: asyncio.Queue[run_pb2.ConverseRequest | None] | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._broken: BaseException | None = None

    async def __anext__(self) -> Event:
        """Return the next event, whatever becomes of connections.

        Raises:
            TrunklineError: the run failed, or could not be read on.
            BaseException: a function raised what is no failure of its own.
        """
        try:
            return await super().__anext__()
        except StopAsyncIteration:
            if self._broken is not None:
                raise self._broken from None
            raise

    async def close(self) -> None:
        """Leave the run, and cancel the functions that are still under way."""
        self._over.set()
        self._hang_up()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await super().close()

    def _open(self, stub: InferenceServiceAsyncStub, left_s: float, caller: Metadata) -> Any:
        """Begin the loop, or attach to it."""
        self._hang_up()
        words: asyncio.Queue[run_pb2.ConverseRequest | None] = asyncio.Queue()
        for word in self._reading.first_words():
            words.put_nowait(word)
        self._words = words
        return stub.Converse(_speak(words), timeout=left_s, metadata=caller)

    def _open_again(self, stub: InferenceServiceAsyncStub, left_s: float, caller: Metadata) -> Any:
        """Call beside the call that is read; it says nothing more."""
        return stub.Converse(iter(self._reading.first_words()), timeout=left_s, metadata=caller)

    def _hang_up(self) -> None:
        """Say nothing more on the call that is open."""
        if self._words is not None:
            self._words.put_nowait(None)
            self._words = None

    def _act(self, event: Event) -> None:
        """Run the functions of a turn that has ended."""
        for call in self._reading.due(event):
            task = asyncio.create_task(self._run(call))
            self._running.add(task)
            task.add_done_callback(self._leave_running)

    def _leave_running(self, task: asyncio.Task[None]) -> None:
        """Forget a function that has ended; without a result the run would wait for it in vain."""
        self._running.discard(task)
        if not task.cancelled() and (broken := task.exception()) is not None:
            self._broken = broken
            self._over.set()
            self._drop()

    async def _run(self, call: message_pb2.ToolCall) -> None:
        """Run the function of a call, and say its result."""
        try:
            function, arguments = self._reading.toolbox.find(call)
            if inspect.iscoroutinefunction(function):
                value = await function(**arguments)
            else:
                value = await asyncio.to_thread(function, **arguments)
                if inspect.isawaitable(value):
                    value = await value
            result = to_result(call, value)
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise
            result = to_error(call, error)  # what it waited for was cancelled
        except (Exception, SystemExit) as error:
            result = to_error(call, error)
        word = self._reading.settle(result)
        if self._words is not None:
            self._words.put_nowait(word)


async def _speak(
    words: asyncio.Queue[run_pb2.ConverseRequest | None],
) -> AsyncIterator[run_pb2.ConverseRequest]:
    """Yield what is to be said on a call, until nothing more is."""
    while (word := await words.get()) is not None:
        yield word

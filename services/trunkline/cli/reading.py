"""Read a run as the client library does, and show its failures; Ctrl-C ends the run.

The library decides what is tried again and when. What is added here are the channels and words of
the command line, and that who waits at a terminal is told soon when nobody is there to begin with.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Generator, Iterator
from types import FrameType
from typing import Any, Final, cast

import grpc

from trunkline.cli.client import CHAT_S, Client
from trunkline.cli.failures import ExitCode, Failure, interrupted
from trunkline.inference.v1 import chat_pb2, event_pb2, run_pb2
from trunkline_client.errors import DamagedStream, TrunklineError, Unreachable
from trunkline_client.failure import FailedCall, read_failure
from trunkline_client.reading import Reading as Run
from trunkline_client.reading import find_run_id
from trunkline_client.request import make_key
from trunkline_client.resumption import Budget, Patience

# So often is a request sent whose run is not known, and may never have begun.
_BEGINNINGS: Final = 4
_CANCEL_S: Final = 5.0

_NOT_TO_BE_READ: Final = frozenset({"RUN_NOT_FOUND", "SEQUENCE_AHEAD", "EVENTS_TRIMMED"})
_CONTENT: Final = frozenset({"text_delta", "reasoning_delta", "tool_call_started"})

Events = Generator[event_pb2.ChatEvent, None, None]


class Reading:
    """One run, as far as it has been read.

    Args:
        client: reads it.
        patience: how long to come back to it.
    """

    def __init__(self, client: Client, patience: Patience | None = None) -> None:
        self._client = client
        self._patience = patience or Patience()
        self._run = self._make_run()
        self._call: Any = None
        self._is_stream = True
        self._has_content = False
        self._beginnings = 0
        self._cancelled = threading.Event()
        self._canceller: threading.Thread | None = None

    @property
    def run_id(self) -> str:
        """Return the run, `run_…`; empty until the server has told it."""
        return self._run.run_id

    @property
    def last_sequence(self) -> int:
        """Return the number of the last event that was read."""
        return self._run.last_sequence

    def start(self, request: chat_pb2.ChatRequest) -> Events:
        """Begin a run and yield its events.

        Raises:
            Failure: it ended otherwise than with a whole answer, or cannot be read on.
        """
        self._run = self._make_run(_with_key(request))
        with self._interruptible():
            yield from self._read()

    def resume(self, run_id: str, after: int) -> Events:
        """Yield a run's events after one.

        Args:
            run_id: `run_…`.
            after: the sequence of that event; 0: from the first.

        Raises:
            Failure: as `start`.
        """
        rest = run_pb2.ResumeChatRequest(run_id=run_id, after_sequence=after)
        self._run = self._make_run(resume=rest)
        with self._interruptible():
            yield from self._read()

    def ask(self, request: chat_pb2.ChatRequest) -> chat_pb2.ChatResponse:
        """Begin a run and return its answer in one piece.

        Raises:
            Failure: as `start`.
        """
        self._is_stream = False
        keyed = _with_key(request)
        self._run = self._make_run(keyed)
        with self._interruptible():
            while True:
                call = self._client.inference.Chat.future(
                    keyed, timeout=self._left(), metadata=self._client.token.metadata
                )
                self._take(call)
                try:
                    return call.result()
                except grpc.FutureCancelledError:
                    raise self._interrupted() from None
                except grpc.RpcError as error:
                    self._recover(error)

    def _make_run(
        self,
        request: chat_pb2.ChatRequest | None = None,
        resume: run_pb2.ResumeChatRequest | None = None,
    ) -> Run:
        """Return a run of which nothing was read here."""
        budget = Budget(self._patience, replicas=1)
        return Run(budget, time.monotonic() + CHAT_S, request, resume)

    def _left(self) -> float:
        """Return how long the run may still be read, in seconds."""
        return max(0.0, self._run.deadline_s - time.monotonic())

    def _open(self) -> Any:
        """Call for the events that have not been read."""
        opening, caller = self._run.opening(), self._client.token.metadata
        if isinstance(opening, chat_pb2.ChatRequest):
            return self._client.inference.StreamChat(opening, timeout=self._left(), metadata=caller)
        return self._client.inference.ResumeChat(opening, timeout=self._left(), metadata=caller)

    def _take(self, call: Any) -> None:
        """Make a call the current one, which Ctrl-C may have meant before it was known here."""
        self._call = call
        if self._cancelled.is_set():
            call.cancel()

    def _read(self) -> Events:
        """Yield events, and come back after a broken connection."""
        while True:
            call = self._open()
            self._take(call)
            try:
                for event in call:
                    taken = self._run.take(event)
                    if taken is not None:
                        self._has_content |= taken.kind in _CONTENT
                        yield event
                return
            except DamagedStream as damage:
                raise Failure(
                    damage.message,
                    "Ask again; what stands between here and the server may be at fault.",
                    reason="DAMAGED",
                    code="DATA_LOSS",
                ) from None
            except grpc.RpcError as error:
                if self._run.completed is not None:
                    return
                self._run.begin(find_run_id(call.initial_metadata()))
                self._recover(error)
            finally:
                call.cancel()

    def _recover(self, error: grpc.RpcError) -> None:
        """Wait until it is time to come back after a failed call.

        Raises:
            Failure: there is no coming back.
        """
        self._beginnings += not self.run_id
        if self._cancelled.is_set() or self._beginnings == _BEGINNINGS:
            raise self._failure(error) from None
        try:
            # What gRPC raises is the call, by its documentation.
            wait_s = self._run.recover(read_failure(cast(FailedCall, error)), time.monotonic())
        except Unreachable:
            raise (self._lost() if self.run_id else self._failure(error)) from None
        except TrunklineError:
            raise self._failure(error) from None
        self._cancelled.wait(wait_s)

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Have Ctrl-C end the run, and a second one the program."""

        def interrupt(number: int, frame: FrameType | None) -> None:
            del number, frame
            if self._cancelled.is_set():
                self._canceller = None  # who is in such a hurry does not wait for it
                raise KeyboardInterrupt
            self._cancelled.set()
            # Here a call may hold grpc's locks, so that another one needs another thread.
            self._canceller = threading.Thread(target=self._cancel, daemon=True)
            self._canceller.start()

        before = signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
            if self._canceller is not None:
                self._canceller.join(_CANCEL_S)

    def _cancel(self) -> None:
        """End the run; when that cannot be said to the server, at least the call.

        A run that nobody reads ends after its grace, and that of a unary chat has none:
        its id, which gRPC shows with the answer only, is not needed.
        """
        call = self._call
        run_id = self.run_id or self._find_run_id()
        if run_id:
            with contextlib.suppress(Failure):
                self._client.ask(
                    self._client.inference.CancelChat,
                    run_pb2.CancelChatRequest(run_id=run_id),
                    timeout=_CANCEL_S,
                )
                return
        if call is not None:
            call.cancel()

    def _find_run_id(self) -> str:
        """Return the id of the run that is begun; empty: it is not told. Waits for it."""
        if self._call is None or not self._is_stream:
            return ""
        return find_run_id(self._call.initial_metadata())

    def _failure(self, error: grpc.RpcError) -> Failure:
        """Return the failure that a run's end means, with what is needed to come back to it."""
        failure = self._client.refusal(error)
        if self._cancelled.is_set() and failure.reason in ("RUN_CANCELLED", "CANCELLED"):
            return self._interrupted()
        if not self.run_id:
            return failure
        failure.metadata.setdefault("run_id", self.run_id)
        failure.metadata.setdefault("last_sequence", str(self.last_sequence))
        if failure.exit_code is ExitCode.UNREACHABLE:
            failure.details += (f"The run is {self.run_id}; {self._way_back()} reads on.",)
        elif self._has_content and failure.reason not in _NOT_TO_BE_READ:
            again = f"`trunkline chat --resume {self.run_id}` shows it again"
            failure.details += (f"The run is {self.run_id}; {again}.",)
        return failure

    def _interrupted(self) -> Failure:
        """Return the failure for a run that Ctrl-C ended."""
        about = f"The run {self.run_id}" if self.run_id else "The chat"
        return interrupted(f"{about} was cancelled.", "Ask again if that was not meant.")

    def _lost(self) -> Failure:
        """Return the failure for a server that does not come back."""
        return Failure(
            f"The connection to {self._client.address} broke in the middle of the answer, and the"
            " server does not come back.",
            f"When it is back, {self._way_back()} reads on.",
            exit_code=ExitCode.UNREACHABLE,
            reason="UNREACHABLE",
            code="UNAVAILABLE",
            metadata={"run_id": self.run_id, "last_sequence": str(self.last_sequence)},
        )

    def _way_back(self) -> str:
        """Return the command that reads on."""
        return f"`trunkline chat --resume {self.run_id} --after {self.last_sequence}`"


def _with_key(request: chat_pb2.ChatRequest) -> chat_pb2.ChatRequest:
    """Return a request by which a run begins once, however often it is sent."""
    keyed = chat_pb2.ChatRequest(idempotency_key=make_key())
    keyed.MergeFrom(request)
    return keyed

"""Read a run to its end, whatever becomes of the connection; Ctrl-C ends the run."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Generator, Iterator
from types import FrameType
from typing import Any, Final

import grpc

from trunkline.cli.client import CHAT_S, Client
from trunkline.cli.failures import ExitCode, Failure, interrupted
from trunkline.cli.refusals import read_status
from trunkline.inference.v1 import chat_pb2, event_pb2, run_pb2
from trunkline.kernel.status import error_info

_RUN_ID: Final = "trunkline-run-id"
# Waits before each try to come back, in seconds. A run waits 15 s for its reader by default.
_PAUSES: Final = (0.1, 0.3, 1.0, 2.0)
_CANCEL_S: Final = 5.0

# What a broken connection looks like, beside a status that says so itself.
_BROKEN: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.CANCELLED,
    }
)
_NOT_TO_BE_READ: Final = frozenset({"RUN_NOT_FOUND", "SEQUENCE_AHEAD", "EVENTS_TRIMMED"})
_CONTENT: Final = frozenset({"text_delta", "reasoning_delta", "tool_call_started"})
_NO_END: Final = frozenset({"NOT_SERVING", "JOURNAL_UNAVAILABLE"})

Events = Generator[event_pb2.ChatEvent, None, None]


class Reading:
    """One run, as far as it has been read.

    Args:
        client: reads it.
    """

    def __init__(self, client: Client) -> None:
        self.run_id = ""
        self.last_sequence = 0
        self._client = client
        self._call: Any = None
        self._is_stream = True
        self._has_content = False
        self._cancelled = threading.Event()
        self._canceller: threading.Thread | None = None

    def start(self, request: chat_pb2.ChatRequest) -> Events:
        """Begin a run and yield its events.

        Raises:
            Failure: it ended otherwise than with a whole answer, or cannot be read on.
        """
        with self._interruptible():
            call = self._client.inference.StreamChat(
                request, timeout=CHAT_S, metadata=self._client.token.metadata
            )
            yield from self._read(call)

    def resume(self, run_id: str, after: int) -> Events:
        """Yield a run's events after one.

        Args:
            run_id: `run_…`.
            after: the sequence of that event; 0: from the first.

        Raises:
            Failure: as `start`.
        """
        self.run_id = run_id
        self.last_sequence = after
        with self._interruptible():
            yield from self._read(self._open())

    def ask(self, request: chat_pb2.ChatRequest) -> chat_pb2.ChatResponse:
        """Begin a run and return its answer in one piece.

        Raises:
            Failure: as `start`.
        """
        self._is_stream = False
        with self._interruptible():
            call = self._client.inference.Chat.future(
                request, timeout=CHAT_S, metadata=self._client.token.metadata
            )
            self._take(call)
            try:
                return call.result()
            except grpc.FutureCancelledError:
                raise self._interrupted() from None
            except grpc.RpcError as error:
                raise self._failure(error) from None

    def _open(self) -> Any:
        """Call for the events that have not been read."""
        return self._client.inference.ResumeChat(
            run_pb2.ResumeChatRequest(run_id=self.run_id, after_sequence=self.last_sequence),
            timeout=CHAT_S,
            metadata=self._client.token.metadata,
        )

    def _take(self, call: Any) -> None:
        """Make a call the current one, which Ctrl-C may have meant before it was known here."""
        self._call = call
        if self._cancelled.is_set():
            call.cancel()

    def _read(self, call: Any) -> Events:
        """Yield events, and come back after a broken connection."""
        tries = 0
        while True:
            self._take(call)
            try:
                for event in call:
                    if event.sequence <= self.last_sequence:
                        continue
                    tries = 0
                    self.last_sequence = event.sequence
                    self.run_id = event.run_started.run_id or self.run_id
                    self._has_content |= event.WhichOneof("kind") in _CONTENT
                    yield event
                return
            except grpc.RpcError as error:
                self.run_id = self.run_id or _find_run_id(call)
                if not self.run_id or self._cancelled.is_set() or not _is_broken(error):
                    raise self._failure(error) from None
                if tries == len(_PAUSES):
                    raise self._lost() from None
            finally:
                call.cancel()
            self._cancelled.wait(_PAUSES[tries])
            tries += 1
            call = self._open()

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
        run_id = self.run_id or (_find_run_id(call) if self._is_stream else "")
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


def _find_run_id(call: Any) -> str:
    """Return the run's id from a call's initial metadata; empty: it has none. Waits for them."""
    if call is None:
        return ""
    metadata = call.initial_metadata() or ()
    return next((value for key, value in metadata if key == _RUN_ID), "")


def _is_broken(error: grpc.RpcError) -> bool:
    """Tell whether a call ended before its run did."""
    call: Any = error
    status = read_status(call)
    info = error_info(status) if status is not None else None
    return call.code() in _BROKEN if info is None else info.reason in _NO_END

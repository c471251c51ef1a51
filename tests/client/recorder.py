"""Replicas that keep runs by scripts, on real sockets; a test reads what each received.

They share their runs, as a fleet does, and keep the contract as far as a client leans on it:
a key attaches, a resume gives the rest, a result that was sent twice counts once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NoReturn, TypeAlias

import grpc

from trunkline.inference.v1 import (
    chat_pb2,
    event_pb2,
    inference_service_pb2_grpc,
    message_pb2,
    run_pb2,
)
from trunkline.kernel.errors import Cancelled, NotFound, TrunklineError
from trunkline.kernel.status import to_grpc, to_status

LIMIT_S = 20.0

Bare: TypeAlias = tuple[grpc.StatusCode, str]
"""A status that carries no reason, as gRPC and proxies make them."""


@dataclass(frozen=True, slots=True)
class Fault:
    """How the next reader is sent away; its run goes on.

    Attributes:
        after: so many events, counted in this call.
        how: what it is told.
        begins: with less than none, whether its run begins all the same.
    """

    after: int
    how: TrunklineError | Bare
    begins: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """A call that was received.

    Attributes:
        replica: that received it.
        method: its name.
        request: its message; of a Converse, what was said on it so far.
        token: that came with it.
    """

    replica: int
    method: str
    request: Any
    token: str


@dataclass(frozen=True, slots=True)
class Results:
    """A step of a script: wait for the results of calls.

    Attributes:
        call_ids: of the calls.
    """

    call_ids: tuple[str, ...]


Step: TypeAlias = event_pb2.ChatEvent | threading.Event | TrunklineError | Results


class Run:
    """One run: events that are written once, and read by any number of readers.

    Args:
        identifier: `run_…`.
        script: what happens.
    """

    def __init__(self, identifier: str, script: list[Step]) -> None:
        self.id = identifier
        self.results: dict[str, message_pb2.ToolResult] = {}
        self.repeated = 0
        """How many results came again."""
        self._script = script
        self._events: list[event_pb2.ChatEvent] = []
        self._failure: TrunklineError | None = None
        self._is_over = False
        self._is_cancelled = False
        self._change = threading.Condition()
        started = event_pb2.RunStarted(run_id=identifier)
        self._append(event_pb2.ChatEvent(run_started=started))
        threading.Thread(target=self._perform, daemon=True).start()

    def follow(self, after: int) -> Iterator[event_pb2.ChatEvent]:
        """Yield the events after one, live, to the run's end.

        Raises:
            TrunklineError: the run failed.
        """
        while True:
            events, is_over = self._wait_beyond(after)
            yield from events
            after += len(events)
            if is_over and after == len(self._events):
                break
        if self._failure is not None:
            raise self._failure

    def _wait_beyond(self, after: int) -> tuple[list[event_pb2.ChatEvent], bool]:
        """Wait for events after one, or the end; return them, and whether it is over."""
        with self._change:
            self._change.wait_for(
                lambda: len(self._events) > after or self._is_over, timeout=LIMIT_S
            )
            return self._events[after:], self._is_over

    def accept(self, result: message_pb2.ToolResult) -> None:
        """Take the result of a call."""
        with self._change:
            if result.call_id in self.results:
                assert self.results[result.call_id] == result
                self.repeated += 1
                return
            self.results[result.call_id] = result
            accepted = event_pb2.ToolResultAccepted(call_id=result.call_id)
            self._append(event_pb2.ChatEvent(tool_result_accepted=accepted))

    def cancel(self) -> None:
        """End it."""
        with self._change:
            self._is_cancelled = True
            self._change.notify_all()
        for step in self._script:
            if isinstance(step, threading.Event):
                step.set()

    def _perform(self) -> None:
        """Follow the script."""
        for step in self._script:
            match step:
                case threading.Event():
                    step.wait(LIMIT_S)
                case Results():
                    with self._change:
                        awaited = set(step.call_ids)
                        self._change.wait_for(self._has(awaited), timeout=LIMIT_S)
                case event_pb2.ChatEvent():
                    if not self._is_cancelled:
                        self._append(step)
                case _:
                    self._failure = step
            if self._is_cancelled:
                self._failure = Cancelled(
                    "RUN_CANCELLED", "The run was cancelled.", metadata={"by": "cancel"}
                )
            if self._failure is not None:
                self._failure.metadata |= {
                    "run_id": self.id,
                    "last_sequence": str(len(self._events)),
                }
                break
        with self._change:
            self._is_over = True
            self._change.notify_all()

    def _has(self, awaited: set[str]) -> Callable[[], bool]:
        """Return what tells whether all results are there, or it was cancelled."""
        return lambda: awaited <= self.results.keys() or self._is_cancelled

    def _append(self, event: event_pb2.ChatEvent) -> None:
        """Number an event and show it to the readers."""
        numbered = event_pb2.ChatEvent()
        numbered.CopyFrom(event)
        with self._change:
            numbered.sequence = len(self._events) + 1
            self._events.append(numbered)
            self._change.notify_all()


class Fleet:
    """Replicas that share their runs.

    Args:
        replicas: how many.
        share: whether they know each other's runs; as of MEMORY runs they do not.
    """

    def __init__(self, replicas: int = 1, *, share: bool = True) -> None:
        self.scripts: deque[list[Step]] = deque()
        """What the next runs do."""
        self.faults: deque[Fault | None] = deque()
        """How the next readers are sent away; None: one is not."""
        self.seen: list[Seen] = []
        self.on_call: Callable[[Seen], None] = lambda seen: None
        """Told of each call that is received."""
        self.runs: dict[str, Run] = {}
        self.keys: dict[str, Run] = {}
        self._share = share
        self._lives: dict[str, int] = {}
        self._servers = [self._serve(number) for number in range(replicas)]
        self.addresses = [f"127.0.0.1:{port}" for _, port in self._servers]

    def __enter__(self) -> Fleet:
        """Return it; it serves already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop all."""
        for run in self.runs.values():
            run.cancel()
        for number in range(len(self._servers)):
            self.stop(number)

    def stop(self, number: int) -> None:
        """Stop a replica at once: its readers' calls end, and nothing listens there."""
        self._servers[number][0].stop(0).wait(LIMIT_S)

    def methods(self) -> list[str]:
        """Return the methods that were called, in their order."""
        return [each.method for each in self.seen]

    def begin(self, request: chat_pb2.ChatRequest, replica: int) -> Run:
        """Return the run of a request's key, which begins unless it did."""
        run = self.keys.get(request.idempotency_key)
        if run is None:
            run = Run(f"run_{len(self.runs) + 1}", self.scripts.popleft())
            self.runs[run.id] = self.keys[request.idempotency_key] = run
            self._lives[run.id] = replica
        return run

    def find(self, run_id: str, replica: int) -> Run:
        """Return a run.

        Raises:
            NotFound: a replica knows none of that name.
        """
        if run_id in self.runs and (self._share or self._lives[run_id] == replica):
            return self.runs[run_id]
        raise NotFound("RUN_NOT_FOUND", f"There is no run {run_id}.", metadata={"run_id": run_id})

    def _serve(self, number: int) -> tuple[grpc.Server, int]:
        """Start a replica; return its server and port."""
        server = grpc.server(futures.ThreadPoolExecutor(16), options=(("grpc.so_reuseport", 0),))
        # What no test asks of it is UNIMPLEMENTED.
        replica = _Replica(self, number)  # type: ignore[abstract] # see above
        inference_service_pb2_grpc.add_InferenceServiceServicer_to_server(replica, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        return server, port


class _Replica(inference_service_pb2_grpc.InferenceServiceServicer):
    """One replica of a fleet.

    Args:
        fleet: that it belongs to.
        number: counted from 0.
    """

    def __init__(self, fleet: Fleet, number: int) -> None:
        self._fleet = fleet
        self._number = number

    def StreamChat(self, request: Any, context: Any) -> Iterator[event_pb2.ChatEvent]:
        """Begin a run, or attach to it, and yield its events."""
        self._record("StreamChat", request, context)
        yield from self._read(lambda: self._fleet.begin(request, self._number), 0, context)

    def ResumeChat(self, request: Any, context: Any) -> Iterator[event_pb2.ChatEvent]:
        """Yield the rest of a run's events."""
        self._record("ResumeChat", request, context)
        find = lambda: self._fleet.find(request.run_id, self._number)  # noqa: E731
        yield from self._read(find, request.after_sequence, context)

    def Chat(self, request: Any, context: Any) -> chat_pb2.ChatResponse:
        """Begin a run, or attach to it, and return its end."""
        self._record("Chat", request, context)
        last = event_pb2.ChatEvent()
        begin = lambda: self._fleet.begin(request, self._number)  # noqa: E731
        for event in self._read(begin, 0, context):
            last = event
        run = self._fleet.keys[request.idempotency_key]
        return chat_pb2.ChatResponse(run_id=run.id, completed=last.completed)

    def CancelChat(self, request: Any, context: Any) -> run_pb2.CancelChatResponse:
        """End a run."""
        self._record("CancelChat", request, context)
        try:
            run = self._fleet.find(request.run_id, self._number)
        except TrunklineError as error:
            _abort(context, error)
        run.cancel()
        stands = run_pb2.Run(id=run.id, state=run_pb2.RUN_STATE_CANCELLED)
        return run_pb2.CancelChatResponse(run=stands)

    def Converse(self, request_iterator: Any, context: Any) -> Iterator[event_pb2.ChatEvent]:
        """Begin a loop, or attach to it; take results, and yield its events."""
        first = next(request_iterator)
        said = [first]
        self._record("Converse", said, context)

        def find() -> Run:
            if first.HasField("start"):
                run = self._fleet.begin(first.start.chat, self._number)
            else:
                run = self._fleet.find(first.attach.run_id, self._number)
            threading.Thread(target=listen, args=(run,), daemon=True).start()
            return run

        def listen(run: Run) -> None:
            try:
                for word in request_iterator:
                    said.append(word)
                    run.accept(word.tool_result)
            except grpc.RpcError:
                return  # the reader left

        yield from self._read(find, first.attach.after_sequence, context)

    def _record(self, method: str, request: Any, context: Any) -> None:
        """Keep what was received."""
        metadata = dict(context.invocation_metadata())
        token = str(metadata.get("authorization", "")).removeprefix("Bearer ")
        seen = Seen(self._number, method, request, token)
        self._fleet.seen.append(seen)
        self._fleet.on_call(seen)

    def _read(
        self, find: Callable[[], Run], after: int, context: Any
    ) -> Iterator[event_pb2.ChatEvent]:
        """Yield a run's events to one reader, until a fault or the run's end sends it away."""
        fault = self._fleet.faults.popleft() if self._fleet.faults else None
        try:
            if fault is not None and fault.after < 0:
                if fault.begins:
                    find()
                _abort(context, fault.how)
            run = find()
            context.send_initial_metadata((("trunkline-run-id", run.id),))
            count = 0
            for event in run.follow(after):
                if fault is not None and count == fault.after:
                    _abort(context, fault.how)
                yield event
                count += 1
            if fault is not None and count == fault.after:
                _abort(context, fault.how)
        except TrunklineError as error:
            _abort(context, error)


def _abort(context: Any, how: TrunklineError | Bare) -> NoReturn:
    """End a call with a status."""
    if isinstance(how, TrunklineError):
        status = to_status(how, domain="trunkline.inference", request_id="req_recorded")
        context.abort_with_status(to_grpc(status))
    else:
        context.abort(*how)
    raise AssertionError("an abort raises")


def text(content: str, block: int = 0) -> event_pb2.ChatEvent:
    """Return an event with text."""
    return event_pb2.ChatEvent(text_delta=event_pb2.TextDelta(block=block, text=content))


def call(call_id: str, name: str, arguments: str, block: int = 0) -> list[event_pb2.ChatEvent]:
    """Return the events of a whole tool call."""
    started = event_pb2.ToolCallStarted(block=block, call_id=call_id, name=name)
    delta = event_pb2.ToolCallDelta(block=block, arguments=arguments)
    whole = event_pb2.ToolCallCompleted(block=block, call_id=call_id, name=name)
    return [
        event_pb2.ChatEvent(tool_call_started=started),
        event_pb2.ChatEvent(tool_call_delta=delta),
        event_pb2.ChatEvent(tool_call_completed=whole),
    ]


def turn(number: int, *call_ids: str) -> list[Step]:
    """Return the end of a turn that waits for results, and the wait."""
    ended = event_pb2.TurnCompleted(turn=number, pending_call_ids=call_ids)
    return [event_pb2.ChatEvent(turn_completed=ended), Results(call_ids)]


def completed(content: str = "", **fields: Any) -> event_pb2.ChatEvent:
    """Return the last event of a run; with a text, its message."""
    event = event_pb2.ChatEvent()
    event.completed.model = "sandbox/ok"
    if content:
        message = message_pb2.Message(
            role=message_pb2.ROLE_ASSISTANT, content=[message_pb2.Part(text=content)]
        )
        event.completed.message.CopyFrom(message)
    for name, value in fields.items():
        setattr(event.completed, name, value)
    return event


def say(*words: str) -> list[Step]:
    """Return the script of a plain answer."""
    return [*(text(word) for word in words), completed("".join(words))]

"""Runs that follow a script, and outlive the call that began them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.rpc import status_pb2

from support.fake_catalog import FakeCatalog
from trunkline.inference.v1 import (
    chat_pb2,
    embedding_pb2,
    event_pb2,
    inference_service_pb2_grpc,
    message_pb2,
    result_pb2,
    run_pb2,
)
from trunkline.kernel.errors import Cancelled, NotFound, TrunklineError
from trunkline.kernel.status import to_grpc

_LIMIT_S = 20.0

# What a script is made of: an event, a gate that a test opens, or how the run fails.
Step = event_pb2.ChatEvent | threading.Event | TrunklineError


def text(content: str, *, block: int = 0, refusal: bool = False) -> event_pb2.ChatEvent:
    """Return an event with text."""
    delta = event_pb2.TextDelta(block=block, text=content, refusal=refusal)
    return event_pb2.ChatEvent(text_delta=delta)


def thought(content: str, *, block: int = 0) -> event_pb2.ChatEvent:
    """Return an event with reasoning."""
    delta = event_pb2.ReasoningDelta(block=block, text=content)
    return event_pb2.ChatEvent(reasoning_delta=delta)


def tool_call(name: str, *pieces: str, block: int, call_id: str) -> list[event_pb2.ChatEvent]:
    """Return the events of a whole tool call."""
    started = event_pb2.ToolCallStarted(block=block, call_id=call_id, name=name)
    completed = event_pb2.ToolCallCompleted(block=block, call_id=call_id, name=name)
    return [
        event_pb2.ChatEvent(tool_call_started=started),
        *(
            event_pb2.ChatEvent(
                tool_call_delta=event_pb2.ToolCallDelta(block=block, arguments=piece)
            )
            for piece in pieces
        ),
        event_pb2.ChatEvent(tool_call_completed=completed),
    ]


def completed(*parts: message_pb2.Part, **fields: Any) -> event_pb2.ChatEvent:
    """Return the last event of a run."""
    fields.setdefault("finish_reason", result_pb2.FINISH_REASON_STOP)
    fields.setdefault("model", "sandbox/ok")
    fields.setdefault(
        "usage",
        result_pb2.Usage(input_tokens=9, output_tokens=3, source=result_pb2.USAGE_SOURCE_REPORTED),
    )
    first = Duration(nanos=210_000_000)
    attempt = result_pb2.Attempt(number=1, model=fields["model"], time_to_first_token=first)
    message = message_pb2.Message(role=message_pb2.ROLE_ASSISTANT, content=parts)
    fields.setdefault("message", message)
    return event_pb2.ChatEvent(
        completed=result_pb2.Completed(attempts=[attempt], **fields), attempt=1
    )


def say(*words: str) -> list[Step]:
    """Return the script of a plain answer."""
    return [*(text(word) for word in words), completed(message_pb2.Part(text="".join(words)))]


class FakeRun:
    """One run: events that are written once and read by any number of readers.

    Args:
        identifier: `run_…`.
        script: what happens.
    """

    def __init__(self, identifier: str, script: list[Step]) -> None:
        self.id = identifier
        self.is_cancelled = threading.Event()
        self._script = script
        self.events: list[event_pb2.ChatEvent] = []
        self._failure: TrunklineError | None = None
        self._is_over = False
        self._change = threading.Condition()
        started = event_pb2.ChatEvent(run_started=event_pb2.RunStarted(run_id=identifier))
        self._append(started)
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
            if is_over and after == len(self.events):
                break
        if self._failure is not None:
            raise self._failure

    def _wait_beyond(self, after: int) -> tuple[list[event_pb2.ChatEvent], bool]:
        """Wait for events after one, or the end; return them, and whether it is over."""
        with self._change:
            self._change.wait_for(
                lambda: len(self.events) > after or self._is_over, timeout=_LIMIT_S
            )
            return self.events[after:], self._is_over

    def cancel(self) -> None:
        """End the run."""
        self.is_cancelled.set()
        for step in self._script:
            if isinstance(step, threading.Event):
                step.set()

    def _perform(self) -> None:
        """Follow the script."""
        for step in self._script:
            if isinstance(step, threading.Event):
                step.wait(_LIMIT_S)
            if self.is_cancelled.is_set():
                step = Cancelled(
                    "RUN_CANCELLED", "The run was cancelled.", metadata={"by": "cancel"}
                )
            if isinstance(step, TrunklineError):
                step.metadata |= {"run_id": self.id, "last_sequence": str(len(self.events))}
                self._failure = step
                break
            if isinstance(step, event_pb2.ChatEvent):
                self._append(step)
        with self._change:
            self._is_over = True
            self._change.notify_all()

    def _append(self, event: event_pb2.ChatEvent) -> None:
        """Number an event and show it to the readers."""
        numbered = event_pb2.ChatEvent()
        numbered.CopyFrom(event)
        with self._change:
            numbered.sequence = len(self.events) + 1
            self.events.append(numbered)
            self._change.notify_all()


class FakeInference(inference_service_pb2_grpc.InferenceServiceServicer):
    """Runs by scripts.

    Args:
        catalog: knows the models.
    """

    def __init__(self, catalog: FakeCatalog) -> None:
        self._catalog = catalog
        self.scripts: list[list[Step]] = []
        """What the next runs do; when none is left they say `Hello.`."""
        self.runs: dict[str, FakeRun] = {}
        self.keys: dict[str, FakeRun] = {}
        """The runs by the idempotency keys of their requests."""
        self.embedding_fault: status_pb2.Status | None = None
        """What embeddings end with in place of their summary."""
        self.hold: threading.Event | None = None
        """What the next call waits for before it is told its run."""
        self.reader_fault: tuple[int, TrunklineError] | None = None
        """After how many events the next reader is sent away, and with what; its run goes on."""

    def stop(self) -> None:
        """End every run."""
        for run in self.runs.values():
            run.cancel()

    def StreamChat(self, request: Any, context: Any) -> Iterator[event_pb2.ChatEvent]:
        """Begin a run and yield its events."""
        run = self._begin(request)
        self._wait()
        context.send_initial_metadata((("trunkline-run-id", run.id),))
        yield from self._read(run, 0)

    def StreamEmbed(
        self, request: Any, context: Any
    ) -> Iterator[embedding_pb2.StreamEmbedResponse]:
        """Yield a vector for each text, in two batches: its number and as many halves."""
        count = len(request.inputs)
        vectors = [
            embedding_pb2.Embedding(values=[number, *[0.5] * ((request.dimensions or 8) - 1)])
            for number in range(count)
        ]
        for first, end in ((0, count // 2), (count // 2, count)):
            batch = embedding_pb2.EmbeddingBatch(first_index=first, embeddings=vectors[first:end])
            yield embedding_pb2.StreamEmbedResponse(batch=batch)
        if self.embedding_fault is not None:
            context.abort_with_status(to_grpc(self.embedding_fault))
        summary = embedding_pb2.EmbeddingSummary(model=request.model, run_id="run_e")
        if request.task:
            summary.losses.add(path="task", reason="It does not say what vectors are for.")
        yield embedding_pb2.StreamEmbedResponse(summary=summary)

    def ResumeChat(self, request: Any, context: Any) -> Iterator[event_pb2.ChatEvent]:
        """Yield the rest of a run's events."""
        run = self._find(request.run_id)
        context.send_initial_metadata((("trunkline-run-id", run.id),))
        yield from self._read(run, request.after_sequence)

    def Chat(self, request: Any, context: Any) -> chat_pb2.ChatResponse:
        """Begin a run and return its end."""
        run = self._begin(request)
        self._wait()
        # Its only reader is this call.
        context.add_callback(run.cancel)
        context.send_initial_metadata((("trunkline-run-id", run.id),))
        last = event_pb2.ChatEvent()
        for event in run.follow(0):
            last = event
        return chat_pb2.ChatResponse(run_id=run.id, completed=last.completed)

    def CancelChat(self, request: Any, context: Any) -> run_pb2.CancelChatResponse:
        """End a run."""
        run = self._find(request.run_id)
        run.cancel()
        return run_pb2.CancelChatResponse(run=run_pb2.Run(id=run.id))

    def _wait(self) -> None:
        """Wait where a test says so."""
        hold, self.hold = self.hold, None
        if hold is not None:
            hold.wait(_LIMIT_S)

    def _read(self, run: FakeRun, after: int) -> Iterator[event_pb2.ChatEvent]:
        """Yield a run's events to one reader."""
        fault, self.reader_fault = self.reader_fault, None
        for event in run.follow(after):
            if fault is not None and event.sequence > fault[0]:
                raise fault[1]
            yield event

    def _begin(self, request: Any) -> FakeRun:
        """Return the run of a request's key, which begins unless it did.

        Raises:
            NotFound: the catalog has models, and not this one.
        """
        if self._catalog.models and request.model and request.model not in self._catalog.models:
            raise NotFound(
                "MODEL_NOT_FOUND",
                f"There is no model {request.model}.",
                metadata={
                    "model": request.model,
                    "nearest": self._catalog.nearest(request.model),
                },
            )
        if request.idempotency_key and request.idempotency_key in self.keys:
            return self.keys[request.idempotency_key]
        script = self.scripts.pop(0) if self.scripts else say("Hello", ".")
        run = FakeRun(f"run_{len(self.runs) + 1}", script)
        self.runs[run.id] = self.keys[request.idempotency_key] = run
        return run

    def _find(self, identifier: str) -> FakeRun:
        """Return a run.

        Raises:
            NotFound: there is none.
        """
        if identifier not in self.runs:
            raise NotFound(
                "RUN_NOT_FOUND",
                f"There is no run {identifier}.",
                metadata={"run_id": identifier},
            )
        return self.runs[identifier]

"""One request to one provider, under way, and how it is told of."""

from __future__ import annotations

from dataclasses import dataclass, field

from trunkline.inference.drafts import Drafts
from trunkline.inference.plan import Candidate
from trunkline.inference.v1 import failure_pb2, result_pb2
from trunkline.inference.waits import Waits
from trunkline.kernel.call import Caller
from trunkline.kernel.clock import Clock, duration, timestamp


@dataclass(slots=True)
class Attempt:
    """One request to one provider, under way.

    Attributes:
        number: counted from 1 within the run.
        candidate: who is asked.
        waits: the longest waits.
        caller: who began the run; its role decides what is told.
        clock: measures.
        began: monotonic seconds.
        began_ns: the same by the wall.
        first_token: monotonic seconds of the first content; None: none has come.
        drafts: what was said and has no number yet.
        losses: of the request.
    """

    number: int
    candidate: Candidate
    waits: Waits
    caller: Caller
    clock: Clock
    began: float = 0.0
    began_ns: int = 0
    first_token: float | None = None
    drafts: Drafts = field(default_factory=Drafts)
    losses: tuple[result_pb2.Loss, ...] = ()

    def __post_init__(self) -> None:
        """Begin now."""
        self.begin()

    def begin(self) -> None:
        """Note that the request is sent now."""
        self.began = self.clock.monotonic()
        self.began_ns = self.clock.time_ns()

    def record(self, outcome: result_pb2.AttemptOutcome.ValueType) -> result_pb2.Attempt:
        """Return the attempt, ending now, as answers and errors tell it; its usage is unknown."""
        record = result_pb2.Attempt(
            number=self.number,
            model=self.candidate.name,
            outcome=outcome,
            credential_scope=self.candidate.scope,
            start_time=timestamp(self.began_ns),
            duration=duration(self.clock.monotonic() - self.began),
            usage=result_pb2.Usage(source=result_pb2.USAGE_SOURCE_UNKNOWN),
            credential_id=self.candidate.credential.id if self.caller.is_admin else "",
        )
        if self.first_token is not None:
            record.time_to_first_token.CopyFrom(duration(self.first_token - self.began))
        return record

    def show(self, failure: failure_pb2.AttemptFailure) -> failure_pb2.AttemptFailure:
        """Return a failure as the run's readers may see it."""
        shown = failure_pb2.AttemptFailure()
        shown.CopyFrom(failure)
        if not self.caller.is_admin and shown.HasField("reply"):
            shown.reply.ClearField("message")
            shown.reply.ClearField("body")
        return shown

"""One request to one provider, under way, and how it is told of."""

from __future__ import annotations

import msgspec

from trunkline.inference.continuation import Continuation, estimate_tokens
from trunkline.inference.drafts import Drafts
from trunkline.inference.pricing import price_attempt
from trunkline.inference.seam import Seam
from trunkline.inference.v1 import failure_pb2, result_pb2
from trunkline.inference.waits import Waits
from trunkline.kernel.call import Caller
from trunkline.kernel.clock import Clock, write_duration, write_time
from trunkline.planning.candidates import Candidate
from trunkline.planning.prices import PriceList


class Attempt(msgspec.Struct):
    """One request to one provider, under way.

    Attributes:
        number: counted from 1 within the run.
        candidate: who is asked.
        waits: the longest waits.
        caller: who began the run; its role decides what is told.
        clock: measures.
        continuation: how it carries on what others began.
        trial_id: the trial of a cooling route that it is; empty: none.
        is_hedge: it runs beside a slow one.
        prices: of its model; empty: none is known.
        began: monotonic seconds.
        began_ns: the same by the wall.
        first_token: monotonic seconds of the first content; None: none has come.
        drafts: what was said and has no number yet.
        seam: joins it to what was said before; None: it gives the whole answer.
        said: how many characters it gave to readers.
        is_joined: readers know that what follows is its.
        losses: of the request.
    """

    number: int
    candidate: Candidate
    waits: Waits
    caller: Caller
    clock: Clock
    continuation: Continuation
    drafts: Drafts
    trial_id: str = ""
    is_hedge: bool = False
    prices: PriceList = ()
    began: float = 0.0
    began_ns: int = 0
    first_token: float | None = None
    seam: Seam | None = None
    said: int = 0
    is_joined: bool = False
    losses: tuple[result_pb2.Loss, ...] = ()

    def __post_init__(self) -> None:
        """Begin now."""
        self.begin()
        if self.continuation.delivered is not None:
            self.seam = Seam(self.continuation)

    def begin(self) -> None:
        """Note that the request is sent now."""
        self.began = self.clock.monotonic()
        self.began_ns = self.clock.time_ns()

    def record(
        self,
        outcome: result_pb2.AttemptOutcome.ValueType,
        usage: result_pb2.Usage | None = None,
        told_nanodollars: int | None = None,
    ) -> result_pb2.Attempt:
        """Return the attempt, ending now, as answers and errors tell it, with what it cost.

        Args:
            outcome: how it ended.
            usage: what it took; None: it is estimated by what it said, and of one that said
                nothing it is unknown.
            told_nanodollars: what its provider says that it cost; None: it says nothing.
        """
        record = record_attempt(
            self.number,
            self.candidate,
            outcome,
            began_ns=self.began_ns,
            took_s=self.clock.monotonic() - self.began,
        )
        record.continuation = self.continuation.strategy
        if not self.caller.is_admin:
            record.credential_id = ""
        if self.first_token is not None:
            write_duration(record.time_to_first_token, self.first_token - self.began)
        if usage is not None:
            record.usage.CopyFrom(usage)
        elif self.said:
            record.usage.output_tokens = estimate_tokens(self.said)
            record.usage.source = result_pb2.USAGE_SOURCE_ESTIMATED
        else:
            record.usage.source = result_pb2.USAGE_SOURCE_UNKNOWN
        price_attempt(record, self.prices, told_nanodollars)
        return record

    def show(self, failure: failure_pb2.AttemptFailure) -> failure_pb2.AttemptFailure:
        """Return a failure as the run's readers may see it."""
        return show_failure(failure, self.caller)


def record_attempt(
    number: int,
    candidate: Candidate,
    outcome: result_pb2.AttemptOutcome.ValueType,
    *,
    began_ns: int,
    took_s: float,
) -> result_pb2.Attempt:
    """Return an attempt that has ended, its key named, yet without what it took.

    Args:
        number: counted from 1 within the run.
        candidate: who was asked.
        outcome: how it ended.
        began_ns: when it began, by the wall.
        took_s: how long it went on.
    """
    record = result_pb2.Attempt(
        number=number,
        model=candidate.name,
        outcome=outcome,
        credential_scope=candidate.scope,
        credential_id=candidate.credential.id,
    )
    write_time(record.start_time, began_ns)
    write_duration(record.duration, took_s)
    return record


def show_failure(failure: failure_pb2.AttemptFailure, caller: Caller) -> failure_pb2.AttemptFailure:
    """Return a failure as who began its run may see it."""
    shown = failure_pb2.AttemptFailure()
    shown.CopyFrom(failure)
    if not caller.is_admin and shown.HasField("reply"):
        shown.reply.ClearField("message")
        shown.reply.ClearField("body")
    return shown

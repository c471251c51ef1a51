"""A provider that goes down and comes back, as the replicas see it."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from enum import Enum, auto

from simulation.record import Record
from trunkline.inference.v1 import failure_pb2
from trunkline.kernel.clock import duration

MODEL = "model"

_REFUSED_AFTER_S = 0.02
_SPEAKS_AFTER_S = (0.2, 0.8)
_TALKS_S = (1.0, 5.0)


class Trouble(Enum):
    """What an outage is like."""

    REFUSES = auto()
    """503 at once, and what was being said breaks off."""
    SILENT = auto()
    """It takes requests and says nothing; what was being said stops."""
    LIMITS = auto()
    """429 at once with a wait; what was being said goes on."""


@dataclass(frozen=True, slots=True)
class Outage:
    """When a provider is down.

    Attributes:
        begin_s, end_s: since the simulation began.
        trouble: what it is like.
        retry_after_s: what it asks for when it limits.
    """

    begin_s: float
    end_s: float
    trouble: Trouble = Trouble.REFUSES
    retry_after_s: float = 20.0

    def lasts(self, now: float) -> bool:
        """Tell whether it is under way."""
        return self.begin_s <= now < self.end_s


@dataclass(frozen=True, slots=True)
class Reply:
    """What becomes of one request; seconds since it was sent.

    Attributes:
        speaks_after_s: its first content comes; infinite: never.
        ends_after_s: the answer is whole, or the failure shows; infinite: it stays silent.
        failure: what it ends with; None: a whole answer, or silence.
        stops_after_s: it falls silent in the middle of its answer; None: it does not.
    """

    speaks_after_s: float
    ends_after_s: float
    failure: failure_pb2.AttemptFailure | None = None
    stops_after_s: float | None = None


class Provider:
    """A provider with one model.

    Args:
        name: of the provider.
        outage: its one outage; None: it is never down.
        draw: for how long answers take.
        record: is told of each request.
    """

    def __init__(
        self, name: str, outage: Outage | None, draw: random.Random, record: Record
    ) -> None:
        self.name = name
        self._outage = outage
        self._draw = draw
        self._record = record

    def ask(self) -> Reply:
        """Return what becomes of a request that is sent now."""
        self._record.note_ask(self.name)
        now, outage = self._record.now(), self._outage
        if outage is not None and outage.lasts(now):
            return _refuse(outage)
        speaks = self._draw.uniform(*_SPEAKS_AFTER_S)
        ends = speaks + self._draw.uniform(*_TALKS_S)
        if outage is None or not now < outage.begin_s < now + ends:
            return Reply(speaks, ends)
        left = outage.begin_s - now
        spoke = speaks if speaks < left else math.inf
        match outage.trouble:
            case Trouble.REFUSES:
                return Reply(spoke, left, fail(failure_pb2.ERROR_KIND_BROKEN_STREAM))
            case Trouble.SILENT:
                return Reply(spoke, math.inf, stops_after_s=left if speaks < left else None)
            case Trouble.LIMITS:
                return Reply(speaks, ends)


def _refuse(outage: Outage) -> Reply:
    """Return what becomes of a request that is sent in an outage."""
    match outage.trouble:
        case Trouble.REFUSES:
            failure = fail(failure_pb2.ERROR_KIND_SERVER_ERROR, status=503)
        case Trouble.SILENT:
            return Reply(math.inf, math.inf)
        case Trouble.LIMITS:
            failure = fail(failure_pb2.ERROR_KIND_RATE_LIMITED, status=429)
            failure.reply.retry_after.CopyFrom(duration(outage.retry_after_s))
    return Reply(math.inf, _REFUSED_AFTER_S, failure)


def fail(kind: failure_pb2.ErrorKind.ValueType, *, status: int = 0) -> failure_pb2.AttemptFailure:
    """Return a failure of a kind."""
    failure = failure_pb2.AttemptFailure(kind=kind)
    if status:
        failure.reply.http_status = status
    return failure

"""The longest waits of an attempt: what was asked for, and until when each read may wait."""

from __future__ import annotations

import msgspec

from trunkline.inference.settings import InferenceSettings
from trunkline.inference.terms import Terms
from trunkline.inference.v1 import chat_pb2
from trunkline.kernel.clock import to_seconds
from trunkline.planning.candidates import Candidate

_MAX_WAIT_S = 3600.0


class Waits(msgspec.Struct, frozen=True):
    """The longest waits of one attempt, in seconds.

    Attributes:
        connect: to be connected, TLS included.
        first_token: from the request sent to the first content; None: no limit.
        idle: between two reads.
        attempt: of the attempt as a whole; None: what is left of the run.
        usage: for usage after the answer's end.
    """

    connect: float
    first_token: float | None
    idle: float
    attempt: float | None
    usage: float


class Deadlines:
    """Until when the next bytes of an attempt are waited for.

    Args:
        waits: the longest waits.
        sent_at: the loop's time at which the request was sent.
    """

    def __init__(self, waits: Waits, sent_at: float) -> None:
        self._idle = waits.idle
        self._usage = waits.usage
        self._spoken_by = sent_at + (
            _MAX_WAIT_S if waits.first_token is None else waits.first_token
        )
        self._whole_by = sent_at + (_MAX_WAIT_S if waits.attempt is None else waits.attempt)
        self._usage_by: float | None = None
        # Before the first byte, an idle limit counts where no first-token limit does.
        self._patient = waits.first_token is not None

    def next(self, now: float, *, spoken: bool, finished: bool) -> float:
        """Return the loop's time until which the next read may wait.

        Args:
            now: the loop's time.
            spoken: content has come; any byte is life, and only content is speech.
            finished: the answer is whole, and only its usage is missing.
        """
        if finished:
            if self._usage_by is None:
                self._usage_by = now + self._usage
            return min(self._usage_by, self._whole_by)
        if spoken:
            return min(now + self._idle, self._whole_by)
        if self._patient:
            return min(self._spoken_by, self._whole_by)
        return min(now + self._idle, self._whole_by)


def settle_waits(
    terms: Terms,
    question: chat_pb2.ChatRequest,
    candidate: Candidate,
    settings: InferenceSettings,
    *,
    streams: bool,
    has_other: bool,
) -> Waits:
    """Return the waits of an attempt: the request's, else the model's, else the deployment's.

    Args:
        terms: of the run.
        question: what the candidate is asked.
        candidate: who is asked.
        settings: the deployment's.
        streams: the answer comes in parts; one in one piece says nothing until it is whole,
            and has the run's time.
        has_other: somebody else could be asked in its place.
    """
    reasons = does_reason(question, candidate)
    first_token: float | None = settings.first_token_s
    if not streams:
        first_token = terms.total_s
    elif reasons:
        first_token = None
    elif has_other:
        first_token = settings.first_token_fallback_s
    elif candidate.place.is_local:
        first_token = settings.first_token_local_s
    waits = Waits(
        connect=settings.connect_s,
        first_token=first_token,
        idle=settings.idle_reasoning_s if reasons else settings.idle_s,
        attempt=None,
        usage=settings.usage_wait_s,
    )
    for holder in (candidate.model.settings, terms.request):
        if holder.HasField("limits"):
            waits = _limit(waits, holder.limits)
    return waits


def _limit(waits: Waits, limits: chat_pb2.TimeLimits) -> Waits:
    """Return the waits with those that are limited otherwise."""
    asked = {
        name: to_seconds(getattr(limits, name))
        for name in ("connect", "first_token", "idle", "attempt")
        if limits.HasField(name)
    }
    return msgspec.structs.replace(waits, **asked)


def does_reason(request: chat_pb2.ChatRequest, candidate: Candidate) -> bool:
    """Tell whether long silence is to be expected, since the request or the model reasons."""
    asked = request.reasoning
    if asked.effort:
        return asked.effort != "none"
    return bool(asked.budget_tokens) or candidate.model.facts.thinking.value

"""What the requests of one embedding came to: told to ledger, health and caller."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from trunkline.inference.attempt import record_attempt, show_failure
from trunkline.inference.embedding.run import EmbeddingRun
from trunkline.inference.endings import usage_of_failed
from trunkline.inference.means import Means
from trunkline.inference.selection import Choice
from trunkline.inference.trail import sum_usage
from trunkline.inference.v1 import embedding_pb2, failure_pb2, result_pb2
from trunkline.planning.candidates import Candidate

# Enters an attempt of a run into the ledger.
Enter = Callable[[EmbeddingRun, result_pb2.Attempt], None]

_MAX_LOSSES: Final = 200


class OpenAttempt(msgspec.Struct):
    """One request, under way.

    Attributes:
        number: counted from 1 within the run.
        candidate: who is asked.
        trial_id: the trial of a cooling route that it is; empty: none.
        began: monotonic seconds.
        began_ns: the same by the wall.
    """

    number: int
    candidate: Candidate
    trial_id: str
    began: float
    began_ns: int


class Account:
    """The attempts of one embedding.

    Args:
        run: that goes on.
        means: shared by all runs.
        enter: enters attempts into the ledger.

    Attributes:
        model: that made the last vectors; empty: none did.
    """

    def __init__(self, run: EmbeddingRun, means: Means, enter: Enter) -> None:
        self.model = ""
        self._run = run
        self._clock = means.clock
        self._outcomes = means.outcomes
        self._enter = enter
        self._count = 0
        self._attempts: list[result_pb2.Attempt] = []
        self._losses: dict[tuple[str, str], result_pb2.Loss] = {}

    def open(self, choice: Choice) -> OpenAttempt:
        """Return the next attempt, which begins now."""
        self._count += 1
        return OpenAttempt(
            self._count,
            choice.candidate,
            choice.trial_id,
            self._clock.monotonic(),
            self._clock.time_ns(),
        )

    def note(
        self,
        attempt: OpenAttempt,
        outcome: result_pb2.AttemptOutcome.ValueType,
        *,
        usage: result_pb2.Usage | None = None,
        failure: failure_pb2.AttemptFailure | None = None,
    ) -> None:
        """Enter an attempt that ended now into the ledger, and among those that are told."""
        record = record_attempt(
            attempt.number,
            attempt.candidate,
            outcome,
            began_ns=attempt.began_ns,
            took_s=self._clock.monotonic() - attempt.began,
        )
        caller = self._run.terms.caller
        if failure is not None:
            record.failure.CopyFrom(show_failure(failure, caller))
            usage = usage_of_failed(failure)
        if usage is None:
            usage = result_pb2.Usage(source=result_pb2.USAGE_SOURCE_UNKNOWN)
        record.usage.CopyFrom(usage)
        self._enter(self._run, record)
        told = result_pb2.Attempt()
        told.CopyFrom(record)
        if not caller.is_admin:
            told.credential_id = ""
        self._attempts.append(told)

    def report(
        self,
        attempt: OpenAttempt,
        failure: failure_pb2.AttemptFailure | None,
        *,
        will_retry: bool = False,
    ) -> None:
        """Let health know how an attempt ended."""
        candidate = attempt.candidate
        self._outcomes.add(
            model=candidate.name,
            credential_id=candidate.credential.id,
            has_own_address=candidate.has_own_address,
            began=attempt.began,
            first_token=None,
            failure=failure,
            trial_id=attempt.trial_id,
            will_retry=will_retry,
        )

    def lose(self, losses: Iterable[result_pb2.Loss], attempt: int = 0) -> None:
        """Note what could not be carried, once for all batches that say the same."""
        for loss in losses:
            if len(self._losses) < _MAX_LOSSES and (loss.path, loss.reason) not in self._losses:
                loss.attempt = attempt
                self._losses[loss.path, loss.reason] = loss

    def in_order(self) -> list[result_pb2.Attempt]:
        """Return the attempts that ended, by number."""
        return sorted(self._attempts, key=lambda each: each.number)

    def sum_up(self) -> embedding_pb2.EmbeddingSummary:
        """Return what the embedding took."""
        attempts = self.in_order()
        return embedding_pb2.EmbeddingSummary(
            model=self.model,
            dimensions=self._run.dimensions,
            usage=sum_usage(attempts),
            attempts=attempts,
            losses=self._losses.values(),
            run_id=self._run.id,
        )

"""What follows from a failed attempt: the same again, another, or the end."""

from __future__ import annotations

from trunkline.inference import endings
from trunkline.inference.asking import Asking
from trunkline.inference.attempt import Attempt
from trunkline.inference.continuation import carry_on
from trunkline.inference.endings import (
    not_allowed,
    to_limit,
    usage_of_failed,
)
from trunkline.inference.failure_table import Next, find_next
from trunkline.inference.means import Means
from trunkline.inference.plan import Plan
from trunkline.inference.race import Died
from trunkline.inference.run import Run
from trunkline.inference.selection import Choice, Selection
from trunkline.inference.trail import make_trail
from trunkline.inference.v1 import event_pb2, failure_pb2, result_pb2
from trunkline.kernel.clock import duration
from trunkline.kernel.errors import TrunklineError
from trunkline.planning.candidates import Candidate

# What of 4xx is not about the partial answer that an attempt was to carry on.
_OTHER_REFUSALS = frozenset({401, 403, 429})


class Aftermath:
    """Judges the failures of one run's attempts, and writes them down.

    Args:
        run: that goes on.
        plan: who may be asked.
        means: shared by all runs.
        selection: tells whether the same route is asked again.
    """

    def __init__(self, run: Run, plan: Plan, means: Means, selection: Selection) -> None:
        self._selection = selection
        self._run = run
        self._plan = plan
        self._means = means
        self._last: Died | None = None

    def same_again(self, died: Died) -> tuple[Choice | None, float]:
        """Return the same route once more and after how many seconds; None: it is not asked."""
        run, plan, settings = self._run, self._plan, self._means.settings
        attempt, failure = died.asking.attempt, died.failure
        candidate = attempt.candidate
        if not plan.may_ask(candidate) or died.is_ours:
            return None, 0.0
        if _refuses_prefill(attempt, failure):
            plan.refuse_prefill(candidate)
            return Choice(candidate), 0.0
        within_s = run.remaining_s
        if attempt.first_token is None and attempt.waits.first_token is not None:
            asked_for_s = self._means.clock.monotonic() - attempt.began
            within_s = min(within_s, attempt.waits.first_token - asked_for_s)
        pause_s = self._selection.again(
            candidate,
            failure,
            is_trial=bool(attempt.trial_id),
            pause_s=settings.retry_pause_s,
            longest_s=settings.retry_wait_s,
            within_s=within_s,
        )
        return (None, 0.0) if pause_s is None else (Choice(candidate), pause_s)

    def rule_out(self, died: Died) -> None:
        """Close the candidates that may not follow a failed attempt."""
        attempt = died.asking.attempt
        candidate = attempt.candidate
        if _refuses_prefill(attempt, died.failure):
            self._plan.refuse_prefill(candidate)
            next_ = Next.ANY
        else:
            next_ = find_next(died.failure, candidate.scope, chain_allows=self._plan.chain_allows)
        self._plan.rule_out(candidate, next_)

    def note_died(self, died: Died) -> None:
        """Note a failed attempt while another one goes on beside it."""
        died.failure.mid_stream = False
        candidate = died.asking.attempt.candidate
        self.rule_out(died)
        self.note_failed(died, candidate, 0.0, is_again=False)

    def note_lost(self, asking: Asking) -> None:
        """Note that the other attempt of a hedge spoke first."""
        attempt = asking.attempt
        failure = failure_pb2.AttemptFailure(
            kind=failure_pb2.ERROR_KIND_HEDGE_LOST, message="Another one spoke first."
        )
        record = attempt.record(result_pb2.ATTEMPT_OUTCOME_HEDGE_LOST)
        record.failure.CopyFrom(failure)
        self._run.end_attempt(attempt, record, event_pb2.AttemptFailed(failure=failure))
        if attempt.trial_id:
            # Health learns that nobody tries it any more, and nothing else.
            self.report(attempt, failure)

    def note_failed(
        self, died: Died, next_: Candidate | None, pause_s: float, *, is_again: bool | None = None
    ) -> None:
        """Write down a failed attempt, and let health know."""
        self._last = died
        attempt = died.asking.attempt
        if is_again is None:
            is_again = next_ is attempt.candidate
        failure = attempt.show(died.failure)
        told = event_pb2.AttemptFailed(failure=failure, will_retry=next_ is not None)
        if pause_s:
            told.retry_after.CopyFrom(duration(pause_s))
        if not died.is_ours:
            self.report(attempt, died.failure, will_retry=is_again)
        record = attempt.record(
            result_pb2.ATTEMPT_OUTCOME_FAILED, None if attempt.said else usage_of_failed(failure)
        )
        record.failure.CopyFrom(failure)
        self._run.end_attempt(attempt, record, told)

    def nothing_left(self, obstacle: TrunklineError | None) -> TrunklineError:
        """Return the error of a run that nobody is left to carry on.

        Args:
            obstacle: why the last candidate could not be asked; None: it could.
        """
        died = self._last
        if died is None:
            if obstacle is not None:
                return obstacle
            return endings.nothing_left(None, is_alone=self._plan.is_alone, trail=self.trail())
        run, attempt = self._run, died.asking.attempt
        delivered = run.progress.fold.delivered()
        policy = run.question.continuation
        if delivered is not None and carry_on(run.question, delivered, prefills=False) is None:
            return not_allowed(died.failure, policy, self.trail())
        if died.is_ours:
            return to_limit(self._means.settings.connections_per_provider)
        refused = _refuses_prefill(attempt, died.failure)
        return endings.nothing_left(
            None if refused else (attempt.show(died.failure), attempt.candidate),
            is_alone=self._plan.is_alone,
            trail=self.trail(),
        )

    def trail(self) -> result_pb2.AttemptTrail:
        """Return the trail so far."""
        return make_trail(self._run.progress.attempts, self._plan.skipped)

    def report(
        self,
        attempt: Attempt,
        failure: failure_pb2.AttemptFailure | None,
        *,
        will_retry: bool = False,
    ) -> None:
        """Let health know how an attempt ended."""
        self._means.outcomes.add(
            model=attempt.candidate.name,
            credential_id=attempt.candidate.credential.id,
            has_own_address=attempt.candidate.has_own_address,
            began=attempt.began,
            first_token=attempt.first_token,
            failure=failure,
            trial_id=attempt.trial_id,
            will_retry=will_retry,
        )


def _refuses_prefill(attempt: Attempt, failure: failure_pb2.AttemptFailure) -> bool:
    """Tell whether a refusal is about the partial answer that the attempt carried on."""
    status = failure.reply.http_status
    return (
        attempt.continuation.strategy == result_pb2.CONTINUATION_STRATEGY_PREFILL
        and 400 <= status < 500
        and status not in _OTHER_REFUSALS
    )

"""One run on its way to its end: ask, fall back, carry on."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from trunkline.inference.adapters.adapter import Adapter, Ending, ProviderFailed, Target
from trunkline.inference.asking import Asking
from trunkline.inference.attempt import Attempt
from trunkline.inference.continuation import Course, carry_on, judge
from trunkline.inference.cooling import Cooling
from trunkline.inference.drafts import Drafts
from trunkline.inference.endings import (
    broken,
    not_allowed,
    nothing_left,
    to_limit,
    usage_of_failed,
    would_lose,
)
from trunkline.inference.failure_table import Next, find_next, pause_before_retry
from trunkline.inference.keys import Keys
from trunkline.inference.latencies import Latencies
from trunkline.inference.outcomes import Outcomes
from trunkline.inference.plan import Plan
from trunkline.inference.race import Died, race, speak
from trunkline.inference.retry_budget import RetryBudget
from trunkline.inference.run import Run
from trunkline.inference.selection import Choice, Selection
from trunkline.inference.settings import InferenceSettings
from trunkline.inference.takeover import SUPERSEDED
from trunkline.inference.trail import make_trail, sum_usage
from trunkline.inference.transport import Transport
from trunkline.inference.v1 import event_pb2, failure_pb2, result_pb2
from trunkline.inference.waits import does_reason, settle_waits
from trunkline.kernel.clock import Clock, duration, to_seconds
from trunkline.kernel.errors import FailedPrecondition, TrunklineError, Unavailable
from trunkline.planning.candidates import Candidate

# In characters, as for a provider's whole answer in one piece.
MAX_ANSWER = 32 * 1024 * 1024

# What of 4xx is not about the partial answer that an attempt was to carry on.
_OTHER_REFUSALS = frozenset({401, 403, 429})


@dataclass(frozen=True, slots=True)
class Means:
    """What all runs of a process share.

    Attributes:
        settings: waits.
        adapters: by wire format.
        transport: sends.
        keys: what authenticates.
        cooling: who cools down.
        outcomes: is told how attempts went.
        budget: for requests beyond the first ones.
        latencies: how soon models spoke.
        clock: the time.
    """

    settings: InferenceSettings
    adapters: Mapping[str, Adapter]
    transport: Transport
    keys: Keys
    cooling: Cooling
    outcomes: Outcomes
    budget: RetryBudget
    latencies: Latencies
    clock: Clock


class Pursuit:
    """Carries one run.

    Args:
        run: that goes on.
        plan: who may be asked.
        means: shared by all runs.
    """

    def __init__(self, run: Run, plan: Plan, means: Means) -> None:
        self._run = run
        self._plan = plan
        self._means = means
        self._selection = Selection(plan, means.cooling, means.budget)
        # Where somebody else could be asked, a stream shows early that the first is silent.
        self._streams = run.terms.in_parts or not plan.is_alone
        self._last: Died | None = None
        self._obstacle: TrunklineError | None = None
        self._may_hedge = True
        self._early: result_pb2.Completed | None = None

    async def answer(self) -> result_pb2.Completed:
        """Ask until there is a whole answer, or a turn that ends early with whole tool calls.

        Raises:
            TrunklineError: there is none; what the run ends with.
        """
        run = self._run
        match judge(run.progress.fold.delivered(), run.question.continuation):
            case Course.END_TURN:
                return self._complete_early()
            case Course.FORBIDDEN:
                raise not_allowed(SUPERSEDED, run.question.continuation, self._trail())
            case Course.GO_ON:
                pass
        asking = await self._next()
        while asking is not None:
            self._start(asking)
            try:
                completed = await self._ask(asking)
            except Died as died:
                died.asking.close()
                asking = await self._recover(died)
            else:
                return completed
            if self._early is not None:
                return self._early
        raise self._nothing_left()

    async def _next(self) -> Asking | None:
        """Put the next attempt together; None: nobody is left who can be asked."""
        while (choice := await self._selection.next()) is not None:
            asking = await self._prepare(choice)
            if asking is not None:
                return asking
        return None

    def _start(self, asking: Asking) -> None:
        """Note that a request is about to be sent."""
        self._plan.note_asked(asking.attempt.candidate)
        self._run.start_attempt(asking.attempt)

    async def _prepare(self, choice: Choice) -> Asking | None:
        """Put an attempt together, up to the moment where its request is sent.

        Returns:
            None: the candidate cannot be asked; it is closed, and why is noted.
        """
        run, plan, candidate = self._run, self._plan, choice.candidate
        continuation = carry_on(
            run.question, run.progress.fold.delivered(), prefills=plan.prefills(candidate)
        )
        if continuation is None:
            sentence = "It does not go on from a partial answer, and nothing else is allowed."
            self._pass_over(candidate, failure_pb2.SKIP_REASON_FALLBACK_NOT_ALLOWED, sentence)
            return None
        try:
            target = await self._target(candidate)
        except (FailedPrecondition, Unavailable) as error:
            self._obstacle = error
            self._pass_over(candidate, failure_pb2.SKIP_REASON_NO_CREDENTIAL, error.message)
            return None
        streams = self._streams and _streams(candidate)
        attempt = Attempt(
            number=run.progress.attempt_count + 1,
            candidate=candidate,
            waits=settle_waits(
                run.terms,
                candidate,
                self._means.settings,
                streams=streams,
                has_other=plan.has_other(candidate),
            ),
            caller=run.terms.caller,
            clock=self._means.clock,
            continuation=continuation,
            drafts=Drafts(run.progress.call_ids),
            trial_id=choice.trial_id,
            is_hedge=choice.is_hedge,
        )
        adapter = self._means.adapters[candidate.provider.endpoint.format]
        asking = Asking(attempt, adapter, target, self._means.transport, streams=streams)
        loss = next(filter(_matters, attempt.losses), None)
        if run.question.strict and loss is not None:
            self._obstacle = would_lose(candidate.name, loss)
            self._pass_over(candidate, failure_pb2.SKIP_REASON_WOULD_LOSE, self._obstacle.message)
            return None
        return asking

    async def _target(self, candidate: Candidate) -> Target:
        """Put together where the request goes, with the key.

        Raises:
            FailedPrecondition: NO_CREDENTIAL: the key is gone.
            Unavailable: PEER_UNAVAILABLE, SECURITY_VIEW_STALE.
        """
        key = candidate.credential
        secret = await self._means.keys.resolve(key, self._run.terms.owner, candidate.place.origin)
        provider = candidate.provider
        return Target(
            provider=provider.name,
            model=candidate.model_id,
            base_url=candidate.place.url,
            headers=dict(provider.endpoint.headers),
            secret=secret,
            credential_id=_account(key.id),
            # The type that gives a format its name is the vendor's own.
            first_party=provider.type == provider.endpoint.format,
        )

    async def _ask(self, asking: Asking) -> result_pb2.Completed:
        """Send an attempt's request, a second one beside it when it is slow, and read the answer.

        Raises:
            Died: there is no whole answer.
        """
        hedge_s = self._hedge_after(asking.attempt)
        winner = asking
        # A request is stored before it is sent: no provider is asked that no ledger knows of.
        await self._run.journal.settle()
        try:
            if hedge_s is None:
                await speak(asking)
            else:
                winner = await race(
                    asking, hedge_s, self._start_hedge, self._note_lost, self._note_died
                )
            return await self._read(winner)
        except ProviderFailed as failed:
            raise Died(winner, failed.failure) from None
        except BaseException:
            winner.close()
            raise

    async def _start_hedge(self) -> Asking | None:
        """Start a second attempt beside the one under way; None: there is nobody for it."""
        slow = self._run.under_way[-1].candidate
        choice = self._selection.hedge(slow)
        self._may_hedge = False
        asking = await self._prepare(choice) if choice is not None else None
        if asking is not None:
            self._start(asking)
        return asking

    async def _read(self, asking: Asking) -> result_pb2.Completed:
        """Read an answer to its end, its events going into the run.

        Raises:
            ProviderFailed: it did not come to a whole answer.
        """
        run = self._run
        going_on = True
        while going_on:
            self._append(asking)
            if run.progress.fold.size > MAX_ANSWER:
                raise ProviderFailed(broken("The answer is too long."))
            if not run.journal.has_room():
                await run.journal.wait_room()
            going_on = await asking.read()
        ending = asking.end()
        self._append(asking, last=True)
        attempt = asking.attempt
        if attempt.first_token is None and ending.finish_reason == result_pb2.FINISH_REASON_STOP:
            if attempt.continuation.delivered is None:
                raise ProviderFailed(broken("The provider ended its answer without a word."))
            run.open_seam(attempt)
        return self._complete(attempt, ending)

    def _append(self, asking: Asking, *, last: bool = False) -> None:
        """Give what was said since the last time its numbers."""
        told = asking.take(last=last)
        if told:
            self._run.say(asking.attempt, told)

    def _complete(self, attempt: Attempt, ending: Ending) -> result_pb2.Completed:
        """Return the end of a run whose answer is whole."""
        run = self._run
        record = attempt.record(result_pb2.ATTEMPT_OUTCOME_COMPLETED)
        if ending.usage is not None:
            record.usage.CopyFrom(ending.usage)
        self._report(attempt, None)
        if attempt.first_token is not None:
            spoke_after_s = attempt.first_token - attempt.began
            self._means.latencies.note(attempt.candidate.name, spoke_after_s)
        run.end_attempt(attempt, record)
        run.lose(attempt, ending.losses)
        usage = record.usage
        return result_pb2.Completed(
            finish_reason=ending.finish_reason,
            usage=sum_usage(run.progress.attempts),
            model=attempt.candidate.name,
            attempts=run.progress.attempts,
            losses=run.progress.losses,
            raw_finish_reason=ending.raw,
            stop_sequence=ending.stop_sequence,
            skipped=self._plan.skipped,
            context_used=usage.input_tokens
            + usage.cache_read_tokens
            + usage.cache_write_tokens
            + usage.output_tokens,
        )

    async def _recover(self, died: Died) -> Asking | None:
        """Decide what follows a failed attempt; what it said so far is told first.

        Returns:
            Who is asked next; None: nobody is. A turn that ends here has ended.
        """
        run, plan = self._run, self._plan
        attempt = died.asking.attempt
        died.failure.mid_stream = attempt.first_token is not None
        attempt.drafts.abort_open_calls()
        self._append(died.asking, last=True)
        self._last = died
        course = judge(run.progress.fold.delivered(), run.question.continuation)
        asking, pause_s = None, 0.0
        if course is Course.GO_ON:
            choice, pause_s = self._same_again(died)
            # Readers are told that another attempt follows: it must be able to.
            asking = await self._prepare(choice) if choice is not None else None
            if asking is None:
                pause_s = 0.0
                plan.rule_out(attempt.candidate, self._find_next(died))
                asking = await self._next()
        self._note_failed(died, asking.attempt.candidate if asking else None, pause_s)
        match course:
            case Course.END_TURN:
                self._early = self._complete_early()
            case Course.FORBIDDEN:
                raise not_allowed(died.failure, run.question.continuation, self._trail())
            case Course.GO_ON if pause_s:
                await asyncio.sleep(pause_s)
            case _:
                pass
        return asking

    def _same_again(self, died: Died) -> tuple[Choice | None, float]:
        """Return the same route once more and after how many seconds; None: it is not asked."""
        run, plan, settings = self._run, self._plan, self._means.settings
        attempt, failure = died.asking.attempt, died.failure
        candidate = attempt.candidate
        if not plan.may_ask(candidate) or died.is_ours:
            return None, 0.0
        if _refuses_prefill(attempt, failure):
            plan.refuse_prefill(candidate)
            return Choice(candidate), 0.0
        pause_s = pause_before_retry(
            failure, pause_s=settings.retry_pause_s, longest_s=settings.retry_wait_s
        )
        if pause_s is None or attempt.trial_id:
            return None, 0.0
        patience_s = attempt.waits.first_token
        asked_for_s = self._means.clock.monotonic() - attempt.began
        has_spoken = attempt.first_token is not None
        if not has_spoken and patience_s is not None and asked_for_s + pause_s >= patience_s:
            return None, 0.0
        if pause_s >= run.remaining_s or not self._means.budget.take():
            return None, 0.0
        return Choice(candidate), pause_s

    def _find_next(self, died: Died) -> Next:
        """Return which other candidates may follow a failed attempt."""
        attempt = died.asking.attempt
        if _refuses_prefill(attempt, died.failure):
            self._plan.refuse_prefill(attempt.candidate)
            return Next.ANY
        return find_next(
            died.failure, attempt.candidate.scope, chain_allows=self._plan.chain_allows
        )

    def _note_died(self, died: Died) -> None:
        """Note a failed attempt while another one goes on beside it."""
        died.failure.mid_stream = False
        candidate = died.asking.attempt.candidate
        self._plan.rule_out(candidate, self._find_next(died))
        self._last = died
        self._note_failed(died, candidate, 0.0, is_again=False)

    def _note_lost(self, asking: Asking) -> None:
        """Note that the other attempt of a hedge spoke first."""
        attempt = asking.attempt
        failure = failure_pb2.AttemptFailure(
            kind=failure_pb2.ERROR_KIND_HEDGE_LOST, message="Another one spoke first."
        )
        record = attempt.record(result_pb2.ATTEMPT_OUTCOME_HEDGE_LOST)
        record.failure.CopyFrom(failure)
        self._run.end_attempt(attempt, record, event_pb2.AttemptFailed(failure=failure))

    def _note_failed(
        self, died: Died, next_: Candidate | None, pause_s: float, *, is_again: bool | None = None
    ) -> None:
        """Write down a failed attempt, and let health know."""
        attempt = died.asking.attempt
        if is_again is None:
            is_again = next_ is attempt.candidate
        failure = attempt.show(died.failure)
        told = event_pb2.AttemptFailed(failure=failure, will_retry=next_ is not None)
        if pause_s:
            told.retry_after.CopyFrom(duration(pause_s))
        if not died.is_ours:
            self._report(attempt, died.failure, will_retry=is_again)
        record = attempt.record(result_pb2.ATTEMPT_OUTCOME_FAILED)
        record.failure.CopyFrom(failure)
        if not attempt.said:
            record.usage.CopyFrom(usage_of_failed(failure))
        self._run.end_attempt(attempt, record, told)

    def _complete_early(self) -> result_pb2.Completed:
        """Return the end of a turn whose provider broke off after whole tool calls."""
        run = self._run
        return result_pb2.Completed(
            finish_reason=result_pb2.FINISH_REASON_TOOL_CALLS,
            usage=sum_usage(run.progress.attempts),
            model=run.progress.speaker,
            attempts=run.progress.attempts,
            losses=run.progress.losses,
            skipped=self._plan.skipped,
            turn_ended_early=True,
        )

    def _nothing_left(self) -> TrunklineError:
        """Return the error of a run that nobody is left to carry on."""
        died = self._last
        if died is None:
            if self._obstacle is not None:
                return self._obstacle
            return nothing_left(None, is_alone=self._plan.is_alone, trail=self._trail())
        run, attempt = self._run, died.asking.attempt
        delivered = run.progress.fold.delivered()
        policy = run.question.continuation
        if delivered is not None and carry_on(run.question, delivered, prefills=False) is None:
            return not_allowed(died.failure, policy, self._trail())
        if died.is_ours:
            return to_limit(self._means.settings.connections_per_provider)
        refused = _refuses_prefill(attempt, died.failure)
        return nothing_left(
            None if refused else (attempt.show(died.failure), attempt.candidate),
            is_alone=self._plan.is_alone,
            trail=self._trail(),
        )

    def _pass_over(
        self, candidate: Candidate, reason: failure_pb2.SkipReason.ValueType, detail: str
    ) -> None:
        """Ask a candidate no more, and note why."""
        self._plan.skip(candidate, reason, detail)
        self._plan.close(candidate)

    def _trail(self) -> result_pb2.AttemptTrail:
        """Return the trail so far."""
        return make_trail(self._run.progress.attempts, self._plan.skipped)

    def _hedge_after(self, attempt: Attempt) -> float | None:
        """Return after how many silent seconds a second one is asked beside; None: never."""
        request, patience_s = self._run.question, attempt.waits.first_token
        hedge_s = self._means.settings.hedge_after_s
        if request.limits.HasField("hedge_after"):
            hedge_s = to_seconds(request.limits.hedge_after)
        provider = attempt.candidate.provider.name
        if (
            not (self._may_hedge and self._streams and hedge_s)
            or patience_s is None
            or hedge_s >= patience_s
            or does_reason(request, attempt.candidate)
            or all(other.provider.name == provider for other in self._plan.open)
        ):
            return None
        return hedge_s

    def _report(
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
            began=attempt.began,
            first_token=attempt.first_token,
            failure=failure,
            trial_id=attempt.trial_id,
            will_retry=will_retry,
        )


def _streams(candidate: Candidate) -> bool:
    """Tell whether a provider is asked for a stream; absent means yes."""
    endpoint = candidate.provider.endpoint
    return endpoint.streaming if endpoint.HasField("streaming") else True


def _matters(loss: result_pb2.Loss) -> bool:
    """Tell whether a strict request is refused for a loss; a cache mark is never the reason."""
    return not loss.path.endswith((".cache", ".cache.ttl"))


def _account(credential_id: str) -> str:
    """Return what signatures are bound to: it tells accounts apart, and names none."""
    return hashlib.sha256(credential_id.encode()).hexdigest()[:16] if credential_id else ""


def _refuses_prefill(attempt: Attempt, failure: failure_pb2.AttemptFailure) -> bool:
    """Tell whether a refusal is about the partial answer that the attempt carried on."""
    status = failure.reply.http_status
    return (
        attempt.continuation.strategy == result_pb2.CONTINUATION_STRATEGY_PREFILL
        and 400 <= status < 500
        and status not in _OTHER_REFUSALS
    )

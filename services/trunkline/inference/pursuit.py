"""One run on its way to its end: ask, fall back, carry on."""

from __future__ import annotations

import asyncio

from trunkline.inference.adapters.adapter import Ending, ProviderFailed
from trunkline.inference.aftermath import Aftermath
from trunkline.inference.asking import Asking
from trunkline.inference.attempt import Attempt
from trunkline.inference.continuation import Course, judge
from trunkline.inference.endings import broken, not_allowed
from trunkline.inference.means import Means
from trunkline.inference.plan import Plan
from trunkline.inference.preparation import Preparation
from trunkline.inference.race import Died, race, speak
from trunkline.inference.run import Run
from trunkline.inference.selection import Selection
from trunkline.inference.takeover import SUPERSEDED
from trunkline.inference.v1 import result_pb2
from trunkline.inference.waits import does_reason
from trunkline.kernel.clock import to_seconds

# In characters, as for a provider's whole answer in one piece.
MAX_ANSWER = 32 * 1024 * 1024


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
        self._preparation = Preparation(run, plan, means)
        self._aftermath = Aftermath(run, plan, means, self._selection)
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
                raise not_allowed(SUPERSEDED, run.question.continuation, self._aftermath.trail())
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
        raise self._aftermath.nothing_left(self._preparation.obstacle)

    async def _next(self) -> Asking | None:
        """Put the next attempt together; None: nobody is left who can be asked."""
        while (choice := await self._selection.next()) is not None:
            asking = await self._preparation.prepare(choice)
            if asking is not None:
                return asking
        return None

    def _start(self, asking: Asking) -> None:
        """Note that a request is about to be sent."""
        self._plan.note_asked(asking.attempt.candidate)
        self._run.start_attempt(asking.attempt)

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
                    asking,
                    hedge_s,
                    self._start_hedge,
                    self._aftermath.note_lost,
                    self._aftermath.note_died,
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
        asking = await self._preparation.prepare(choice) if choice is not None else None
        if asking is not None:
            self._start(asking)
            await self._run.journal.settle()
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
        record = attempt.record(
            result_pb2.ATTEMPT_OUTCOME_COMPLETED, ending.usage, ending.nanodollars
        )
        self._aftermath.report(attempt, None)
        if attempt.first_token is not None:
            spoke_after_s = attempt.first_token - attempt.began
            self._means.latencies.note(attempt.candidate.name, spoke_after_s)
        run.end_attempt(attempt, record)
        run.lose(attempt, ending.losses)
        completed = run.progress.complete(ending.finish_reason, attempt.candidate.name)
        completed.raw_finish_reason = ending.raw
        completed.stop_sequence = ending.stop_sequence
        completed.skipped.extend(self._plan.skipped)
        usage = record.usage
        completed.context_used = (
            usage.input_tokens
            + usage.cache_read_tokens
            + usage.cache_write_tokens
            + usage.output_tokens
        )
        return completed

    async def _recover(self, died: Died) -> Asking | None:
        """Decide what follows a failed attempt; what it said so far is told first.

        Returns:
            Who is asked next; None: nobody is. A turn that ends here has ended.
        """
        run = self._run
        attempt = died.asking.attempt
        attempt.drafts.abort_open_calls()
        self._append(died.asking, last=True)
        # Known now: the last words may have come with what broke them off.
        died.failure.mid_stream = attempt.first_token is not None
        course = judge(run.progress.fold.delivered(), run.question.continuation)
        asking, pause_s = None, 0.0
        if course is Course.GO_ON:
            choice, pause_s = self._aftermath.same_again(died)
            # Readers are told that another attempt follows: it must be able to.
            asking = await self._preparation.prepare(choice) if choice is not None else None
            if asking is None:
                pause_s = 0.0
                self._aftermath.rule_out(died)
                asking = await self._next()
        self._aftermath.note_failed(died, asking.attempt.candidate if asking else None, pause_s)
        match course:
            case Course.END_TURN:
                self._early = self._complete_early()
            case Course.FORBIDDEN:
                raise not_allowed(died.failure, run.question.continuation, self._aftermath.trail())
            case Course.GO_ON if pause_s:
                await asyncio.sleep(pause_s)
            case _:
                pass
        return asking

    def _complete_early(self) -> result_pb2.Completed:
        """Return the end of a turn whose provider broke off after whole tool calls."""
        progress = self._run.progress
        completed = progress.complete(result_pb2.FINISH_REASON_TOOL_CALLS, progress.speaker)
        completed.skipped.extend(self._plan.skipped)
        completed.turn_ended_early = True
        return completed

    def _hedge_after(self, attempt: Attempt) -> float | None:
        """Return after how many silent seconds a second one is asked beside; None: never."""
        request, patience_s = self._run.question, attempt.waits.first_token
        hedge_s = self._means.settings.hedge_after_s
        if request.limits.HasField("hedge_after"):
            hedge_s = to_seconds(request.limits.hedge_after)
        provider = attempt.candidate.provider.name
        if (
            not (self._may_hedge and self._preparation.streams and hedge_s)
            or patience_s is None
            or hedge_s >= patience_s
            or does_reason(request, attempt.candidate)
            or all(other.provider.name == provider for other in self._plan.open)
        ):
            return None
        return hedge_s

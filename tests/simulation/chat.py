"""One chat as far as it decides whom to ask: `Pursuit` without wire, journal and text.

Plan, selection, cooling, failure table and budget are the real ones; what stands here is
only the order in which `Pursuit` asks them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from simulation.provider import Provider, Reply, fail
from trunkline.inference.cooling import Cooling
from trunkline.inference.failure_table import find_next
from trunkline.inference.latencies import Latencies
from trunkline.inference.outcomes import Outcomes
from trunkline.inference.plan import Plan
from trunkline.inference.retry_budget import RetryBudget
from trunkline.inference.selection import Choice, Selection
from trunkline.inference.settings import InferenceSettings
from trunkline.inference.v1 import failure_pb2
from trunkline.kernel.clock import Clock


@dataclass(frozen=True, slots=True)
class Means:
    """What all chats of a replica share.

    Attributes:
        providers: by name.
        cooling: who cools down.
        outcomes: is told how attempts went.
        budget: for requests beyond the first ones.
        latencies: how soon models spoke.
        settings: waits.
        clock: the time.
    """

    providers: Mapping[str, Provider]
    cooling: Cooling
    outcomes: Outcomes
    budget: RetryBudget
    latencies: Latencies
    settings: InferenceSettings
    clock: Clock


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request to one provider, and what becomes of it.

    Attributes:
        choice: who is asked.
        began: monotonic seconds.
        patience_s: the longest wait for its first content.
        reply: what becomes of it.
    """

    choice: Choice
    began: float
    patience_s: float
    reply: Reply


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt that has ended now.

    Attributes:
        attempt: that ended.
        failure: None: with a whole answer.
    """

    attempt: Attempt
    failure: failure_pb2.AttemptFailure | None


class Chat:
    """Carries one request.

    Args:
        plan: who may be asked.
        means: shared by all chats of the replica.
    """

    def __init__(self, plan: Plan, means: Means) -> None:
        self._plan = plan
        self._means = means
        self._selection = Selection(plan, means.cooling, means.budget)
        self._began = means.clock.monotonic()
        self._may_hedge = True

    async def carry(self) -> bool:
        """Ask until there is an answer, or nobody is left; tell whether there is one."""
        choice = await self._selection.next()
        while choice is not None:
            ended = await self._ask(self._begin(choice))
            if ended.failure is None:
                attempt = ended.attempt
                self._report(ended)
                name = attempt.choice.candidate.name
                self._means.latencies.note(name, attempt.reply.speaks_after_s)
                return True
            choice = await self._recover(ended, ended.failure)
        return False

    def _begin(self, choice: Choice) -> Attempt:
        """Send a request."""
        plan, settings, candidate = self._plan, self._means.settings, choice.candidate
        patience_s = (
            settings.first_token_fallback_s if plan.has_other(candidate) else settings.first_token_s
        )
        plan.note_asked(candidate)
        reply = self._means.providers[candidate.provider.name].ask()
        return Attempt(choice, self._means.clock.monotonic(), patience_s, reply)

    async def _ask(self, attempt: Attempt) -> Ended:
        """Read what becomes of an attempt, with a second one beside it when it is slow."""
        settings, reply = self._means.settings, attempt.reply
        quiet_s = min(reply.speaks_after_s, reply.ends_after_s)
        hedge_s = settings.hedge_after_s
        if self._may_hedge and hedge_s < attempt.patience_s and quiet_s > hedge_s:
            await asyncio.sleep(hedge_s)
            self._may_hedge = False
            choice = self._selection.hedge(attempt.choice.candidate)
            if choice is not None:
                # Nobody is slow here but who is silent: the second one is the first to speak.
                return await self._read(self._begin(choice))
        return await self._read(attempt)

    async def _read(self, attempt: Attempt) -> Ended:
        """Read an answer to its end."""
        reply, settings = attempt.reply, self._means.settings
        failure = reply.failure
        if min(reply.speaks_after_s, reply.ends_after_s) > attempt.patience_s:
            ends_s, failure = attempt.patience_s, fail(failure_pb2.ERROR_KIND_SILENT)
        elif reply.stops_after_s is not None:
            ends_s = reply.stops_after_s + settings.idle_s
            failure = fail(failure_pb2.ERROR_KIND_SILENT)
        else:
            ends_s = reply.ends_after_s
        await asyncio.sleep(attempt.began + ends_s - self._means.clock.monotonic())
        return Ended(attempt, failure)

    async def _recover(self, ended: Ended, failure: failure_pb2.AttemptFailure) -> Choice | None:
        """Decide what follows a failed attempt; return who is asked next; None: nobody."""
        attempt, settings, now = ended.attempt, self._means.settings, self._means.clock.monotonic()
        candidate = attempt.choice.candidate
        choice: Choice | None
        pause_s = self._selection.again(
            candidate,
            failure,
            is_trial=bool(attempt.choice.trial_id),
            pause_s=settings.retry_pause_s,
            longest_s=settings.retry_wait_s,
            within_s=min(
                attempt.began + attempt.patience_s - now, self._began + settings.run_total_s - now
            ),
        )
        if pause_s is not None:
            choice = Choice(candidate)
        else:
            chain_allows = self._plan.chain_allows
            next_ = find_next(failure, candidate.scope, chain_allows=chain_allows)
            self._plan.rule_out(candidate, next_)
            choice = await self._selection.next()
        is_again = choice is not None and choice.candidate is candidate
        self._report(ended, will_retry=is_again)
        if pause_s:
            await asyncio.sleep(pause_s)
        return choice

    def _report(self, ended: Ended, *, will_retry: bool = False) -> None:
        """Let health know how an attempt ended."""
        attempt, failure = ended.attempt, ended.failure
        spoke_after_s, candidate = attempt.reply.speaks_after_s, attempt.choice.candidate
        has_spoken = attempt.began + spoke_after_s <= self._means.clock.monotonic()
        if failure is not None:
            failure.mid_stream = has_spoken
        self._means.outcomes.add(
            model=candidate.name,
            credential_id=candidate.credential.id,
            began=attempt.began,
            first_token=attempt.began + spoke_after_s if has_spoken else None,
            failure=failure,
            trial_id=attempt.choice.trial_id,
            will_retry=will_retry,
        )

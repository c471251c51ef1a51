"""Take the next candidate of a plan: one that does not cool, else one that may be tried."""

from __future__ import annotations

import msgspec

from trunkline.inference.cooling import Cooling
from trunkline.inference.failure_table import pause_before_retry
from trunkline.inference.plan import Plan
from trunkline.inference.retry_budget import RetryBudget
from trunkline.inference.v1 import failure_pb2
from trunkline.planning.candidates import Candidate
from trunkline.views.health import HALF_OPEN


class Choice(msgspec.Struct, frozen=True):
    """Who is asked next.

    Attributes:
        candidate: the model with the key.
        trial_id: the trial of a cooling route that it is; empty: none.
        is_hedge: it is asked beside a slow one.
    """

    candidate: Candidate
    trial_id: str = ""
    is_hedge: bool = False


class Selection:
    """Chooses for one run.

    Args:
        plan: of the run.
        cooling: who cools down.
        budget: of the process, for asking those that do.
    """

    def __init__(self, plan: Plan, cooling: Cooling, budget: RetryBudget) -> None:
        self._plan = plan
        self._cooling = cooling
        self._budget = budget

    async def next(self) -> Choice | None:
        """Return who is asked next; None: nobody may be."""
        later: list[Candidate] = []
        for candidate in list(self._plan.open):
            if not self._plan.may_ask(candidate):
                continue
            cooldown = self._cooling.find(candidate)
            if cooldown is None:
                return Choice(candidate)
            if cooldown.state == HALF_OPEN:
                trial_id = await self._cooling.try_out(candidate, cooldown)
                if trial_id is not None:
                    return Choice(candidate, trial_id)
                later.append(candidate)
            elif not cooldown.is_forbidden:
                later.append(candidate)
            self._plan.skip(
                candidate,
                failure_pb2.SKIP_REASON_COOLING,
                f"It cools down after failures, for {cooldown.remaining_s:.1f} s more.",
                cooldown.remaining_s,
            )
        for candidate in later:
            if self._budget.take():
                return Choice(candidate)
            self._plan.skip(
                candidate,
                failure_pb2.SKIP_REASON_NO_ATTEMPTS_LEFT,
                "It cools down, and the process has no retries left.",
            )
        return None

    def again(
        self,
        candidate: Candidate,
        failure: failure_pb2.AttemptFailure,
        *,
        is_trial: bool,
        pause_s: float,
        longest_s: float,
        within_s: float,
    ) -> float | None:
        """Return after how many seconds the same route is asked once more; None: it is not.

        Args:
            candidate: whose attempt failed.
            failure: of that attempt.
            is_trial: it was the trial of a cooling route, which is not asked again.
            pause_s, longest_s: as `pause_before_retry`.
            within_s: in less than so long it must be asked, or not at all.
        """
        if is_trial or not self._plan.may_ask(candidate):
            return None
        wait_s = pause_before_retry(failure, pause_s=pause_s, longest_s=longest_s)
        if wait_s is None or wait_s >= within_s or not self._budget.take():
            return None
        return wait_s

    def hedge(self, slow: Candidate) -> Choice | None:
        """Return who is asked beside a slow one: another provider that does not cool."""
        for candidate in self._plan.open:
            if (
                candidate.provider.name != slow.provider.name
                and self._plan.may_ask(candidate)
                and self._cooling.find(candidate) is None
            ):
                return Choice(candidate, is_hedge=True) if self._budget.take() else None
        return None

"""Whether the same route is asked once more, and what that costs."""

from __future__ import annotations

from typing import Any, cast

import pytest

from support.bare_runs import candidate
from trunkline.inference.cooling import Cooling
from trunkline.inference.plan import Plan
from trunkline.inference.retry_budget import RetryBudget
from trunkline.inference.selection import Selection
from trunkline.inference.v1 import failure_pb2
from trunkline.kernel.clock import duration

ROUTE = candidate("openai", "a")


class NoneCools:
    """Nobody cools."""

    def find(self, _: object) -> None:
        """Return that it does not."""


def again(
    *,
    kind: failure_pb2.ErrorKind.ValueType = failure_pb2.ERROR_KIND_SERVER_ERROR,
    wait_s: float = 0.0,
    asked: int = 1,
    is_trial: bool = False,
    within_s: float = 10.0,
    budget: RetryBudget | None = None,
) -> float | None:
    """Return after how many seconds a route that failed is asked once more."""
    plan = Plan([ROUTE], (), chain_allows=False)
    for _ in range(asked):
        plan.note_asked(ROUTE)
    failure = failure_pb2.AttemptFailure(kind=kind)
    if wait_s:
        failure.reply.retry_after.CopyFrom(duration(wait_s))
    selection = Selection(plan, cast(Cooling, NoneCools()), budget or RetryBudget(1))
    return selection.again(
        ROUTE, failure, is_trial=is_trial, pause_s=0.5, longest_s=5.0, within_s=within_s
    )


def test_a_route_is_asked_once_more_after_a_pause() -> None:
    """The provider's own, where it gave a short one."""
    assert again() == 0.5
    assert again(wait_s=2.0) == 2.0


@pytest.mark.parametrize(
    "case",
    [
        {"kind": failure_pb2.ERROR_KIND_SILENT},
        {"wait_s": 6.0},
        {"asked": 2},
        {"is_trial": True},
        {"within_s": 0.5},
        {"budget": RetryBudget(0)},
    ],
    ids=["silent", "long wait", "asked twice", "trial", "no time left", "no budget"],
)
def test_a_route_is_not_asked_once_more(case: dict[str, Any]) -> None:
    """By what failed, how long the wait is, how often it was asked, or for want of leave."""
    assert again(**case) is None


def test_only_what_is_asked_again_costs_of_the_budget() -> None:
    """What is refused for another reason leaves it for others."""
    budget = RetryBudget(1)
    assert again(wait_s=6.0, budget=budget) is None
    assert again(is_trial=True, budget=budget) is None
    assert again(budget=budget) == 0.5
    assert again(budget=budget) is None

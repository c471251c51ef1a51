"""The budget for requests beyond the first ones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.retry_budget import RetryBudget


def _take_all(budget: RetryBudget, tries: int) -> int:
    return sum(budget.take() for _ in range(tries))


def test_it_begins_full() -> None:
    """A process that has just started may retry at once, so often and no more."""
    budget = RetryBudget(10)
    assert _take_all(budget, 25) == 10


def test_ten_requests_earn_one() -> None:
    """Each request adds a tenth."""
    budget = RetryBudget(2)
    assert _take_all(budget, 3) == 2
    for _ in range(9):
        budget.earn()
    assert not budget.take()
    # A tenth is no binary fraction: an eleventh makes up for what ten lack.
    for _ in range(2):
        budget.earn()
    assert budget.take()
    assert not budget.take()


def test_nothing_is_saved_beyond_the_most() -> None:
    """However many requests came, a storm is as small as at the start."""
    budget = RetryBudget(3)
    for _ in range(1_000):
        budget.earn()
    assert _take_all(budget, 10) == 3


def test_none_is_a_budget_too() -> None:
    """With a budget of nothing there are no retries at all."""
    budget = RetryBudget(0)
    for _ in range(100):
        budget.earn()
    assert not budget.take()


@given(st.integers(0, 20), st.lists(st.booleans(), max_size=200))
def test_retries_are_a_tenth_of_requests(most: int, earns: list[bool]) -> None:
    """Never more are made than the start allows with a tenth of what came."""
    budget = RetryBudget(most)
    taken = requests = 0
    for earn in earns:
        if earn:
            budget.earn()
            requests += 1
        else:
            taken += budget.take()
        assert taken <= most + requests / 10 + 1e-6

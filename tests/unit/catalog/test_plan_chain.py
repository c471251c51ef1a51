"""The route of a chain: every candidate has its rank and its weight, and stands in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.catalog.records import StoredChain
from trunkline.catalog.routes import plan_chain
from trunkline.catalog.v1 import chain_pb2

_RANKS = st.one_of(st.none(), st.integers(-3, 3), st.sampled_from([-(2**31), 2**31 - 1]))


def _chain(*ranks: int | None) -> StoredChain:
    """Return a chain of models named by their places, with these ranks."""
    candidates = tuple(
        chain_pb2.Candidate(model=f"a/{index}", rank=rank) for index, rank in enumerate(ranks)
    )
    return StoredChain("main", 1, "etag", candidates)


def _planned(chain: StoredChain) -> list[tuple[str, int]]:
    """Return model and rank of each candidate of the route, in order."""
    return [(each.model.removeprefix("a/"), each.rank) for each in plan_chain(chain).candidates]


@pytest.mark.parametrize(
    ("ranks", "planned"),
    [
        ([None], [("0", 1)]),
        ([None, None, None], [("0", 1), ("1", 2), ("2", 3)]),
        ([7, 7], [("0", 1), ("1", 1)]),
        ([1, 0], [("1", 1), ("0", 2)]),
        ([None, 0], [("0", 1), ("1", 2)]),
        ([None, -5, None], [("0", 1), ("1", 2), ("2", 3)]),
        ([1, 1, None, 1, 2], [("0", 1), ("1", 1), ("3", 1), ("2", 2), ("4", 3)]),
        ([1, None, 1, None], [("0", 1), ("2", 1), ("1", 2), ("3", 3)]),
    ],
)
def test_ranks_are_filled_in(ranks: list[int | None], planned: list[tuple[str, int]]) -> None:
    """One without a rank follows the one before it, alone; equals stay equals."""
    assert _planned(_chain(*ranks)) == planned


@given(st.lists(_RANKS, min_size=1, max_size=32))
def test_whatever_the_ranks_are_the_route_is_in_order(ranks: list[int | None]) -> None:
    """Nobody is lost, ranks have no gaps, and two are equals only if both were ranked so."""
    planned = _planned(_chain(*ranks))
    assert sorted(int(name) for name, _ in planned) == list(range(len(ranks)))
    filled = [rank for _, rank in planned]
    assert filled == sorted(filled)
    assert sorted(set(filled)) == list(range(1, len(set(filled)) + 1))
    rank_of = {int(name): rank for name, rank in planned}
    for one in rank_of:
        for other in rank_of:
            given_one, given_other = ranks[one], ranks[other]
            if given_one is not None and given_other is not None:
                assert (given_one < given_other) == (rank_of[one] < rank_of[other])
            elif one != other:
                assert rank_of[one] != rank_of[other]
    for index in range(1, len(ranks)):
        if ranks[index] is None:
            assert rank_of[index] > rank_of[index - 1]


def test_what_was_left_out_is_filled_in() -> None:
    """Weights are at least 1, and the balance is named."""
    candidates = (
        chain_pb2.Candidate(model="a/x", rank=1, weight=5),
        chain_pb2.Candidate(model="a/y", rank=1),
    )
    chain = StoredChain("main", 1, "etag", candidates, fall_back_on_credential_failure=True)
    route = plan_chain(chain)
    assert route.target == "chain/main"
    assert [each.weight for each in route.candidates] == [5, 1]
    assert route.balance == chain_pb2.BALANCE_ORDER
    assert route.fall_back_on_credential_failure
    assert not route.step

"""Four processes find each other, whichever starts first."""

from __future__ import annotations

from itertools import permutations, product

import pytest

from support import matrix
from support.chats import ask
from support.fleet import SERVICES, Shape, make_fleet

ORDERS = matrix.cells(
    "start-orders",
    product((Shape.FOUR, Shape.FOUR_SECURE), permutations(SERVICES)),
    sample=1,
)


@pytest.mark.parametrize(
    ("shape", "order"), ORDERS, ids=[f"{shape}-{'-'.join(order)}" for shape, order in ORDERS]
)
async def test_any_order_of_starts_will_do(
    request: pytest.FixtureRequest, shape: Shape, order: tuple[str, ...]
) -> None:
    """Each serves before the next one begins; when all do, a provider is connected and answers."""
    async with make_fleet(request, shape, connected=False, order=order) as fleet:
        await fleet.connect(fleet.sandbox.base_url, fleet.sandbox.api_key)
        answer = await fleet.inference.Chat(ask(), metadata=fleet.admin)
        assert answer.completed.HasField("message")
    matrix.ran("start-orders")

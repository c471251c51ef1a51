"""Pages are bounded in items and in bytes."""

from __future__ import annotations

from trunkline.catalog.v1 import model_pb2
from trunkline.kernel.page_token import MAX_PAGE_BYTES, cut_page


def models(count: int, characters: int = 10) -> list[model_pb2.Model]:
    """Return so many models with descriptions of a length."""
    return [
        model_pb2.Model(name=f"acme/{number}", description="x" * characters)
        for number in range(count)
    ]


def test_a_page_has_so_many_items_and_tells_of_more() -> None:
    """What was found beyond the page is left for the next one."""
    found = models(4)
    assert cut_page(found, 3) == (found[:3], True)
    assert cut_page(found, 4) == (found, False)
    assert cut_page([], 4) == ([], False)


def test_a_page_is_never_over_a_mebibyte() -> None:
    """Long items make pages short, and every item comes once."""
    found = models(1001, 4096)
    seen: list[model_pb2.Model] = []
    more = True
    while more:
        page, more = cut_page(found[len(seen) :], 1000)
        assert sum(item.ByteSize() for item in page) <= MAX_PAGE_BYTES
        seen.extend(page)
    assert seen == found


def test_an_item_that_is_too_long_for_a_page_is_one() -> None:
    """A list always comes to its end."""
    found = models(2, MAX_PAGE_BYTES + 1)
    assert cut_page(found, 10) == (found[:1], True)

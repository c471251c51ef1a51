"""A view cut into pages."""

from __future__ import annotations

from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.credential.v1 import access_pb2
from trunkline.kernel.page_token import MAX_PAGE_BYTES
from trunkline.kernel.watch import paged


def tokens(sizes: list[int]) -> list[Message]:
    """Return tokens of about so many bytes."""
    return [
        access_pb2.HashedToken(hash=number.to_bytes(4, "big") + bytes(size))
        for number, size in enumerate(sizes)
    ]


@settings(max_examples=30)
@given(
    st.lists(
        st.one_of(
            st.integers(0, 200),
            st.integers(MAX_PAGE_BYTES // 3 - 40, MAX_PAGE_BYTES // 3 + 40),
            st.integers(MAX_PAGE_BYTES - 60, MAX_PAGE_BYTES + 60),
        ),
        max_size=12,
    )
)
def test_pages_hold_everything_in_order_and_are_at_most_a_mebibyte(sizes: list[int]) -> None:
    """A page is larger only when a single thing is."""
    items = tokens(sizes)
    pages = list(paged(access_pb2.AccessPage, "tokens", items))
    assert pages
    held: list[Message] = []
    for page in pages:
        assert isinstance(page, access_pb2.AccessPage)
        assert page.ByteSize() <= MAX_PAGE_BYTES or len(page.tokens) == 1
        held.extend(page.tokens)
    assert held == items
    assert not items or all(page.tokens for page in pages)  # type: ignore[attr-defined] # seen above


def test_an_empty_view_is_one_empty_page() -> None:
    """A reader is told that there is nothing, and not left to wait."""
    assert paged(access_pb2.AccessPage, "tokens", []) == [access_pb2.AccessPage()]

"""Ids of tool calls on their way to a vendor that takes only some."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.adapters.call_ids import CallIds, IdForm
from trunkline.inference.transcript import MAX_CALL_ID_CHARACTERS

NARROW = IdForm(re.compile(r"[A-Za-z0-9_-]{1,40}"))
# As some vendors have them: the whole id is nine letters and digits.
NINE = IdForm(re.compile(r"[A-Za-z0-9]{9}"), prefix="", digits=9)
# So few that they meet.
TINY = IdForm(re.compile(r"x[0-9a-f]"), prefix="x", digits=1)

_IDS = st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=MAX_CALL_ID_CHARACTERS
)
_ISSUED = st.from_regex(r"(toolu_|call_|functions\.f:)[A-Za-z0-9]{1,40}", fullmatch=True)


@pytest.mark.parametrize("form", [NARROW, NINE], ids=["narrow", "nine"])
@given(ids=st.lists(_IDS | _ISSUED, max_size=20, unique=True))
def test_every_id_has_a_form_of_its_own(form: IdForm, ids: list[str]) -> None:
    """What goes out is taken, no two ids become one, and one that fits stays as it is."""
    known = CallIds(form)
    sent = [known.wire(call_id) for call_id in ids]
    assert all(form.accepted.fullmatch(wire) for wire in sent)
    assert len(set(sent)) == len(ids)
    assert [known.wire(call_id) for call_id in ids] == sent
    for call_id, wire in zip(ids, sent, strict=True):
        assert wire == call_id or not form.accepted.fullmatch(call_id)


@given(ids=st.lists(_IDS, max_size=10, unique=True), more=_IDS)
def test_a_transcript_that_grows_keeps_its_ids(ids: list[str], more: str) -> None:
    """The next request, with one call more, sends the earlier ids as the one before."""
    earlier, later = CallIds(NARROW), CallIds(NARROW)
    sent = [earlier.wire(call_id) for call_id in ids]
    assert [later.wire(call_id) for call_id in (*ids, more)][: len(ids)] == sent


def test_ids_that_meet_are_parted() -> None:
    """An id that is made gives way to one that was there, and the other way round."""
    made = CallIds(NARROW).wire("a.b:c")
    for ids in (("a.b:c", made), (made, "a.b:c")):
        known = CallIds(NARROW)
        first, second = (known.wire(call_id) for call_id in ids)
        assert first == made
        assert second != made
        assert NARROW.accepted.fullmatch(second)


def test_as_many_ids_as_the_form_has_find_a_place() -> None:
    """Even where there are but sixteen of them."""
    known = CallIds(TINY)
    assert len({known.wire(f"call {number}") for number in range(16)}) == 16

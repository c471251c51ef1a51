"""The Anthropic adapter, run through the suite of all adapters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.adapters.anthropic import AnthropicAdapter
from unit.inference.conformance.anthropic_blocks import BLOCKS
from unit.inference.conformance.anthropic_documents import DOCUMENTS
from unit.inference.conformance.anthropic_failures import FAILURES
from unit.inference.conformance.anthropic_streams import STREAMS
from unit.inference.conformance.suite import Case, check

CASES = STREAMS + BLOCKS + DOCUMENTS + FAILURES
ADAPTER = AnthropicAdapter()

SMALL = 2000
"""Up to this many bytes a case is cut at every single place; longer ones at samples."""

of_every_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def test_every_case_has_a_name_of_its_own() -> None:
    """A failure names the case, which helps only when the name is one case's."""
    names = [(case.name, case.stream) for case in CASES]
    assert len(set(names)) == len(names)


@of_every_case
def test_a_reply_in_one_read(case: Case) -> None:
    """A reply that comes in one read comes to what is expected."""
    check(ADAPTER, case)


@of_every_case
def test_a_reply_byte_by_byte(case: Case) -> None:
    """A reply that comes byte by byte comes to the same."""
    check(ADAPTER, case, range(len(case.body)))


@of_every_case
def test_a_reply_cut_at_every_place(case: Case) -> None:
    """A reply in two reads comes to the same, wherever it is cut."""
    step = 1 if len(case.body) <= SMALL else len(case.body) // 100
    for place in range(1, len(case.body), step):
        check(ADAPTER, case, [place])


@given(st.data())
def test_a_reply_in_three_reads(data: st.DataObject) -> None:
    """A reply in three reads comes to the same, wherever it is cut."""
    case = data.draw(st.sampled_from(CASES))
    check(ADAPTER, case, data.draw(st.lists(st.integers(0, len(case.body)), max_size=2)))

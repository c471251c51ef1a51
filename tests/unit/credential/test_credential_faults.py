"""The sentences of what can go wrong with sealed secrets and keys."""

from __future__ import annotations

import pytest

from trunkline.credential.faults import KeyMissing, SealBroken, SealReason
from unit.credential.wording import assert_reads_well


@pytest.mark.parametrize("reason", SealReason)
def test_every_reason_has_its_sentences(reason: SealReason) -> None:
    """Each reason says what is wrong, unlike any other, and what to do."""
    fault = SealBroken(reason)
    assert fault.reason is reason
    others = {SealBroken(other).message for other in SealReason if other is not reason}
    assert fault.message not in others
    assert_reads_well(fault)


def test_many_missing_keys_are_counted() -> None:
    """Three are named, sorted; the others are a number."""
    fault = KeyMissing(f"kek_{number}" for number in (5, 4, 3, 2, 1))
    assert "keys kek_1, kek_2, kek_3 and 2 more:" in fault.message
    assert fault.key_ids == ("kek_1", "kek_2", "kek_3", "kek_4", "kek_5")
    assert fault.key_id == "kek_1"

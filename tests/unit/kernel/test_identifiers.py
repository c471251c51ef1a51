"""Identifiers: prefix, order, alphabet, and how much chance is in them."""

from __future__ import annotations

import math
import time
from collections import Counter

from trunkline.kernel.identifiers import new_id

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_an_identifier_is_a_prefix_and_base_62() -> None:
    """As the contract's patterns have it: letters and digits after one underscore."""
    prefix, _, rest = new_id("run").partition("_")
    assert prefix == "run"
    assert len(rest) == 31
    assert set(rest) <= set(ALPHABET)


def test_identifiers_sort_by_the_millisecond() -> None:
    """One minted in a later millisecond sorts after, whatever its random digits are."""
    minted = []
    for _ in range(50):
        begun = time.time_ns() // 1_000_000
        minted.append(new_id("tok"))
        while time.time_ns() // 1_000_000 <= begun + 1:
            pass
    assert minted == sorted(minted)


def test_the_time_is_in_it() -> None:
    """The first eight digits are the milliseconds since 1970."""
    before = time.time_ns() // 1_000_000
    digits = new_id("run")[4:12]
    after = time.time_ns() // 1_000_000
    value = 0
    for digit in digits:
        value = value * 62 + ALPHABET.index(digit)
    assert before <= value <= after


def test_there_are_128_random_bits_in_it() -> None:
    """By the commonest digit, which is what somebody who guesses would try."""
    minted = [new_id("x")[10:] for _ in range(4_000)]
    assert len(set(minted)) == len(minted)
    places = len(minted[0])
    assert places == 23
    seen = Counter(digit for identifier in minted for digit in identifier)
    assert set(seen) == set(ALPHABET)
    commonest = max(seen.values()) / seen.total()
    assert places * -math.log2(commonest) > 128 * 0.98
    for place in range(places):
        assert len({identifier[place] for identifier in minted}) == 62

"""Matrices of cases: sampled by a printed seed in `make test`, whole in `make test-full`.

A cell that ran says so with `ran`; the whole run fails when a matrix has fewer cells than
`tests/matrices.toml` declares for it.
"""

from __future__ import annotations

import os
import random
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

SEED = "TRUNKLINE_TEST_SEED"
FULL = "TRUNKLINE_TEST_FULL"

_DECLARED = Path(__file__).resolve().parents[1] / "matrices.toml"
_RAN: Counter[str] = Counter()


def is_full() -> bool:
    """Tell whether every cell is to run."""
    return os.environ.get(FULL) == "1"


def choose_seed() -> str:
    """Return the seed of this run, which its workers inherit."""
    return os.environ.setdefault(SEED, str(random.SystemRandom().randrange(10**6)))


def cells(name: str, every: Iterable[T], *, sample: int) -> Sequence[T]:
    """Return the cells of a matrix that this run has, in their order.

    Args:
        name: of the matrix.
        every: all its cells.
        sample: how many of them `make test` runs.
    """
    whole = list(every)
    if is_full() or sample >= len(whole):
        return whole
    chosen = random.Random(f"{choose_seed()}:{name}").sample(range(len(whole)), sample)
    return [whole[place] for place in sorted(chosen)]


def ran(name: str, count: int = 1) -> None:
    """Count cells of a matrix that came to their end."""
    _RAN[name] += count


def counted() -> dict[str, int]:
    """Return how many cells of each matrix ran in this process."""
    return dict(_RAN)


def declared() -> dict[str, int]:
    """Return how many cells each matrix has at least."""
    numbers: dict[str, int] = tomllib.loads(_DECLARED.read_text())
    return numbers

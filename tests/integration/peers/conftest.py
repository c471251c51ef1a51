"""Programs that are not ours on the other side: one question to each, and in full runs all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support import matrix

_HERE = Path(__file__).parent
_MATRIX = "programs-of-others"


def pytest_configure(config: pytest.Config) -> None:
    """Say what the mark means."""
    config.addinivalue_line("markers", "every_run: not in full runs alone")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave to full runs what is not for every one."""
    # Who names tests means them.
    if matrix.is_full() or config.args != config.getini("testpaths"):
        return
    gone = {
        item
        for item in items
        if _HERE in item.path.parents and item.get_closest_marker("every_run") is None
    }
    config.hook.pytest_deselected(items=list(gone))
    items[:] = [item for item in items if item not in gone]


@pytest.fixture(autouse=True)
def _counted() -> Iterator[None]:
    """Count each test that came to its end."""
    yield
    matrix.ran(_MATRIX)

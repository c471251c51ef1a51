"""One deployment for all tests of a file that change nothing of it but their own runs.

It is one process in this one; a share of the files, in a full run all of them, have it as
four processes too.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path

import pytest
import pytest_asyncio

from support import matrix
from support.deployment import Deployment
from support.fleet import Shape, make_fleet

# Beside those that the sandbox lists.
MODELS = (
    "big-tool-5000000",
    "chars-10000",
    "cut-after-0",
    "cut-after-2-of-tool",
    "end-after-0",
    "malformed-after-2-of-tool",
    "stall-after-30",
    "tokens-12-per-second-of-ok",
    # Routes of their own: one that was told to wait is not asked again before, and one that
    # broke off cools.
    "waits@429-retry-after-2",
    "paid@cut-after-40",
    "summed@cut-after-40",
    *(
        f"tokens-50-per-second-of-{script}"
        for script in ("ok", "reason", "tool", "parallel-tools", "refuse", "unicode")
    ),
)


def _shares_a_deployment(text: str) -> bool:
    """Tell whether a file's tests share a deployment, and look into no process of it."""
    is_asked_for = re.search(r"def test_\w+\([^)]*\bdeployment: Deployment", text)
    return is_asked_for is not None and "deployment.suite" not in text


_FILES = sorted(
    path.stem
    for path in Path(__file__).parent.glob("test_*.py")
    if _shares_a_deployment(path.read_text())
)
_CHOSEN = matrix.cells(
    "chats-on-processes", product(_FILES, (Shape.FOUR, Shape.FOUR_SECURE)), sample=1
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a file's tests the shapes that this run has them on."""
    if "deployment" in metafunc.fixturenames:
        name = metafunc.module.__name__.rpartition(".")[2]
        shapes = [Shape.ONE, *(shape for file, shape in _CHOSEN if file == name)]
        metafunc.parametrize("deployment", shapes, indirect=True, scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment(request: pytest.FixtureRequest) -> AsyncIterator[Deployment]:
    """Yield a deployment with default settings; its tests share its loop."""
    shape: Shape = request.param
    if shape is Shape.ONE:
        made = Deployment(models=MODELS)
    else:
        made = make_fleet(request, shape, models=MODELS)
    async with made as running:
        yield running
    if shape is not Shape.ONE:
        matrix.ran("chats-on-processes")

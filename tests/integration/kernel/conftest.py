"""A listener for each test, and what it logs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import structlog

from integration.kernel import storing
from integration.kernel.listening import Bed, listening
from support.postgres import Template


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """Every line of what is made after this, as facts."""
    before = structlog.get_config()
    capture = structlog.testing.LogCapture()
    structlog.configure(
        processors=[capture],
        wrapper_class=structlog.make_filtering_bound_logger(0),
        cache_logger_on_first_use=False,
    )
    yield capture.entries
    structlog.configure(**before)


@pytest.fixture
def template() -> Template:
    """What a PostgreSQL database holds at first: the notes, of which there are none."""
    return storing.NOTES_TEMPLATE


@pytest.fixture
async def bed(logged: list[Any]) -> AsyncIterator[Bed]:
    """A public listener with chats behind it."""
    async with listening() as running:
        yield running

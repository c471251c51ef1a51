"""Both event loops, and a transport that is closed when its test is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from trunkline.inference.transport import Transport


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test on both event loops that the transport is made for."""
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    """Return a transport with its defaults."""
    opened = Transport()
    yield opened
    await opened.aclose()

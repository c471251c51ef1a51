"""Work that nobody waits for, and that has an owner all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from trunkline.inference.journal.store import JournalUnavailable
from trunkline.kernel.log import get_logger

log = get_logger("trunkline.run")


class Background:
    """Does things about durable runs in the background."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done; a store that does not answer ends it, silently."""
        task = asyncio.ensure_future(_guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """End what is not done."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _guard(work: Coroutine[Any, Any, None]) -> None:
    """Let nothing fail unseen."""
    try:
        await work
    except JournalUnavailable:
        pass
    except Exception as error:
        log.error("journal_work_failed", exc_info=error)

"""Ask a second one beside a slow first; who speaks first wins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from trunkline.inference.adapters.adapter import ProviderFailed
from trunkline.inference.asking import Asking
from trunkline.inference.endings import no_place
from trunkline.inference.transport import NoPlace
from trunkline.inference.v1 import failure_pb2


class Died(Exception):
    """An attempt came to no whole answer.

    Args:
        asking: of the attempt.
        failure: why.
        is_ours: no connection was free: nothing is said about the provider.
    """

    def __init__(
        self, asking: Asking, failure: failure_pb2.AttemptFailure, *, is_ours: bool = False
    ) -> None:
        super().__init__(failure.message)
        self.asking = asking
        self.failure = failure
        self.is_ours = is_ours


async def speak(asking: Asking) -> Asking:
    """Send an attempt's request and read until there is content, or the end.

    Raises:
        Died: it failed before.
    """
    try:
        await asking.open()
        while not asking.attempt.drafts and await asking.read():
            pass
    except ProviderFailed as failed:
        raise Died(asking, failed.failure) from None
    except NoPlace as fault:
        raise Died(asking, no_place(fault), is_ours=True) from None
    return asking


async def race(
    first: Asking,
    hedge_s: float,
    start_second: Callable[[], Awaitable[Asking | None]],
    note_lost: Callable[[Asking], None],
    note_died: Callable[[Died], None],
) -> Asking:
    """Return the attempt that speaks first; the other one is closed.

    Args:
        first: not sent yet.
        hedge_s: without content for so long, a second one is started.
        start_second: prepares it; None: there is none.
        note_lost: is told of the one that was slower.
        note_died: is told of one that failed while the other goes on.

    Raises:
        Died: none of them speaks; of the last one.
    """
    tasks = {asyncio.ensure_future(speak(first)): first}
    try:
        await asyncio.wait(tasks, timeout=hedge_s)
        if not any(task.done() for task in tasks):
            second = await start_second()
            if second is not None:
                tasks[asyncio.ensure_future(speak(second))] = second
        while True:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in tasks if task.done()]:
                del tasks[task]
                try:
                    winner = task.result()
                except Died as died:
                    if not tasks:
                        raise
                    died.asking.close()
                    note_died(died)
                    continue
                for loser in tasks.values():
                    loser.close()
                    note_lost(loser)
                return winner
    finally:
        for task, asking in tasks.items():
            task.cancel()
            asking.close()
        # Cancelled in their waits, they end at once.
        await asyncio.gather(*tasks, return_exceptions=True)

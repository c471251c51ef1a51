"""A thread with one connection to a SQLite file, which does one job after the other.

The loop hands a job over and waits for what became of it, so that a slow disk stops
nobody who waits for something else. SQLAlchemy is left out: it stands on the way of a
token, and costs more there than SQLite.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from trunkline.inference.journal.outage import Outage
from trunkline.inference.journal.store import JournalUnavailable

T = TypeVar("T")

WAIT_S = 3.0
_MAX_WAITING = 10_000


@dataclass(slots=True)
class _Job:
    """What is to be done, and who waits for it.

    Attributes:
        work: is given the connection; None: nobody waits for it any more.
        future: of the loop that waits.
    """

    work: Callable[[sqlite3.Connection], Any] | None
    future: asyncio.Future[Any]


class Lane:
    """One connection, used by one thread.

    Args:
        name: of the thread.
        connect: opens the connection, in the thread.
        outage: is told whether it answers.
        wait_s: how long, in seconds, a job may wait and take.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], sqlite3.Connection],
        outage: Outage,
        *,
        wait_s: float = WAIT_S,
    ) -> None:
        self._name = name
        self._connect = connect
        self._outage = outage
        self._wait_s = wait_s
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._connection: sqlite3.Connection | None = None
        self._thread: threading.Thread | None = None
        self._current: _Job | None = None

    def start(self) -> None:
        """Start the thread."""
        # One that hangs in a dead disk must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Have what was handed over done, and disconnect; again is no error."""
        if self._thread is not None:
            thread, self._thread = self._thread, None
            self._jobs.put(None)
            await asyncio.to_thread(thread.join, self._wait_s)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Have a job done.

        Raises:
            JournalUnavailable: SQLite could not, or not in time.
        """
        if self._thread is None or self._jobs.qsize() >= _MAX_WAITING:
            raise JournalUnavailable
        job = _Job(work, asyncio.get_running_loop().create_future())
        self._jobs.put(job)
        try:
            async with asyncio.timeout(self._wait_s):
                result: T = await job.future
        except TimeoutError as error:
            self._outage.begin(type(error).__name__)
            self._interrupt(job)
            raise JournalUnavailable from None
        except sqlite3.Error as error:
            self._outage.begin(type(error).__name__)
            raise JournalUnavailable from error
        finally:
            # What waits behind others holds no content for somebody who left.
            job.work = None
        self._outage.end()
        return result

    def _interrupt(self, job: _Job) -> None:
        """Have a job that takes too long fail, so that others get their turn."""
        connection = self._connection
        if self._current is job and connection is not None:
            with contextlib.suppress(sqlite3.ProgrammingError):
                connection.interrupt()

    def _work(self) -> None:
        """Do jobs until there is none; in the thread."""
        while (job := self._jobs.get()) is not None:
            self._current = job
            work = job.work
            if work is None or job.future.cancelled():
                continue
            result: Any = None
            failure: BaseException | None = None
            try:
                if self._connection is None:
                    self._connection = self._connect()
                result = work(self._connection)
            except sqlite3.Error as error:
                failure = error
                # Whatever is wrong with the file: the next job begins anew.
                self._disconnect()
            except BaseException as error:
                failure = error
            work = None
            with contextlib.suppress(RuntimeError):  # the loop that waits is gone
                job.future.get_loop().call_soon_threadsafe(_settle, job.future, result, failure)
        self._disconnect()

    def _disconnect(self) -> None:
        """Close the connection; in the thread."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


def _settle(future: asyncio.Future[Any], result: Any, failure: BaseException | None) -> None:
    """Tell what became of a job, unless nobody waits for it any more."""
    if future.done():
        return
    if failure is None:
        future.set_result(result)
    else:
        future.set_exception(failure)

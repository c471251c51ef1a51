"""Hear at once what other processes change in a PostgreSQL database.

A change announces itself by NOTIFY in its transaction; one connection listens. What is
missed while that connection is away is found by who looks by himself each second.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped] # it ships no types

from trunkline.kernel.database.failure import DatabaseError
from trunkline.kernel.database.postgres_server import CONNECT_TIMEOUT_S, Connection
from trunkline.kernel.log import get_logger
from trunkline.kernel.session import channel_of

_PROBE_S: Final = 10.0
_BACKOFF_S: Final = (0.05, 1.0)


class Notices:
    """Calls who is subscribed to what was announced.

    Args:
        service: whose database it is.
        connect: opens a connection.
    """

    def __init__(self, service: str, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._channel = channel_of(service)
        self._connect = connect
        self._wakes: dict[str, list[Callable[[], None]]] = {}
        self._log = get_logger("trunkline.database").bind(service=service)

    def subscribe(self, subject: str, wake: Callable[[], None]) -> None:
        """Have something called when a subject is announced, or may have been."""
        self._wakes.setdefault(subject, []).append(wake)

    async def run(self) -> None:
        """Listen until cancelled; come back after every break."""
        low, high = _BACKOFF_S
        pause = low
        while True:
            try:
                connection = await self._connect()
            except (
                OSError,
                TimeoutError,
                DatabaseError,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
            ):
                pass  # who writes or reads says so, and more often
            else:
                error = await self._listen(connection)
                self._log.info("listening_ended", error=error)
                pause = low
            await asyncio.sleep(pause)
            pause = min(high, 2 * pause)

    async def _listen(self, connection: Connection) -> str:
        """Listen on a connection until it is lost; return what it ended with, as a word."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await connection.add_listener(self._channel, self._hear)
            # What was announced before is over.
            for subject in self._wakes:
                self._wake(subject)
            while not lost.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_PROBE_S):
                        await lost.wait()
                        break
                # A server that vanished says nothing, and neither does one that rests.
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await connection.execute("SELECT 1")
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            return type(error).__name__
        finally:
            connection.terminate()
        return "LOST"

    def _hear(self, connection: Any, process_id: int, channel: str, subject: object) -> None:
        """Take one notice."""
        del connection, process_id, channel
        self._wake(str(subject))

    def _wake(self, subject: str) -> None:
        """Call those who are subscribed to a subject."""
        for wake in self._wakes.get(subject, ()):
            wake()

"""A database session that a cancellation cannot tear in the middle of a statement."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

T = TypeVar("T")

_CHANNEL = "trunkline_"


class Session(AsyncSession):
    """A transaction whose statements run to their end before a cancellation takes effect.

    A caller that leaves cancels its handler wherever that waits. In the middle of a
    statement the driver would lose the connection, and with it the transaction that is
    open on it and the thread that serves it.
    """

    async def announce(self, subject: str) -> None:
        """Let other processes that share the database hear of a change, when it is committed.

        Args:
            subject: what changed, as they subscribed to it.
        """
        if self.get_bind().dialect.name == "postgresql":
            # The schema is named after the service, and the search path holds nothing else.
            channel = sa.func.concat(_CHANNEL, sa.func.current_schema())
            await self.exec(sa.select(sa.func.pg_notify(channel, subject)))  # type: ignore[call-overload] # typed for SQLModel's select


def channel_of(service: str) -> str:
    """Return the channel that a service's changes are announced on."""
    return _CHANNEL + service


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Wait until some work is done; a cancellation of who waits comes after it."""
    task = asyncio.create_task(work)
    interruption: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            interruption = error
    if interruption is not None:
        if not task.cancelled():
            task.exception()  # seen; the cancellation says enough
        raise interruption
    return task.result()


def _finishing(method: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., Awaitable[T]]:
    """Return a method that runs to its end before a cancellation takes effect."""

    @functools.wraps(method)
    async def finishing(*args: Any, **kwargs: Any) -> T:
        return await finish(method(*args, **kwargs))

    return finishing


for _name, _method in inspect.getmembers(AsyncSession, inspect.iscoroutinefunction):
    if not _name.startswith("_"):
        setattr(Session, _name, _finishing(_method))

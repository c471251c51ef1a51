"""Calls of a service as a client makes them: how they fail, and what a watch says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from trunkline.kernel.status import find_detail, read_status

Metadata = tuple[tuple[str, str], ...]

ADMIN: Metadata = (("authorization", "Bearer admin"),)
DEVELOPER: Metadata = (("authorization", "Bearer developer"),)
NARROW: Metadata = (("authorization", "Bearer narrow"),)

_LIMIT_S = 10.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a call failed.

    Attributes:
        code: its gRPC status.
        message: its sentence.
        reason: of its ErrorInfo.
        domain: of its ErrorInfo.
        metadata: of its ErrorInfo, without the request id.
        status: the whole.
    """

    code: grpc.StatusCode
    message: str
    reason: str
    domain: str
    metadata: dict[str, str]
    status: status_pb2.Status

    @property
    def fields(self) -> list[str]:
        """The fields that it calls wrong."""
        bad = self.detail(error_details_pb2.BadRequest())
        return [violation.field for violation in bad.field_violations] if bad is not None else []

    def detail(self, into: Any) -> Any:
        """Return the first detail of a message's type; None: there is none."""
        return find_detail(self.status.details, into)


async def refused(call: Awaitable[Any]) -> Refusal:
    """Return how a call fails; it must."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status = read_status(caught.value)
    assert status is not None, f"no rich status: {caught.value!r}"
    info = find_detail(status.details, error_details_pb2.ErrorInfo())
    assert info is not None
    metadata = dict(info.metadata)
    assert metadata.pop("request_id")
    return Refusal(caught.value.code(), status.message, info.reason, info.domain, metadata, status)


async def settled(condition: Callable[[], bool], *, limit_s: float = _LIMIT_S) -> None:
    """Wait for a condition; fail when it does not come true in time."""

    async def look() -> bool:
        return condition()

    await eventually(look, bool, limit_s=limit_s)


async def eventually(
    look: Callable[[], Awaitable[T]], good: Callable[[T], bool], *, limit_s: float = _LIMIT_S
) -> T:
    """Look until what is seen is good, and return it; fail when that takes too long."""
    async with asyncio.timeout(limit_s):
        while not good(seen := await look()):
            await asyncio.sleep(0.005)
    return seen


class Reading:
    """One watch that is being read.

    Attributes:
        messages: everything that came.
    """

    def __init__(self, call: Any) -> None:
        self._call = call
        self._task = asyncio.ensure_future(self._read())
        self.messages: list[Any] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._call.cancel()
        await asyncio.wait([self._task])

    async def until(self, good: Callable[[Any], bool]) -> Any:
        """Return the first message that is good, once it has come."""

        async def find() -> Any:
            if self._task.done():
                self._task.result()
            return next((message for message in self.messages if good(message)), None)

        return await eventually(find, lambda message: message is not None)

    async def kind(self, kind: str) -> Any:
        """Return the first message of a kind, once it has come."""
        return await self.until(lambda message: message.WhichOneof("kind") == kind)

    def kinds(self) -> list[str]:
        """Return the kinds of what came, heartbeats left out."""
        kinds = [message.WhichOneof("kind") for message in self.messages]
        return [kind for kind in kinds if kind != "heartbeat"]

    async def _read(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            async for message in self._call:
                self.messages.append(message)


@contextlib.asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run something in the background, and end it."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        await cancel(task)


async def cancel(task: asyncio.Task[None]) -> None:
    """End a task."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

"""Converse: one call that holds a tool loop, in both directions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

from trunkline.inference import transcript
from trunkline.inference.following import follow
from trunkline.inference.registry import Registry
from trunkline.inference.run import Run
from trunkline.inference.v1 import run_pb2
from trunkline.kernel.errors import InvalidArgument, TrunklineError, Violation

# Begins a loop, or finds the one that a first message names: the run, from which event its
# reader goes on, and whether it was there.
Open = Callable[[run_pb2.ConverseRequest], Awaitable[tuple[Run, int, bool]]]
# Notes that somebody reads a run, and tells the call its id.
Reading = Callable[[Run, bool], contextlib.AbstractAsyncContextManager[None]]


async def converse(
    requests: AsyncIterator[run_pb2.ConverseRequest],
    registry: Registry,
    open_run: Open,
    reading: Reading,
) -> AsyncGenerator[bytes]:
    """Yield the events of a loop, and take in what the client says meanwhile.

    A wrong word of the client's ends the call and not the run, which it has then left.

    Args:
        requests: of the client, checked one by one.
        registry: of all runs.
        open_run, reading: as above.

    Raises:
        InvalidArgument: naming what is wrong with a request.
        TrunklineError: as `follow`; those of a result.
    """
    first = await anext(aiter(requests), None)
    if first is None or first.WhichOneof("kind") not in ("start", "attach"):
        raise InvalidArgument.of(Violation("kind", "the first message must be start or attach"))
    run, after, attached = await open_run(first)
    wrong: list[TrunklineError] = []
    reader = asyncio.current_task()
    assert reader is not None
    # While an event is sent the reader waits elsewhere, and must not be woken there.
    is_here = False

    async def listen() -> None:
        try:
            await _take_in(requests, run, registry)
        except TrunklineError as error:
            wrong.append(error)
            if is_here:
                reader.cancel()

    listening = asyncio.ensure_future(listen())
    try:
        async with reading(run, attached), contextlib.aclosing(follow(run, after)) as events:
            while not wrong:
                is_here = True
                event = await anext(events, None)
                is_here = False
                if event is None:
                    return
                yield event
            raise wrong[0]
    except asyncio.CancelledError:
        if not wrong:
            raise
        reader.uncancel()
        raise wrong[0] from None
    finally:
        listening.cancel()
        # Cancelled in its wait for the client, it ends at once.
        await asyncio.gather(listening, return_exceptions=True)


async def _take_in(
    requests: AsyncIterator[run_pb2.ConverseRequest], run: Run, registry: Registry
) -> None:
    """Take what the client says, until it closes its side.

    Raises:
        InvalidArgument: naming what is wrong.
        TrunklineError: the result cannot be taken.
    """
    async for request in requests:
        match request.WhichOneof("kind"):
            case "tool_result":
                violations = transcript.check_result(request.tool_result)
                if violations:
                    raise violations.to_error()
                await registry.offer(run, request.tool_result)
            case "end":
                await registry.end_loop(run)
            case kind:
                raise InvalidArgument.of(
                    Violation(kind or "kind", "only the first message begins or attaches")
                )

"""Past probes: kept for 7 days, listed newest first, trimmed now and then."""

from __future__ import annotations

import asyncio
import re
from typing import Final

from trunkline.health import store
from trunkline.health.store import SnapshotKey
from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.kernel.bounds import read_time
from trunkline.kernel.clock import Clock
from trunkline.kernel.database import STORE_FAILURES, Database
from trunkline.kernel.log import get_logger
from trunkline.kernel.page_token import (
    DEFAULT_PAGE_SIZE,
    cut_page,
    decode_page_token,
    encode_page_token,
)

log = get_logger("trunkline.health")

DAY_NS: Final = 24 * 60 * 60 * 1_000_000_000
KEPT_NS: Final = 7 * DAY_NS
TRIM_EVERY_S: Final = 600.0
TRIMMED_AT_ONCE: Final = 1_000

_TICK_S: Final = 1.0
_LATEST_NS: Final = 2**63 - 1
_KEY: Final = re.compile(r"\d{1,19}\.[a-z0-9][a-z0-9-]{0,62}")


class History:
    """The snapshots of all providers.

    Args:
        database: of the health service.
        clock: tells the time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._trimmed_at = clock.monotonic() - TRIM_EVERY_S

    async def page(
        self, request: health_service_pb2.ListSnapshotsRequest
    ) -> health_service_pb2.ListSnapshotsResponse:
        """Return a page of snapshots, newest first.

        Raises:
            InvalidArgument: INVALID_REQUEST: the page token is none of ours, or a time is
                none.
        """
        size = request.page_size or DEFAULT_PAGE_SIZE
        start_ns = self._clock.time_ns() - KEPT_NS
        end_ns = _LATEST_NS
        if request.HasField("start_time"):
            start_ns = max(start_ns, min(read_time(request.start_time, "start_time"), _LATEST_NS))
        if request.HasField("end_time"):
            end_ns = min(end_ns, max(read_time(request.end_time, "end_time"), 0))
        async with self._database.read() as session:
            found = await store.page_snapshots(
                session,
                provider=request.provider,
                start_ns=start_ns,
                end_ns=end_ns,
                after=_read_key(request.page_token),
                size=size + 1,
            )
        page, more = cut_page(found, size)
        return health_service_pb2.ListSnapshotsResponse(
            snapshots=page, next_page_token=_write_key(page[-1]) if more else ""
        )

    async def run(self) -> None:
        """Trim now and then, until cancelled."""
        while True:
            await asyncio.sleep(_TICK_S)
            try:
                await self.trim()
            except STORE_FAILURES as error:
                log.error("snapshots_not_trimmed", error=type(error).__name__)

    async def trim(self) -> None:
        """Remove snapshots that are too old, when that was not done lately."""
        now = self._clock.monotonic()
        if now - self._trimmed_at < TRIM_EVERY_S:
            return
        self._trimmed_at = now
        removed = TRIMMED_AT_ONCE
        # A transaction for each batch: others write in between.
        while removed == TRIMMED_AT_ONCE:
            async with self._database.write() as session:
                removed = await store.delete_snapshots(
                    session, self._clock.time_ns() - KEPT_NS, TRIMMED_AT_ONCE
                )


def _write_key(snapshot: health_pb2.Snapshot) -> str:
    """Return the page token of what follows a snapshot."""
    return encode_page_token(f"{snapshot.time.ToNanoseconds()}.{snapshot.provider}")


def _read_key(token: str) -> SnapshotKey | None:
    """Return the key of the last snapshot before a page; None: it is the first page.

    Raises:
        InvalidArgument: INVALID_REQUEST naming `page_token`: it is none of ours.
    """
    key = decode_page_token(token, _KEY)
    if key is None:
        return None
    time_ns, _, provider = key.partition(".")
    return min(int(time_ns), _LATEST_NS), provider

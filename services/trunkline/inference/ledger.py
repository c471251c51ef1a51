"""The ledger: every attempt and whom it served, written in the background, listed newest first.

A batch is written at once when the writer is idle; what comes within a quarter of a second is
the next one, since a commit costs what eighty rows of it cost.
Rows of MEMORY runs wait here until they are written, as many as there is room for. Those of
durable runs lie in the journal: they are not kept here when the database does not take them.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from trunkline.inference.ledger_filter import LATEST_NS, read_filter
from trunkline.inference.ledger_store import EntryKey, EntryQuery, page_entries, put_entries
from trunkline.inference.terms import Terms
from trunkline.inference.v1 import failure_pb2, result_pb2, usage_pb2
from trunkline.kernel.call import Caller
from trunkline.kernel.database import STORE_FAILURES, Database, StoreUnavailable
from trunkline.kernel.log import get_logger
from trunkline.kernel.page_token import (
    DEFAULT_PAGE_SIZE,
    cut_page,
    decode_page_token,
    encode_page_token,
)

log = get_logger("trunkline.ledger")

MAX_WAITING: Final = 10_000
"""How many rows wait at most, of MEMORY runs and of durable ones each."""

MAX_BATCH: Final = 500
GATHER_S: Final = 0.25
PAUSE_S: Final = 1.0
WRITE_S: Final = 30.0
FLUSH_S: Final = 5.0

_OPEN: Final = result_pb2.ATTEMPT_OUTCOME_UNSPECIFIED
_PERSONAL: Final = failure_pb2.CREDENTIAL_SCOPE_PERSONAL
_TOKEN: Final = re.compile(r"\d{1,19}\.run_[0-9A-Za-z]{1,64}\.\d{1,10}")
_MAX_NUMBER: Final = 2**31 - 1

# A run's id and an attempt's number in it.
_Place = tuple[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class _Pledge:
    """Rows whose writer waits until they are stored."""

    entries: Sequence[usage_pb2.LedgerEntry]
    stored: asyncio.Future[None]


def describe(
    run_id: str, terms: Terms, rows: Iterable[result_pb2.Attempt]
) -> list[usage_pb2.LedgerEntry]:
    """Return a run's attempts as the ledger has them."""
    return [
        usage_pb2.LedgerEntry(
            run_id=run_id,
            principal=terms.owner.principal,
            on_behalf_of=terms.owner.on_behalf_of,
            attempt=row,
            role=terms.request.role,
            agent=terms.request.agent,
        )
        for row in rows
    ]


class Ledger:
    """The attempts of all runs.

    Args:
        database: of the inference service.
        gather_s: how long, in seconds, it waits for more after each batch.
        pause_s: how long it waits before it tries again.
    """

    def __init__(
        self, database: Database, *, gather_s: float = GATHER_S, pause_s: float = PAUSE_S
    ) -> None:
        self._database = database
        self._gather_s = gather_s
        self._pause_s = pause_s
        self._waiting: OrderedDict[_Place, usage_pb2.LedgerEntry] = OrderedDict()
        self._pledges: list[_Pledge] = []
        self._something = asyncio.Event()
        self._writing = asyncio.Lock()
        self._dropped = 0

    def add(self, entries: Iterable[usage_pb2.LedgerEntry]) -> None:
        """Have rows written in the background; the oldest are dropped where too many wait.

        Args:
            entries: of MEMORY runs; a later one of an attempt replaces the one before.
        """
        _merge(self._waiting, entries)
        self._drop_oldest()
        self._something.set()

    async def write(self, entries: Sequence[usage_pb2.LedgerEntry]) -> None:
        """Write rows, and return when that is done.

        Raises:
            StoreUnavailable: the database does not take them now; they may be there.
        """
        if not entries:
            return
        if sum(len(pledge.entries) for pledge in self._pledges) > MAX_WAITING:
            raise StoreUnavailable(self._database.service)
        pledge = _Pledge(entries, asyncio.get_running_loop().create_future())
        self._pledges.append(pledge)
        self._something.set()
        try:
            async with asyncio.timeout(WRITE_S):
                await pledge.stored
        except TimeoutError:
            raise StoreUnavailable(self._database.service) from None
        finally:
            if pledge in self._pledges:
                self._pledges.remove(pledge)

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._something.wait()
            is_done = await self._write_batch()
            if not is_done:
                await asyncio.sleep(self._pause_s)
            elif len(self._waiting) < MAX_BATCH:
                await asyncio.sleep(self._gather_s)

    async def flush(self) -> None:
        """Write what waits, as far as that can be done."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                async with self._writing:
                    pass  # what is on its way may come back
                while self._something.is_set() and await self._write_batch():
                    pass
        if self._waiting:
            log.warning("ledger_not_flushed", rows=len(self._waiting))

    async def page(
        self, request: usage_pb2.ListAttemptsRequest, caller: Caller
    ) -> usage_pb2.ListAttemptsResponse:
        """Return a page of what a caller may see, newest first.

        Raises:
            InvalidArgument: INVALID_REQUEST: the page token is none of ours, or a time is
                none.
            PermissionDenied: OUT_OF_SCOPE: the token may not name users.
            StoreUnavailable: the database does not answer.
        """
        size = request.page_size or DEFAULT_PAGE_SIZE
        after = _read_token(request.page_token)
        entries = read_filter(request.filter, request.on_behalf_of, caller)
        if entries is None:
            return usage_pb2.ListAttemptsResponse()
        query = EntryQuery(entries, after, size + 1)
        async with self._database.read() as session:
            found = await page_entries(session, query)
        page, more = cut_page(found, size)
        token = _write_token(page[-1]) if more else ""
        for entry in page:
            _withhold(entry, caller)
        return usage_pb2.ListAttemptsResponse(entries=page, next_page_token=token)

    async def _write_batch(self) -> bool:
        """Write what waits, up to a batch; tell whether that was done."""
        async with self._writing:
            pledges = list(self._take_pledges())
            room = MAX_BATCH - sum(len(pledge.entries) for pledge in pledges)
            taken: OrderedDict[_Place, usage_pb2.LedgerEntry] = OrderedDict()
            while self._waiting and len(taken) < room:
                taken.update((self._waiting.popitem(last=False),))
            if not (self._waiting or self._pledges):
                self._something.clear()
            batch = taken.copy()
            for pledge in pledges:
                _merge(batch, pledge.entries)
            if not batch:
                return True
            try:
                async with self._database.write() as session:
                    await put_entries(session, list(batch.values()))
            except BaseException as error:
                self._put_back(taken)
                _refuse(pledges, StoreUnavailable(self._database.service))
                if not isinstance(error, STORE_FAILURES):
                    raise
                if not isinstance(error, StoreUnavailable):
                    log.error("ledger_not_written", error=type(error).__name__)
                return False
        for pledge in pledges:
            if not pledge.stored.done():
                pledge.stored.set_result(None)
        return True

    def _take_pledges(self) -> Iterator[_Pledge]:
        """Take a batch of those who wait, and one at least where there is any."""
        size = 0
        while self._pledges and (not size or size + len(self._pledges[0].entries) <= MAX_BATCH):
            pledge = self._pledges.pop(0)
            size += len(pledge.entries)
            yield pledge

    def _put_back(self, taken: OrderedDict[_Place, usage_pb2.LedgerEntry]) -> None:
        """Keep rows that could not be written, as the oldest of those that wait."""
        newer, self._waiting = self._waiting, taken
        _merge(self._waiting, newer.values())
        self._drop_oldest()
        if self._waiting:
            self._something.set()

    def _drop_oldest(self) -> None:
        """Keep what waits within its bound, and count what that costs in the log."""
        excess = len(self._waiting) - MAX_WAITING
        if excess <= 0:
            return
        for _ in range(excess):
            self._waiting.popitem(last=False)
        # A line for each doubling: it comes with every run as long as the database is away.
        before, self._dropped = self._dropped, self._dropped + excess
        if before.bit_length() != self._dropped.bit_length():
            log.error("ledger_rows_dropped", rows=self._dropped)


def _merge(
    into: dict[_Place, usage_pb2.LedgerEntry], entries: Iterable[usage_pb2.LedgerEntry]
) -> None:
    """Let later rows replace earlier ones of their attempts; an open one no closed one."""
    for entry in entries:
        place = (entry.run_id, entry.attempt.number)
        before = into.get(place)
        if before is None or before.attempt.outcome == _OPEN or entry.attempt.outcome != _OPEN:
            into[place] = entry


def _refuse(pledges: Iterable[_Pledge], error: StoreUnavailable) -> None:
    """Tell those who wait that their rows were not written."""
    for pledge in pledges:
        if not pledge.stored.done():
            pledge.stored.set_exception(error)


def _withhold(entry: usage_pb2.LedgerEntry, caller: Caller) -> None:
    """Take out which of the deployment's keys was used, for who does not operate it."""
    if not caller.is_admin and entry.attempt.credential_scope != _PERSONAL:
        entry.attempt.credential_id = ""


def _write_token(entry: usage_pb2.LedgerEntry) -> str:
    """Return the page token of what follows an entry."""
    attempt = entry.attempt
    start_ns = attempt.start_time.ToNanoseconds()
    return encode_page_token(f"{start_ns}.{entry.run_id}.{attempt.number}")


def _read_token(token: str) -> EntryKey | None:
    """Return the last entry before a page; None: it is the first page.

    Raises:
        InvalidArgument: INVALID_REQUEST naming `page_token`: it is none of ours.
    """
    key = decode_page_token(token, _TOKEN)
    if key is None:
        return None
    start_ns, run_id, number = key.split(".")
    return min(int(start_ns), LATEST_NS), run_id, min(int(number), _MAX_NUMBER)

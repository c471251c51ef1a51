"""Answer what was used and what it cost, over a time and by what is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from trunkline.inference.ledger_filter import LATEST_NS, EntryFilter, read_filter
from trunkline.inference.ledger_sums import DIMENSIONS, SumQuery, sum_entries
from trunkline.inference.v1 import usage_pb2
from trunkline.kernel.call import Caller
from trunkline.kernel.clock import Clock
from trunkline.kernel.database import Database
from trunkline.kernel.errors import InvalidArgument, Violation
from trunkline.kernel.page_token import MAX_PAGE_BYTES

MAX_SLOTS: Final = 10_000
MAX_SUMS: Final = 10_000
"""How many sums an answer has at most; it is no list of rows."""

_DAY_NS: Final = 24 * 3600 * 1_000_000_000


class UsageSums:
    """Sums over the ledger.

    Args:
        database: of the inference service.
        clock: the time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def query(
        self, request: usage_pb2.QueryUsageRequest, caller: Caller
    ) -> usage_pb2.QueryUsageResponse:
        """Return sums of what a caller may see.

        Raises:
            InvalidArgument: INVALID_REQUEST: a time is none; `interval`: there are more than
                10,000 slots; `group_by`: there are more sums than an answer holds.
            PermissionDenied: OUT_OF_SCOPE: the token may not name users.
            StoreUnavailable: the database does not answer.
        """
        entries = read_filter(request.filter, request.on_behalf_of, caller)
        now_ns = self._clock.time_ns()
        # A slot beyond all times is as good as one that spans them.
        interval_ns = min(request.interval.ToNanoseconds(), LATEST_NS)
        if entries is None:
            return usage_pb2.QueryUsageResponse()
        if not request.filter.HasField("start_time"):
            entries = replace(entries, start_ns=now_ns - _DAY_NS)
        if interval_ns:
            _check_slots(entries, interval_ns, now_ns)
        # In the order of the request, each column once.
        columns = dict.fromkeys(name for each in request.group_by for name in DIMENSIONS[each])
        query = SumQuery(entries, tuple(columns), interval_ns, MAX_SUMS + 1)
        async with self._database.read() as session:
            sums = await sum_entries(session, query)
        response = usage_pb2.QueryUsageResponse(sums=sums)
        if len(sums) > MAX_SUMS or response.ByteSize() > MAX_PAGE_BYTES:
            raise InvalidArgument.of(
                Violation("group_by", "makes too many sums; narrow the filter, or group by less")
            )
        return response


def _check_slots(entries: EntryFilter, interval_ns: int, now_ns: int) -> None:
    """Refuse more slots than an answer holds.

    Raises:
        InvalidArgument: INVALID_REQUEST naming `interval`.
    """
    end_ns = entries.end_ns if entries.end_ns < LATEST_NS else now_ns
    if end_ns - entries.start_ns > MAX_SLOTS * interval_ns:
        raise InvalidArgument.of(
            Violation("interval", f"makes more than {MAX_SLOTS:,} slots of the time asked for")
        )

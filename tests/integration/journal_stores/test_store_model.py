"""Whatever three processes do in any order, both kinds of store do what the model does."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration.journal_stores.journals import (
    LONG_S,
    Journal,
    RedisJournal,
    SqliteJournal,
    ids,
    new_run,
)
from integration.journal_stores.model import Model
from support import matrix
from trunkline.inference.journal.store import Append, End, RunQuery, RunRecord, RunStore
from trunkline.inference.v1 import run_pb2

# Longer than any example takes.
_HOUR_S = 3600.0
# More than the grain of either kind's time.
_MOMENT_S = 0.002
_PROCESSES = ("p0", "p1", "p2")

_process = st.sampled_from(_PROCESSES)
_run = st.integers(0, 3)
_off = st.sampled_from([0, 0, 0, 0, -1, 1])
_STEPS = st.one_of(
    st.tuples(st.just("renew"), _process),
    st.tuples(st.just("die"), _process),
    st.tuples(st.just("retire"), _process),
    st.tuples(
        st.just("create"),
        _process,
        st.sampled_from([b"", b"key"]),
        st.sampled_from([0.0, _HOUR_S]),
    ),
    st.tuples(st.just("append"), _run, _off, _off, st.integers(0, 3), st.integers(0, 1)),
    st.tuples(st.just("append"), _run, st.just(0), st.just(0), st.integers(0, 3), st.just(2)),
    st.tuples(
        st.just("end"),
        _run,
        st.sampled_from([None, 0, -1]),
        st.booleans(),
        st.sampled_from([None, None, 0.0, _HOUR_S]),
        st.booleans(),
    ),
    st.tuples(st.just("claim"), _run, _process, st.sampled_from([None, 0, -1])),
    st.tuples(st.just("readers"), _run, _process, st.integers(0, 2)),
    st.tuples(st.just("put"), _run, st.sampled_from("ab"), st.sampled_from("xy")),
    st.tuples(st.just("compact"), _run, _off),
    st.tuples(st.just("ledger"), _run),
    st.tuples(st.just("trim")),
    st.tuples(st.just("turn"), st.sampled_from("st"), _process),
)


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
@given(steps=st.lists(_STEPS, min_size=10, max_size=50))
@settings(
    max_examples=200 if matrix.is_full() else 10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_store_does_what_the_model_does(
    kind: str, request: pytest.FixtureRequest, steps: list[Any]
) -> None:
    """Each answer and each record is the model's, at every step; in the end all lists are."""
    if kind == "redis":
        asyncio.run(_check(RedisJournal(request.getfixturevalue("redis_server")), steps))
        return
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_check(SqliteJournal(Path(directory) / "journal.db"), steps))


async def _check(journal: Journal, steps: list[Any]) -> None:
    """Walk through steps on two stores in turn, beside the model."""
    try:
        stores = itertools.cycle([await journal.open(), await journal.open()])
        walk = _Walk(journal, Model())
        for process_id in _PROCESSES:
            await walk.renew(next(stores), process_id)
        for step in [("create", "p0", b"", 0.0), *steps]:
            name, *given = step
            walk.model.now += 1
            await journal.pass_s(_MOMENT_S)
            await getattr(walk, name)(next(stores), *given)
        await walk.compare(next(stores))
    finally:
        await journal.close()


class _Walk:
    """Does each step with a store and with the model."""

    def __init__(self, journal: Journal, model: Model) -> None:
        self.journal = journal
        self.model = model
        self._names: list[str] = []
        self._numbers = itertools.count()

    async def renew(self, store: RunStore, process_id: str) -> None:
        await store.renew(process_id, LONG_S)
        self.model.renew(process_id)

    async def die(self, store: RunStore, process_id: str) -> None:
        await store.renew(process_id, _MOMENT_S / 2)
        await self.journal.pass_s(_MOMENT_S)
        self.model.end_process(process_id, is_retired=False)

    async def retire(self, store: RunStore, process_id: str) -> None:
        await store.retire(process_id)
        self.model.end_process(process_id, is_retired=True)

    async def create(
        self, store: RunStore, process_id: str, key: bytes, retention_s: float
    ) -> None:
        run = new_run(process_id, idempotency_key=key, retention_s=retention_s)
        expected = self.model.create(run)
        found = await store.create(run)
        assert (found.run_id if found else None) == expected
        if found is None:
            self._names.append(run.run_id)

    async def append(
        self, store: RunStore, place: int, epoch_off: int, first_off: int, count: int, kind: int
    ) -> None:
        run_id, epoch, last = self._pick(place)
        first = last + 1 + first_off
        state = (None, run_pb2.RUN_STATE_WAITING, run_pb2.RUN_STATE_RUNNING)[kind]
        data = b"" if count == 0 and kind == 1 else b"%d" % next(self._numbers)
        entry = Append(run_id, epoch + epoch_off, first, first + count - 1, data, state)
        # The second time it was there already, or is refused like the first.
        for _ in range(2 if data else 1):
            assert await store.append([entry]) == [self.model.append(entry)]
        await self._compare_run(store, run_id)

    async def end(
        self,
        store: RunStore,
        place: int,
        epoch_off: int | None,
        is_last_known: bool,
        unread_s: float | None,
        frees: bool,
    ) -> None:
        run_id, epoch, last = self._pick(place)
        end = End(run_pb2.RUN_STATE_FAILED, b"%d" % next(self._numbers), frees, unread_s)
        first = last + 1 if is_last_known else 0
        believed = 0 if epoch_off is None else epoch + epoch_off
        entry = Append(run_id, believed, first, first - 1, b"", end=end)
        assert await store.append([entry]) == [self.model.append(entry)]
        await self._compare_run(store, run_id)

    async def claim(
        self, store: RunStore, place: int, process_id: str, epoch_off: int | None
    ) -> None:
        run_id, current, _ = self._pick(place)
        if not self.model.lives(process_id):
            return
        epoch = 0 if epoch_off is None else current + epoch_off
        expected = self.model.claim(run_id, process_id, epoch)
        claimed = await store.claim(run_id, process_id, epoch)
        assert (claimed.epoch if isinstance(claimed, RunRecord) else claimed) == expected
        await self._compare_run(store, run_id)

    async def readers(self, store: RunStore, place: int, process_id: str, count: int) -> None:
        run_id, _, _ = self._pick(place)
        await store.set_readers(run_id, process_id, count)
        self.model.set_readers(run_id, process_id, count)
        await self._compare_run(store, run_id)

    async def put(self, store: RunStore, place: int, item: str, digest: str) -> None:
        run_id, _, _ = self._pick(place)
        words = (run_id, item, digest.encode(), b"%d" % next(self._numbers))
        assert await store.put(*words) == self.model.put(*words)

    async def compact(self, store: RunStore, place: int, epoch_off: int) -> None:
        run_id, epoch, _ = self._pick(place)
        await store.compact(run_id, epoch + epoch_off, b"whole")
        self.model.compact(run_id, epoch + epoch_off, b"whole")
        await self._compare_run(store, run_id)

    async def ledger(self, store: RunStore, place: int) -> None:
        run_id, _, _ = self._pick(place)
        await store.mark_ledgered([run_id])
        self.model.mark_ledgered(run_id)

    async def trim(self, store: RunStore) -> None:
        assert await store.trim(100) == self.model.trim()

    async def turn(self, store: RunStore, name: str, process_id: str) -> None:
        expected = self.model.take_turn(name, process_id)
        assert await store.take_turn(name, process_id, LONG_S) == expected

    async def compare(self, store: RunStore) -> None:
        """Compare everything."""
        for run_id in self._names:
            await self._compare_run(store, run_id)
        newest = sorted(self.model.runs, reverse=True)
        assert ids(await store.list_runs(RunQuery())) == newest
        live = [name for name in newest if not self.model.runs[name].ended]
        running = await store.list_runs(RunQuery(state=run_pb2.RUN_STATE_RUNNING))
        waiting = await store.list_runs(RunQuery(state=run_pb2.RUN_STATE_WAITING))
        assert sorted(ids(running) + ids(waiting), reverse=True) == live
        assert ids([found for found, _ in await store.abandoned(100)]) == self.model.abandoned()
        assert ids(await store.unledgered(100)) == self.model.unledgered()

    async def _compare_run(self, store: RunStore, run_id: str) -> None:
        """Compare what there is of one run."""
        found = await store.load(run_id)
        run = self.model.runs.get(run_id)
        assert (found is None) == (run is None)
        if found is None or run is None:
            return
        assert (found.process_id, found.epoch, found.takeovers, found.is_owned) == (
            run.process_id,
            run.epoch,
            run.takeovers,
            self.model.lives(run.process_id),
        )
        assert (found.state, found.status, found.ended_ns > 0, found.is_ledgered) == (
            run.state,
            run.status,
            run.ended > 0,
            run.is_ledgered,
        )
        assert found.last_sequence == run.last
        assert found.readers == self.model.readers(run_id)
        assert found.is_read_elsewhere == self.model.is_read_elsewhere(run_id)
        for after in {0, run.last // 2, run.last}:
            parts = await store.read(run_id, after, 2**20)
            assert [
                (part.epoch, part.first, part.last, part.data) for part in parts
            ] == self.model.read(run_id, after)
        assert await store.inbox(run_id) == [(item, data) for item, (_, data) in run.inbox.items()]

    def _pick(self, place: int) -> tuple[str, int, int]:
        """Return a run, its epoch and its last sequence; it may be gone."""
        run_id = self._names[place % len(self._names)]
        run = self.model.runs.get(run_id)
        return (run_id, run.epoch, run.last) if run is not None else (run_id, 1, 0)

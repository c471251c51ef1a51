"""Several processes of health: one probes by the timer, and all know what each has seen."""

from __future__ import annotations

import functools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from support.health_harness import (
    DEGRADED,
    MINUTE_S,
    OK,
    QUOTA,
    SILENT,
    SOON_S,
    UNREACHABLE,
    HealthHarness,
    answered,
    outcome,
)
from support.postgres import PostgresServer
from support.service_calls import ADMIN, eventually, settled
from trunkline.health.prober import LEASE_S
from trunkline.health.v1 import health_pb2

_AGAIN_S = 1.5
# Too short for a probe to be due.
_MOMENT_S = 0.01


class Fleet:
    """Two processes on one database, with the same peers but an inference each.

    Attributes:
        first: was started first.
        second: was started when the first one had probed.
    """

    def __init__(self, root: Path, database_url: str) -> None:
        self.first = HealthHarness(root / "first", database_url)
        self.second = HealthHarness(root / "second", database_url)
        self.second.clock = self.first.clock
        self.second.catalog = self.first.catalog
        self.second.credentials = self.first.credentials

    async def start(self) -> None:
        """Start both."""
        for replica in (self.first, self.second):
            await replica.start_peers("catalog", "credential", "inference")
            await replica.start()
            await replica.first_probe("openai")
            await replica.first_probe("groq")

    async def pass_minute(self) -> None:
        """Let a minute pass until each provider was probed in it, whoever did that."""
        before = self.probes()
        turned_at = 0.0

        def were_probed() -> bool:
            nonlocal turned_at
            # Who has just taken over does not count the minutes yet.
            if time.monotonic() - turned_at >= _AGAIN_S:
                turned_at = time.monotonic()
                self.first.clock.turn(MINUTE_S)
            return all(now > then for now, then in zip(self.probes(), before, strict=True))

        await settled(were_probed)

    def probes(self) -> list[int]:
        """Return how often each provider was probed."""
        return [
            len(self.first.probes(name)) + len(self.second.probes(name))
            for name in ("openai", "groq")
        ]

    async def both(
        self, good: Callable[[health_pb2.ProviderHealth], bool], provider: str = "openai"
    ) -> health_pb2.ProviderHealth:
        """Wait until both tell what is good of a provider; return what the second one does."""
        for replica in (self.first, self.second):
            await eventually(functools.partial(replica.get, provider, ADMIN), good)
        return await self.second.get(provider, ADMIN)


@pytest.fixture
async def fleet(tmp_path: Path, postgres: PostgresServer) -> AsyncIterator[Fleet]:
    """Start two processes that know the providers `openai` and `groq`."""
    async with AsyncExitStack() as stack:
        running = Fleet(tmp_path, await stack.enter_async_context(postgres.database()))
        running.first.catalog.put("openai", "groq")
        for replica in (running.first, running.second):
            stack.push_async_callback(replica.close)
        await running.start()
        yield running


def _has_attempts(count: int, state: health_pb2.ProviderHealth) -> bool:
    return bool(state.traffic) and state.traffic[0].attempts == count


async def test_one_of_them_probes(fleet: Fleet) -> None:
    """As long as it lives; both tell what was found, at once what matters."""
    for _ in range(2):
        await fleet.pass_minute()
    assert not fleet.second.inference.requests
    fleet.first.inference.answers["openai"] = answered(seconds=4)
    async with fleet.second.watch() as reading:
        await reading.kind("snapshot_complete")
        await fleet.pass_minute()
        told = await reading.until(lambda message: message.health.status == DEGRADED)
    seen = await fleet.both(lambda state: state.status == DEGRADED)
    kept = (await fleet.second.snapshots(provider="openai")).snapshots
    times = [snapshot.time for snapshot in kept]
    assert seen.check_time in times
    assert told.health.check_time in times
    # What one is asked for the others know, too.
    fleet.second.inference.answers["openai"] = answered()
    await fleet.second.check("openai")
    await fleet.both(lambda state: state.status == OK)


async def test_a_stop_hands_the_probing_over(fleet: Fleet) -> None:
    """At once, and not back to who comes again."""
    await fleet.first.stop()
    made = len(fleet.first.inference.requests)
    for _ in range(2):
        await fleet.pass_minute()
    await fleet.first.start()
    await fleet.first.known("openai")
    await fleet.pass_minute()
    assert len(fleet.first.inference.requests) == made
    assert len(fleet.second.inference.requests) >= 6


async def test_traffic_adds_up(fleet: Fleet) -> None:
    """Wherever it was reported; a watch that begins anywhere has all of it."""
    for count in range(1, 4):
        for replica in (fleet.first, fleet.second):
            await replica.report(outcome(ms=10), outcome(kind=SILENT, ms=20))
        fleet.first.clock.turn(5)
        seen = await fleet.both(
            lambda state, count=count: (
                bool(state.traffic)  # type: ignore[misc] # bound now
                and state.traffic[0].attempts == 4 * count
            )
        )
        assert seen.traffic[0].failures == 2 * count
        assert seen.traffic[0].duration.sum_ms == 60 * count
    for replica in (fleet.first, fleet.second):
        async with replica.watch() as reading:
            await reading.kind("snapshot_complete")
            states = {state.provider: state for state in reading.messages[0].snapshot_page.healths}
            assert states["openai"].traffic[0].attempts == 12


async def test_each_knows_what_the_other_has_seen(fleet: Fleet) -> None:
    """The latest word holds, and nothing of the others' is lost.

    Words of the same moment have no order, so that the clock goes on between them.
    """
    key_id = fleet.first.credentials.put("openai")
    other_id = fleet.first.credentials.put("openai", owner="ann")
    fleet.first.inference.answers["openai"] = answered(seconds=4)
    await fleet.first.check("openai")
    await fleet.both(lambda state: state.status == DEGRADED)
    fleet.first.clock.turn(_MOMENT_S)
    # An answer to a chat does not say that the list is fast again.
    await fleet.second.report(outcome(kind=QUOTA, key=other_id))
    seen = await fleet.both(lambda state: len(state.credentials) == 2)
    assert seen.status == DEGRADED
    assert seen.HasField("latency")
    assert {key.credential_id: key.kind for key in seen.credentials} == {
        key_id: 0,
        other_id: QUOTA,
    }
    fleet.first.clock.turn(_MOMENT_S)
    await fleet.second.report(outcome(kind=SILENT))
    await fleet.both(lambda state: state.status == UNREACHABLE)
    fleet.first.clock.turn(_MOMENT_S)
    await fleet.first.report(outcome())
    await fleet.both(lambda state: state.status == OK)
    fleet.first.credentials.delete("openai")
    await fleet.both(lambda state: not state.credentials)
    fleet.first.catalog.delete("openai")
    for replica in (fleet.first, fleet.second):
        await eventually(replica.names, lambda names: names == ["groq"])
    fleet.first.catalog.put("openai")
    for replica in (fleet.first, fleet.second):
        await replica.known("openai")
        assert not (await replica.get()).traffic


@pytest.mark.one_store  # on PostgreSQL a lease's times are the server's
async def test_who_has_lost_the_lease_probes_no_more(probing: HealthHarness) -> None:
    """Another may; when that one dies, its lease ends by itself, and somebody takes over."""
    with capture_logs() as logs:
        await probing.first_probe("openai")
        expire_ns = probing.clock.time_ns() + int(LEASE_S * 1e9)
        await probing.run_sql(f"UPDATE lease SET holder = 'dead', expire_time_ns = {expire_ns}")
        probing.clock.turn(LEASE_S / 3 + 1)
        await settled(lambda: logs[-1]["event"] == "probing_left_to_another")
        probing.catalog.put("mistral")
        await probing.known("mistral")
        probing.clock.turn(SOON_S)
        with pytest.raises(TimeoutError):
            # Some ticks of its timer.
            await settled(lambda: bool(probing.probes("mistral")), limit_s=0.6)
        # Who asks is answered by any of them.
        assert (await probing.check("openai"))[0].status == OK
        probing.clock.turn(LEASE_S)
        await settled(lambda: logs[-1]["event"] == "probing_begun")
    await probing.first_probe("mistral")


async def test_a_stop_gives_the_lease_back(probing: HealthHarness) -> None:
    """So that nobody has to wait for its end."""
    await probing.first_probe()
    assert len(await probing.run_sql("SELECT * FROM lease")) == 1
    await probing.service.drain(1.0)
    assert not await probing.run_sql("SELECT * FROM lease")

"""What health keeps: over a restart, without its peers, and when it cannot write."""

from __future__ import annotations

import grpc
import pytest
from structlog.testing import capture_logs

from support.health_harness import NOT_AUTHORIZED, SILENT, UNREACHABLE, HealthHarness, outcome
from support.service_calls import eventually, refused, settled
from trunkline.health.tables import Tables
from trunkline.health.traffic import WINDOW_MINUTES
from trunkline.health.v1 import health_pb2

pytestmark = pytest.mark.both_stores


async def test_a_restart_keeps_states_keys_and_traffic(health: HealthHarness) -> None:
    """A stop in good order writes what was not written yet."""
    health.credentials.put("openai")
    await health.report(
        outcome(kind=NOT_AUTHORIZED, key="cred_openai", ms=10),
        outcome(kind=SILENT, first_ms=5, ms=20),
    )
    before = await health.state()
    assert before.status == UNREACHABLE
    await health.restart()
    assert await health.state() == before
    await health.report(outcome())
    assert (await health.get()).traffic[0].attempts == 3


async def test_figures_are_written_without_a_stop(health: HealthHarness) -> None:
    """Within seconds, so that a crash loses moments."""
    await health.report(outcome())
    await health.report(outcome())
    health.clock.turn(5)
    rows = await eventually(
        lambda: health.run_sql("SELECT model, tally FROM traffic"), lambda rows: bool(rows)
    )
    ((model, tally),) = rows
    assert model == "openai/a"
    assert health_pb2.TrafficHealth.FromString(tally).attempts == 2


async def test_old_minutes_leave_the_database(health: HealthHarness) -> None:
    """What no window shows any more is removed with the next write."""
    await health.report(outcome("openai/old"))
    await health.restart()
    health.clock.turn(60 * (WINDOW_MINUTES + 1))
    await health.report(outcome("openai/new"))
    await health.restart()
    assert await health.run_sql("SELECT model FROM traffic") == [("openai/new",)]
    assert [traffic.model for traffic in (await health.get()).traffic] == ["openai/new"]


async def test_the_schema_is_the_one_that_the_tables_declare(health: HealthHarness) -> None:
    """The migrations leave nothing to be changed."""
    assert await health.store.differences(Tables.metadata) == []


async def test_what_was_known_is_served_without_the_catalog(health: HealthHarness) -> None:
    """Stale without limit; what is not known waits for the catalog and says so."""
    await health.report(outcome(kind=SILENT))
    before = await health.state()
    await health.stop()
    await health.close_peers()
    await health.start()
    assert await health.state() == before
    await health.report(outcome())
    assert (await health.get()).traffic[0].attempts == 2
    failure = await refused(health.get("mistral"))
    assert failure.code is grpc.StatusCode.UNAVAILABLE
    assert failure.reason == "PEER_UNAVAILABLE"
    assert failure.metadata == {"peer": "catalog"}


async def test_a_provider_that_went_while_health_was_away_is_told_of(
    health: HealthHarness,
) -> None:
    """Who comes back with an old revision learns that it is gone."""
    await health.report(outcome())
    async with health.watch() as reading:
        revision = (await reading.kind("heartbeat")).revision
    await health.stop()
    health.catalog.delete("openai")
    await health.start()
    async with health.watch(revision) as reading:
        assert (await reading.kind("deleted_provider")).deleted_provider == "openai"
    assert (await refused(health.get())).reason == "PROVIDER_NOT_FOUND"
    assert (await health.get("groq")).provider == "groq"


async def test_what_cannot_be_written_is_told_later(health: HealthHarness) -> None:
    """Answers come from memory meanwhile; when the disk is back, nothing is lost."""
    await health.get()
    await health.store.refuse("outbox")
    async with health.watch() as reading:
        revision = (await reading.kind("snapshot_complete")).revision
        with capture_logs() as logs:
            await health.report(outcome(kind=SILENT))
            await settled(lambda: any(log["event"] == "health_not_written" for log in logs))
        assert (await health.get()).status == UNREACHABLE
        await health.store.accept("outbox")
        told = await reading.until(lambda message: message.health.status == UNREACHABLE)
        assert told.revision > revision
        assert told.health.traffic[0].attempts == 1

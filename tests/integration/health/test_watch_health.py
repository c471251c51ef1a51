"""WatchHealth: trouble at once, figures every few seconds, and revisions to resume from."""

from __future__ import annotations

from typing import Any

import pytest

from support.health_harness import (
    DEGRADED,
    NOT_AUTHORIZED,
    OK,
    SILENT,
    UNREACHABLE,
    HealthHarness,
    answered,
    outcome,
)
from support.service_calls import ADMIN, DEVELOPER, Reading
from trunkline.health.recorder import TELL_EVERY_S, TELL_FIGURES_EVERY_S
from trunkline.health.v1 import health_service_pb2
from trunkline.inference.v1 import provider_pb2


def _is(provider: str, **fields: Any) -> Any:
    """Return a test for a message that tells of a provider with these values."""

    def good(message: Any) -> bool:
        if message.WhichOneof("kind") != "health" or message.health.provider != provider:
            return False
        return all(getattr(message.health, name) == value for name, value in fields.items())

    return good


async def test_the_view_has_every_provider(health: HealthHarness) -> None:
    """Also those without traffic, once the catalog is known."""
    await health.report(outcome("groq/a"))
    async with health.watch() as reading:
        await reading.kind("snapshot_complete")
        states = {
            state.provider: state.status
            for message in reading.messages
            for state in message.snapshot_page.healths
        }
    assert states == {"groq": OK, "openai": 0}


async def test_a_change_of_status_or_key_is_told_at_once(health: HealthHarness) -> None:
    """With the traffic as it is then."""
    health.credentials.put("openai")
    await health.get()
    async with health.watch() as reading:
        await reading.kind("snapshot_complete")
        await health.report(outcome(key="cred_openai"))
        told = await reading.until(_is("openai", status=OK))
        assert told.health.traffic[0].attempts == 1
        await health.report(outcome(kind=SILENT))
        told = await reading.until(_is("openai", status=UNREACHABLE))
        assert told.health == await health.state()
        await health.report(outcome(kind=NOT_AUTHORIZED, key="cred_openai"))
        told = await reading.until(
            lambda message: [key.kind for key in message.health.credentials] == [NOT_AUTHORIZED]
        )
        assert told.health.status == OK
        revisions = [message.revision for message in reading.messages]
        assert revisions == sorted(revisions)


async def test_figures_alone_are_told_every_5_seconds(health: HealthHarness) -> None:
    """A hundred reports that change no status are one message."""
    await health.get()
    async with health.watch() as reading:
        await reading.kind("snapshot_complete")
        await health.report(outcome())
        await reading.until(_is("openai", status=OK))
        for _ in range(100):
            await health.report(outcome())
        # A change at another provider is told in the meantime, and these figures are not.
        await health.report(outcome("groq/a", kind=SILENT))
        await reading.until(_is("groq", status=UNREACHABLE))
        figures = [t.attempts for m in reading.messages for t in m.health.traffic]
        assert max(figures) == 1
        health.clock.turn(5)
        told = await reading.until(
            lambda message: (
                bool(message.health.traffic) and message.health.traffic[0].attempts == 101
            )
        )
        assert told.health.provider == "openai"


async def test_providers_that_come_and_go_are_told(health: HealthHarness) -> None:
    """As the catalog tells of them."""
    await health.get()
    async with health.watch() as reading:
        await reading.kind("snapshot_complete")
        health.catalog.put("mistral")
        await reading.until(_is("mistral", status=0))
        health.catalog.delete("openai")
        assert (await reading.kind("deleted_provider")).deleted_provider == "openai"
        health.catalog.put("openai")
        await reading.until(_is("openai", status=0))


async def test_a_reader_goes_on_from_its_revision(health: HealthHarness) -> None:
    """It gets what came since, also over a restart."""
    await health.report(outcome())
    async with health.watch() as reading:
        await reading.until(lambda m: "openai" in str(m) and "STATUS_OK" in str(m))
        revision = reading.messages[-1].revision
    await health.report(outcome(kind=SILENT))
    async with health.watch(revision) as reading:
        await reading.until(_is("openai", status=UNREACHABLE))
        kinds = set(reading.kinds())
    assert kinds == {"health", "cooldown"}
    await health.restart()
    async with health.watch(revision) as reading:
        await reading.until(_is("openai", status=UNREACHABLE))
        assert set(reading.kinds()) == {"health", "cooldown"}


async def test_a_heartbeat_comes_with_the_revision_that_holds(health: HealthHarness) -> None:
    """Who is up to date hears nothing else."""
    await health.get()
    async with health.watch() as reading:
        beat = await reading.kind("heartbeat")
        assert beat.revision >= reading.messages[0].revision


@pytest.mark.parametrize("after", ["trimmed", "of another life"])
async def test_a_revision_that_is_not_known_gets_the_view_whole(
    health: HealthHarness, after: str
) -> None:
    """Whether its changes were trimmed or never were."""
    await health.get()
    async with health.watch() as reading:
        revision = (await reading.kind("heartbeat")).revision
        await health.report(outcome())
        await reading.until(_is("openai", status=OK))
        await health.report(outcome(kind=SILENT))
        await reading.until(_is("openai", status=UNREACHABLE))
    if after == "trimmed":
        await health.run_sql(f"DELETE FROM outbox WHERE revision <= {revision + 1}")
    else:
        revision += 1_000
    async with health.watch(revision) as reading:
        await reading.kind("snapshot_complete")
        assert reading.kinds()[0] == "snapshot_page"


async def test_everybody_with_a_token_may_watch(health: HealthHarness) -> None:
    """ADMIN and DEVELOPER see the same."""
    await health.get()
    for metadata in (ADMIN, DEVELOPER):
        call = health.stub.WatchHealth(health_service_pb2.WatchHealthRequest(), metadata=metadata)
        async with Reading(call) as reading:
            await reading.kind("snapshot_complete")


async def test_what_a_probe_changes_is_told_at_once(probing: HealthHarness) -> None:
    """A status or a verdict; new figures alone once a minute."""
    probing.credentials.put("openai")
    await probing.first_probe("openai")
    await probing.first_probe("groq")
    async with probing.watch() as reading:
        await reading.kind("snapshot_complete")
        for response, good in (
            (answered(seconds=4), _is("openai", status=DEGRADED)),
            (answered(provider_pb2.VERDICT_UNREACHABLE), _is("openai", status=UNREACHABLE)),
            (
                answered(provider_pb2.VERDICT_REVOKED),
                lambda message: "VERDICT_REVOKED" in str(message.health.credentials),
            ),
        ):
            probing.inference.answers["openai"] = response
            await probing.check("openai")
            told = await reading.until(good)
            assert told.health == await probing.get("openai", ADMIN)
        revision = told.revision
        for count in range(1, 6):
            probing.inference.answers["openai"] = answered(
                provider_pb2.VERDICT_REVOKED, seconds=count / 10
            )
            probing.clock.turn(TELL_EVERY_S)
            await probing.check("openai")
        # A change at another provider is told in the meantime, and these figures are not.
        await probing.report(outcome("groq/a", kind=SILENT))
        await reading.until(_is("groq", status=UNREACHABLE))
        assert not [
            message.health.latency
            for message in reading.messages
            if message.revision > revision and message.health.provider == "openai"
        ]
        probing.clock.turn(TELL_FIGURES_EVERY_S)
        await reading.until(
            lambda message: message.revision > revision and message.health.provider == "openai"
        )

"""CheckNow: a probe outside the rhythm, for one provider or for all."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from support.health_harness import (
    DEGRADED,
    OK,
    SILENT,
    UNREACHABLE,
    HealthHarness,
    answered,
    outcome,
)
from support.service_calls import ADMIN, DEVELOPER, eventually, refused, settled
from trunkline.health.v1 import health_service_pb2
from trunkline.inference.v1 import provider_pb2
from trunkline.kernel.errors import FailedPrecondition, NotFound, Unavailable

UNREACHED = provider_pb2.VERDICT_UNREACHABLE


async def test_what_is_found_is_answered_and_kept(probing: HealthHarness) -> None:
    """With the uptime that it made, and as everybody is told then."""
    await probing.report(outcome(kind=SILENT))
    probing.inference.answers["openai"] = answered(seconds=0.25)
    (seen,) = await probing.check("openai")
    assert (seen.provider, seen.status, seen.uptime) == ("openai", OK, 1)
    assert seen.latency.ToMilliseconds() == 250
    assert seen.traffic[0].failures == 1
    assert [each.route.model for each in seen.cooldowns] == ["openai/a"]
    seen.ClearField("cooldowns")
    assert await probing.state() == seen
    probing.inference.answers["openai"] = answered(UNREACHED, seconds=None)
    (seen,) = await probing.check("openai")
    assert (seen.status, seen.uptime, seen.HasField("latency")) == (UNREACHABLE, 0.5, False)
    await probing.restart()
    seen.ClearField("cooldowns")
    assert await probing.state() == seen


async def test_those_who_ask_at_once_share_a_probe(probing: HealthHarness) -> None:
    """Who leaves does not end it for the others."""
    await probing.first_probe()
    count = len(probing.probes())
    probing.inference.gate.clear()
    request = health_service_pb2.CheckNowRequest(provider="openai")
    leaving = probing.stub.CheckNow(request, metadata=ADMIN)
    await settled(lambda: len(probing.probes()) == count + 1)
    short = asyncio.create_task(
        refused(probing.stub.CheckNow(request, metadata=ADMIN, timeout=0.05))
    )
    asking = [asyncio.create_task(probing.check("openai")) for _ in range(5)]
    leaving.cancel()
    with pytest.raises(AssertionError):
        await short
    probing.inference.gate.set()
    answers = await asyncio.gather(*asking)
    assert len(probing.probes()) == count + 1
    assert all(answer == answers[0] for answer in answers)
    await probing.check("openai")
    assert len(probing.probes()) == count + 2


async def test_all_are_probed_and_the_first_hundred_are_answered(probing: HealthHarness) -> None:
    """By name; the others show in the lists."""
    names = sorted(f"p{number:03}" for number in range(103))
    probing.catalog.delete("openai")
    probing.catalog.put(*names)
    await probing.known(names[-1])
    states = await probing.check()
    assert [state.provider for state in states] == ["groq", *names[:99]]
    assert all(state.status == OK for state in states)
    assert (await probing.get(names[-1])).status == OK
    assert probing.inference.most_at_once <= 16


async def test_one_that_cannot_be_asked_does_not_hide_the_others(probing: HealthHarness) -> None:
    """Only where none could be asked there is nothing to tell."""
    await probing.first_probe("openai")
    await probing.first_probe("groq")
    probing.inference.answers["openai"] = probing.inference.answers["groq"] = answered(seconds=4)
    probing.inference.failures.append(NotFound("PROVIDER_NOT_FOUND", "Not known yet."))
    assert sorted(state.status for state in await probing.check()) == [OK, DEGRADED]
    probing.inference.failures += [NotFound("PROVIDER_NOT_FOUND", "Not known yet.")] * 9
    assert (await refused(probing.check())).reason == "PROBE_UNAVAILABLE"


async def test_without_a_provider_there_is_nothing_to_find(probing: HealthHarness) -> None:
    """That is no failure."""
    await probing.known("openai")
    probing.catalog.delete("openai")
    probing.catalog.delete("groq")

    async def states() -> int:
        return len(await probing.check())

    await eventually(states, lambda count: not count)


@pytest.mark.parametrize(
    "failure",
    [
        None,
        Unavailable("PEER_UNAVAILABLE", "It does not know the key.", metadata={"peer": "x"}),
        Unavailable("NOT_SERVING", "It stops."),
        FailedPrecondition("INTERNAL", "Something failed."),
    ],
)
async def test_without_inference_it_is_said_so(
    health: HealthHarness, failure: Unavailable | FailedPrecondition | None
) -> None:
    """And nothing of the provider: neither its state nor its past changes."""
    await health.report(outcome(kind=SILENT))
    before = await health.get()
    # That it is not asked is no success.
    health.catalog.put("off", enabled=False)
    await health.known("off")
    if failure is not None:
        await health.start_peers("inference")
        health.inference.failures += [failure] * 10
    for provider in ("openai", ""):
        failed = await refused(health.check(provider))
        assert failed.code is grpc.StatusCode.UNAVAILABLE
        assert (failed.reason, failed.domain) == ("PROBE_UNAVAILABLE", "trunkline.health")
        health.inference.failures += [failure] * 10 if failure is not None else []
    after = await health.get()
    assert (after.status, after.status_time) == (before.status, before.status_time)
    assert not after.HasField("check_time")
    assert not (await health.snapshots()).snapshots


async def test_it_is_for_admins(probing: HealthHarness) -> None:
    """And of providers that there are."""
    assert (await refused(probing.check("nobody"))).reason == "PROVIDER_NOT_FOUND"
    for metadata, reason in ((DEVELOPER, "CALLER_NOT_ALLOWED"), ((), "TOKEN_MISSING")):
        call = probing.stub.CheckNow(health_service_pb2.CheckNowRequest(), metadata=metadata)
        assert (await refused(call)).reason == reason
    bad = health_service_pb2.CheckNowRequest(provider="No Name")
    assert (await refused(probing.stub.CheckNow(bad, metadata=ADMIN))).fields == ["provider"]


async def test_a_stop_ends_what_waits(probing: HealthHarness) -> None:
    """A probe that is not answered does not hold up the end of the process."""
    await probing.known("openai")
    count = len(probing.probes())
    probing.inference.gate.clear()
    waiting = asyncio.create_task(refused(probing.check("openai")))
    await settled(lambda: len(probing.probes()) > count)
    async with asyncio.timeout(5):
        await probing.service.drain(1.0)
        assert (await waiting).reason == "NOT_SERVING"
    assert (await refused(probing.check("groq"))).reason == "NOT_SERVING"
    probing.inference.gate.set()

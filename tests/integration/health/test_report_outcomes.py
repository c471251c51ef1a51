"""ReportOutcomes, GetHealth and ListHealth: what traffic says of providers and keys."""

from __future__ import annotations

import base64
from typing import Any

import grpc
import pytest

from support.health_harness import (
    NOT_AUTHORIZED,
    OK,
    QUOTA,
    SILENT,
    UNKNOWN,
    UNREACHABLE,
    HealthHarness,
    outcome,
)
from support.service_calls import ADMIN, DEVELOPER, eventually, refused
from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.inference.v1 import failure_pb2


async def test_a_provider_without_traffic_is_not_known_yet(health: HealthHarness) -> None:
    """It has a name and nothing else."""
    assert await health.get() == health_pb2.ProviderHealth(provider="openai")


async def test_a_success_says_that_address_and_key_are_well(health: HealthHarness) -> None:
    """With the times, by health's own clock."""
    health.credentials.put("openai")
    before = health.clock.time_ns()
    await health.report(outcome(key="cred_openai", first_ms=120, ms=900))
    seen = await health.get()
    assert seen.status == OK
    assert seen.message == ""
    assert before <= seen.status_time.ToNanoseconds() <= health.clock.time_ns()
    assert seen.outcome_time == seen.status_time
    (key,) = seen.credentials
    assert key.credential_id == "cred_openai"
    assert key.kind == failure_pb2.ERROR_KIND_UNSPECIFIED
    (traffic,) = seen.traffic
    assert (traffic.model, traffic.attempts, traffic.failures) == ("openai/a", 1, 0)
    assert list(traffic.time_to_first_token.counts) == [0, 0, 1] + [0] * 8
    assert traffic.time_to_first_token.sum_ms == 120
    assert list(traffic.duration.counts) == [0, 0, 0, 0, 1] + [0] * 6
    assert traffic.duration.sum_ms == 900


async def test_a_failure_by_the_providers_fault_makes_it_unreachable(
    health: HealthHarness,
) -> None:
    """Since the first of them, until an answer comes."""
    await health.report(outcome())
    health.clock.turn(10)
    await health.report(outcome(kind=SILENT, ms=10_000))
    first = await health.get()
    assert first.status == UNREACHABLE
    assert first.message == "The provider does not answer in time."
    health.clock.turn(10)
    await health.report(outcome(kind=failure_pb2.ERROR_KIND_SERVER_ERROR))
    second = await health.get()
    assert second.status_time == first.status_time
    assert second.outcome_time.ToNanoseconds() > first.outcome_time.ToNanoseconds()
    assert second.message == "The provider answers with errors."
    await health.report(outcome())
    third = await health.get()
    assert (third.status, third.message) == (OK, "")
    assert third.status_time.ToNanoseconds() > first.status_time.ToNanoseconds()
    assert (third.traffic[0].attempts, third.traffic[0].failures) == (4, 2)


@pytest.mark.parametrize("kind", [NOT_AUTHORIZED, QUOTA])
async def test_trouble_of_a_key_is_none_of_the_address(health: HealthHarness, kind: int) -> None:
    """The address is well; the key says why not, since when, until it is accepted (decision 19)."""
    for key in ("cred_a", "cred_b"):
        health.credentials.put("openai", owner=key.removeprefix("cred_"))
    a, b = "cred_openaia", "cred_openaib"
    await health.report(outcome(key=b), outcome(kind=kind, key=a))
    seen = await health.get()
    assert seen.status == OK
    assert "key" in seen.message
    assert [(key.credential_id, key.kind) for key in seen.credentials] == [(a, kind), (b, 0)]
    assert seen.traffic[0].failures == 0
    since = seen.credentials[0].kind_time
    health.clock.turn(10)
    await health.report(outcome(kind=kind, key=a))
    assert (await health.get()).credentials[0].kind_time == since
    await health.report(outcome(key=a))
    seen = await health.get()
    assert seen.message == ""
    assert seen.credentials[0].kind == 0
    assert seen.credentials[0].kind_time != since


async def test_what_says_nothing_changes_nothing(health: HealthHarness) -> None:
    """The loser of a hedge and a superseded attempt are no word about the provider."""
    await health.report(outcome())
    before = await health.get()
    await health.report(
        outcome(kind=failure_pb2.ERROR_KIND_HEDGE_LOST, key="cred_1"),
        outcome(kind=failure_pb2.ERROR_KIND_SUPERSEDED, ms=5),
    )
    assert await health.get() == before


async def test_of_several_outcomes_the_last_one_holds(health: HealthHarness) -> None:
    """They come in the order in which they ended; all of them count."""
    await health.report(outcome(kind=SILENT), outcome(), outcome(kind=SILENT))
    seen = await health.get()
    assert seen.status == UNREACHABLE
    assert (seen.traffic[0].attempts, seen.traffic[0].failures) == (3, 2)


async def test_traffic_is_told_by_model_and_for_15_minutes(health: HealthHarness) -> None:
    """What is older is forgotten; the state stays."""
    await health.report(outcome("openai/b/c"), outcome("openai/a"), outcome("groq/a"))
    assert [traffic.model for traffic in (await health.get()).traffic] == ["openai/a", "openai/b/c"]
    health.clock.turn(8 * 60)
    await health.report(outcome("openai/a"))
    assert (await health.get()).traffic[0].attempts == 2
    health.clock.turn(8 * 60)
    (traffic,) = (await health.get()).traffic
    assert (traffic.model, traffic.attempts) == ("openai/a", 1)
    health.clock.turn(8 * 60)
    seen = await health.get()
    assert not seen.traffic
    assert seen.status == OK


async def test_an_outcome_of_an_unknown_provider_says_nothing(health: HealthHarness) -> None:
    """It was deleted; the others of the same report count."""
    await health.get()
    await health.report(outcome("nobody/a"), outcome("openai/a"))
    failure = await refused(health.get("nobody"))
    assert failure.code is grpc.StatusCode.NOT_FOUND
    assert failure.reason == "PROVIDER_NOT_FOUND"
    assert failure.domain == "trunkline.health"
    assert failure.metadata == {"provider": "nobody"}
    assert (await health.get()).traffic[0].attempts == 1


async def test_a_provider_that_goes_takes_its_state_along(health: HealthHarness) -> None:
    """One that comes again with its name begins anew."""
    await health.report(outcome(kind=SILENT))
    health.catalog.delete("openai")

    async def reason() -> str:
        try:
            await health.get()
        except grpc.aio.AioRpcError as error:
            return str(error.code())
        return ""

    await eventually(reason, lambda seen: seen == "StatusCode.NOT_FOUND")
    health.catalog.put("openai")
    await eventually(reason, lambda seen: not seen)
    assert await health.state() == health_pb2.ProviderHealth(provider="openai")
    await eventually(health.get, lambda seen: not seen.cooldowns)


async def test_a_key_that_is_gone_or_another_one_is_not_told_of(health: HealthHarness) -> None:
    """What was shown of it says nothing of the one in its place."""
    health.credentials.put("openai")
    health.credentials.put("groq")
    await health.report(
        outcome(kind=NOT_AUTHORIZED, key="cred_openai"),
        outcome("groq/a", kind=NOT_AUTHORIZED, key="cred_groq"),
    )
    assert "key" in (await health.get()).message
    health.credentials.delete("openai")
    seen = await eventually(health.get, lambda seen: not seen.credentials)
    assert (seen.status, seen.message) == (OK, "")
    health.clock.turn(10)
    health.credentials.put("groq", version=2, update_time_ns=health.clock.time_ns())
    seen = await eventually(lambda: health.get("groq"), lambda seen: not seen.credentials)
    assert seen.message == ""


async def test_states_come_by_provider_in_pages(health: HealthHarness) -> None:
    """Every provider that there is, also those without traffic."""
    health.catalog.put("a", "z", "mistral")
    stub = health.stub

    async def page(token: str, size: int) -> tuple[list[str], str]:
        request = health_service_pb2.ListHealthRequest(page_size=size, page_token=token)
        response = await stub.ListHealth(request, metadata=DEVELOPER)
        return [state.provider for state in response.healths], response.next_page_token

    names = ["a", "groq", "mistral", "openai", "z"]
    await eventually(lambda: page("", 0), lambda seen: seen == (names, ""))
    first, token = await page("", 2)
    second, token = await page(token, 2)
    third, token = await page(token, 2)
    assert [first, second, third] == [names[:2], names[2:4], names[4:]]
    assert not token
    for bad in ("nonsense", base64.b64encode(b"A B").decode(), "/w=="):
        assert (await refused(page(bad, 2))).fields == ["page_token"]


@pytest.mark.parametrize(
    ("reported", "field"),
    [
        ([], "outcomes"),
        ([outcome()] * 1001, "outcomes"),
        ([health_service_pb2.Outcome()], "outcomes[0].route"),
        ([outcome("no-slash")], "outcomes[0].route.model"),
        ([outcome(), outcome(key="x" * 70)], "outcomes[1].route.credential_id"),
        ([outcome(kind=99)], "outcomes[0].kind"),
    ],
)
async def test_a_report_out_of_bounds_is_refused_whole(
    health: HealthHarness, reported: list[health_service_pb2.Outcome], field: str
) -> None:
    """INVALID_REQUEST names the field, and nothing is noted."""
    failure = await refused(health.report(*reported))
    assert failure.reason == "INVALID_REQUEST"
    assert failure.fields == [field]
    assert (await health.get()).status == UNKNOWN


async def test_only_inference_reports(health: HealthHarness) -> None:
    """Another service is refused, and the public listener has no such method."""
    request = health_service_pb2.ReportOutcomesRequest(outcomes=[outcome()])
    failure = await refused(health.internal_stub("catalog").ReportOutcomes(request))
    assert failure.reason == "CALLER_NOT_ALLOWED"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health.stub.ReportOutcomes(request, metadata=ADMIN)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_stranger_reads_nothing(health: HealthHarness) -> None:
    """Both roles may read, and nobody without a token."""
    stub = health.stub
    calls: list[tuple[Any, Any]] = [
        (stub.GetHealth, health_service_pb2.GetHealthRequest(provider="openai")),
        (stub.ListHealth, health_service_pb2.ListHealthRequest()),
    ]
    for method, request in calls:
        await method(request, metadata=ADMIN)
        await method(request, metadata=DEVELOPER)
        assert (await refused(method(request))).reason == "TOKEN_MISSING"

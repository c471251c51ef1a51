"""ListSnapshots: what past probes found, newest first, for 7 days (K27)."""

from __future__ import annotations

import base64

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from support.health_harness import (
    DEGRADED,
    OK,
    SOON_S,
    UNREACHABLE,
    HealthHarness,
    answered,
)
from support.service_calls import ADMIN, DEVELOPER, Reading, eventually, refused
from trunkline.health.history import TRIMMED_AT_ONCE
from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.inference.v1 import provider_pb2
from trunkline.kernel.clock import timestamp

REVOKED = provider_pb2.VERDICT_REVOKED
UNREACHED = provider_pb2.VERDICT_UNREACHABLE
DAY_S = 24 * 60 * 60
WORDS = "words-of-the-provider"


async def test_each_probe_leaves_a_snapshot(probing: HealthHarness) -> None:
    """Also over a restart; what it found is as it was then."""
    key_id = probing.credentials.put("openai")
    await probing.turned(SOON_S, "openai", lambda state: bool(state.credentials))
    found = [
        (answered(), OK),
        (answered(seconds=5), DEGRADED),
        (answered(UNREACHED, seconds=None), UNREACHABLE),
        (answered(REVOKED, status=401), OK),
    ]
    for response, _ in found:
        probing.inference.answers["openai"] = response
        await probing.check("openai")
    every = list((await probing.snapshots(provider="openai")).snapshots)
    for snapshot, (response, status) in zip(every, reversed(found), strict=False):
        assert snapshot.provider == "openai"
        assert snapshot.status == status
        assert snapshot.credential_id == key_id
        assert snapshot.HasField("latency") == response.HasField("latency")
        assert snapshot.latency == response.latency
        assert snapshot.verification.verdict == response.verification.verdict
    times = [snapshot.time.ToNanoseconds() for snapshot in every]
    assert len(times) > len(found)
    assert times == sorted(times, reverse=True)
    await probing.restart()
    after = list((await probing.snapshots(provider="openai")).snapshots)
    assert after[-len(every) :] == every


async def test_probes_by_the_timer_leave_theirs_too(probing: HealthHarness) -> None:
    """Written within seconds, without a stop."""
    await probing.first_probe()
    second = await probing.next_probe()
    probing.clock.turn(2)

    async def look() -> list[health_pb2.Snapshot]:
        return list((await probing.snapshots(provider="openai")).snapshots)

    kept = await eventually(look, lambda seen: len(seen) >= 2)
    assert kept[0].time == second.check_time


async def test_the_past_comes_in_pages(probing: HealthHarness) -> None:
    """Of all providers or of one; what is new meanwhile does not shift them."""
    for provider in ("openai", "groq", "openai", "groq", "openai"):
        await probing.check(provider)
    for provider, least in (("", 5), ("openai", 3)):
        seen: list[health_pb2.Snapshot] = []
        token = ""
        while True:
            page = await probing.snapshots(provider=provider, page_size=2, page_token=token)
            assert len(page.snapshots) <= 2
            seen += page.snapshots
            token = page.next_page_token
            if not token:
                break
            await probing.check("openai")
        assert len(seen) >= least
        every = list((await probing.snapshots(provider=provider)).snapshots)
        assert seen == every[-len(seen) :]
        assert {each.provider for each in every} == ({provider} if provider else {"openai", "groq"})


async def test_a_span_of_time_is_cut_out(probing: HealthHarness) -> None:
    """The start is in it, the end is not; an empty or absurd one is empty."""
    for _ in range(5):
        await probing.check("openai")
    every = list((await probing.snapshots(provider="openai")).snapshots)
    newest, *_, oldest = every
    span = await probing.snapshots(provider="openai", start_time=oldest.time, end_time=newest.time)
    assert list(span.snapshots) == every[1:]
    for start, end in ((newest.time, oldest.time), (timestamp(2**63), None), (None, timestamp(-5))):
        assert not (await probing.snapshots(start_time=start, end_time=end)).snapshots
    far = timestamp(250_000_000_000 * 10**9)
    whole = await probing.snapshots(provider="openai", end_time=far)
    assert list(whole.snapshots)[-len(every) :] == every


async def test_a_span_of_no_time_is_refused(probing: HealthHarness) -> None:
    """A time beyond the bounds of its type is the caller's mistake, and is named."""
    none = Timestamp(seconds=2**63 - 1)
    for call, field in (
        (probing.snapshots(start_time=none), "start_time"),
        (probing.snapshots(end_time=none), "end_time"),
    ):
        refusal = await refused(call)
        assert (refusal.code, refusal.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


async def test_after_7_days_they_are_gone(probing: HealthHarness) -> None:
    """From the answers at once, and from the database a little later, in batches."""
    await probing.first_probe()
    for _ in range(3):
        await probing.check("openai")
    old = [each.time for each in (await probing.snapshots()).snapshots]
    await probing.run_sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
        f" WHERE i < {2 * TRIMMED_AT_ONCE})"
        " INSERT INTO snapshot SELECT i, 'openai', 1, snapshot FROM n, "
        "(SELECT snapshot FROM snapshot LIMIT 1) AS one"
    )
    probing.clock.turn(7 * DAY_S + 5)
    await probing.check("openai")
    kept = (await probing.snapshots()).snapshots
    assert kept
    assert not [each for each in kept if each.time in old]
    latest_old = max(time.ToNanoseconds() for time in old)
    left = await eventually(
        lambda: probing.run_sql(f"SELECT count(*) FROM snapshot WHERE time_ns <= {latest_old}"),
        lambda rows: rows == [(0,)],
    )
    assert left == [(0,)]
    assert (await probing.snapshots()).snapshots


async def test_uptime_is_of_the_last_24_hours(probing: HealthHarness) -> None:
    """Slow answers count as answers."""
    await probing.first_probe()
    for response in (
        answered(UNREACHED, seconds=None),
        answered(UNREACHED, seconds=None),
        answered(),
        answered(seconds=9),
    ):
        probing.inference.answers["openai"] = response
        (seen,) = await probing.check("openai")
    probes = (await probing.snapshots(provider="openai")).snapshots
    up = sum(probe.status != UNREACHABLE for probe in probes)
    assert seen.uptime == up / len(probes)
    probing.clock.turn(DAY_S)
    (seen,) = await probing.check("openai")
    assert seen.uptime == 1


async def test_a_provider_that_goes_takes_its_past_along(probing: HealthHarness) -> None:
    """One that comes again with its name begins anew."""
    await probing.check("openai")
    await probing.check("groq")
    probing.catalog.delete("openai")

    async def providers() -> set[str]:
        return {each.provider for each in (await probing.snapshots()).snapshots}

    assert await eventually(providers, lambda seen: seen == {"groq"})
    failure = await refused(probing.snapshots(provider="openai"))
    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "PROVIDER_NOT_FOUND")
    probing.catalog.put("openai")
    await probing.known("openai")
    assert not (await probing.get()).HasField("uptime")


async def test_the_providers_words_are_not_for_developers(probing: HealthHarness) -> None:
    """In no answer and no watch; verdict, status, code and our sentence are (O28)."""
    probing.credentials.put("openai")
    probing.inference.answers["openai"] = answered(REVOKED, status=401, words=WORDS)
    stub = probing.stub
    first = Reading(stub.WatchHealth(health_service_pb2.WatchHealthRequest(), metadata=DEVELOPER))
    async with first:
        await first.kind("snapshot_complete")
        (checked,) = await probing.check("openai")
        assert WORDS in str(checked)
        for metadata, sees in ((ADMIN, True), (DEVELOPER, False)):
            listed = await stub.ListHealth(
                health_service_pb2.ListHealthRequest(), metadata=metadata
            )
            watch = Reading(
                stub.WatchHealth(health_service_pb2.WatchHealthRequest(), metadata=metadata)
            )
            async with watch:
                await watch.kind("snapshot_complete")
                page = watch.messages[0].snapshot_page
            answers = [
                await probing.get("openai", metadata),
                listed,
                await probing.snapshots(metadata),
                page,
            ]
            for answer in answers:
                assert "VERDICT_REVOKED" in str(answer)
                assert "Said by us." in str(answer)
                assert 'code: "c"' in str(answer)
                assert (WORDS in str(answer)) == sees
        told = await first.until(lambda message: "VERDICT_REVOKED" in str(message))
        assert WORDS not in str(told)
    # The services hear what an administrator does.
    async with probing.watch() as reading:
        await reading.kind("snapshot_complete")
        assert WORDS in str(reading.messages[0])
        assert WORDS in str((await probing.snapshots()).snapshots[0])


async def test_a_page_token_that_is_none_is_refused(probing: HealthHarness) -> None:
    """By name; one with an absurd time is a page like any other."""
    written = ("1.", ".openai", "1.UPPER", "9" * 20 + ".a", "1.a b", "-1.a")
    encoded = [base64.urlsafe_b64encode(text.encode()).decode() for text in written]
    for token in ("nonsense", "/w==", *encoded):
        failure = await refused(probing.snapshots(page_token=token))
        assert (failure.reason, failure.fields) == ("INVALID_REQUEST", ["page_token"]), token
    absurd = base64.urlsafe_b64encode(b"9999999999999999999.a").decode()
    await probing.snapshots(page_token=absurd)

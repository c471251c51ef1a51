"""Probes by the timer: whom they ask, when, with what, and what is made of the answers."""

from __future__ import annotations

import functools

from support.health_harness import (
    DEGRADED,
    MINUTE_S,
    NOT_AUTHORIZED,
    OK,
    SILENT,
    SOON_S,
    UNKNOWN,
    UNREACHABLE,
    HealthHarness,
    answered,
    outcome,
)
from support.service_calls import ADMIN, eventually, settled
from trunkline.health.v1 import health_pb2
from trunkline.inference.v1 import provider_pb2
from trunkline.kernel.errors import FailedPrecondition, InvalidArgument, NotFound

VALID = provider_pb2.VERDICT_VALID
REVOKED = provider_pb2.VERDICT_REVOKED
UNREACHED = provider_pb2.VERDICT_UNREACHABLE


def _was_probed(health: HealthHarness, provider: str, count: int) -> bool:
    return len(health.probes(provider)) >= count


async def test_every_provider_is_probed_each_minute(probing: HealthHarness) -> None:
    """By its list, with the central key or none; never with a personal one (D23)."""
    probing.credentials.put("groq", owner="ann")
    central = probing.credentials.put("openai")
    await probing.first_probe("openai")
    await probing.first_probe("groq")
    for count in (2, 3, 4):
        probing.clock.turn(MINUTE_S)
        for name in ("openai", "groq"):
            await settled(functools.partial(_was_probed, probing, name, count))
    for request in probing.inference.requests:
        assert request.purpose == provider_pb2.PROBE_PURPOSE_LIST_MODELS
        assert request.timeout.seconds == 10
        assert not request.include_models
        assert request.WhichOneof("provider") == "name"
        # The key may have become known a moment after the provider.
        assert request.credential_id in ("", central if request.name == "openai" else "")
    assert probing.probes("openai")[-1].credential_id == central


# What inference tells, the address's status, and what the message says.
_JUDGED = [
    (answered(VALID), OK, ""),
    (answered(VALID, seconds=3.2), DEGRADED, "longer than 3 seconds"),
    (answered(UNREACHED, seconds=None), UNREACHABLE, "Said by us."),
    (answered(provider_pb2.VERDICT_PROVIDER_ERROR, status=500), UNREACHABLE, "with errors"),
    (answered(provider_pb2.VERDICT_NOT_FOUND, status=200), UNREACHABLE, "not as the provider"),
    (answered(provider_pb2.VERDICT_NOT_FOUND, status=404), OK, ""),
    (answered(REVOKED, status=401), OK, "does not know the key"),
    (answered(provider_pb2.VERDICT_WRONG_SCOPE, status=403), OK, "lacks a permission"),
    (answered(provider_pb2.VERDICT_BILLING, status=402), OK, "wants to be paid"),
    (answered(provider_pb2.VERDICT_RATE_LIMITED, status=429), OK, ""),
    (answered(REVOKED, status=401, seconds=4), DEGRADED, "longer than 3 seconds"),
]


async def test_answers_are_judged(probing: HealthHarness) -> None:
    """The address by how it answers (D22), the key apart from it (decision 19)."""
    names = [f"p{number:02}" for number in range(len(_JUDGED))]
    keys = {name: probing.credentials.put(name) for name in names}
    probing.inference.answers.update(zip(names, (row[0] for row in _JUDGED), strict=True))
    probing.catalog.put(*names)
    await probing.known(names[-1])
    before = probing.clock.time_ns()
    # The keys may become known a moment after the providers.
    checked = await eventually(
        probing.check,
        lambda states: all(each.credentials for each in states if each.provider in keys),
    )
    states = {state.provider: state for state in checked}
    for name, (response, status, says) in zip(names, _JUDGED, strict=True):
        seen = states[name]
        assert seen.status == status
        assert says in seen.message
        assert bool(says) == bool(seen.message)
        assert seen.HasField("latency") == response.HasField("latency")
        assert seen.latency == response.latency
        assert before <= seen.check_time.ToNanoseconds() <= probing.clock.time_ns()
        assert before <= seen.status_time.ToNanoseconds() <= seen.check_time.ToNanoseconds()
        assert seen.uptime == (0 if status == UNREACHABLE else 1)
        (key,) = seen.credentials
        assert key.credential_id == keys[name]
        assert key.kind == 0
        assert not key.HasField("kind_time")
        assert key.verification.verdict == response.verification.verdict
        assert key.verification.time == seen.check_time
        assert key.verdict_time.ToNanoseconds() <= seen.check_time.ToNanoseconds()


async def test_without_a_key_nothing_is_said_of_one(probing: HealthHarness) -> None:
    """A provider that wants one answers, and so its address is well."""
    probing.inference.answers["openai"] = answered(REVOKED, status=401)
    seen = await probing.first_probe()
    assert (seen.status, seen.message) == (OK, "")
    assert not seen.credentials
    assert not probing.probes()[0].credential_id


async def test_the_last_one_to_speak_holds(probing: HealthHarness) -> None:
    """Probes and traffic tell the same status; only a probe tells that it is slow."""
    probing.inference.answers["openai"] = answered(seconds=4)
    assert (await probing.check("openai"))[0].status == DEGRADED
    await probing.report(outcome())
    seen = await probing.get()
    assert (seen.status, "3 seconds" in seen.message) == (DEGRADED, True)
    await probing.report(outcome(kind=SILENT))
    assert (await probing.get()).status == UNREACHABLE
    await probing.report(outcome())
    seen = await probing.get()
    assert (seen.status, seen.message) == (OK, "")
    await probing.report(outcome(kind=SILENT))
    probing.inference.answers["openai"] = answered()
    (seen,) = await probing.check("openai")
    assert (seen.status, seen.message) == (OK, "")
    assert seen.traffic[0].failures == 2


async def test_a_rotated_key_that_fails_shows_at_once(probing: HealthHarness) -> None:
    """Before any chat fails with it (K28); until one that works takes its place."""
    probing.credentials.put("openai")
    probing.inference.answers["openai"] = answered()
    first = await probing.first_probe()
    assert first.message == ""
    for version, verdict, says in ((2, REVOKED, "does not know the key"), (3, VALID, "")):
        probing.inference.answers["openai"] = answered(verdict, status=401)
        count = len(probing.probes())
        probing.credentials.put("openai", version=version, update_time_ns=probing.clock.time_ns())

        def is_told(state: health_pb2.ProviderHealth, verdict: int = verdict) -> bool:
            return [key.verification.verdict for key in state.credentials] == [verdict]

        # What was known of the old one is forgotten before anything is of the new one.
        await eventually(probing.get, lambda state: not state.credentials)
        seen = await probing.turned(SOON_S, "openai", is_told)
        assert seen.status == OK
        assert says in seen.message
        assert bool(says) == bool(seen.message)
        assert len(probing.probes()) > count


async def test_a_key_that_is_bad_is_probed_on(probing: HealthHarness) -> None:
    """It may be accepted again without being saved anew; the verdict's time is its first."""
    probing.credentials.put("openai")
    probing.inference.answers["openai"] = answered(REVOKED, status=401)
    (first,) = await probing.check("openai")
    second = await probing.next_probe()
    assert second.credentials[0].verdict_time == first.credentials[0].verdict_time
    assert second.credentials[0].verification.time == second.check_time
    probing.inference.answers["openai"] = answered()
    third = await probing.next_probe()
    assert third.message == ""
    assert third.credentials[0].verdict_time == third.check_time


async def test_what_use_shows_of_a_key_stays(probing: HealthHarness) -> None:
    """A list that is open to any key does not clear one that chats are refused with."""
    key_id = probing.credentials.put("openai")
    await probing.report(outcome(kind=NOT_AUTHORIZED, key=key_id))
    probing.inference.answers["openai"] = answered()
    (seen,) = await probing.check("openai")
    (key,) = seen.credentials
    assert (key.kind, key.verification.verdict) == (NOT_AUTHORIZED, VALID)
    assert "does not accept the key" in seen.message


async def test_a_provider_is_left_alone_as_long_as_it_asks(probing: HealthHarness) -> None:
    """Others are not; who asks outright is answered all the same."""
    probing.credentials.put("openai")
    probing.inference.answers["openai"] = answered(
        provider_pb2.VERDICT_RATE_LIMITED, status=429, retry_after_s=3000
    )
    await probing.first_probe()
    for _ in range(3):
        await probing.next_probe("groq")
    assert len(probing.probes()) == 1
    await probing.restart()
    await probing.next_probe("groq")
    assert len(probing.probes()) == 1
    await probing.check("openai")
    assert len(probing.probes()) == 2
    probing.clock.turn(3000)
    await settled(lambda: len(probing.probes()) == 3)


async def test_a_provider_that_is_off_is_not_asked(probing: HealthHarness) -> None:
    """Not by the timer, not on demand; as soon as it is on again."""
    probing.catalog.put("openai", enabled=False)
    await probing.first_probe("groq")
    for _ in range(2):
        await probing.next_probe("groq")
    (seen,) = await probing.check("openai")
    assert (seen.status, seen.HasField("check_time")) == (UNKNOWN, False)
    assert not probing.probes()
    probing.catalog.put("openai")
    await probing.first_probe("openai")


async def test_another_address_is_probed_at_once(probing: HealthHarness) -> None:
    """What was found at the old one says nothing of it."""
    await probing.first_probe()
    before = len(probing.probes())
    probing.catalog.put("openai", base_url="https://other.example/v1")
    probing.catalog.put("mistral")
    await probing.known("mistral")
    probing.clock.turn(SOON_S)
    await settled(lambda: len(probing.probes()) > before)
    await probing.first_probe("mistral")


async def test_what_is_found_of_what_has_changed_is_dropped(probing: HealthHarness) -> None:
    """An answer to the old key is not taken for one to the new."""
    key_id = probing.credentials.put("openai")
    await probing.report(outcome(key=key_id))
    probing.inference.answers["openai"] = answered(REVOKED, status=401)
    probing.inference.gate.clear()
    probing.clock.turn(SOON_S)
    await settled(lambda: any(probe.credential_id for probe in probing.probes()))
    count = len(probing.probes())
    probing.credentials.put("openai", version=2, update_time_ns=probing.clock.time_ns())
    await eventually(probing.get, lambda state: not state.credentials)
    probing.inference.answers["openai"] = answered()
    probing.inference.gate.set()
    seen = await probing.turned(SOON_S, "openai", lambda state: bool(state.credentials))
    assert seen.credentials[0].verification.verdict == VALID
    assert len(probing.probes()) > count


async def test_a_key_that_cannot_be_used_leaves_the_address_to_be_seen(
    probing: HealthHarness,
) -> None:
    """It was saved for another address: what is asked goes without."""
    probing.credentials.put("openai")
    await probing.check("openai")
    probing.inference.requests.clear()
    probing.inference.failures.append(FailedPrecondition("NO_CREDENTIAL", "For another address."))
    (seen,) = await probing.check("openai")
    assert [bool(probe.credential_id) for probe in probing.probes()] == [True, False]
    assert seen.status == OK
    assert not (await probing.snapshots()).snapshots[0].credential_id


async def test_an_address_that_may_not_be_asked_is_unreachable(probing: HealthHarness) -> None:
    """No chat gets there either; why is told."""
    refusal = InvalidArgument("ADDRESS_REFUSED", "The name resolves to a private address.")
    probing.inference.failures.append(refusal)
    (seen,) = await probing.check("openai")
    assert seen.status == UNREACHABLE
    assert seen.message == "The name resolves to a private address."


async def test_without_inference_nothing_is_said(probing: HealthHarness) -> None:
    """The probe could not be made: that is nothing about the provider."""
    probing.inference.answers["openai"] = answered(seconds=4)
    (before,) = await probing.check("openai")
    probing.inference.failures += [NotFound("PROVIDER_NOT_FOUND", "Not known yet.")] * 6
    probing.clock.turn(MINUTE_S)
    count = len(probing.inference.requests)
    await settled(lambda: len(probing.inference.requests) > count)
    after = await probing.get("openai", ADMIN)
    assert (after.status, after.check_time) == (before.status, before.check_time)
    assert len((await probing.snapshots(provider="openai")).snapshots) == 1
    # As soon as it can be made, it is.
    await probing.turned(SOON_S, "openai", lambda state: state.check_time != before.check_time)


async def test_only_so_many_are_probed_at_once(probing: HealthHarness) -> None:
    """Sixteen; the others follow."""
    names = [f"provider-{number}" for number in range(40)]
    probing.inference.gate.clear()
    probing.catalog.put(*names)
    await probing.known(names[-1])
    probing.clock.turn(SOON_S)
    await settled(lambda: len(probing.inference.requests) == 16)
    probing.inference.gate.set()
    await settled(lambda: {probe.name for probe in probing.inference.requests} >= set(names))
    assert probing.inference.most_at_once == 16

"""Cooldowns and trials: answered, told at once, shown, kept, ended."""

from __future__ import annotations

from typing import Any

import pytest

from support.health_harness import NOT_AUTHORIZED, HealthHarness, outcome
from support.service_calls import ADMIN, DEVELOPER, Reading, eventually, refused
from trunkline.health import cooldown_register
from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.inference.v1 import failure_pb2

OPEN = health_pb2.COOLDOWN_STATE_OPEN
HALF_OPEN = health_pb2.COOLDOWN_STATE_HALF_OPEN
CLOSED = health_pb2.COOLDOWN_STATE_CLOSED
ERROR = failure_pb2.ERROR_KIND_SERVER_ERROR
LIMITED = failure_pb2.ERROR_KIND_RATE_LIMITED
UNREACHABLE = failure_pb2.ERROR_KIND_UNREACHABLE
NO_MODEL = failure_pb2.ERROR_KIND_MODEL_NOT_FOUND

# Longer than a test lasts, and shorter than anybody waits.
LONG_S = 300.0
SHORT_S = 0.2


def _seconds(cooldown: health_pb2.Cooldown) -> float:
    return cooldown.remaining.ToNanoseconds() / 1e9


def _keys(cooldowns: Any) -> list[tuple[str, str]]:
    return [(each.route.model, each.route.credential_id) for each in cooldowns]


async def test_what_cools_is_answered_told_and_shown(health: HealthHarness) -> None:
    """To who reports, who watches and who looks, at once; a watch of cooldowns has no more."""
    health.credentials.put("openai")
    await health.get()
    async with health.watch(cooldowns_only=True) as only, health.watch() as all_:
        await only.kind("snapshot_complete")
        await all_.kind("snapshot_complete")
        (answered,) = await health.report(
            outcome(kind=LIMITED, key="cred_openai", wait_s=LONG_S), outcome("groq/a")
        )
        assert _keys([answered]) == [("openai/a", "cred_openai")]
        assert (answered.state, answered.kind, answered.failures) == (OPEN, LIMITED, 1)
        assert answered.provider_given
        assert 0 < _seconds(answered) <= LONG_S
        for reading in (only, all_):
            told = (await reading.kind("cooldown")).cooldown
            assert _seconds(told) <= LONG_S
            told.remaining.CopyFrom(answered.remaining)
            assert told == answered
        await all_.kind("health")
        assert set(only.kinds()) <= {"snapshot_page", "snapshot_complete", "cooldown"}
        assert not [page for page in only.messages if page.snapshot_page.healths]
    shown = await health.get()
    assert _keys(shown.cooldowns) == [("openai/a", "cred_openai")]
    assert not (await health.get("groq")).cooldowns
    async with health.watch(cooldowns_only=True) as late:
        await late.kind("snapshot_complete")
        assert _keys(late.messages[0].snapshot_page.cooldowns) == _keys(shown.cooldowns)


async def test_one_is_granted_the_trial_that_closes_it(health: HealthHarness) -> None:
    """When the wait is over, and not before; the others learn that it is held."""
    assert (await health.acquire()).cooldown.state == CLOSED
    await health.report(outcome(kind=ERROR, wait_s=SHORT_S))
    async with health.watch(cooldowns_only=True) as reading:
        early = await health.acquire()
        assert (early.trial_id, early.cooldown.state) == ("", OPEN)
        trial = await health.granted()
        assert trial.startswith("trial_")
        other = await health.acquire()
        assert (other.trial_id, other.cooldown.state) == ("", HALF_OPEN)
        assert 0 < other.cooldown.trial_remaining.ToNanoseconds() <= 30e9
        told = await reading.until(lambda message: message.cooldown.HasField("trial_remaining"))
        assert told.cooldown.state == HALF_OPEN
        (closed,) = await health.report(outcome(trial=trial))
        assert (closed.state, closed.generation) == (CLOSED, other.cooldown.generation)
        await reading.until(lambda message: message.cooldown.state == CLOSED)
    assert not (await health.get()).cooldowns
    (again,) = await health.report(outcome(kind=ERROR))
    assert again.generation > closed.generation
    assert again.failures == 1


@pytest.mark.both_stores
async def test_a_wait_shorter_than_our_guess_forbids_for_its_time_only(
    health: HealthHarness,
) -> None:
    """Then it is told that the guess goes on: the route may be asked last."""
    async with health.watch(cooldowns_only=True) as reading:
        await reading.kind("snapshot_complete")
        (guessed,) = await health.report(outcome(kind=NO_MODEL))
        (given,) = await health.report(outcome(kind=ERROR, wait_s=SHORT_S))
        assert (guessed.provider_given, given.provider_given) == (False, True)
        assert (given.kind, given.generation) == (NO_MODEL, guessed.generation)
        assert _seconds(given) > LONG_S

        async def list_told() -> list[health_pb2.Cooldown]:
            return [each.cooldown for each in reading.messages if each.HasField("cooldown")]

        told = await eventually(list_told, lambda seen: len(seen) == 3)
        assert [each.provider_given for each in told] == [False, True, False]
        assert {(each.state, each.generation) for each in told} == {(OPEN, given.generation)}
    (shown,) = (await health.get()).cooldowns
    assert not shown.provider_given


async def test_a_trial_that_never_reports_ends_by_itself(health: HealthHarness) -> None:
    """Then another is granted; one that fails begins the next wait."""
    await health.report(outcome(kind=ERROR, wait_s=SHORT_S))
    lost = await health.granted(ttl_s=SHORT_S)
    trial = await health.granted()
    assert trial != lost
    (failed,) = await health.report(outcome(kind=ERROR, trial=trial, wait_s=LONG_S))
    assert (failed.state, failed.failures) == (OPEN, 2)
    assert not failed.HasField("trial_remaining")


@pytest.mark.both_stores
async def test_a_restart_keeps_what_cools(health: HealthHarness) -> None:
    """Deadline, generation, failures, and the trial that is under way."""
    await health.report(outcome(kind=ERROR, wait_s=SHORT_S))
    trial = await health.granted()
    (before,) = await health.report(outcome("openai/b", kind=ERROR, wait_s=LONG_S))
    await health.restart()
    assert not (await health.acquire()).trial_id
    after = (await health.acquire("openai/b")).cooldown
    assert 0 < _seconds(after) < _seconds(before)
    after.remaining.CopyFrom(before.remaining)
    assert after == before
    (closed,) = await health.report(outcome(trial=trial))
    assert closed.state == CLOSED


async def test_a_users_key_cools_only_itself(health: HealthHarness) -> None:
    """Nothing changes for another's, and nobody but administrators and services is told."""
    health.credentials.put("openai")
    mine = health.credentials.put("openai", owner="ann")
    other = health.credentials.put("openai", owner="bob")
    await health.get()
    watch = health.stub.WatchHealth(
        health_service_pb2.WatchHealthRequest(cooldowns_only=True), metadata=DEVELOPER
    )
    async with Reading(watch) as reading:
        await reading.kind("snapshot_complete")
        await health.report(
            outcome(kind=NOT_AUTHORIZED, key=mine),
            outcome(kind=ERROR, key=mine),
            outcome(kind=UNREACHABLE, key=mine),
        )
        own = [("openai/*", mine), ("openai/a", mine)]
        assert _keys((await health.get(metadata=ADMIN)).cooldowns) == own
        assert not (await health.get()).cooldowns
        assert not await health.report(outcome(key=other), outcome(key="cred_openai"))
        assert (await health.acquire(key=other)).cooldown.state == CLOSED
        # What is not for them comes with nothing else before this one.
        await health.report(outcome(kind=ERROR, key="cred_openai"))
        await reading.kind("cooldown")
        told = [message.cooldown for message in reading.messages if message.HasField("cooldown")]
        assert _keys(told) == [("openai/a", "")]
    assert _keys((await health.get()).cooldowns) == [("openai/a", "")]
    page = await health.stub.ListHealth(health_service_pb2.ListHealthRequest(), metadata=ADMIN)
    assert _keys(page.healths[1].cooldowns) == [own[0], ("openai/a", ""), own[1]]


async def test_a_key_with_an_address_of_its_own_is_alone_there(probing: HealthHarness) -> None:
    """It neither ends what cools for all keys, by an answer or by its list, nor waits for it."""
    probing.credentials.put("openai", base_url="https://own.example/v1")
    await probing.check("openai")
    await probing.report(
        outcome(kind=ERROR, wait_s=SHORT_S), outcome(kind=UNREACHABLE, wait_s=SHORT_S)
    )
    kept = [("openai/*", ""), ("openai/a", "")]
    await eventually(
        probing.get,
        lambda seen: [each.state for each in seen.cooldowns] == [HALF_OPEN, HALF_OPEN],
    )
    assert (await probing.acquire(key="cred_openai")).cooldown.state == CLOSED
    assert not await probing.report(outcome(key="cred_openai"))
    (state,) = await probing.check("openai")
    assert _keys(state.cooldowns) == kept
    await probing.report(outcome(kind=ERROR, key="cred_openai"))
    assert _keys((await probing.get()).cooldowns) == [*kept, ("openai/a", "cred_openai")]
    assert {each.state for each in await probing.report(outcome())} == {CLOSED}


async def test_news_of_keys_providers_and_lists_end_cooldowns(health: HealthHarness) -> None:
    """A new secret, a key or a provider that is gone, a list that was read again."""
    health.credentials.put("openai")
    health.catalog.put("openai", "groq", refresh_time_ns=1)
    health.credentials.put("groq")
    await health.report(
        outcome(kind=NOT_AUTHORIZED, key="cred_openai", wait_s=LONG_S),
        outcome(kind=NO_MODEL, key="cred_openai"),
        outcome("groq/a", kind=LIMITED, key="cred_groq", wait_s=LONG_S),
        outcome("groq/a", kind=ERROR, wait_s=LONG_S),
    )
    assert len((await health.get()).cooldowns) == 2
    async with health.watch(cooldowns_only=True) as reading:
        await reading.kind("snapshot_complete")
        health.credentials.put("openai", version=2)
        await eventually(health.get, lambda seen: _keys(seen.cooldowns) == [("openai/a", "")])
        health.catalog.put("openai", refresh_time_ns=2)
        await eventually(health.get, lambda seen: not seen.cooldowns)
        health.credentials.delete("groq")
        await eventually(
            lambda: health.get("groq"), lambda seen: _keys(seen.cooldowns) == [("groq/a", "")]
        )
        health.catalog.delete("groq")
        await reading.until(lambda message: _keys([message.cooldown]) == [("groq/a", "")])
        told = [message.cooldown for message in reading.messages if message.HasField("cooldown")]
    assert {each.state for each in told} == {CLOSED}
    # Nor does it count what is said of what is gone.
    assert not await health.report(outcome("groq/a", kind=ERROR))
    assert not await health.report(outcome(kind=NOT_AUTHORIZED, key="cred_gone"))


@pytest.mark.one_store  # on PostgreSQL times are the server's
async def test_a_list_that_is_answered_closes_what_was_unreachable(
    probing: HealthHarness,
) -> None:
    """And nothing else; one that was asked for while it cooled does not."""
    await probing.report(outcome(kind=UNREACHABLE), outcome(kind=ERROR))
    await probing.check("openai")
    assert _keys((await probing.get()).cooldowns) == [("openai/*", ""), ("openai/a", "")]
    probing.clock.turn(2)
    (state,) = await probing.check("openai")
    assert _keys(state.cooldowns) == [("openai/a", "")]
    assert state.cooldowns[0].state == HALF_OPEN


@pytest.mark.one_store  # on PostgreSQL times are the server's
async def test_who_comes_late_is_told_what_remains_now(health: HealthHarness) -> None:
    """And not what remained when it was decided."""
    await health.get()
    async with health.watch() as reading:
        revision = (await reading.kind("heartbeat")).revision
    await health.report(outcome(kind=ERROR, wait_s=100), outcome("openai/b", kind=ERROR, wait_s=20))
    health.clock.turn(50)
    for cooldowns_only in (True, False):
        async with health.watch(revision, cooldowns_only=cooldowns_only) as reading:
            await reading.kind("heartbeat")
            told = {
                message.cooldown.route.model: message.cooldown
                for message in reading.messages
                if message.HasField("cooldown")
            }
        assert 0 < _seconds(told["openai/a"]) <= 50
        assert told["openai/a"].state == OPEN
        assert told["openai/b"].state == HALF_OPEN
        assert _seconds(told["openai/b"]) == 0


async def test_no_more_are_kept_than_there_is_room_for(
    health: HealthHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest go, and those who watch hear of it."""
    monkeypatch.setattr(cooldown_register, "MAX_HELD", 3)
    async with health.watch(cooldowns_only=True) as reading:
        await reading.kind("snapshot_complete")
        for number in range(5):
            await health.report(outcome(f"openai/{number}", kind=ERROR, wait_s=LONG_S + number))
        kept = [(f"openai/{number}", "") for number in (2, 3, 4)]
        assert _keys((await health.get()).cooldowns) == kept
        await reading.until(
            lambda message: (
                message.cooldown.state == CLOSED and message.cooldown.route.model == "openai/1"
            )
        )
    assert len(await health.run_sql("SELECT model FROM cooldown")) == 3


async def test_what_cannot_be_written_does_not_cool(health: HealthHarness) -> None:
    """The outcome counts all the same; how a trial went is to be told again."""
    await health.report(outcome(kind=ERROR, wait_s=SHORT_S))
    trial = await health.granted()
    await health.store.refuse("cooldown")
    (standing,) = await health.report(outcome("openai/b", kind=ERROR), outcome(kind=ERROR))
    assert standing.route.model == "openai/a"
    assert len((await health.get()).traffic) == 2
    failure = await refused(health.report(outcome("openai/a", kind=ERROR, trial=trial)))
    assert failure.reason == "STORE_UNAVAILABLE"
    await health.store.accept("cooldown")
    (standing,) = await health.report(outcome("openai/a", kind=ERROR, trial=trial))
    assert standing.failures == 2
    assert (await health.get()).traffic[0].attempts == 3


async def test_a_trial_takes_five_minutes_at_most(health: HealthHarness) -> None:
    """INVALID_REQUEST names the field."""
    assert (await refused(health.acquire(ttl_s=300.1))).fields == ["ttl"]
    assert (await refused(health.acquire("no-slash"))).fields == ["route.model"]

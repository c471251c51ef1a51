"""What two processes know of one provider, put together, and what is withheld of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trunkline.health.state import drop_keys, join, last_seen_ns
from trunkline.health.v1 import health_pb2
from trunkline.health.words import shorten
from trunkline.inference.v1 import failure_pb2, provider_pb2
from trunkline.kernel.clock import duration, timestamp

OK = health_pb2.ENDPOINT_STATUS_OK
DEGRADED = health_pb2.ENDPOINT_STATUS_DEGRADED
UNREACHABLE = health_pb2.ENDPOINT_STATUS_UNREACHABLE
REVOKED = provider_pb2.VERDICT_REVOKED
VALID = provider_pb2.VERDICT_VALID
QUOTA = failure_pb2.ERROR_KIND_QUOTA


def _key(name: str, *, kind_s: int = 0, probe_s: int = 0, bad: bool = False) -> object:
    key = health_pb2.CredentialHealth(credential_id=name)
    if kind_s:
        key.kind = QUOTA if bad else failure_pb2.ERROR_KIND_UNSPECIFIED
        key.kind_time.FromSeconds(kind_s)
    if probe_s:
        key.verification.verdict = REVOKED if bad else VALID
        key.verification.time.FromSeconds(probe_s)
        key.verdict_time.FromSeconds(probe_s)
    return key


def _state(**fields: object) -> health_pb2.ProviderHealth:
    return health_pb2.ProviderHealth(provider="p", **fields)  # type: ignore[arg-type] # by name


def test_the_later_knowledge_holds_of_each_thing() -> None:
    """One process probed, another carried the traffic."""
    probed = _state(
        status=OK,
        status_time=timestamp(10),
        check_time=timestamp(100),
        latency=duration(0.5),
        uptime=0.75,
        credentials=[_key("cred_a", probe_s=100, bad=True)],
    )
    used = _state(
        status=UNREACHABLE,
        status_time=timestamp(120),
        message="The provider does not answer in time.",
        outcome_time=timestamp(120),
        check_time=timestamp(50),
        latency=duration(2),
        uptime=0.5,
        credentials=[_key("cred_a", kind_s=90), _key("cred_b", kind_s=80)],
    )
    for joined in (join(probed, used), join(used, probed)):
        assert joined.status == UNREACHABLE
        assert joined.message == "The provider does not answer in time."
        assert joined.outcome_time == used.outcome_time
        assert joined.check_time == probed.check_time
        assert joined.latency == probed.latency
        assert joined.uptime == 0.75
        assert [key.credential_id for key in joined.credentials] == ["cred_a", "cred_b"]
        first = joined.credentials[0]
        assert first.verification.verdict == REVOKED
        assert first.kind_time.seconds == 90
        assert last_seen_ns(first) == 100 * 10**9
        assert join(joined, used) == join(joined, probed) == joined


def test_a_probe_that_was_not_answered_takes_the_latency_away() -> None:
    """What the later probe lacks is not filled in from the one before."""
    before = _state(check_time=timestamp(1), latency=duration(1))
    after = _state(check_time=timestamp(2), status=UNREACHABLE)
    assert not join(before, after).HasField("latency")
    assert not join(after, before).HasField("latency")


times = st.integers(1, 10**6)


def states(side: int) -> st.SearchStrategy[health_pb2.ProviderHealth]:
    """Return what one of two sides may know; their clocks never tell the same moment."""
    return st.builds(
        lambda status, outcome, check, keys: _state(
            status=status,
            outcome_time=timestamp(4 * outcome + side),
            check_time=timestamp(4 * check + 2 + side),
            credentials=[
                _key(name, kind_s=2 * kind_s + side, probe_s=2 * probe_s + side, bad=bad)
                for name, (kind_s, probe_s, bad) in sorted(keys.items())
            ],
        ),
        st.sampled_from([OK, DEGRADED, UNREACHABLE]),
        times,
        times,
        st.dictionaries(st.sampled_from("abc"), st.tuples(times, times, st.booleans()), max_size=3),
    )


@given(states(0), states(1))
def test_a_join_is_settled_by_one_exchange(
    ours: health_pb2.ProviderHealth, theirs: health_pb2.ProviderHealth
) -> None:
    """What is joined holds for who wrote it and for who reads it; again changes nothing."""
    joined = join(ours, theirs)
    assert join(theirs, ours) == joined
    assert join(joined, ours) == join(joined, theirs) == join(joined, joined) == joined
    names = {key.credential_id for state in (ours, theirs) for key in state.credentials}
    assert [key.credential_id for key in joined.credentials] == sorted(names)


def test_a_key_that_goes_takes_its_trouble_along() -> None:
    """The address's own trouble stays."""
    keys = [_key("cred_a", kind_s=1, bad=True)]
    state = _state(status=DEGRADED, message="x", credentials=keys)
    assert not drop_keys(state, {"cred_b"})
    assert state.message == "x"
    assert drop_keys(state, {"cred_a"})
    assert not state.credentials
    assert "3 seconds" in state.message
    state = _state(status=OK, message="x", credentials=keys)
    assert drop_keys(state, {"cred_a"})
    assert state.message == ""
    state = _state(status=UNREACHABLE, message="x", credentials=keys)
    assert drop_keys(state, {"cred_a"})
    assert state.message == "x"


@given(st.text(max_size=3000), st.text(max_size=3000))
def test_a_snapshot_keeps_little_of_a_providers_words(message: str, body: str) -> None:
    """512 bytes in all; everything else stays, and the original too."""
    said = provider_pb2.Verification(
        verdict=REVOKED,
        message="ours",
        reply=failure_pb2.ProviderReply(http_status=401, code="c", message=message, body=body),
    )
    kept = shorten(said)
    assert len(kept.reply.message.encode()) + len(kept.reply.body.encode()) <= 512
    assert message.startswith(kept.reply.message)
    assert body.startswith(kept.reply.body)
    assert (kept.verdict, kept.message, kept.reply.http_status) == (REVOKED, "ours", 401)
    assert (said.reply.message, said.reply.body) == (message, body)
    assert not shorten(provider_pb2.Verification(verdict=VALID)).HasField("reply")

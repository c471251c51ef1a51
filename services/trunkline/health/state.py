"""What outcomes and probes make of one provider's state. Pure: times are handed in."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum

from google.protobuf.duration_pb2 import Duration

from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.health.verdict import SLOW, Answer, Kind, Verdict, judge_probe, phrase
from trunkline.inference.v1 import provider_pb2
from trunkline.kernel.clock import timestamp

_DEGRADED = health_pb2.ENDPOINT_STATUS_DEGRADED
_OK = health_pb2.ENDPOINT_STATUS_OK
_UNREACHABLE = health_pb2.ENDPOINT_STATUS_UNREACHABLE


class Weight(IntEnum):
    """How much a change matters to who watches."""

    FIGURES = 0
    """Only when and how fast the last probe was answered."""
    USUAL = 1
    """What traffic counts, or how trouble is put."""
    URGENT = 2
    """A status, a key or a verdict."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one probe found.

    Attributes:
        provider: its name.
        credential_id: the key that was used, `cred_…`; empty: none.
        verification: what it said about the key.
        latency: from request to the end of the list; None: there was no answer.
        answer: what it said about the address.
    """

    provider: str
    credential_id: str
    verification: provider_pb2.Verification
    latency: Duration | None
    answer: Answer


def read_finding(
    provider: str, credential_id: str, response: provider_pb2.ProbeProviderResponse
) -> Finding | None:
    """Return what a probe found; None: nothing that can be told.

    Args:
        provider: its name.
        credential_id: the key that was used; empty: none.
        response: of inference.
    """
    answer = judge_probe(response)
    if answer is None:
        return None
    latency = response.latency if response.HasField("latency") else None
    return Finding(provider, credential_id, response.verification, latency, answer)


def note_outcome(
    state: health_pb2.ProviderHealth,
    outcome: health_service_pb2.Outcome,
    verdict: Verdict,
    now_ns: int,
    *,
    has_key: bool,
) -> Weight:
    """Note what an attempt came to, and return how much that changed.

    Args:
        state: is changed.
        outcome: as reported.
        verdict: what it says.
        now_ns: nanoseconds since 1970.
        has_key: whether its key is one that there is.
    """
    state.outcome_time.CopyFrom(timestamp(now_ns))
    # An answer to a chat does not say that a list which takes long is fast again.
    slow = verdict.status == _OK and state.status == _DEGRADED
    changed = not slow and _set_status(state, verdict.status, now_ns)
    if verdict.key is not None and has_key:
        changed |= _note_kind(state, outcome.route.credential_id, verdict.key, now_ns)
    state.message = phrase(SLOW if slow else verdict.trouble, state.credentials)
    return Weight.URGENT if changed else Weight.USUAL


def note_probe(
    state: health_pb2.ProviderHealth, finding: Finding, now_ns: int, *, has_key: bool
) -> Weight:
    """Note what a probe found, and return how much that changed.

    Args:
        state: is changed.
        finding: of the probe.
        now_ns: nanoseconds since 1970.
        has_key: whether its key is still the one that was asked with.
    """
    state.check_time.CopyFrom(timestamp(now_ns))
    if finding.latency is None:
        state.ClearField("latency")
    else:
        state.latency.CopyFrom(finding.latency)
    changed = _set_status(state, finding.answer.status, now_ns)
    if has_key:
        changed |= _note_verification(state, finding, now_ns)
    before = state.message
    state.message = phrase(finding.answer.trouble, state.credentials)
    if changed:
        return Weight.URGENT
    return Weight.USUAL if state.message != before else Weight.FIGURES


def drop_keys(state: health_pb2.ProviderHealth, gone: Collection[str]) -> bool:
    """Forget how keys fared that are not there any more; tell whether any was known."""
    kept = [key for key in state.credentials if key.credential_id not in gone]
    if len(kept) == len(state.credentials):
        return False
    _set_keys(state, kept)
    return True


def last_seen_ns(key: health_pb2.CredentialHealth) -> int:
    """Return when something was last learned about a key, as far as that is kept."""
    return max(key.kind_time.ToNanoseconds(), key.verification.time.ToNanoseconds())


def join(
    ours: health_pb2.ProviderHealth, theirs: health_pb2.ProviderHealth
) -> health_pb2.ProviderHealth:
    """Return what two processes know of one provider together.

    Of each thing the later knowledge holds; it does not matter who joins whom, or how often.
    """
    older, newer = sorted((ours, theirs), key=_evidence_ns)
    joined = health_pb2.ProviderHealth()
    joined.CopyFrom(newer)
    probed = max(ours, theirs, key=lambda state: state.check_time.ToNanoseconds())
    for field in ("check_time", "latency", "uptime"):
        joined.ClearField(field)
    if probed.HasField("check_time"):
        joined.check_time.CopyFrom(probed.check_time)
    if probed.HasField("latency"):
        joined.latency.CopyFrom(probed.latency)
    if probed.HasField("uptime"):
        joined.uptime = probed.uptime
    if older.outcome_time.ToNanoseconds() > joined.outcome_time.ToNanoseconds():
        joined.outcome_time.CopyFrom(older.outcome_time)
    known = {key.credential_id: key for key in older.credentials}
    for key in newer.credentials:
        other = known.get(key.credential_id)
        known[key.credential_id] = key if other is None else _join_key(other, key)
    _set_keys(joined, [known[name] for name in sorted(known)])
    return joined


def _set_status(
    state: health_pb2.ProviderHealth, status: health_pb2.EndpointStatus.ValueType, now_ns: int
) -> bool:
    """Set the address's status; tell whether it is another one."""
    if state.status == status:
        return False
    state.status = status
    state.status_time.CopyFrom(timestamp(now_ns))
    return True


def _set_keys(
    state: health_pb2.ProviderHealth, keys: Collection[health_pb2.CredentialHealth]
) -> None:
    """Replace what is known of keys, and what is said of them."""
    # A copy first: the keys may be the state's own.
    kept = health_pb2.ProviderHealth(credentials=keys)
    state.ClearField("credentials")
    state.credentials.extend(kept.credentials)
    if state.status != _UNREACHABLE:
        state.message = phrase(SLOW if state.status == _DEGRADED else "", state.credentials)


def _find_key(
    state: health_pb2.ProviderHealth, credential_id: str
) -> tuple[health_pb2.CredentialHealth, bool]:
    """Return what is known of a key, and whether it is new."""
    for key in state.credentials:
        if key.credential_id == credential_id:
            return key, False
    state.credentials.add(credential_id=credential_id)
    state.credentials.sort(key=lambda key: key.credential_id)
    return next(key for key in state.credentials if key.credential_id == credential_id), True


def _note_kind(
    state: health_pb2.ProviderHealth, credential_id: str, kind: Kind, now_ns: int
) -> bool:
    """Note what an attempt showed of a key; tell whether that is new."""
    key, _ = _find_key(state, credential_id)
    if key.kind == kind and key.HasField("kind_time"):
        return False
    key.kind = kind
    key.kind_time.CopyFrom(timestamp(now_ns))
    return True


def _note_verification(state: health_pb2.ProviderHealth, finding: Finding, now_ns: int) -> bool:
    """Note what a probe showed of a key; tell whether its verdict is another one."""
    key, is_new = _find_key(state, finding.credential_id)
    changed = is_new or key.verification.verdict != finding.verification.verdict
    key.verification.CopyFrom(finding.verification)
    # By our own clock, as everything here.
    key.verification.time.CopyFrom(timestamp(now_ns))
    if changed:
        key.verdict_time.CopyFrom(timestamp(now_ns))
    return changed


def _evidence_ns(state: health_pb2.ProviderHealth) -> int:
    """Return when an attempt or a probe last said something about a provider."""
    return max(state.outcome_time.ToNanoseconds(), state.check_time.ToNanoseconds())


def _join_key(
    older: health_pb2.CredentialHealth, newer: health_pb2.CredentialHealth
) -> health_pb2.CredentialHealth:
    """Return what two processes know of one key together."""
    joined = health_pb2.CredentialHealth()
    joined.CopyFrom(newer)
    if older.kind_time.ToNanoseconds() > newer.kind_time.ToNanoseconds():
        joined.kind = older.kind
        joined.kind_time.CopyFrom(older.kind_time)
    if older.verification.time.ToNanoseconds() > newer.verification.time.ToNanoseconds():
        joined.verification.CopyFrom(older.verification)
        joined.verdict_time.CopyFrom(older.verdict_time)
    return joined

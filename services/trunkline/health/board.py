"""How every provider fares, in memory. Pure: times are handed in, nothing is read or written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from trunkline.health.traffic import Traffic, first_minute, minute_of
from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.health.verdict import Kind, judge_outcome, phrase
from trunkline.inference.v1 import failure_pb2
from trunkline.kernel.clock import timestamp


@dataclass(slots=True)
class _Entry:
    """One provider: its state without traffic, and its traffic by model."""

    state: health_pb2.ProviderHealth
    traffic: dict[str, Traffic] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be written and told at once, as it was when it was taken.

    Attributes:
        removed: names of providers that are gone.
        states: to be saved, without traffic.
        counts: to be saved: the minute since 1970 and what was counted in it.
        told: to be told, with traffic.
    """

    removed: list[str]
    states: list[health_pb2.ProviderHealth]
    counts: list[tuple[int, health_pb2.TrafficHealth]]
    told: list[health_pb2.ProviderHealth]


class Board:
    """The state of all providers.

    Attributes:
        urgent: providers whose status or keys changed since they were last told.
        stale: providers of which anything changed since they were last told.
        unsaved: (model, minute) of the counts that changed since they were last saved.
        unsaved_states: providers whose state changed since it was last saved.
        removed: providers that are gone, of which that was not told yet.
    """

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self.urgent: set[str] = set()
        self.stale: set[str] = set()
        self.unsaved: set[tuple[str, int]] = set()
        self.unsaved_states: set[str] = set()
        self.removed: set[str] = set()

    def __contains__(self, provider: str) -> bool:
        return provider in self._entries

    def __bool__(self) -> bool:
        return bool(self._entries)

    def names(self) -> list[str]:
        """Return the providers by name."""
        return sorted(self._entries)

    def restore(self, state: health_pb2.ProviderHealth) -> None:
        """Take back a provider's state after a restart."""
        self._entries[state.provider] = _Entry(state)

    def restore_traffic(self, minute: int, traffic: health_pb2.TrafficHealth) -> None:
        """Take back the counts of a minute after a restart."""
        entry = self._entries.get(traffic.model.partition("/")[0])
        if entry is not None:
            entry.traffic.setdefault(traffic.model, Traffic()).restore(minute, traffic)

    def keep_only(self, providers: Collection[str]) -> None:
        """Take over which providers there are."""
        for name in providers:
            if name not in self._entries:
                self._entries[name] = _Entry(health_pb2.ProviderHealth(provider=name))
                self._mark(name, urgent=True)
        for name in [known for known in self._entries if known not in providers]:
            del self._entries[name]
            for flags in (self.urgent, self.stale, self.unsaved_states):
                flags.discard(name)
            self.unsaved = {key for key in self.unsaved if key[0].partition("/")[0] != name}
            self.removed.add(name)

    def note(
        self,
        outcomes: Iterable[health_service_pb2.Outcome],
        now_ns: int,
        is_key: Callable[[str], bool],
    ) -> None:
        """Take in what attempts came to, in the order they ended.

        An outcome of a provider that is not here says nothing: it was deleted. So it is
        with what is said of a key.

        Args:
            outcomes: as reported.
            now_ns: nanoseconds since 1970.
            is_key: tells whether there is a credential of that id.
        """
        for outcome in outcomes:
            model = outcome.route.model
            provider = model.partition("/")[0]
            entry = self._entries.get(provider)
            verdict = judge_outcome(outcome)
            if entry is None or verdict is None:
                continue
            state = entry.state
            state.outcome_time.CopyFrom(timestamp(now_ns))
            changed = False
            if state.status != verdict.status:
                state.status = verdict.status
                state.status_time.CopyFrom(timestamp(now_ns))
                changed = True
            key_id = outcome.route.credential_id
            if verdict.key is not None and key_id and is_key(key_id):
                changed |= _note_key(state, key_id, verdict.key, now_ns)
            trouble = outcome.kind if verdict.is_fault else failure_pb2.ERROR_KIND_UNSPECIFIED
            state.message = phrase(trouble, state.credentials)
            minute = minute_of(now_ns)
            entry.traffic.setdefault(model, Traffic()).add(
                minute, outcome, is_fault=verdict.is_fault
            )
            self.unsaved.add((model, minute))
            self._mark(provider, urgent=changed)

    def drop_keys(self, provider: str, gone: Collection[str]) -> None:
        """Forget how keys fared that are not there any more, or are others now."""
        state = self._entries[provider].state
        kept = [key for key in state.credentials if key.credential_id not in gone]
        if len(kept) == len(state.credentials):
            return
        del state.credentials[:]
        state.credentials.extend(kept)
        if state.status != health_pb2.ENDPOINT_STATUS_UNREACHABLE:
            state.message = phrase(failure_pb2.ERROR_KIND_UNSPECIFIED, kept)
        self._mark(provider, urgent=True)

    def keys(self, provider: str) -> list[health_pb2.CredentialHealth]:
        """Return how a provider's keys fare."""
        return list(self._entries[provider].state.credentials)

    def forget_old(self, now_ns: int) -> None:
        """Forget the traffic that the window has left behind."""
        since = first_minute(now_ns)
        for name, entry in self._entries.items():
            for model, traffic in list(entry.traffic.items()):
                if traffic.forget(since):
                    self.stale.add(name)
                if not traffic:
                    del entry.traffic[model]

    def describe(self, provider: str, now_ns: int) -> health_pb2.ProviderHealth:
        """Return a provider's state with the traffic of the last 15 minutes.

        Args:
            provider: one that is here.
            now_ns: nanoseconds since 1970.
        """
        entry = self._entries[provider]
        described = _copy(entry.state)
        since = first_minute(now_ns)
        for model in sorted(entry.traffic):
            traffic = entry.traffic[model].describe(model, since)
            if traffic.attempts:
                described.traffic.append(traffic)
        return described

    def take(self, told: Collection[str], now_ns: int) -> Batch:
        """Return what is to be written, and take it for written.

        Args:
            told: providers to tell of.
            now_ns: nanoseconds since 1970.
        """
        batch = Batch(
            sorted(self.removed),
            [_copy(self._entries[name].state) for name in sorted(self.unsaved_states)],
            [
                (minute, self._describe_minute(model, minute))
                for model, minute in sorted(self.unsaved)
            ],
            [self.describe(name, now_ns) for name in sorted(told)],
        )
        self.removed.clear()
        self.unsaved_states.clear()
        self.unsaved.clear()
        self.urgent.difference_update(told)
        self.stale.difference_update(told)
        return batch

    def put_back(self, batch: Batch) -> None:
        """Mark again what could not be written, as far as it is still there."""
        self.removed.update(batch.removed)
        self.unsaved_states.update(state.provider for state in batch.states)
        told = {state.provider for state in batch.told}
        self.urgent |= told
        self.stale |= told
        for flags in (self.unsaved_states, self.urgent, self.stale):
            flags.intersection_update(self._entries)
        self.unsaved.update(
            (counted.model, minute)
            for minute, counted in batch.counts
            if counted.model.partition("/")[0] in self._entries
        )

    def _describe_minute(self, model: str, minute: int) -> health_pb2.TrafficHealth:
        """Return what was counted for a model in one minute."""
        entry = self._entries[model.partition("/")[0]]
        return entry.traffic.get(model, Traffic()).describe_minute(model, minute)

    def _mark(self, provider: str, *, urgent: bool) -> None:
        """Mark a provider as changed."""
        self.stale.add(provider)
        self.unsaved_states.add(provider)
        if urgent:
            self.urgent.add(provider)


def _note_key(
    state: health_pb2.ProviderHealth, credential_id: str, kind: Kind, now_ns: int
) -> bool:
    """Note what an attempt showed of a key; tell whether that is new."""
    for key in state.credentials:
        if key.credential_id == credential_id:
            if key.kind == kind:
                return False
            key.kind = kind
            key.kind_time.CopyFrom(timestamp(now_ns))
            return True
    state.credentials.append(
        health_pb2.CredentialHealth(
            credential_id=credential_id, kind=kind, kind_time=timestamp(now_ns)
        )
    )
    state.credentials.sort(key=lambda key: key.credential_id)
    return True


def _copy(state: health_pb2.ProviderHealth) -> health_pb2.ProviderHealth:
    """Return a copy that later changes leave alone."""
    copied = health_pb2.ProviderHealth()
    copied.CopyFrom(state)
    return copied

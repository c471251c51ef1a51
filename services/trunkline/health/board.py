"""How every provider fares, in memory. Pure: times are handed in, nothing is read or written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from trunkline.health.state import Finding, Weight, drop_keys, join, note_outcome, note_probe
from trunkline.health.traffic import Tally, Traffic, first_minute, minute_of
from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.health.verdict import judge_outcome
from trunkline.health.words import shorten
from trunkline.kernel.clock import timestamp

# As many are kept while they cannot be written, the latest ones.
MAX_UNSAVED_SNAPSHOTS: Final = 10_000


@dataclass(slots=True)
class _Entry:
    """One provider: its state without traffic, as it is and as it is kept, and its traffic."""

    state: health_pb2.ProviderHealth
    kept: bytes = b""
    traffic: dict[str, Traffic] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one provider.

    Attributes:
        state: without traffic.
        traffic: of the window: each model's counts, with their minute since 1970.
    """

    state: health_pb2.ProviderHealth
    traffic: list[tuple[int, health_pb2.TrafficHealth]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Change:
    """A state that is to be saved.

    Attributes:
        state: without traffic.
        kept: what it was when it was last read or saved, as it lies in the database. What
            lies there now is another's, if it is another.
    """

    state: health_pb2.ProviderHealth
    kept: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be written and told at once, as it was when it was taken.

    Attributes:
        removed: names of providers that are gone.
        changes: states to be saved.
        counts: to be added to what is kept: the minute since 1970 and what was counted in it.
        snapshots: to be saved.
        told: names of providers to be told of.
    """

    removed: list[str]
    changes: list[Change]
    counts: list[tuple[int, health_pb2.TrafficHealth]]
    snapshots: list[health_pb2.Snapshot]
    told: list[str]


class Board:
    """The state of all providers.

    Attributes:
        urgent: providers whose status or keys changed since they were last told.
        stale: providers of which anything but figures of probes changed since then.
        probed: providers that were probed since then.
        removed: providers that are gone, of which that was not told yet.
    """

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        # Counted since it was last saved, by model and minute.
        self._unsaved: dict[tuple[str, int], Tally] = {}
        self._unsaved_states: set[str] = set()
        self._snapshots: list[health_pb2.Snapshot] = []
        self.urgent: set[str] = set()
        self.stale: set[str] = set()
        self.probed: set[str] = set()
        self.removed: set[str] = set()

    def __contains__(self, provider: str) -> bool:
        return provider in self._entries

    def __bool__(self) -> bool:
        return bool(self._entries)

    @property
    def is_saved(self) -> bool:
        """Tell whether nothing has changed since everything was last saved."""
        return not (self._unsaved or self._unsaved_states or self._snapshots or self.removed)

    def names(self) -> list[str]:
        """Return the providers by name."""
        return sorted(self._entries)

    def restore(self, kept: Kept) -> None:
        """Take back what is kept of a provider, which may be new here."""
        self._entries.setdefault(kept.state.provider, _Entry(health_pb2.ProviderHealth()))
        self.adopt(kept)

    def adopt(self, kept: Kept) -> None:
        """Take over what is kept of a provider, whoever wrote it; one that is not here is not."""
        name = kept.state.provider
        entry = self._entries.get(name)
        # One that went is not the one that came with its name.
        if entry is None or name in self.removed:
            return
        unsaved = name in self._unsaved_states
        entry.state = join(entry.state, kept.state) if unsaved else _copy(kept.state)
        entry.kept = kept.state.SerializeToString()
        for minute, counted in kept.traffic:
            fresh = self._unsaved.get((counted.model, minute))
            entry.traffic.setdefault(counted.model, Traffic()).replace(
                minute, counted, fresh.describe(counted.model) if fresh is not None else None
            )

    def keep_only(self, providers: Collection[str]) -> None:
        """Take over which providers there are."""
        for name in providers:
            if name not in self._entries:
                self._entries[name] = _Entry(health_pb2.ProviderHealth(provider=name))
                self._mark(name, Weight.URGENT)
        for name in [known for known in self._entries if known not in providers]:
            del self._entries[name]
            for flags in (self.urgent, self.stale, self.probed, self._unsaved_states):
                flags.discard(name)
            for key in [key for key in self._unsaved if _provider_of(key[0]) == name]:
                del self._unsaved[key]
            self._snapshots = [each for each in self._snapshots if each.provider != name]
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
        counted: dict[str, Tally] = {}
        before = None
        for outcome in outcomes:
            route = outcome.route
            model, key_id = route.model, route.credential_id
            provider = _provider_of(model)
            entry = self._entries.get(provider)
            verdict = judge_outcome(outcome)
            if entry is None or verdict is None:
                continue
            # The same again, at the same moment, counts and says nothing else.
            said = (model, key_id, verdict)
            if said != before:
                has_key = bool(key_id) and is_key(key_id)
                weight = note_outcome(entry.state, outcome, verdict, now_ns, has_key=has_key)
                self._mark(provider, weight)
                before = said
            counted.setdefault(model, Tally()).add(outcome, is_fault=verdict.is_fault)
        for model, tally in counted.items():
            self._count(model, minute_of(now_ns), tally.describe(model))

    def note_probe(self, finding: Finding, now_ns: int, *, has_key: bool) -> None:
        """Take in what a probe found, unless its provider was deleted meanwhile.

        Args:
            finding: of the probe.
            now_ns: nanoseconds since 1970.
            has_key: whether its key is still the one that was asked with.
        """
        entry = self._entries.get(finding.provider)
        if entry is None:
            return
        self._mark(finding.provider, note_probe(entry.state, finding, now_ns, has_key=has_key))
        self._snapshots.append(
            health_pb2.Snapshot(
                provider=finding.provider,
                time=timestamp(now_ns),
                status=finding.answer.status,
                latency=finding.latency,
                credential_id=finding.credential_id,
                verification=shorten(finding.verification),
            )
        )

    def drop_keys(self, provider: str, gone: Collection[str]) -> None:
        """Forget how keys fared that are not there any more, or are others now."""
        if drop_keys(self._entries[provider].state, gone):
            self._mark(provider, Weight.URGENT)

    def state(self, provider: str) -> health_pb2.ProviderHealth | None:
        """Return a provider's state without traffic, not to be changed; None: it is not here."""
        entry = self._entries.get(provider)
        return None if entry is None else entry.state

    def forget_old(self, now_ns: int) -> None:
        """Forget the traffic that the window has left behind."""
        since = first_minute(now_ns)
        for key in [key for key in self._unsaved if key[1] < since]:
            del self._unsaved[key]
        for name, entry in self._entries.items():
            for model, traffic in list(entry.traffic.items()):
                if traffic.forget(since):
                    self.stale.add(name)
                if not traffic:
                    del entry.traffic[model]

    def describe(
        self, provider: str, now_ns: int, state: health_pb2.ProviderHealth | None = None
    ) -> health_pb2.ProviderHealth:
        """Return a provider's state with the traffic of the last 15 minutes.

        Args:
            provider: one that is here.
            now_ns: nanoseconds since 1970.
            state: without traffic; None: as it is now.
        """
        entry = self._entries[provider]
        described = _copy(entry.state if state is None else state)
        since = first_minute(now_ns)
        for model in sorted(entry.traffic):
            traffic = entry.traffic[model].describe(model, since)
            if traffic.attempts:
                described.traffic.append(traffic)
        return described

    def take(self, told: Collection[str]) -> Batch:
        """Return what is to be written, and take it for written.

        Args:
            told: providers to tell of; those that are not here are left out.
        """
        entries = self._entries
        batch = Batch(
            sorted(self.removed),
            [
                Change(_copy(entries[name].state), entries[name].kept)
                for name in sorted(self._unsaved_states)
            ],
            [
                (minute, self._unsaved[model, minute].describe(model))
                for model, minute in sorted(self._unsaved)
            ],
            self._snapshots,
            sorted(name for name in told if name in entries),
        )
        self._snapshots = []
        self._unsaved.clear()
        for flags in (self.removed, self._unsaved_states):
            flags.clear()
        for flags in (self.urgent, self.stale, self.probed):
            flags.difference_update(told)
        return batch

    def put_back(self, batch: Batch) -> None:
        """Mark again what could not be written, as far as it is still there."""
        self.removed.update(batch.removed)
        self._unsaved_states.update(change.state.provider for change in batch.changes)
        self.urgent.update(batch.told)
        self.stale.update(batch.told)
        for flags in (self._unsaved_states, self.urgent, self.stale):
            flags.intersection_update(self._entries)
        for minute, counted in batch.counts:
            if _provider_of(counted.model) in self._entries:
                self._unsaved.setdefault((counted.model, minute), Tally()).merge(counted)
        kept = [each for each in batch.snapshots if each.provider in self._entries]
        self._snapshots = [*kept, *self._snapshots][-MAX_UNSAVED_SNAPSHOTS:]

    def _count(self, model: str, minute: int, counted: health_pb2.TrafficHealth) -> None:
        """Add to what was counted of a model."""
        traffic = self._entries[_provider_of(model)].traffic
        traffic.setdefault(model, Traffic()).add(minute, counted)
        self._unsaved.setdefault((model, minute), Tally()).merge(counted)

    def _mark(self, provider: str, weight: Weight) -> None:
        """Mark a provider as changed."""
        self._unsaved_states.add(provider)
        if weight is Weight.FIGURES:
            self.probed.add(provider)
            return
        self.stale.add(provider)
        if weight is Weight.URGENT:
            self.urgent.add(provider)


def _provider_of(model: str) -> str:
    """Return the provider of `provider/model`."""
    return model.partition("/")[0]


def _copy(state: health_pb2.ProviderHealth) -> health_pb2.ProviderHealth:
    """Return a copy that later changes leave alone."""
    copied = health_pb2.ProviderHealth()
    copied.CopyFrom(state)
    return copied

"""The view of which routes cool: whom not to ask for a while, or only last of all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

import grpc

from trunkline.health.v1 import health_pb2, health_service_pb2, health_service_pb2_grpc
from trunkline.inference.v1 import failure_pb2
from trunkline.kernel.clock import Clock, to_seconds
from trunkline.kernel.service import WatchedView
from trunkline.kernel.view import Follower

OPEN = health_pb2.COOLDOWN_STATE_OPEN
HALF_OPEN = health_pb2.COOLDOWN_STATE_HALF_OPEN
_CLOSED = health_pb2.COOLDOWN_STATE_CLOSED

# `provider/model` or `provider/*`, and the key; empty: all keys.
_Place: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Cooldown:
    """A route that cools, as it stands at a moment.

    Attributes:
        model: `provider/model`, or `provider/*` for all of the provider.
        credential_id: `cred_…`; empty: all keys.
        state: OPEN or HALF_OPEN.
        remaining_s: how long it still is not asked, in seconds; 0 when half-open.
        trial_remaining_s: how long the trial that somebody holds may still take, in
            seconds; 0: nobody holds one.
        kind: what failed last.
        failures: in a row.
        generation: grows each time the route begins to cool.
        provider_given: the wait is the provider's own word, and never cut short.
    """

    model: str
    credential_id: str
    state: health_pb2.CooldownState.ValueType
    remaining_s: float
    trial_remaining_s: float
    kind: failure_pb2.ErrorKind.ValueType
    failures: int
    generation: int
    provider_given: bool

    @property
    def is_forbidden(self) -> bool:
        """Tell whether it is not asked even when nothing else is left."""
        return self.provider_given and self.state == OPEN


@dataclass(frozen=True, slots=True)
class _Held:
    """A cooldown as it is held; times are monotonic seconds of this process."""

    told: health_pb2.Cooldown
    deadline: float
    trial_end: float

    def stand(self, now: float) -> Cooldown:
        """Return how it stands at a time."""
        told = self.told
        remaining_s = max(0.0, self.deadline - now)
        return Cooldown(
            told.route.model,
            told.route.credential_id,
            OPEN if remaining_s else HALF_OPEN,
            remaining_s,
            max(0.0, self.trial_end - now),
            told.kind,
            told.failures,
            told.generation,
            told.provider_given,
        )


class HealthView:
    """Holds the routes that cool.

    It serves stale without limit: a deadline that is known passes without being told.

    Args:
        channel: to the health service.
        clock: measures age and what remains.
    """

    def __init__(self, channel: grpc.aio.Channel, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[_Place, _Held] = {}
        self._next: dict[_Place, _Held] = {}
        self._on_change: list[Callable[[], None]] = []
        self.follower = Follower(
            "health",
            health_service_pb2_grpc.HealthServiceStub(channel).WatchHealth,
            lambda revision: health_service_pb2.WatchHealthRequest(
                after_revision=revision, cooldowns_only=True
            ),
            self,
            clock,
        )

    @property
    def watched(self) -> WatchedView:
        """Return what it watches, and how long that is trusted."""
        return WatchedView("health", self.follower)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have a function called after every change of the view."""
        self._on_change.append(listener)

    def find(
        self, model: str, credential_id: str, now: float, *, has_own_address: bool = False
    ) -> Cooldown | None:
        """Return the strictest cooldown that applies to a route; None: it does not cool.

        Args:
            model: `provider/model`.
            credential_id: `cred_…`; empty: none.
            now: monotonic seconds.
            has_own_address: the key is used at an address of its own, not the provider's: what
                cools for all keys says nothing of it.
        """
        if not self._held:
            return None
        all_models = f"{model.partition('/')[0]}/*"
        keys = (credential_id,) if has_own_address else (credential_id, "")
        places = {(name, key) for name in (model, all_models) for key in keys}
        found = (self._held[place].stand(now) for place in places if place in self._held)
        return max(found, key=_weigh, default=None)

    def generation(self, model: str, credential_id: str) -> int:
        """Return the generation of what is held of just this route; 0: nothing is."""
        held = self._held.get((model, credential_id))
        return held.told.generation if held is not None else 0

    def adopt(self, cooldowns: Iterable[health_pb2.Cooldown]) -> None:
        """Take over what ReportOutcomes or AcquireTrial answered, ahead of the watch.

        Args:
            cooldowns: as answered, a moment ago.
        """
        now = self._clock.monotonic()
        for cooldown in cooldowns:
            self._adopt(cooldown, now)
        self._tell()

    def add_page(self, page: health_service_pb2.HealthPage) -> None:
        """Collect a page of a new view."""
        now = self._clock.monotonic()
        self._next.update((_place(each), _read(each, now)) for each in page.cooldowns)

    def swap(self) -> None:
        """Let the new view hold."""
        self._held, self._next = self._next, {}
        self._tell()

    def change(self, kind: str, value: health_pb2.Cooldown) -> None:
        """Take one change."""
        if kind == "cooldown":
            self.adopt((value,))

    def _adopt(self, cooldown: health_pb2.Cooldown, now: float) -> None:
        """Take over a cooldown, unless a later one is known.

        Within a generation the deadline never shrinks, whichever way it was told first.
        """
        place = _place(cooldown)
        held = self._held.get(place)
        if held is not None and cooldown.generation < held.told.generation:
            return
        if cooldown.state == _CLOSED:
            self._held.pop(place, None)
            return
        read = _read(cooldown, now)
        if held is not None and cooldown.generation == held.told.generation:
            read = replace(read, deadline=max(read.deadline, held.deadline))
        self._held[place] = read

    def _tell(self) -> None:
        """Tell the listeners."""
        for listener in self._on_change:
            listener()


def _place(cooldown: health_pb2.Cooldown) -> _Place:
    """Return what a cooldown is held by."""
    return cooldown.route.model, cooldown.route.credential_id


def _read(cooldown: health_pb2.Cooldown, now: float) -> _Held:
    """Return what is held of a cooldown that has just come."""
    return _Held(
        cooldown,
        now + to_seconds(cooldown.remaining),
        now + to_seconds(cooldown.trial_remaining),
    )


def _weigh(cooldown: Cooldown) -> tuple[bool, float, float]:
    """Return how much a cooldown forbids: a provider's wait, the longest, a trial under way."""
    return cooldown.is_forbidden, cooldown.remaining_s, cooldown.trial_remaining_s

"""Who cools down, as health says, and leave to try one of them again."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, TypeAlias

import grpc

from trunkline.health.v1 import health_pb2, health_service_pb2, health_service_pb2_grpc
from trunkline.kernel.channel import PeerRefused, ask
from trunkline.kernel.clock import Clock
from trunkline.kernel.errors import Unavailable
from trunkline.planning.candidates import Candidate
from trunkline.views.health import Cooldown, HealthView

OWN_TRIAL_S: Final = 20.0
"""When health is away, a process allows itself one trial of a route in so long."""

# A chat waits for leave no longer: another may be asked instead.
_TIMEOUT_S: Final = 0.5
# Longer than silence takes to show. One whose end nobody tells, since its chat was cancelled
# or another spoke first, is soon followed by the next; a long answer ends the cooldown even
# when its trial is over.
_TRIAL: Final = timedelta(seconds=15)

# A model and the key that it is asked with; empty: none.
_Place: TypeAlias = tuple[str, str]


class Cooling:
    """Asks health's view who cools, and health for leave to try.

    Args:
        channel: to the health service.
        view: of the routes that cool.
        clock: measures.
    """

    def __init__(self, channel: grpc.aio.Channel, view: HealthView, clock: Clock) -> None:
        self._stub = health_service_pb2_grpc.HealthServiceStub(channel)
        self._view = view
        self._clock = clock
        self._own_trials: dict[_Place, float] = {}
        self._asking: set[_Place] = set()

    def find(self, candidate: Candidate) -> Cooldown | None:
        """Return how a candidate cools; None: it does not."""
        return self._view.find(
            candidate.name,
            candidate.credential.id,
            self._clock.monotonic(),
            has_own_address=candidate.has_own_address,
        )

    async def try_out(self, candidate: Candidate, cooldown: Cooldown) -> str | None:
        """Ask for leave to try a candidate whose wait is over.

        Args:
            candidate: to be asked.
            cooldown: how it stands.

        Returns:
            The trial's id; empty: health is away, and this process allows it itself; None:
            somebody else tries it.
        """
        place = (candidate.name, candidate.credential.id)
        # One asks for all chats of this process: the others need not wait for a refusal, and
        # health has one to refuse from each process, not one from each chat.
        if cooldown.trial_remaining_s or place in self._asking:
            return None
        self._asking.add(place)
        try:
            return await self._acquire(candidate, place)
        finally:
            self._asking.discard(place)

    async def _acquire(self, candidate: Candidate, place: _Place) -> str | None:
        """Ask health for leave to try a candidate; see `try_out`."""
        request = health_service_pb2.AcquireTrialRequest(
            route=health_pb2.RouteKey(model=candidate.name, credential_id=candidate.credential.id)
        )
        request.ttl.FromTimedelta(_TRIAL)
        try:
            answer = await ask("health", self._stub.AcquireTrial, request, timeout=_TIMEOUT_S)
        except (Unavailable, PeerRefused):
            return "" if self._allow_itself(place) else None
        self._view.adopt([answer.cooldown] if answer.HasField("cooldown") else [])
        # One that closed meanwhile may be asked like any other.
        closed = answer.cooldown.state == health_pb2.COOLDOWN_STATE_CLOSED
        return answer.trial_id or ("" if closed else None)

    def _allow_itself(self, place: _Place) -> bool:
        """Tell whether this process may try a route without health's leave, and note that."""
        now = self._clock.monotonic()
        self._own_trials = {
            known: tried for known, tried in self._own_trials.items() if now - tried < OWN_TRIAL_S
        }
        if place in self._own_trials:
            return False
        self._own_trials[place] = now
        return True

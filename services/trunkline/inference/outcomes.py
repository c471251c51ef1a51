"""Tell health what attempts came to, in the background and in batches."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

import grpc

from trunkline.health.v1 import health_pb2, health_service_pb2, health_service_pb2_grpc
from trunkline.inference.v1 import failure_pb2
from trunkline.kernel.channel import PeerRefused, ask
from trunkline.kernel.clock import Clock, duration
from trunkline.kernel.errors import Unavailable
from trunkline.kernel.log import get_logger

log = get_logger("trunkline.outcomes")

MAX_WAITING = 10_000
MAX_BATCH = 1_000
_PAUSE_S = 0.25
_TIMEOUT_S = 5.0
# Health cannot take outcomes now, and will.
_LATER = {"PEER_UNAVAILABLE", "NOT_SERVING", "LIMIT_REACHED"}


@dataclass(frozen=True, slots=True)
class _Ended:
    """An attempt that has ended; times are monotonic seconds."""

    model: str
    credential_id: str
    began: float
    ended: float
    first_token: float | None
    failure: failure_pb2.AttemptFailure | None

    def outcome(self, now: float) -> health_service_pb2.Outcome:
        """Return it as health is told at a time."""
        outcome = health_service_pb2.Outcome(
            route=health_pb2.RouteKey(model=self.model, credential_id=self.credential_id),
            start_age=duration(now - self.began),
            duration=duration(self.ended - self.began),
        )
        if self.first_token is not None:
            outcome.time_to_first_token.CopyFrom(duration(self.first_token - self.began))
        if self.failure is not None:
            outcome.kind = self.failure.kind
            outcome.mid_stream = self.failure.mid_stream
            if self.failure.reply.HasField("retry_after"):
                outcome.retry_after.CopyFrom(self.failure.reply.retry_after)
        return outcome


class Outcomes:
    """Collects outcomes and reports them.

    What health cannot take in time is lost from the oldest on: outcomes are signals of
    the moment, and no chat waits for them.

    Args:
        channel: to the health service.
        clock: measures how long ago an attempt began.
    """

    def __init__(self, channel: grpc.aio.Channel, clock: Clock) -> None:
        self._stub = health_service_pb2_grpc.HealthServiceStub(channel)
        self._clock = clock
        self._waiting: deque[_Ended] = deque(maxlen=MAX_WAITING)
        self._something = asyncio.Event()

    def add(
        self,
        *,
        model: str,
        credential_id: str,
        began: float,
        first_token: float | None,
        failure: failure_pb2.AttemptFailure | None,
    ) -> None:
        """Note how an attempt ended, now.

        Args:
            model: `provider/model`.
            credential_id: whose key was used; empty: none.
            began: monotonic seconds.
            first_token: monotonic seconds of the first content; None: none came.
            failure: None: it succeeded.
        """
        ended = self._clock.monotonic()
        self._waiting.append(_Ended(model, credential_id, began, ended, first_token, failure))
        self._something.set()

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            await self._something.wait()
            await asyncio.sleep(_PAUSE_S)
            await self.flush()

    async def flush(self) -> None:
        """Report one batch of what waits."""
        self._something.clear()
        batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
        if not batch:
            return
        now = self._clock.monotonic()
        request = health_service_pb2.ReportOutcomesRequest(
            outcomes=[ended.outcome(now) for ended in batch]
        )
        try:
            await ask("health", self._stub.ReportOutcomes, request, timeout=_TIMEOUT_S)
        except Unavailable:
            self._keep(batch)
        except PeerRefused as refused:
            if refused.reason in _LATER:
                self._keep(batch)
            else:
                log.warning("outcomes_refused", reason=refused.reason, count=len(batch))
        if self._waiting:
            self._something.set()

    def _keep(self, batch: list[_Ended]) -> None:
        """Put a batch back; what is older than the queue is long is dropped."""
        room = MAX_WAITING - len(self._waiting)
        self._waiting.extendleft(reversed(batch[-room:] if room else []))

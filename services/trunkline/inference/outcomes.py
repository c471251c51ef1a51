"""Tell health what attempts came to, in the background and in batches.

What it answers is known to this process at once, and to the others by their watch. While it
does not answer, each process goes by its own rule.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

import grpc
import msgspec

from trunkline.health.v1 import health_service_pb2, health_service_pb2_grpc
from trunkline.inference.own_rule import judge_answer, judge_failure
from trunkline.inference.v1 import failure_pb2
from trunkline.kernel.channel import PeerRefused, ask
from trunkline.kernel.clock import Clock, to_seconds, write_duration
from trunkline.kernel.errors import Unavailable
from trunkline.kernel.log import get_logger
from trunkline.views.health import HealthView

log = get_logger("trunkline.outcomes")

MAX_WAITING = 10_000
MAX_BATCH = 1_000
_PAUSE_S = 0.25
# While health is away: each time the same outcomes are put together anew, in every process.
_AWAY_PAUSE_S = 1.0
_TIMEOUT_S = 5.0
# Health cannot take outcomes now, and will.
_LATER = {"PEER_UNAVAILABLE", "NOT_SERVING", "LIMIT_REACHED", "STORE_UNAVAILABLE"}


class _Ended(msgspec.Struct, frozen=True):
    """An attempt that has ended; times are monotonic seconds."""

    model: str
    credential_id: str
    has_own_address: bool
    began: float
    ended: float
    first_token: float | None
    failure: failure_pb2.AttemptFailure | None
    trial_id: str
    will_retry: bool

    @property
    def is_urgent(self) -> bool:
        """Tell whether a route may begin or cease to cool by it."""
        return bool(self.trial_id) or (self.failure is not None and not self.will_retry)

    def outcome(self, now: float) -> health_service_pb2.Outcome:
        """Return it as health is told at a time."""
        outcome = health_service_pb2.Outcome(trial_id=self.trial_id, will_retry=self.will_retry)
        route = outcome.route
        route.model, route.credential_id = self.model, self.credential_id
        write_duration(outcome.start_age, now - self.began)
        write_duration(outcome.duration, self.ended - self.began)
        if self.first_token is not None:
            write_duration(outcome.time_to_first_token, self.first_token - self.began)
        if self.failure is not None:
            outcome.kind = self.failure.kind
            outcome.mid_stream = self.failure.mid_stream
            # Of what the provider asked for, what is left: the report may come late.
            wait_s = to_seconds(self.failure.reply.retry_after) - (now - self.ended)
            if wait_s > 0:
                write_duration(outcome.retry_after, wait_s)
        return outcome


class Outcomes:
    """Collects outcomes and reports them.

    What health cannot take in time is lost from the oldest on: outcomes are signals of
    the moment, and no chat waits for them. Successes wait a moment for others; a failure
    or a trial's end takes them along at once.

    Args:
        channel: to the health service.
        clock: measures how long ago an attempt began.
        view: takes over what cools by them.
    """

    def __init__(self, channel: grpc.aio.Channel, clock: Clock, view: HealthView) -> None:
        self._stub = health_service_pb2_grpc.HealthServiceStub(channel)
        self._view = view
        self._clock = clock
        self._waiting: deque[_Ended] = deque(maxlen=MAX_WAITING)
        self._something = asyncio.Event()
        self._urgent = asyncio.Event()
        # Health did not take the last ones: nothing is urgent enough to ask without a pause.
        self._is_away = False

    def add(
        self,
        *,
        model: str,
        credential_id: str,
        has_own_address: bool = False,
        began: float,
        first_token: float | None,
        failure: failure_pb2.AttemptFailure | None,
        trial_id: str = "",
        will_retry: bool = False,
    ) -> None:
        """Note how an attempt ended, now.

        Args:
            model: `provider/model`.
            credential_id: whose key was used; empty: none.
            has_own_address: that key has an address of its own, which was asked.
            began: monotonic seconds.
            first_token: monotonic seconds of the first content; None: none came.
            failure: None: it succeeded.
            trial_id: the trial that it was; empty: none.
            will_retry: the same request asks the same route once more.
        """
        now = self._clock.monotonic()
        ended = _Ended(
            model,
            credential_id,
            has_own_address,
            began,
            now,
            first_token,
            failure,
            trial_id,
            will_retry,
        )
        self._waiting.append(ended)
        if self._is_away:
            self._judge(ended)
        self._something.set()
        if ended.is_urgent:
            self._urgent.set()

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            await self._something.wait()
            if self._is_away:
                await asyncio.sleep(_AWAY_PAUSE_S)
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_PAUSE_S):
                        await self._urgent.wait()
            await self.flush()

    async def flush(self) -> None:
        """Report one batch of what waits."""
        self._something.clear()
        self._urgent.clear()
        batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
        if not batch:
            return
        now = self._clock.monotonic()
        request = health_service_pb2.ReportOutcomesRequest(
            outcomes=[ended.outcome(now) for ended in batch]
        )
        try:
            answer: health_service_pb2.ReportOutcomesResponse = await ask(
                "health", self._stub.ReportOutcomes, request, timeout=_TIMEOUT_S
            )
        except Unavailable:
            self._keep(batch)
        except PeerRefused as refused:
            if refused.reason in _LATER:
                self._keep(batch)
            else:
                log.warning("outcomes_refused", reason=refused.reason, count=len(batch))
        else:
            self._is_away = False
            self._view.adopt(answer.cooldowns)
        if self._waiting:
            self._something.set()

    def _keep(self, batch: list[_Ended]) -> None:
        """Put a batch back; what is older than the queue is long is dropped."""
        if not self._is_away:
            self._is_away = True
            for ended in (*batch, *self._waiting):
                self._judge(ended)
        room = MAX_WAITING - len(self._waiting)
        self._waiting.extendleft(reversed(batch[-room:] if room else []))

    def _judge(self, ended: _Ended) -> None:
        """Let an outcome that health does not take change what this process knows."""
        then = self._view.find(
            ended.model,
            ended.credential_id,
            ended.began,
            has_own_address=ended.has_own_address,
        )
        if ended.failure is None:
            cooldown = judge_answer(then)
        elif ended.will_retry:
            return
        else:
            model, key = ended.model, ended.credential_id
            held = self._view.generation(model, key)
            cooldown = judge_failure(then, ended.failure, model, key, held)
        if cooldown is not None:
            self._view.adopt((cooldown,))

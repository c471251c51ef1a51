"""Probe every provider each minute, from one process of the fleet, and when somebody asks."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from typing import Final

import grpc

from trunkline.health.cooldowns import Cooldowns
from trunkline.health.probe import Subject, probe, subject_of
from trunkline.health.recorder import Recorder
from trunkline.health.schedule import LONGEST_WAIT_S, Aim, Schedule
from trunkline.inference.v1 import provider_pb2, provider_pb2_grpc
from trunkline.kernel.clock import Clock
from trunkline.kernel.database import STORE_FAILURES
from trunkline.kernel.errors import Unavailable
from trunkline.kernel.lease import Lease
from trunkline.kernel.log import get_logger
from trunkline.views.catalog import CatalogView
from trunkline.views.credentials import CredentialView

log = get_logger("trunkline.probes")

AT_ONCE: Final = 16
LEASE_S: Final = 30.0
_RENEW_S: Final = 10.0
# Who has no lease looks more often, so that a release is soon noticed.
_LOOK_S: Final = 2.0
_TICK_S: Final = 0.25
# How often a probe is made again whose provider or key was changed under it.
_ATTEMPTS: Final = 3


class Prober:
    """Probes providers, each by one probe at a time, whoever asks for it.

    Args:
        inference: a channel to the service that asks providers.
        catalog: the view of providers.
        credentials: the view of keys.
        recorder: takes what is found.
        cooldowns: end by it.
        lease: of what is done by the timer.
        clock: tells the time.
    """

    def __init__(
        self,
        inference: grpc.aio.Channel,
        catalog: CatalogView,
        credentials: CredentialView,
        recorder: Recorder,
        cooldowns: Cooldowns,
        lease: Lease,
        clock: Clock,
    ) -> None:
        self._stub = provider_pb2_grpc.ProviderServiceStub(inference)
        self._catalog = catalog
        self._credentials = credentials
        self._recorder = recorder
        self._cooldowns = cooldowns
        self._lease = lease
        self._clock = clock
        self._schedule = Schedule()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._under_way: dict[str, asyncio.Task[bool]] = {}
        self._leasing = asyncio.Lock()
        self._look_at = clock.monotonic()
        self._held_until = clock.monotonic()
        self._views_changed = True
        self._is_stopping = False
        self._is_silent = False
        catalog.on_change(self._note_change)
        credentials.on_change(self._note_change)

    async def run(self) -> None:
        """Probe what is due while the lease is held, until cancelled."""
        while not self._is_stopping:
            await self._keep_lease()
            if self._clock.monotonic() < self._held_until:
                self._begin_due()
            else:
                self._schedule.clear()
                self._views_changed = True
            await asyncio.sleep(_TICK_S)

    async def stop(self) -> None:
        """Begin no probe any more, end those under way, and leave the timer to others."""
        self._is_stopping = True
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        async with self._leasing:
            if self._clock.monotonic() >= self._held_until:
                return
            self._held_until = self._clock.monotonic()
            # Where that fails it ends by itself.
            with contextlib.suppress(*STORE_FAILURES):
                await self._lease.release()

    async def check(self, provider: str) -> None:
        """Probe a provider now; one that is off is never asked.

        Args:
            provider: one that there is.

        Raises:
            Unavailable: PROBE_UNAVAILABLE: it could not be asked; PEER_UNAVAILABLE: its
                address or key is not known yet.
        """
        await self._catalog.follower.wait_ready()
        await self._credentials.follower.wait_ready()
        for _ in range(_ATTEMPTS):
            subject = self._subject(provider)
            if subject is None or await self._share(subject):
                return
        raise Unavailable(
            "PROBE_UNAVAILABLE", f"{provider} was changed again and again while it was probed."
        )

    async def check_all(self) -> None:
        """Probe every provider now.

        Raises:
            Unavailable: PROBE_UNAVAILABLE: none could be asked; PEER_UNAVAILABLE: which
                there are is not known yet.
        """
        await self._catalog.follower.wait_ready()
        await self._credentials.follower.wait_ready()
        names = [name for name in self._catalog.providers if self._subject(name) is not None]
        ended = await asyncio.gather(*map(self.check, names), return_exceptions=True)
        failures = [error for error in ended if error is not None]
        for error in failures:
            if not isinstance(error, Unavailable):
                raise error
        if failures and len(failures) == len(names):
            raise failures[0]

    async def _share(self, subject: Subject) -> bool:
        """Wait for the probe of a provider that is under way, else make one.

        Returns:
            False: the provider or its key was changed under it.
        """
        task = self._under_way.get(subject.provider) or self._begin(subject)
        # It goes on for others when who waits leaves.
        await asyncio.wait((task,))
        if task.cancelled():
            raise Unavailable("NOT_SERVING", "The service is stopping; try again.")
        return task.result()

    async def _keep_lease(self) -> None:
        """Acquire or renew the lease, when it is time to."""
        now = self._clock.monotonic()
        if now < self._look_at:
            return
        async with self._leasing:
            if self._is_stopping:
                return
            try:
                is_held = await self._lease.hold()
            except STORE_FAILURES as error:
                log.warning("probe_lease_not_renewed", error=type(error).__name__)
                self._look_at = now + _LOOK_S
                return
            if is_held != (now < self._held_until):
                log.info("probing_begun" if is_held else "probing_left_to_another")
            self._held_until = now + LEASE_S if is_held else now
            self._look_at = now + (_RENEW_S if is_held else _LOOK_S)

    def _begin_due(self) -> None:
        """Begin the probes that are due, as far as there are places."""
        self._follow_views()
        for name in self._schedule.due(self._clock.monotonic()):
            if self._places.locked() or len(self._under_way) >= AT_ONCE:
                return
            subject = self._subject(name)
            if subject is not None and name not in self._under_way:
                self._begin(subject)

    def _begin(self, subject: Subject) -> asyncio.Task[bool]:
        """Begin a probe."""
        name = subject.provider
        if self._is_stopping:
            raise Unavailable("NOT_SERVING", "The service is stopping; try again.")
        self._schedule.begin(name, self._clock.monotonic(), self._wall())
        # A context of its own: the deadline of the first to ask does not bound the others.
        task = asyncio.get_running_loop().create_task(
            self._probe(subject), context=contextvars.Context()
        )
        self._under_way[name] = task
        task.add_done_callback(lambda ended: self._end(name, ended))
        return task

    async def _probe(self, subject: Subject) -> bool:
        """Probe, and note what is found; tell whether it still holds.

        Raises:
            Unavailable: PROBE_UNAVAILABLE.
        """
        name = subject.provider
        async with self._places:
            try:
                finding = await probe(self._stub, subject)
            except Unavailable:
                self._schedule.fail(name, self._clock.monotonic())
                raise
        if self._subject(name) != subject:
            return False
        self._schedule.end(name, self._clock.monotonic(), wait_of(finding.verification))
        self._recorder.note_probe(finding)
        await self._cooldowns.note_probe(finding)
        return True

    def _end(self, name: str, task: asyncio.Task[bool]) -> None:
        """Forget a probe that has ended, and log that none can be made; once, until one can."""
        del self._under_way[name]
        if task.cancelled():
            return
        error = task.exception()
        if error is None and self._is_silent:
            self._is_silent = False
            log.info("probes_made_again")
        elif isinstance(error, Unavailable):
            if not self._is_silent:
                self._is_silent = True
                log.warning("probe_not_made", provider=name, error=error.message)
        elif error is not None:
            log.error("probe_failed_unexpectedly", provider=name, exc_info=error)

    def _follow_views(self) -> None:
        """Take over what is to be probed, when that has changed and is known."""
        if not self._views_changed:
            return
        if not (self._catalog.follower.is_ready and self._credentials.follower.is_ready):
            return
        self._views_changed = False
        aims = {}
        for name in self._catalog.providers:
            subject = self._subject(name)
            if subject is not None:
                aims[name] = self._aim(subject)
        self._schedule.follow(aims, self._clock.monotonic(), self._wall())

    def _subject(self, name: str) -> Subject | None:
        """Return what is to be probed of a provider; None: it is off or gone."""
        provider = self._catalog.providers.get(name)
        if provider is None or (provider.HasField("enabled") and not provider.enabled):
            return None
        return subject_of(provider, self._credentials.central(name))

    def _aim(self, subject: Subject) -> Aim:
        """Return what is probed of a provider, and what the last probe leaves of it."""
        state = self._recorder.state(subject.provider)
        if state is None or not state.HasField("check_time"):
            return Aim(subject, is_news=True)
        changed_ns = self._catalog.providers[subject.provider].update_time.ToNanoseconds()
        credential = self._credentials.central(subject.provider)
        if credential is not None:
            changed_ns = max(changed_ns, credential.update_time.ToNanoseconds())
        last = [key.verification for key in state.credentials if key.HasField("verification")]
        ends = (each.time.ToNanoseconds() / 1e9 + wait_of(each) for each in last)
        wait_s = max((end - self._wall() for end in ends), default=0.0)
        return Aim(
            subject,
            is_news=changed_ns > state.check_time.ToNanoseconds(),
            wait_s=max(0.0, wait_s),
        )

    def _wall(self) -> float:
        """Return seconds since 1970."""
        return self._clock.time_ns() / 1e9

    def _note_change(self) -> None:
        """Have a change of the views followed."""
        self._views_changed = True


def wait_of(verification: provider_pb2.Verification) -> float:
    """Return how many seconds a provider asks to be left alone, at most an hour."""
    reply = verification.reply
    if verification.verdict != provider_pb2.VERDICT_RATE_LIMITED:
        return 0.0
    return min(LONGEST_WAIT_S, max(0.0, reply.retry_after.ToNanoseconds() / 1e9))

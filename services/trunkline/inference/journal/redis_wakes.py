"""Hear from Redis what other processes wrote, and whom that concerns.

One connection is subscribed to a channel for each run that is followed, and to one for
this process. What is said while it is away is lost: so each second the runs that are
followed are compared with what was last seen of them, and notices for owners lie in a set
until they are taken.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Final

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from trunkline.inference.journal.redis_line import RedisLine, load_script
from trunkline.inference.journal.store import JournalUnavailable
from trunkline.kernel.log import get_logger

LOOK_S: Final = 1.0
_PROBE_S: Final = 5.0
_BACKOFF_S: Final = (0.05, 1.0)

_MARKS: Final = load_script("marks")


class RedisWakes:
    """Calls who wants to know.

    Args:
        line: to the server.
        prefix: of all keys and channels.
    """

    def __init__(self, line: RedisLine, prefix: str) -> None:
        self._line = line
        self._prefix = prefix
        self._wakes: list[Callable[[str], None]] = []
        self._followed: dict[str, bytes] = {}
        self._processes: set[str] = set()
        self._pubsub: PubSub | None = None
        self._is_urgent = asyncio.Event()
        self._log = get_logger("trunkline.journal").bind(store="redis")

    def subscribe(self, wake: Callable[[str], None]) -> None:
        """Have a function called with the id of a run that changed."""
        self._wakes.append(wake)

    async def add_process(self, process_id: str) -> None:
        """Hear of what is left for a process."""
        if process_id not in self._processes:
            self._processes.add(process_id)
            await self._listen_to(self._process_channel(process_id))

    async def remove_process(self, process_id: str) -> None:
        """Hear of it no longer."""
        if process_id in self._processes:
            self._processes.discard(process_id)
            await self._leave(self._process_channel(process_id))

    async def follow(self, run_id: str) -> None:
        """Begin to hear of a run."""
        (self._followed[run_id],) = await self._line.run(_MARKS, self._prefix, run_id)
        await self._listen_to(self._run_channel(run_id))

    async def unfollow(self, run_id: str) -> None:
        """End that."""
        if self._followed.pop(run_id, None) is not None:
            await self._leave(self._run_channel(run_id))

    async def listen(self) -> None:
        """Hear messages until cancelled; come back after every break."""
        low, high = _BACKOFF_S
        pause = low
        while True:
            was_heard = False
            try:
                pubsub = self._line.make_pubsub()
                try:
                    await self._hear_all(pubsub)
                finally:
                    was_heard, self._pubsub = self._pubsub is not None, None
                    with contextlib.suppress(RedisError, OSError):
                        await pubsub.aclose()  # type: ignore[no-untyped-call] # it says no types
            except (RedisError, OSError, TimeoutError, JournalUnavailable) as error:
                if was_heard:
                    self._log.info("listening_ended", error=type(error).__name__)
            pause = low if was_heard else min(high, 2 * pause)
            await asyncio.sleep(pause)

    async def look(self) -> None:
        """Look each second, and at once when there is a notice, until cancelled."""
        while True:
            self._is_urgent.clear()
            with contextlib.suppress(JournalUnavailable):
                await self._look_at_notices()
                await self._look_at_followed()
            # Each message of a burst would ask for the same.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._is_urgent.wait()

    async def _hear_all(self, pubsub: PubSub) -> None:
        """Hear messages by one connection until it breaks.

        Raises:
            RedisError, OSError, TimeoutError: it broke.
        """
        channels = [self._prefix + "wake"]
        channels += [self._run_channel(run_id) for run_id in self._followed]
        channels += [self._process_channel(process_id) for process_id in self._processes]
        async with asyncio.timeout(LOOK_S):
            await pubsub.subscribe(*channels)
        self._pubsub = pubsub
        silent_s = 0.0
        while True:
            message = await pubsub.get_message(timeout=LOOK_S)
            if message is not None:
                silent_s = 0.0
                self._take(message["type"], message["channel"].decode(errors="replace"))
                continue
            silent_s += LOOK_S
            if silent_s > 2 * _PROBE_S:
                raise TimeoutError
            if silent_s >= _PROBE_S:
                # A server that vanished says nothing, and neither does one that rests.
                async with asyncio.timeout(LOOK_S):
                    await pubsub.ping()

    def _take(self, kind: str, channel: str) -> None:
        """Take a message, or the word that a channel is heard from now on."""
        if kind not in ("message", "subscribe"):
            return
        name = channel.removeprefix(self._prefix)
        if name.startswith("wake:"):
            run_id = name.removeprefix("wake:")
            if run_id in self._followed:
                # What was written before the channel was heard is found by who looks now.
                self._wake([run_id])
        else:
            self._is_urgent.set()

    async def _look_at_notices(self) -> None:
        """Wake for what was left for the processes here."""
        for process_id in tuple(self._processes):
            notices = f"{self._prefix}notices:{process_id}"
            taken = await self._line.ask("SMEMBERS", notices)
            if taken:
                # Before the call: what is put from now on leaves a notice of its own. Where the
                # answer is lost they may be gone all the same.
                with contextlib.suppress(JournalUnavailable):
                    await self._line.ask("SREM", notices, *taken)
                self._wake(run_id.decode() for run_id in taken)

    async def _look_at_followed(self) -> None:
        """Wake for runs that changed without a word."""
        followed = dict(self._followed)
        if not followed:
            return
        marks = await self._line.run(_MARKS, self._prefix, *followed)
        for (run_id, seen), mark in zip(followed.items(), marks, strict=True):
            if mark != seen and run_id in self._followed:
                self._followed[run_id] = mark
                self._wake([run_id])

    def _wake(self, run_ids: Iterable[str]) -> None:
        """Call whoever wants to know of runs."""
        for run_id in run_ids:
            for wake in self._wakes:
                wake(run_id)

    async def _listen_to(self, channel: str) -> None:
        """Hear a channel, too; one that cannot be had now is asked for with the next connection."""
        if self._pubsub is not None:
            with contextlib.suppress(RedisError, OSError, TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._pubsub.subscribe(channel)

    async def _leave(self, channel: str) -> None:
        """Hear a channel no longer."""
        if self._pubsub is not None:
            with contextlib.suppress(RedisError, OSError, TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._pubsub.unsubscribe(channel)

    def _run_channel(self, run_id: str) -> str:
        """Return the channel on which a run's changes are told."""
        return f"{self._prefix}wake:{run_id}"

    def _process_channel(self, process_id: str) -> str:
        """Return the channel on which notices for a process are told."""
        return f"{self._prefix}process:{process_id}"

"""The keys that wrap the data keys of runs, in memory only.

The credential service keeps them. A current one seals for as long as it takes to get the
next: it opens for ever, and no chat waits or fails because a key is a little old.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

import grpc

from trunkline.credential.v1 import credential_service_pb2_grpc, resolve_pb2
from trunkline.inference.journal.seal import SealBroken, SealReason
from trunkline.kernel.channel import PeerRefused, ask
from trunkline.kernel.clock import Clock
from trunkline.kernel.errors import Unavailable
from trunkline.kernel.log import get_logger
from trunkline.views.credentials import CredentialView

log = get_logger("trunkline.journal")

MAX_KEYS: Final = 256
PAUSE_S: Final = 10.0
_PURPOSE: Final = "journal"
_TIMEOUT_S: Final = 5.0
_LOST: Final = ("CONTENT_KEY_NOT_FOUND", "SEAL_BROKEN")


@dataclass(frozen=True, slots=True)
class _Current:
    """The key to seal with, and when another one is to be asked for."""

    key_id: str
    key: bytes = field(repr=False)
    rotate_time_ns: int


class ContentKeys:
    """Asks for content keys and keeps them.

    Args:
        channel: to the credential service.
        view: tells when another key is current.
        clock: tells when a key's time is over.
    """

    def __init__(self, channel: grpc.aio.Channel, view: CredentialView, clock: Clock) -> None:
        self._stub = credential_service_pb2_grpc.CredentialServiceStub(channel)
        self._view = view
        self._clock = clock
        self._current: _Current | None = None
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        # By key id; empty: the current one.
        self._asking: dict[str, asyncio.Task[bytes]] = {}
        self._refreshing: asyncio.Task[None] | None = None
        self._next_refresh = 0.0

    async def current(self) -> tuple[str, bytes]:
        """Return the id of the key to seal with, and the key.

        Raises:
            Unavailable: PEER_UNAVAILABLE: none is known, and the credential service does
                not give one.
        """
        if self._current is None:
            await self._ask_once("")
            assert self._current is not None  # it was just set, and is never taken away
        elif self._is_due(self._current):
            self._next_refresh = self._clock.monotonic() + PAUSE_S
            self._refreshing = asyncio.get_running_loop().create_task(
                self._refresh(), context=contextvars.Context()
            )
        return self._current.key_id, self._current.key

    async def get(self, key_id: str) -> bytes:
        """Return the key of an id, to open with.

        Raises:
            SealBroken: it is lost.
            Unavailable: PEER_UNAVAILABLE: the credential service does not give it now.
        """
        kept = self._kept.get(key_id)
        if kept is not None:
            self._kept.move_to_end(key_id)
            return kept
        return await self._ask_once(key_id)

    def _is_due(self, current: _Current) -> bool:
        """Tell whether to look for another current key."""
        if self._clock.monotonic() < self._next_refresh:
            return False
        told = self._view.content_key_id
        return self._clock.time_ns() >= current.rotate_time_ns or told not in ("", current.key_id)

    async def _refresh(self) -> None:
        """Look for another current key; the one that is known stays when there is none."""
        try:
            await self._ask_once("")
        except Unavailable as error:
            log.warning("content_key_not_renewed", reason=error.reason)

    async def _ask_once(self, key_id: str) -> bytes:
        """Ask for a key; runs that need the same one at the same moment ask for it once."""
        task = self._asking.get(key_id)
        if task is None:
            # A context of its own: the deadline of the first to ask does not bound the others.
            task = asyncio.get_running_loop().create_task(
                self._ask(key_id), context=contextvars.Context()
            )
            self._asking[key_id] = task
            task.add_done_callback(lambda _: self._asking.pop(key_id, None))
        return await asyncio.shield(task)

    async def _ask(self, key_id: str) -> bytes:
        """Ask the credential service, and keep the answer."""
        request = resolve_pb2.GetContentKeyRequest(purpose=_PURPOSE, key_id=key_id)
        try:
            answer: resolve_pb2.GetContentKeyResponse = await ask(
                "credential", self._stub.GetContentKey, request, timeout=_TIMEOUT_S
            )
        except PeerRefused as refused:
            if key_id and refused.reason in _LOST:
                raise SealBroken("run", SealReason.KEY_LOST) from None
            raise Unavailable(
                "PEER_UNAVAILABLE",
                f"The credential service cannot give the journal's key: {refused.message}",
                metadata={"peer": "credential"},
            ) from None
        if not key_id:
            rotate_time_ns = answer.rotate_time.ToNanoseconds()
            self._current = _Current(answer.key_id, answer.key, rotate_time_ns)
            self._next_refresh = self._clock.monotonic() + PAUSE_S
        self._kept[answer.key_id] = answer.key
        while len(self._kept) > MAX_KEYS:
            self._kept.popitem(last=False)
        return answer.key

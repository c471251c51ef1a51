"""Keys for content that other services keep, such as the journal of chats.

They lie sealed like credentials. One of each purpose is current, to seal with; earlier
ones are given by id, to open with, for as long as the database is kept.
"""

from __future__ import annotations

import secrets
from typing import Final

from trunkline.credential import content_key_store as store
from trunkline.credential.content_key_store import SealedContentKey
from trunkline.credential.envelope import Binding, Purpose
from trunkline.credential.safe import Safe
from trunkline.credential.v1 import resolve_pb2
from trunkline.kernel.clock import Clock, timestamp
from trunkline.kernel.database import Database, Session
from trunkline.kernel.errors import NotFound
from trunkline.kernel.identifiers import new_id
from trunkline.kernel.log import get_logger
from trunkline.kernel.watch import Feed

log = get_logger("trunkline.credential")

ROTATE_AFTER_S: Final = 30 * 24 * 3600
_KEY_BYTES: Final = 32


class ContentKeys:
    """Makes and releases content keys.

    Args:
        database: where they lie.
        feed: whose readers are told when another one is current.
        safe: seals and opens.
        clock: tells the time where nobody shares the database.
    """

    def __init__(self, database: Database, feed: Feed, safe: Safe, clock: Clock) -> None:
        self._database = database
        self._feed = feed
        self._safe = safe
        self._clock = clock

    async def release(self, purpose: str, key_id: str) -> resolve_pb2.GetContentKeyResponse:
        """Release a content key.

        Args:
            purpose: what it seals.
            key_id: which; empty: the current one, which is made when there is none, or
                when its time is over.

        Raises:
            NotFound: CONTENT_KEY_NOT_FOUND.
            DataLoss: SEAL_BROKEN: what is stored does not open.
        """
        if key_id:
            async with self._database.read() as session:
                found = await store.find(session, purpose, key_id)
            if found is None:
                raise NotFound(
                    "CONTENT_KEY_NOT_FOUND",
                    f"There is no content key {key_id} for {purpose}.",
                    metadata={"key_id": key_id},
                )
            return await self._open(found)
        current = await self._find_current(purpose)
        response = await self._open(current)
        response.rotate_time.CopyFrom(timestamp(_rotate_time_ns(current)))
        return response

    async def _find_current(self, purpose: str) -> SealedContentKey:
        """Return the key to seal with now."""
        async with self._database.read() as session:
            current = await store.find_current(session, purpose)
            if current is not None and not await self._is_over(session, current):
                return current
        # Writers come one after the other over all replicas: who comes later finds it made.
        async with self._database.write() as session:
            current = await store.find_current(session, purpose)
            if current is not None and not await self._is_over(session, current):
                return current
            made = await self._make(session, purpose, current)
            await store.add(session, made)
        self._feed.wake()
        log.info("content_key_made", content_key_id=made.id, purpose=purpose)
        return made

    async def _is_over(self, session: Session, current: SealedContentKey) -> bool:
        """Tell whether nothing more is to be sealed with a key."""
        now = await self._database.time_ns(session, self._clock)
        return now >= _rotate_time_ns(current)

    async def _make(
        self, session: Session, purpose: str, before: SealedContentKey | None
    ) -> SealedContentKey:
        """Make a key that follows another one; None: it is the first."""
        content_key_id = new_id("dek")
        generation = 1 if before is None else before.generation + 1
        binding = _binding(content_key_id, purpose, generation)
        sealed, key_id = await self._safe.seal(secrets.token_bytes(_KEY_BYTES), binding)
        now = await self._database.time_ns(session, self._clock)
        return SealedContentKey(content_key_id, purpose, generation, key_id, sealed, now)

    async def _open(self, found: SealedContentKey) -> resolve_pb2.GetContentKeyResponse:
        """Open a key."""
        binding = _binding(found.id, found.purpose, found.generation)
        key = await self._safe.open(found.sealed, binding, found.key_id)
        return resolve_pb2.GetContentKeyResponse(key_id=found.id, key=key)


def _rotate_time_ns(key: SealedContentKey) -> int:
    """Return when another key is to be made, in nanoseconds since 1970."""
    return key.create_time_ns + ROTATE_AFTER_S * 1_000_000_000


def _binding(content_key_id: str, purpose: str, generation: int) -> Binding:
    """Return where a content key's sealed value belongs.

    With its generation: who can write to the database cannot make an earlier one current.
    """
    return Binding(
        service="credential",
        owner="",
        on_behalf_of="",
        provider="",
        credential_id=content_key_id,
        version=generation,
        origin="",
        field=purpose,
        purpose=Purpose.CONTENT_KEY,
    )

"""One embedding under way: its vectors in order, for those who read it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Final

import msgspec
from google.rpc import status_pb2

from trunkline.inference.embedding.terms import EmbeddingTerms
from trunkline.inference.run import DOMAIN, cancelled
from trunkline.inference.v1 import embedding_pb2
from trunkline.kernel.errors import Cancelled, Ended, TrunklineError
from trunkline.kernel.status import to_status

MAX_KEPT_BYTES: Final = 1024 * 1024
"""An answer that is longer is not kept for its idempotency key."""

# Who tries again may use the key of an embedding that ended with these.
_RETRIABLE: Final = frozenset({1, 4, 8, 10, 14})


class Piece(msgspec.Struct, frozen=True):
    """Vectors of texts that follow each other.

    Attributes:
        first_index: of the first text, counted from 0.
        vectors: little-endian float32, one or more, all of one length.
    """

    first_index: int
    vectors: list[bytes]


class Reader:
    """Somebody who reads an embedding.

    Attributes:
        taken: how many pieces it has.
    """

    def __init__(self, run: EmbeddingRun) -> None:
        self.taken = 0
        self._run = run

    async def pieces(self) -> AsyncIterator[Piece]:
        """Yield the pieces in order, as they come; after the last one `run.summary` is set.

        Raises:
            Ended: the embedding ended without all of its vectors.
        """
        while (piece := await self._run.next_piece(self)) is not None:
            yield piece


class EmbeddingRun:
    """One embedding; its pieces are held until every reader has them, or are kept.

    An embedding has no grace: it ends with its last reader.

    Args:
        run_id: `run_…`.
        terms: what was settled.
        ahead: so many pieces may wait for the slowest reader.

    Attributes:
        task: carries it; None: it has ended.
        dimensions: length of the vectors; 0: none has come.
        size: of its vectors so far, in bytes.
        summary: what it took; None: it has not ended well.
        status: what it ended with otherwise.
    """

    def __init__(self, run_id: str, terms: EmbeddingTerms, *, ahead: int) -> None:
        self.id = run_id
        self.terms = terms
        self.task: asyncio.Task[None] | None = None
        self.dimensions = 0
        self.size = 0
        self.summary: embedding_pb2.EmbeddingSummary | None = None
        self.status: status_pb2.Status | None = None
        self._ahead = ahead
        self._pieces: deque[Piece] = deque()
        self._dropped = 0
        self._keeps = bool(terms.key_digest)
        self._readers: set[Reader] = set()
        self._changed = asyncio.Event()

    @property
    def is_live(self) -> bool:
        """Tell whether it goes on."""
        return self.summary is None and self.status is None

    @property
    def is_whole(self) -> bool:
        """Tell whether a reader that comes now gets all of it."""
        return self._keeps

    @property
    def kept_bytes(self) -> int:
        """Return what is held of it for readers to come."""
        return self.size if self._keeps else 0

    @property
    def frees_key(self) -> bool:
        """Tell whether its idempotency key may be used again: it failed, and may succeed."""
        return self.status is not None and self.status.code in _RETRIABLE

    @contextlib.contextmanager
    def reading(self) -> Iterator[Reader]:
        """Count among its readers; the last one that leaves ends it."""
        reader = Reader(self)
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)
            if not self._readers and self.is_live:
                task = self.task
                # At once: who asks with the same key now must not join what is ending.
                self.fail(unread())
                if task is not None:
                    task.cancel()
            self._let_go()

    async def next_piece(self, reader: Reader) -> Piece | None:
        """Return the next piece for a reader; None: it has all.

        Raises:
            Ended: it ended without all of its vectors.
        """
        while reader.taken >= self._dropped + len(self._pieces):
            if self.status is not None:
                raise Ended(self.status)
            if self.summary is not None:
                return None
            await self._changed.wait()
        piece = self._pieces[reader.taken - self._dropped]
        reader.taken += 1
        self._let_go()
        return piece

    async def wait_room(self) -> None:
        """Wait until the slowest reader has taken enough."""
        while self._dropped + len(self._pieces) - self._slowest() >= self._ahead:
            await self._changed.wait()

    def add(self, piece: Piece) -> None:
        """Take the next vectors."""
        self._pieces.append(piece)
        self.size += sum(map(len, piece.vectors))
        if self.size > MAX_KEPT_BYTES:
            self._keeps = False
        self._tell()

    def finish(self, summary: embedding_pb2.EmbeddingSummary) -> None:
        """End it with all of its vectors."""
        self.summary = summary
        self._end()

    def fail(self, error: TrunklineError) -> None:
        """End it with an error, which every reader gets the same."""
        error.metadata.setdefault("run_id", self.id)
        self.status = to_status(error, domain=DOMAIN, request_id=self.terms.request_id)
        self._end()

    def forget(self) -> None:
        """Keep none of its vectors; who reads still gets them."""
        self._keeps = False
        self._let_go()

    def _end(self) -> None:
        """Let no piece follow. Nobody asks any more, and the texts may be large."""
        self.task = None
        self.terms = self.terms.without_question()
        self._tell()

    def _slowest(self) -> int:
        """Return how many pieces every reader has."""
        return min((each.taken for each in self._readers), default=self._dropped)

    def _let_go(self) -> None:
        """Drop what every reader has and nobody else may want, and tell who waits for room."""
        if not self._keeps:
            slowest = self._slowest() if self._readers else self._dropped + len(self._pieces)
            while self._pieces and self._dropped < slowest:
                self._pieces.popleft()
                self._dropped += 1
        self._tell()

    def _tell(self) -> None:
        """Wake those who wait for a change."""
        self._changed.set()
        self._changed = asyncio.Event()


def unread() -> Cancelled:
    """Return the error of an embedding that has no readers left."""
    return cancelled("disconnect", "Nobody reads the embedding any more.")

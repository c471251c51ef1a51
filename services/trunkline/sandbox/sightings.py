"""What the sandbox saw: the requests that it received and how each one ended."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final

import msgspec

from trunkline.sandbox.face import Headers

MAX_SIGHTINGS: Final = 10_000
"""Most requests kept; the oldest go first."""

MAX_BODY_BYTES: Final = 64 * 2**20
"""Most bytes of request bodies kept in all; the oldest requests go first."""

_SECRET_HEADERS: Final = frozenset(
    ("authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie")
)


class Veiled(str):
    """Hold a secret header value: a string whose repr does not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return three dots."""
        return "'…'"


class State(StrEnum):
    """How far the answer to a request has come."""

    OPEN = "open"
    """It is being answered."""
    ANSWERED = "answered"
    """The HTTP response was sent to its end, whatever was wrong with its content."""
    CUT = "cut"
    """The sandbox broke off."""
    CLIENT_CLOSED = "client_closed"
    """The client closed or reset its connection before the end."""


class Sighting:
    """Hold one request as it was received.

    Attributes:
        method: the HTTP method.
        path: the request target, with its query. The repr leaves the query out: it may hold a key.
        headers: names in lower case and values, in the order received. The repr of a value that
            may be a secret is veiled.
        raw_body: the body's bytes, transfer coding removed.
        model: the model asked for; None when the request names none.
        face: the format's name; empty when the path is of none.
        key: the API key, veiled; empty when there was none.
        prefill: the text of the assistant's message that ends the transcript of a chat; None when
            it ends otherwise, or was not read.
        started_at: when the request was complete, in seconds of `time.monotonic`.
        ended_at: when its answer ended, on the same clock; None while it is open.
        state: how far the answer has come.
    """

    __slots__ = (
        "_ended",
        "ended_at",
        "face",
        "headers",
        "key",
        "method",
        "model",
        "path",
        "prefill",
        "raw_body",
        "started_at",
        "state",
    )

    def __init__(self, method: str, path: str, headers: Headers, raw_body: bytes) -> None:
        self.method = method
        self.path = path
        self.headers: list[tuple[str, str]] = [
            (name, Veiled(value) if name in _SECRET_HEADERS else value) for name, value in headers
        ]
        self.raw_body = raw_body
        self.model: str | None = None
        self.face = ""
        self.key: str = Veiled()
        self.prefill: str | None = None
        self.started_at = time.monotonic()
        self.ended_at: float | None = None
        self.state = State.OPEN
        self._ended = asyncio.Event()

    @property
    def body(self) -> Any:
        """Return the decoded JSON body; None when it is no JSON. Decoded anew at each use."""
        try:
            return msgspec.json.decode(self.raw_body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    @property
    def client_closed(self) -> bool:
        """Tell whether the client left before the end of its answer."""
        return self.state is State.CLIENT_CLOSED

    async def ended(self, timeout: float) -> State:
        """Wait until the answer has ended and return how.

        Args:
            timeout: most seconds to wait.

        Raises:
            TimeoutError: the answer is still open.
        """
        async with asyncio.timeout(timeout):
            await self._ended.wait()
        return self.state

    def end(self, state: State) -> None:
        """Note how the answer ended; the first call counts."""
        if self.state is State.OPEN:
            self.state = state
            self.ended_at = time.monotonic()
            self._ended.set()

    def __repr__(self) -> str:
        """Return the request line and the state, no header and no body."""
        path = self.path.partition("?")[0]
        return f"<Sighting {self.method} {path} model={self.model!r} {self.state.value}>"


class Sightings:
    """Keep the last requests, oldest first, within `MAX_SIGHTINGS` and `MAX_BODY_BYTES`."""

    def __init__(self) -> None:
        self._kept: deque[Sighting] = deque()
        self._body_bytes = 0
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        """Return how many requests are kept."""
        return len(self._kept)

    def __iter__(self) -> Iterator[Sighting]:
        """Go through the kept requests, oldest first."""
        return iter(tuple(self._kept))

    def __getitem__(self, index: int) -> Sighting:
        """Return a kept request: 0 is the oldest, -1 the newest.

        Raises:
            IndexError: so many are not kept.
        """
        return self._kept[index]

    def of_model(self, model: str, key: str | None = None) -> list[Sighting]:
        """Return the kept requests that named a model, oldest first.

        Args:
            model: as it was named.
            key: only those with this API key; None: with any.
        """
        return [
            sighting
            for sighting in self._kept
            if sighting.model == model and key in (None, sighting.key)
        ]

    def clear(self) -> None:
        """Forget all requests."""
        self._kept.clear()
        self._body_bytes = 0

    def record(self, sighting: Sighting) -> None:
        """Keep a request and wake those who wait."""
        self._kept.append(sighting)
        self._body_bytes += len(sighting.raw_body)
        while len(self._kept) > MAX_SIGHTINGS or self._body_bytes > MAX_BODY_BYTES:
            self._body_bytes -= len(self._kept.popleft().raw_body)
        self._arrived.set()
        self._arrived = asyncio.Event()

    async def wait_for(self, count: int, timeout: float) -> list[Sighting]:
        """Wait until at least `count` requests are kept and return all that are.

        Args:
            count: how many, at most `MAX_SIGHTINGS`.
            timeout: most seconds to wait.

        Raises:
            TimeoutError: fewer have come.
        """
        async with asyncio.timeout(timeout):
            while len(self._kept) < count:
                await self._arrived.wait()
        return list(self._kept)

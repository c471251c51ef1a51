"""The view of access tokens: which hold, by hash, so that a process checks them itself."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import grpc

from trunkline.credential.v1 import access_pb2, access_pb2_grpc
from trunkline.kernel.call import Caller
from trunkline.kernel.clock import Clock
from trunkline.kernel.errors import Unauthenticated, Unavailable
from trunkline.kernel.view import Follower

_NANOSECONDS = 1_000_000_000


class AccessView:
    """Checks tokens against the view, and tells when one ends.

    Args:
        channel: to the credential service.
        clock: measures age and expiry.
        max_staleness_s: the age up to which the view is trusted.
    """

    def __init__(self, channel: grpc.aio.Channel, clock: Clock, *, max_staleness_s: float) -> None:
        self._clock = clock
        self._max_staleness_s = max_staleness_s
        self._tokens: dict[bytes, access_pb2.HashedToken] = {}
        self._hashes: dict[str, bytes] = {}
        self._principals: Counter[str] = Counter()
        self._callers: dict[bytes, Caller] = {}
        self._next: list[access_pb2.HashedToken] = []
        self._on_end: list[Callable[[str, str], None]] = []
        self.follower = Follower(
            "credential",
            access_pb2_grpc.AccessServiceStub(channel).WatchAccess,
            lambda revision: access_pb2.WatchAccessRequest(after_revision=revision),
            self,
            clock,
        )

    def on_end(self, listener: Callable[[str, str], None]) -> None:
        """Have a function called with (token id, principal) whenever a token ends."""
        self._on_end.append(listener)

    def has_token(self, principal: str) -> bool:
        """Tell whether a principal has a token that holds."""
        return self._principals[principal] > 0

    async def authenticate(self, token: str) -> Caller:
        """Return the caller that a token stands for.

        Raises:
            Unauthenticated: the token is unknown, ended or revoked.
            Unavailable: PEER_UNAVAILABLE before the first view; SECURITY_VIEW_STALE
                when the view is too old to trust.
        """
        await self.follower.wait_ready()
        self.check_fresh()
        digest = hashlib.sha256(token.encode()).digest()
        entry = self._tokens.get(digest)
        if (
            entry is None
            or not hmac.compare_digest(entry.hash, digest)
            or self._has_expired(entry.access_token)
        ):
            raise Unauthenticated(
                "TOKEN_INVALID", "The access token is unknown, has ended or was revoked."
            )
        caller = self._callers.get(digest)
        if caller is None:
            caller = self._callers[digest] = _caller(entry.access_token)
        return caller

    def check_fresh(self) -> None:
        """Refuse to trust a view that is too old.

        Raises:
            Unavailable: SECURITY_VIEW_STALE.
        """
        age = self.follower.age()
        if age > self._max_staleness_s:
            raise Unavailable(
                "SECURITY_VIEW_STALE",
                "What is known of access tokens is too old to trust.",
                metadata={"view": "access", "age_ms": str(int(age * 1000))},
                retry_after=timedelta(seconds=1),
            )

    def expire(self) -> None:
        """End the tokens whose time is over; to be called about once a second."""
        for entry in [e for e in self._tokens.values() if self._has_expired(e.access_token)]:
            self._end(entry.access_token.id)

    def add_page(self, page: access_pb2.AccessPage) -> None:
        """Collect a page of a new view."""
        self._next.extend(page.tokens)

    def swap(self) -> None:
        """Let the new view hold; tokens that it lacks have ended."""
        kept = {entry.access_token.id for entry in self._next}
        for token_id in [known for known in self._hashes if known not in kept]:
            self._end(token_id)
        for entry in self._next:
            self._put(entry)
        self._next = []

    def change(self, kind: str, value: access_pb2.HashedToken | str) -> None:
        """Take one change."""
        if kind == "token" and isinstance(value, access_pb2.HashedToken):
            self._put(value)
        elif kind == "ended_token_id" and isinstance(value, str):
            self._end(value)

    def _put(self, entry: access_pb2.HashedToken) -> None:
        """Hold a new or changed token."""
        token = entry.access_token
        if token.id not in self._hashes:
            self._principals[token.principal] += 1
        self._hashes[token.id] = entry.hash
        self._tokens[entry.hash] = entry
        self._callers.pop(entry.hash, None)

    def _end(self, token_id: str) -> None:
        """Forget a token and tell the listeners."""
        digest = self._hashes.pop(token_id, None)
        if digest is None:
            return
        entry = self._tokens.pop(digest)
        self._callers.pop(digest, None)
        principal = entry.access_token.principal
        self._principals[principal] -= 1
        if self._principals[principal] <= 0:
            del self._principals[principal]
        for listener in self._on_end:
            listener(token_id, principal)

    def _has_expired(self, token: access_pb2.AccessToken) -> bool:
        """Tell whether a token's time is over."""
        return (
            token.HasField("expire_time")
            and token.expire_time.seconds * _NANOSECONDS + token.expire_time.nanos
            <= self._clock.time_ns()
        )


def _caller(token: access_pb2.AccessToken) -> Caller:
    """Return whom a token stands for."""
    return Caller(
        role=token.role,
        principal=token.principal,
        token_id=token.id,
        providers=frozenset(token.scope.providers),
        models=frozenset(token.scope.models),
        impersonate=token.scope.impersonate,
    )

"""The view of access tokens: which hold, by hash, so that a process checks them itself."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import grpc

from trunkline.credential.v1 import access_pb2, access_pb2_grpc
from trunkline.kernel.call import Caller
from trunkline.kernel.clock import Clock
from trunkline.kernel.errors import Unauthenticated, Unavailable
from trunkline.kernel.log import get_logger
from trunkline.kernel.service import WatchedView
from trunkline.kernel.view import Follower

log = get_logger("trunkline.access")


@dataclass(frozen=True, slots=True)
class _Token:
    """One token that holds.

    Attributes:
        digest: SHA-256 of the token.
        caller: whom it stands for.
        expire_ns: when it ends, in nanoseconds since 1970; None: never.
    """

    digest: bytes
    caller: Caller
    expire_ns: int | None

    def has_expired(self, clock: Clock) -> bool:
        """Tell whether its time is over."""
        return self.expire_ns is not None and self.expire_ns <= clock.time_ns()


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
        self._tokens: dict[bytes, _Token] = {}
        self._hashes: dict[str, bytes] = {}
        self._principals: Counter[str] = Counter()
        self._next: list[access_pb2.HashedToken] = []
        self._on_end: list[Callable[[str, str], None]] = []
        self.follower = Follower(
            "credential",
            access_pb2_grpc.AccessServiceStub(channel).WatchAccess,
            lambda revision: access_pb2.WatchAccessRequest(after_revision=revision),
            self,
            clock,
        )

    @property
    def watched(self) -> WatchedView:
        """Return what it watches, and how long that is trusted."""
        return WatchedView("access", self.follower, self._max_staleness_s)

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
        if not self.follower.is_ready:
            await self.follower.wait_ready()
        self.check_fresh()
        digest = hashlib.sha256(token.encode()).digest()
        held = self._tokens.get(digest)
        if (
            held is None
            or not hmac.compare_digest(held.digest, digest)
            or held.has_expired(self._clock)
        ):
            raise Unauthenticated(
                "TOKEN_INVALID", "The access token is unknown, has ended or was revoked."
            )
        return held.caller

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
        clock = self._clock
        for held in [held for held in self._tokens.values() if held.has_expired(clock)]:
            self._end(held.caller.token_id)

    def add_page(self, page: access_pb2.AccessPage) -> None:
        """Collect a page of a new view."""
        self._next.extend(page.tokens)

    def swap(self) -> None:
        """Let the new view hold; tokens that it lacks have ended."""
        entries, self._next = self._next, []
        tokens = [token for token in map(_read, entries) if not token.has_expired(self._clock)]
        # New ones first: a principal that has another one by now has not lost its last.
        for token in tokens:
            self._hold(token)
        kept = {token.caller.token_id for token in tokens}
        for token_id in [known for known in self._hashes if known not in kept]:
            self._end(token_id)

    def change(self, kind: str, value: access_pb2.HashedToken | str) -> None:
        """Take one change."""
        if kind == "token" and isinstance(value, access_pb2.HashedToken):
            token = _read(value)
            if token.has_expired(self._clock):
                self._end(token.caller.token_id)
            else:
                self._hold(token)
        elif kind == "ended_token_id" and isinstance(value, str):
            self._end(value)

    def _hold(self, token: _Token) -> None:
        """Hold a new or changed token."""
        self._forget(token.caller.token_id)
        self._tokens[token.digest] = token
        self._hashes[token.caller.token_id] = token.digest
        self._principals[token.caller.principal] += 1

    def _end(self, token_id: str) -> None:
        """Forget a token and tell the listeners."""
        held = self._forget(token_id)
        if held is None:
            return
        for listener in self._on_end:
            try:
                listener(token_id, held.caller.principal)
            except Exception as error:
                # The others must hear of it all the same, and the view must go on.
                log.error("token_end_not_heard", token_id=token_id, exc_info=error)

    def _forget(self, token_id: str) -> _Token | None:
        """Forget a token; return what was known of it."""
        digest = self._hashes.pop(token_id, None)
        if digest is None:
            return None
        held = self._tokens.pop(digest)
        principal = held.caller.principal
        self._principals[principal] -= 1
        if not self._principals[principal]:
            del self._principals[principal]
        return held


def _read(entry: access_pb2.HashedToken) -> _Token:
    """Return what is kept of a token's entry: what each call asks of it, ready to hand."""
    token = entry.access_token
    caller = Caller(
        role=token.role,
        principal=token.principal,
        token_id=token.id,
        providers=frozenset(token.scope.providers),
        models=frozenset(token.scope.models),
        impersonate=token.scope.impersonate,
    )
    expire_ns = token.expire_time.ToNanoseconds() if token.HasField("expire_time") else None
    return _Token(entry.hash, caller, expire_ns)

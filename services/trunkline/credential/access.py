"""Access tokens: issue, replace, revoke, list, and end them on time."""

from __future__ import annotations

import asyncio

from trunkline.credential import access_store
from trunkline.credential.access_token import hash_token, mint_token
from trunkline.credential.tables import access_outbox
from trunkline.credential.v1 import access_pb2
from trunkline.kernel.call import Caller
from trunkline.kernel.clock import Clock, timestamp
from trunkline.kernel.database import STORE_FAILURES, Database, Session
from trunkline.kernel.errors import FailedPrecondition, InvalidArgument, NotFound, Violation
from trunkline.kernel.identifiers import new_id
from trunkline.kernel.log import get_logger
from trunkline.kernel.watch import Feed
from trunkline.options.v1 import options_pb2

log = get_logger("trunkline.credential")

# A hundred years: beyond some two hundred more, nanoseconds do not fit a database's integer.
MAX_LIFETIME_S = 36_525 * 86_400
_NANOSECONDS = 1_000_000_000
# How late an end may be noticed when the clock was set or the machine slept.
_LOOK_S = 0.5


class Access:
    """Issues and ends access tokens.

    Args:
        database: where their entries lie.
        feed: whose readers are told.
        clock: tells the time.
    """

    def __init__(self, database: Database, feed: Feed, clock: Clock) -> None:
        self._database = database
        self._feed = feed
        self._clock = clock
        self._changed = asyncio.Event()
        # Another process may have issued a token that ends, and be gone by then.
        database.subscribe(access_outbox.subject, self._notice)

    async def issue(
        self, request: access_pb2.IssueAccessTokenRequest
    ) -> tuple[access_pb2.AccessToken, str]:
        """Make a token, and end or shorten the one that it replaces.

        Args:
            request: whose, as what, how far and how long; within the contract's bounds.

        Returns:
            Its entry, and the token itself, which is not kept.

        Raises:
            InvalidArgument: INVALID_REQUEST: the lifetime is 100 years or more, or there is
                an overlap with nothing; REPLACES_OTHER_PRINCIPAL.
            NotFound: TOKEN_NOT_FOUND: there is no such token to replace.
            FailedPrecondition: LAST_ADMIN_TOKEN: the one to replace is the last of the
                role ADMIN, and this one is not of it.
        """
        if request.HasField("lifetime") and request.lifetime.seconds >= MAX_LIFETIME_S:
            raise InvalidArgument.of(Violation("lifetime", "must be less than 100 years"))
        if request.HasField("overlap") and not request.replaces:
            raise InvalidArgument.of(Violation("overlap", "needs a token that is replaced"))
        now = self._clock.time_ns()
        token = mint_token()
        entry = access_pb2.AccessToken(
            id=new_id("tok"),
            principal=request.principal,
            role=request.role,
            description=request.description,
            create_time=timestamp(now),
        )
        if request.HasField("scope"):
            entry.scope.CopyFrom(request.scope)
        if request.HasField("lifetime"):
            entry.expire_time.CopyFrom(timestamp(now + request.lifetime.ToNanoseconds()))
        async with self._database.write() as session:
            await access_store.add(session, entry, hash_token(token))
            if request.replaces:
                await self._replace(session, request, now)
        self._tell()
        log.info(
            "access_token_issued",
            token_id=entry.id,
            principal=entry.principal,
            role=options_pb2.CallerRole.Name(entry.role),
            replaces=request.replaces or None,
        )
        return entry, token

    async def revoke(self, token_id: str, caller: Caller) -> access_pb2.AccessToken:
        """End a token, and return its entry; again is no error.

        Args:
            token_id: which.
            caller: who asks; who is not ADMIN ends tokens of its own principal only.

        Raises:
            NotFound: TOKEN_NOT_FOUND: there is none, or it is another principal's.
            FailedPrecondition: LAST_ADMIN_TOKEN.
        """
        now = self._clock.time_ns()
        async with self._database.write() as session:
            entry = await access_store.find(session, token_id)
            if entry is None or not (caller.is_admin or entry.principal == caller.principal):
                raise _token_not_found(token_id)
            await _keep_an_admin(session, entry, now)
            entry = await access_store.revoke(session, token_id, now)
        self._tell()
        log.info("access_token_revoked", token_id=token_id, principal=entry.principal)
        return entry

    async def page(
        self,
        caller: Caller,
        *,
        principal: str,
        include_ended: bool,
        before: str | None,
        size: int,
    ) -> list[access_pb2.AccessToken]:
        """Return tokens, newest first; who is not ADMIN sees its own principal's.

        Args:
            caller: who asks.
            principal: only of this one; empty: all that the caller may see.
            include_ended: those that have ended, too.
            before: id of the last one before the page; None: from the first on.
            size: how many at most.
        """
        if not caller.is_admin:
            if principal not in ("", caller.principal):
                return []
            principal = caller.principal
        async with self._database.read() as session:
            return await access_store.page(
                session,
                principal=principal,
                holding_at_ns=None if include_ended else self._clock.time_ns(),
                before=before,
                size=size,
            )

    async def expire(self) -> None:
        """End tokens when their time is over, until cancelled."""
        while True:
            changed = self._changed
            try:
                due_ns = await self._end_expired()
            except STORE_FAILURES as error:
                # Every reader of the view looks at the time itself; nobody gets in late.
                log.error("access_tokens_not_ended", error=type(error).__name__)
                due_ns = self._clock.time_ns() + int(_LOOK_S * _NANOSECONDS)
            await self._wait(changed, due_ns)

    async def _end_expired(self) -> int | None:
        """End what is over; return when the next one is, None: nothing ends by itself."""
        async with self._database.read() as session:
            due_ns = await access_store.next_expiry_ns(session)
        now = self._clock.time_ns()
        if due_ns is None or due_ns > now:
            return due_ns
        async with self._database.write() as session:
            ended = await access_store.end_expired(session, now)
            due_ns = await access_store.next_expiry_ns(session)
        if ended:
            self._feed.wake()
            log.info("access_tokens_ended", token_ids=ended)
        return due_ns

    async def _wait(self, changed: asyncio.Event, due_ns: int | None) -> None:
        """Wait for a time of day or a change; None: for a change."""
        while due_ns is None or due_ns > self._clock.time_ns():
            pause = None
            if due_ns is not None:
                pause = min(_LOOK_S, (due_ns - self._clock.time_ns()) / _NANOSECONDS)
            try:
                async with asyncio.timeout(pause):
                    await changed.wait()
                return
            except TimeoutError:
                continue

    async def _replace(
        self, session: Session, request: access_pb2.IssueAccessTokenRequest, now: int
    ) -> None:
        """End or shorten the token that another replaces."""
        replaced = await access_store.find(session, request.replaces)
        if replaced is None:
            raise _token_not_found(request.replaces)
        if replaced.principal != request.principal:
            raise InvalidArgument(
                "REPLACES_OTHER_PRINCIPAL",
                f"The token {request.replaces} is not {request.principal}'s.",
            )
        await _keep_an_admin(session, replaced, now)
        overlap = request.overlap.ToNanoseconds()
        if overlap:
            await access_store.shorten(session, request.replaces, now + overlap)
        else:
            await access_store.revoke(session, request.replaces, now)

    def _tell(self) -> None:
        """Wake the readers of the view, and the task that ends tokens."""
        self._feed.wake()
        self._notice()

    def _notice(self) -> None:
        """Wake the task that ends tokens."""
        self._changed.set()
        self._changed = asyncio.Event()


async def _keep_an_admin(session: Session, ending: access_pb2.AccessToken, now_ns: int) -> None:
    """Refuse to end the last token of the role ADMIN that holds."""
    if ending.role != options_pb2.CALLER_ROLE_ADMIN or ending.HasField("revoke_time"):
        return
    if ending.HasField("expire_time") and ending.expire_time.ToNanoseconds() <= now_ns:
        return
    if not await access_store.has_other_admin(session, ending.id, now_ns):
        raise FailedPrecondition(
            "LAST_ADMIN_TOKEN",
            "It is the last token that can administer this deployment;"
            " issue another one before it ends.",
        )


def _token_not_found(token_id: str) -> NotFound:
    return NotFound("TOKEN_NOT_FOUND", f"There is no access token {token_id}.")

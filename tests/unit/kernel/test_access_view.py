"""The view of access tokens: who is let in, until when, and who hears of an end."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import grpc
import pytest

from trunkline.credential.v1 import access_pb2
from trunkline.kernel.clock import timestamp
from trunkline.kernel.errors import Unauthenticated, Unavailable
from trunkline.options.v1 import options_pb2
from trunkline.views.access import AccessView
from unit.kernel.hands import HandClock

SECOND = 1_000_000_000
STALENESS_S = 30.0


@dataclass
class Ends:
    """Records the ends that it heard of, and what the view knew at that moment."""

    view: AccessView
    heard: list[tuple[str, str, bool]] = field(default_factory=list)

    def __call__(self, token_id: str, principal: str) -> None:
        """Hear of an end."""
        self.heard.append((token_id, principal, self.view.has_token(principal)))


@pytest.fixture
def clock() -> HandClock:
    """A clock that stands."""
    return HandClock()


@pytest.fixture
async def view(clock: HandClock) -> AsyncIterator[AccessView]:
    """A view whose service is away."""
    async with grpc.aio.insecure_channel("unix:/nowhere.sock") as channel:
        yield AccessView(channel, clock, max_staleness_s=STALENESS_S)


@pytest.fixture
def ends(view: AccessView) -> Ends:
    """Hears of every end."""
    heard = Ends(view)
    view.on_end(heard)
    return heard


def entry(
    token_id: str, *, principal: str = "me", expire_ns: int | None = None, secret: str = ""
) -> access_pb2.HashedToken:
    """Return a token's entry; the token is its id with an x before it."""
    token = access_pb2.AccessToken(
        id=token_id, principal=principal, role=options_pb2.CALLER_ROLE_DEVELOPER
    )
    if expire_ns is not None:
        token.expire_time.CopyFrom(timestamp(expire_ns))
    digest = hashlib.sha256((secret or f"x{token_id}").encode()).digest()
    return access_pb2.HashedToken(access_token=token, hash=digest)


def tell(view: AccessView, *entries: access_pb2.HashedToken) -> None:
    """Give a view a snapshot, in two pages."""
    half = len(entries) // 2
    view.add_page(access_pb2.AccessPage(tokens=entries[:half]))
    view.add_page(access_pb2.AccessPage(tokens=entries[half:]))
    view.swap()
    view.follower._ready.set()  # its stream would do this


async def is_let_in(view: AccessView, token: str) -> bool:
    """Tell whether a token lets its holder in."""
    try:
        await view.authenticate(token)
    except Unauthenticated:
        return False
    return True


async def test_a_token_stands_for_its_caller(view: AccessView) -> None:
    """With role, principal and scope as it was issued."""
    issued = entry("tok_1")
    issued.access_token.scope.providers.append("openai")
    issued.access_token.scope.models.append("openai/gpt-5")
    issued.access_token.scope.impersonate = True
    tell(view, issued, entry("tok_2", principal="other"))
    caller = await view.authenticate("xtok_1")
    assert (caller.principal, caller.token_id, caller.role_name) == ("me", "tok_1", "DEVELOPER")
    assert caller.impersonate
    assert caller.reaches("openai", "gpt-5")
    assert not caller.reaches("groq", "gpt-5")
    assert (await view.authenticate("xtok_2")).principal == "other"
    for unknown in ("", "tok_1", "xtok_3", "é\x00"):
        with pytest.raises(Unauthenticated) as refused:
            await view.authenticate(unknown)
        assert refused.value.reason == "TOKEN_INVALID"


async def test_nobody_is_let_in_before_the_first_view(view: AccessView) -> None:
    """A call waits for it, at most two seconds; then the peer that is missing is named."""
    begun = time.monotonic()
    with pytest.raises(Unavailable) as refused:
        await view.authenticate("xtok_1")
    assert 1.9 <= time.monotonic() - begun < 20
    assert refused.value.reason == "PEER_UNAVAILABLE"
    assert refused.value.metadata == {"peer": "credential"}


async def test_a_view_is_trusted_up_to_its_age(view: AccessView, clock: HandClock) -> None:
    """At 30 s still, after that not: the age is told, and a known token helps nothing."""
    tell(view, entry("tok_1"))
    clock.pass_s(STALENESS_S)
    assert await is_let_in(view, "xtok_1")
    clock.pass_s(0.5)
    for token in ("xtok_1", "unknown"):
        with pytest.raises(Unavailable) as refused:
            await view.authenticate(token)
        assert refused.value.reason == "SECURITY_VIEW_STALE"
        assert refused.value.metadata == {"view": "access", "age_ms": "30500"}


async def test_a_token_ends_by_the_clock(view: AccessView, clock: HandClock, ends: Ends) -> None:
    """At its very nanosecond nobody is let in, and the next tick tells of the end, once."""
    tell(view, entry("tok_1", expire_ns=clock.time_ns() + 5 * SECOND), entry("tok_2"))
    clock.pass_s(4.999)
    view.expire()
    assert await is_let_in(view, "xtok_1")
    clock.pass_s(0.001)
    assert not await is_let_in(view, "xtok_1")
    assert ends.heard == []
    view.expire()
    view.expire()
    assert ends.heard == [("tok_1", "me", True)]
    assert await is_let_in(view, "xtok_2")


async def test_the_last_token_of_a_principal(
    view: AccessView, clock: HandClock, ends: Ends
) -> None:
    """Tokens that end together leave their principal without one when the last is told."""
    moment = clock.time_ns() + SECOND
    tell(view, entry("tok_1", expire_ns=moment), entry("tok_2", expire_ns=moment))
    assert view.has_token("me")
    clock.pass_s(1)
    view.expire()
    assert sorted(known for _, _, known in ends.heard) == [False, True]
    assert ends.heard[-1][2] is False
    assert not view.has_token("me")


async def test_a_revoked_token_ends_at_once(view: AccessView, ends: Ends) -> None:
    """And ending it again, or one that nobody knew, is nothing new."""
    tell(view, entry("tok_1"))
    view.change("ended_token_id", "tok_1")
    view.change("ended_token_id", "tok_1")
    view.change("ended_token_id", "tok_9")
    assert not await is_let_in(view, "xtok_1")
    assert ends.heard == [("tok_1", "me", False)]


async def test_a_new_token_lets_in(view: AccessView) -> None:
    """As soon as the change has come."""
    tell(view)
    view.change("token", entry("tok_1"))
    assert await is_let_in(view, "xtok_1")
    assert view.has_token("me")


async def test_a_changed_token_holds_as_it_is_now(
    view: AccessView, clock: HandClock, ends: Ends
) -> None:
    """One that was replaced gets an end; told twice, it is still one token."""
    tell(view, entry("tok_1"))
    view.change("token", entry("tok_1", expire_ns=clock.time_ns() + SECOND))
    assert await is_let_in(view, "xtok_1")
    clock.pass_s(1)
    assert not await is_let_in(view, "xtok_1")
    view.expire()
    assert ends.heard == [("tok_1", "me", False)]


async def test_a_change_that_says_that_a_token_has_ended_ends_it(
    view: AccessView, clock: HandClock, ends: Ends
) -> None:
    """It does not wait for the tick."""
    tell(view, entry("tok_1"))
    view.change("token", entry("tok_1", expire_ns=clock.time_ns()))
    assert ends.heard == [("tok_1", "me", False)]


async def test_another_hash_replaces_the_first(view: AccessView) -> None:
    """The token that an id stood for before opens nothing."""
    tell(view, entry("tok_1"))
    view.change("token", entry("tok_1", secret="second"))
    assert not await is_let_in(view, "xtok_1")
    assert await is_let_in(view, "second")


async def test_a_new_snapshot_ends_what_it_lacks(
    view: AccessView, clock: HandClock, ends: Ends
) -> None:
    """New tokens hold before old ones end: their principal is never without one."""
    tell(view, entry("tok_1"), entry("tok_2"), entry("tok_3", principal="other"))
    tell(view, entry("tok_2"), entry("tok_9", principal="other"), entry("tok_8", expire_ns=1))
    assert sorted(ends.heard) == [("tok_1", "me", True), ("tok_3", "other", True)]
    assert not await is_let_in(view, "xtok_1")
    assert not await is_let_in(view, "xtok_8")
    assert await is_let_in(view, "xtok_2")
    assert await is_let_in(view, "xtok_9")


async def test_pages_change_nothing_until_the_view_is_whole(view: AccessView) -> None:
    """The old one holds meanwhile."""
    tell(view, entry("tok_1"))
    view.add_page(access_pb2.AccessPage(tokens=[entry("tok_2")]))
    assert await is_let_in(view, "xtok_1")
    assert not await is_let_in(view, "xtok_2")


async def test_a_listener_that_fails_keeps_nobody_from_hearing(
    view: AccessView, ends: Ends
) -> None:
    """The calls of a revoked token are ended, whatever else breaks."""

    def broken(token_id: str, principal: str) -> None:
        raise RuntimeError(token_id)

    later = Ends(view)
    view.on_end(broken)
    view.on_end(later)
    tell(view, entry("tok_1"), entry("tok_2", principal="other"))
    tell(view)
    assert sorted(ends.heard) == sorted(later.heard)
    assert {token_id for token_id, _, _ in later.heard} == {"tok_1", "tok_2"}
    assert not await is_let_in(view, "xtok_2")

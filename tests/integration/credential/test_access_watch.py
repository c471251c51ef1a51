"""The watch of access tokens tells which hold, by hash, and when one ends."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from google.protobuf.duration_pb2 import Duration

from support.credential_harness import CredentialHarness
from trunkline.credential.v1 import access_pb2
from trunkline.options.v1 import options_pb2

DEVELOPER = options_pb2.CALLER_ROLE_DEVELOPER
Message = access_pb2.WatchAccessResponse


async def watch(suite: CredentialHarness, after: int = 0) -> AsyncGenerator[Message, None]:
    """Yield what the inference service is told."""
    call = suite.peer_access["inference"].WatchAccess(
        access_pb2.WatchAccessRequest(after_revision=after)
    )
    try:
        async for message in call:
            yield message
    finally:
        call.cancel()


async def read(messages: AsyncIterator[Message], kind: str) -> Message:
    """Return the next message of a kind; heartbeats are passed over for another."""
    async with asyncio.timeout(5):
        async for message in messages:
            if message.WhichOneof("kind") == kind:
                return message
            assert message.WhichOneof("kind") == "heartbeat"
    raise AssertionError("the watch ended")


async def seen(messages: AsyncIterator[Message]) -> Message:
    """Read the view as a whole and return its only page, under its revision."""
    page = await read(messages, "snapshot_page")
    assert (await read(messages, "snapshot_complete")).revision == page.revision
    return page


async def test_a_token_is_told_by_its_hash(suite: CredentialHarness) -> None:
    """With its entry and SHA-256, and never itself."""
    async with aclosing(watch(suite)) as messages:
        before = await seen(messages)
        issued = await suite.issue("ann", DEVELOPER)
        told = await read(messages, "token")
    assert told.revision == before.revision + 1
    assert told.token.access_token == issued.access_token
    assert told.token.hash == hashlib.sha256(issued.token.encode()).digest()
    assert issued.token.encode() not in told.SerializeToString()


async def test_the_view_holds_the_tokens_that_hold(suite: CredentialHarness) -> None:
    """Ended ones are not in it."""
    kept = await suite.issue("ann", DEVELOPER)
    ended = await suite.issue("bob", DEVELOPER)
    await suite.access.RevokeAccessToken(
        access_pb2.RevokeAccessTokenRequest(id=ended.access_token.id), metadata=suite.admin
    )
    async with aclosing(watch(suite)) as messages:
        page = await seen(messages)
    principals = [token.access_token.principal for token in page.snapshot_page.tokens]
    assert principals == ["admin", "ann"]
    assert page.snapshot_page.tokens[1].access_token == kept.access_token


async def test_a_revocation_is_told_once(suite: CredentialHarness) -> None:
    """To revoke again changes nothing, and says nothing."""
    issued = await suite.issue("ann", DEVELOPER)
    token_id = issued.access_token.id
    async with aclosing(watch(suite)) as messages:
        await seen(messages)
        for _ in range(2):
            await suite.access.RevokeAccessToken(
                access_pb2.RevokeAccessTokenRequest(id=token_id), metadata=suite.admin
            )
        await suite.issue("bob", DEVELOPER)
        assert (await read(messages, "ended_token_id")).ended_token_id == token_id
        assert (await read(messages, "token")).token.access_token.principal == "bob"


async def test_a_replacement_is_told_with_what_it_replaces(suite: CredentialHarness) -> None:
    """First the new one, so that nobody is without; then the end, or the earlier expiry."""
    old = await suite.issue("ann", DEVELOPER)
    async with aclosing(watch(suite)) as messages:
        await seen(messages)
        new = await suite.issue("ann", DEVELOPER, replaces=old.access_token.id)
        assert (await read(messages, "token")).token.access_token == new.access_token
        ended = await read(messages, "ended_token_id")
        assert ended.ended_token_id == old.access_token.id
        newer = await suite.issue(
            "ann", DEVELOPER, replaces=new.access_token.id, overlap=Duration(seconds=60)
        )
        assert (await read(messages, "token")).token.access_token == newer.access_token
        shortened = (await read(messages, "token")).token.access_token
    assert shortened.id == new.access_token.id
    assert shortened.HasField("expire_time")


async def test_a_token_ends_on_time(suite: CredentialHarness) -> None:
    """Its end is told within a second of its time, without anybody asking."""
    issued = await suite.issue("ann", DEVELOPER, lifetime=Duration(nanos=200_000_000))
    async with aclosing(watch(suite)) as messages:
        await seen(messages)
        ended = await read(messages, "ended_token_id")
    assert ended.ended_token_id == issued.access_token.id
    assert 0 <= time.time_ns() - issued.access_token.expire_time.ToNanoseconds() < 2_000_000_000


async def test_a_token_ends_on_time_when_the_clock_jumps(suite: CredentialHarness) -> None:
    """A machine that slept ends within a second what ended meanwhile, and the rest later."""
    first = await suite.issue("ann", DEVELOPER, lifetime=Duration(seconds=3600))
    later = await suite.issue("bob", DEVELOPER, lifetime=Duration(seconds=7200))
    async with aclosing(watch(suite)) as messages:
        await seen(messages)
        for issued in (first, later):
            suite.clock.turn(3601)
            turned = time.monotonic()
            ended = await read(messages, "ended_token_id")
            assert ended.ended_token_id == issued.access_token.id
            assert time.monotonic() - turned < 2.5


async def test_a_token_that_ended_while_nothing_ran_is_ended_at_start(
    suite: CredentialHarness,
) -> None:
    """The view of a new start does not hold it for long."""
    issued = await suite.issue("ann", DEVELOPER, lifetime=Duration(seconds=60))
    await suite.stop()
    suite.clock.turn(61)
    await suite.start()
    assert not await suite.admits(issued.token)
    async with asyncio.timeout(2):
        while True:
            async with aclosing(watch(suite)) as messages:
                page = await seen(messages)
            if len(page.snapshot_page.tokens) == 1:
                break


async def test_a_reader_of_tokens_goes_on_from_its_revision(suite: CredentialHarness) -> None:
    """It gets what it missed, also after a restart."""
    async with aclosing(watch(suite)) as messages:
        revision = (await seen(messages)).revision
    missed = await suite.issue("ann", DEVELOPER)
    await suite.restart()
    async with aclosing(watch(suite, revision)) as messages:
        change = await read(messages, "token")
    assert change.token.access_token == missed.access_token
    assert change.revision == revision + 1


async def test_trimmed_token_changes_bring_the_view_again(suite: CredentialHarness) -> None:
    """A reader that fell too far behind starts over."""
    ((before,),) = await suite.store.run("SELECT value FROM access_revision")
    await suite.issue("ann", DEVELOPER)
    await suite.store.run("DELETE FROM access_outbox")
    async with aclosing(watch(suite, before)) as messages:
        page = await seen(messages)
    assert len(page.snapshot_page.tokens) == 2


async def test_silence_is_filled_with_heartbeats(suite: CredentialHarness) -> None:
    """They come each second, under the revision that holds."""
    async with aclosing(watch(suite)) as messages:
        revision = (await seen(messages)).revision
        beats = [await read(messages, "heartbeat"), await read(messages, "heartbeat")]
    assert [beat.revision for beat in beats] == [revision] * 2

"""The watch tells which credentials exist, whole once and then every change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import grpc
import pytest

from support.credential_harness import CredentialHarness, refused
from trunkline.credential.v1 import resolve_pb2, save_pb2
from trunkline.inference.v1 import provider_pb2
from trunkline.options.v1 import options_pb2

Message = resolve_pb2.WatchCredentialsResponse


async def watch(suite: CredentialHarness, after: int = 0) -> AsyncGenerator[Message, None]:
    """Yield what the catalog service is told."""
    call = suite.peer_credentials["catalog"].WatchCredentials(
        resolve_pb2.WatchCredentialsRequest(after_revision=after)
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


async def test_a_new_reader_gets_the_view_whole(suite: CredentialHarness) -> None:
    """Pages, then the mark that they are all."""
    saved = [await suite.save("groq"), await suite.save("openai")]
    async with aclosing(watch(suite)) as messages:
        page = await read(messages, "snapshot_page")
        complete = await read(messages, "snapshot_complete")
    assert list(page.snapshot_page.credentials) == saved
    assert page.revision == complete.revision > 0


async def test_an_empty_view_is_complete_at_once(suite: CredentialHarness) -> None:
    """Nothing is a view, too, and its revision is not 0, which would mean none was seen."""
    async with aclosing(watch(suite)) as messages:
        page = await read(messages, "snapshot_page")
        complete = await read(messages, "snapshot_complete")
    assert list(page.snapshot_page.credentials) == []
    # A database's first revision is its own, so that it is not taken for another's.
    assert complete.revision > 1


async def test_every_change_is_told_in_order(suite: CredentialHarness) -> None:
    """A save, a new version and a deletion, each as it is afterwards."""
    async with aclosing(watch(suite)) as messages:
        await read(messages, "snapshot_page")
        start = (await read(messages, "snapshot_complete")).revision
        first = await suite.save()
        second = await suite.save()
        await suite.credentials.DeleteCredential(
            save_pb2.DeleteCredentialRequest(id=first.id), metadata=suite.admin
        )
        told = [
            await read(messages, "credential"),
            await read(messages, "credential"),
            await read(messages, "deleted_credential_id"),
        ]
    assert [message.credential for message in told[:2]] == [first, second]
    assert told[2].deleted_credential_id == first.id
    assert [message.revision for message in told] == [start + 1, start + 2, start + 3]


async def test_a_heartbeat_tells_the_revision_that_holds(suite: CredentialHarness) -> None:
    """Silence would look like age."""
    await suite.save()
    async with aclosing(watch(suite)) as messages:
        await read(messages, "snapshot_page")
        complete = await read(messages, "snapshot_complete")
        beats = [await read(messages, "heartbeat"), await read(messages, "heartbeat")]
    assert [beat.revision for beat in beats] == [complete.revision] * 2


async def test_a_reader_goes_on_from_its_revision(suite: CredentialHarness) -> None:
    """Who comes back gets the changes since, and not the view again; also after a restart."""
    await suite.save("openai")
    async with aclosing(watch(suite)) as messages:
        await read(messages, "snapshot_page")
        seen = (await read(messages, "snapshot_complete")).revision
    missed = await suite.save("groq")
    await suite.restart()
    async with aclosing(watch(suite, seen)) as messages:
        change = await read(messages, "credential")
    assert change.credential == missed
    assert change.revision == seen + 1


async def test_a_revision_that_was_trimmed_brings_the_view_again(
    suite: CredentialHarness,
) -> None:
    """A reader that fell too far behind starts over."""
    ((before,),) = await suite.store.run("SELECT value FROM credential_revision")
    saved = [await suite.save("groq"), await suite.save("openai")]
    await suite.store.run("DELETE FROM credential_outbox")
    async with aclosing(watch(suite, before)) as messages:
        page = await read(messages, "snapshot_page")
        await read(messages, "snapshot_complete")
    assert list(page.snapshot_page.credentials) == saved


async def test_a_revision_of_another_life_brings_the_view_again(suite: CredentialHarness) -> None:
    """A reader of a database that was thrown away cannot be ahead of the new one."""
    async with aclosing(watch(suite, 10_000)) as messages:
        assert (await read(messages, "snapshot_page")).revision > 10_000


async def test_a_refused_key_is_no_change(suite: CredentialHarness) -> None:
    """What was not saved is not told."""
    async with aclosing(watch(suite)) as messages:
        await read(messages, "snapshot_page")
        start = (await read(messages, "snapshot_complete")).revision
        suite.inference.answer(provider_pb2.VERDICT_REVOKED, 401)
        await refused(
            suite.credentials.SaveApiKey(
                save_pb2.SaveApiKeyRequest(provider="openai", api_key="sk-bad"),
                metadata=suite.admin,
            )
        )
        suite.inference.answer(provider_pb2.VERDICT_VALID)
        saved = await suite.save("groq")
        change = await read(messages, "credential")
    assert (change.credential, change.revision) == (saved, start + 1)


async def test_access_tokens_do_not_stand_in_this_view(suite: CredentialHarness) -> None:
    """The two watches of the service count and tell for themselves."""
    async with aclosing(watch(suite)) as messages:
        await read(messages, "snapshot_page")
        start = (await read(messages, "snapshot_complete")).revision
        await suite.issue("ann", options_pb2.CALLER_ROLE_DEVELOPER)
        saved = await suite.save()
        change = await read(messages, "credential")
    assert (change.credential, change.revision) == (saved, start + 1)


async def test_no_token_watches(suite: CredentialHarness) -> None:
    """The watch is for services."""
    call = suite.credentials.WatchCredentials(
        resolve_pb2.WatchCredentialsRequest(), metadata=suite.admin
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED

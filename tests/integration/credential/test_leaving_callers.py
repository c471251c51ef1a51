"""Callers may leave at any moment: nothing is half done, and nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib

from support.credential_harness import CredentialHarness
from trunkline.credential.v1 import access_pb2, resolve_pb2
from trunkline.options.v1 import options_pb2


async def test_watchers_that_leave_at_any_moment_leave_no_connection_behind(
    suite: CredentialHarness,
) -> None:
    """After a hundred broken watches the database still has its connections for others."""
    await suite.save()
    for number in range(100):
        call = suite.peer_credentials["catalog"].WatchCredentials(
            resolve_pb2.WatchCredentialsRequest()
        )
        reading = asyncio.ensure_future(call.read())
        await asyncio.sleep(number * 0.0001)
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
    async with asyncio.timeout(2):
        found = await asyncio.gather(*(suite.saved() for _ in range(20)))
        await suite.save("groq")
    assert all(len(credentials) == 1 for credentials in found)


async def test_a_change_whose_caller_leaves_is_whole_or_not_there(
    suite: CredentialHarness,
) -> None:
    """A token that is in the list is in the view, however early its caller left."""
    for number in range(60):
        call = suite.access.IssueAccessToken(
            access_pb2.IssueAccessTokenRequest(
                principal=f"p{number}", role=options_pb2.CALLER_ROLE_DEVELOPER
            ),
            metadata=suite.admin,
        )
        waiting = asyncio.ensure_future(call.code())
        await asyncio.sleep(number * 0.0002)
        call.cancel()
        await waiting
    last = await suite.issue("last", options_pb2.CALLER_ROLE_DEVELOPER)
    response = await suite.access.ListAccessTokens(
        access_pb2.ListAccessTokensRequest(), metadata=suite.admin
    )
    listed = {entry.principal for entry in response.access_tokens}
    assert {"admin", "last"} <= listed
    assert await suite.admits(last.token)
    assert {name for name in listed if not suite.view.has_token(name)} == set()
    assert {f"p{n}" for n in range(60) if suite.view.has_token(f"p{n}")} <= listed


async def test_a_stop_in_the_middle_of_calls_is_clean(suite: CredentialHarness) -> None:
    """Calls under way do not keep the service from stopping, nor from starting again."""
    for _ in range(3):
        calls = [asyncio.ensure_future(suite.saved()) for _ in range(20)]
        await asyncio.sleep(0.002)
        async with asyncio.timeout(5):
            await suite.restart()
        await asyncio.gather(*calls, return_exceptions=True)
    await suite.save()
    assert len(await suite.saved()) == 1

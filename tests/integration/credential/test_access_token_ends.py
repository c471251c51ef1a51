"""Access tokens are revoked and replaced, and somebody can always administer."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from support.credential_harness import CredentialHarness, bearer, eventually, refused
from trunkline.credential.v1 import access_pb2, save_pb2
from trunkline.options.v1 import options_pb2

ADMIN = options_pb2.CALLER_ROLE_ADMIN
DEVELOPER = options_pb2.CALLER_ROLE_DEVELOPER


async def first_admin(suite: CredentialHarness) -> access_pb2.AccessToken:
    """Return the entry of the first admin token."""
    (entry,) = await suite.tokens(principal="admin")
    return entry


async def test_a_revoked_token_works_no_more(suite: CredentialHarness) -> None:
    """It is let in no more, and told that it is invalid."""
    issued = await suite.issue("ann", DEVELOPER)
    entry = await suite.revoke(issued.access_token.id)
    assert entry.HasField("revoke_time")
    async with asyncio.timeout(5):
        while await suite.admits(issued.token):
            await asyncio.sleep(0.002)
    refusal = await refused(
        suite.access.ListAccessTokens(
            access_pb2.ListAccessTokensRequest(), metadata=bearer(issued.token)
        )
    )
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")


async def test_to_revoke_again_is_no_error(suite: CredentialHarness) -> None:
    """The entry stays as the first revocation left it."""
    issued = await suite.issue("ann", DEVELOPER)
    first = await suite.revoke(issued.access_token.id)
    assert await suite.revoke(issued.access_token.id) == first


async def test_an_unknown_token_is_not_found(suite: CredentialHarness) -> None:
    """Neither to revoke nor to replace."""
    for call in (
        suite.access.RevokeAccessToken(
            access_pb2.RevokeAccessTokenRequest(id="tok_0"), metadata=suite.admin
        ),
        suite.access.IssueAccessToken(
            access_pb2.IssueAccessTokenRequest(principal="ann", role=DEVELOPER, replaces="tok_0"),
            metadata=suite.admin,
        ),
    ):
        refusal = await refused(call)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "TOKEN_NOT_FOUND")
    assert len(await suite.tokens()) == 1


async def test_the_last_admin_token_cannot_be_revoked(suite: CredentialHarness) -> None:
    """Somebody must be able to administer the deployment."""
    await suite.issue("ann", DEVELOPER)
    entry = await first_admin(suite)
    refusal = await refused(
        suite.access.RevokeAccessToken(
            access_pb2.RevokeAccessTokenRequest(id=entry.id), metadata=suite.admin
        )
    )
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "LAST_ADMIN_TOKEN"
    assert await first_admin(suite) == entry


async def test_an_ended_admin_token_is_no_successor(suite: CredentialHarness) -> None:
    """Only one that holds lets the last one go."""
    other = await suite.issue("eve", ADMIN, lifetime=Duration(seconds=60))
    suite.clock.turn(61)
    refusal = await refused(
        suite.access.RevokeAccessToken(
            access_pb2.RevokeAccessTokenRequest(id=(await first_admin(suite)).id),
            metadata=suite.admin,
        )
    )
    assert refusal.reason == "LAST_ADMIN_TOKEN"
    assert (await suite.revoke(other.access_token.id)).id == other.access_token.id


async def test_admins_may_revoke_one_another_down_to_one(suite: CredentialHarness) -> None:
    """Two at once cannot both go."""
    eve = await suite.issue("eve", ADMIN)
    results = await asyncio.gather(
        suite.revoke((await first_admin(suite)).id, bearer(eve.token)),
        suite.revoke(eve.access_token.id, bearer(eve.token)),
        return_exceptions=True,
    )
    # The second may also find its token ended by the first.
    assert sum(isinstance(result, access_pb2.AccessToken) for result in results) == 1


async def test_a_developer_ends_its_own_tokens_only(suite: CredentialHarness) -> None:
    """Another principal's token is as if it did not exist."""
    mine = await suite.issue("ann", DEVELOPER)
    also_mine = await suite.issue("ann", DEVELOPER)
    other = await suite.issue("bob", DEVELOPER)
    metadata = bearer(mine.token)
    for token_id in (other.access_token.id, (await first_admin(suite)).id):
        refusal = await refused(
            suite.access.RevokeAccessToken(
                access_pb2.RevokeAccessTokenRequest(id=token_id), metadata=metadata
            )
        )
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "TOKEN_NOT_FOUND")
    entry = await suite.revoke(also_mine.access_token.id, metadata)
    assert entry.HasField("revoke_time")
    assert await suite.admits(other.token)


async def test_a_replaced_token_ends_at_once(suite: CredentialHarness) -> None:
    """Without an overlap the old one is revoked as the new one is made."""
    old = await suite.issue("ann", DEVELOPER)
    new = await suite.issue("ann", DEVELOPER, replaces=old.access_token.id)
    async with asyncio.timeout(5):
        while await suite.admits(old.token):
            await asyncio.sleep(0.002)
    assert await suite.admits(new.token)
    entries = await suite.tokens(principal="ann", include_ended=True)
    assert [entry.HasField("revoke_time") for entry in entries] == [False, True]


async def test_a_replaced_token_may_go_on_for_a_while(suite: CredentialHarness) -> None:
    """With an overlap the old one ends by itself, and never later than it would have."""
    old = await suite.issue("ann", DEVELOPER)
    short = await suite.issue("ann", DEVELOPER, lifetime=Duration(seconds=5))
    for replaced in (old, short):
        await suite.issue(
            "ann", DEVELOPER, replaces=replaced.access_token.id, overlap=Duration(seconds=60)
        )
    entries = {entry.id: entry for entry in await suite.tokens(principal="ann")}
    shortened = entries[old.access_token.id]
    left = shortened.expire_time.ToNanoseconds() - suite.clock.time_ns()
    assert 50_000_000_000 < left <= 60_000_000_000
    assert entries[short.access_token.id] == short.access_token
    assert await suite.admits(old.token)
    suite.clock.turn(61)
    assert not await suite.admits(old.token)


async def test_a_token_of_another_principal_is_not_replaced(suite: CredentialHarness) -> None:
    """Nothing is issued, and the other one works on."""
    other = await suite.issue("bob", DEVELOPER)
    refusal = await refused(
        suite.access.IssueAccessToken(
            access_pb2.IssueAccessTokenRequest(
                principal="ann", role=DEVELOPER, replaces=other.access_token.id
            ),
            metadata=suite.admin,
        )
    )
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "REPLACES_OTHER_PRINCIPAL"
    assert await suite.admits(other.token)
    assert await suite.tokens(principal="ann", include_ended=True) == []


@pytest.mark.parametrize("overlap", [None, Duration(seconds=60)])
async def test_the_last_admin_token_is_not_replaced_by_less(
    suite: CredentialHarness, overlap: Duration | None
) -> None:
    """A developer's token is no successor, at once or later; an admin's is."""
    entry = await first_admin(suite)
    refusal = await refused(
        suite.access.IssueAccessToken(
            access_pb2.IssueAccessTokenRequest(
                principal="admin", role=DEVELOPER, replaces=entry.id, overlap=overlap
            ),
            metadata=suite.admin,
        )
    )
    assert refusal.reason == "LAST_ADMIN_TOKEN"
    assert await suite.tokens(include_ended=True) == [entry]
    metadata = suite.admin
    successor = await suite.issue("admin", ADMIN, replaces=entry.id, overlap=overlap)
    assert await suite.admits(successor.token)
    if overlap is not None:
        assert len(await suite.tokens(metadata)) == 2


async def test_revoking_ends_the_calls_under_way(suite: CredentialHarness) -> None:
    """A call that was opened with the token ends with it."""
    eve = await suite.issue("eve", ADMIN)
    suite.inference.gate.clear()
    waiting = asyncio.ensure_future(
        refused(
            suite.credentials.SaveApiKey(
                save_pb2.SaveApiKeyRequest(provider="openai", api_key="sk"),
                metadata=bearer(eve.token),
            )
        )
    )
    await eventually(lambda: len(suite.inference.requests) == 1)
    await suite.revoke(eve.access_token.id)
    async with asyncio.timeout(2):
        refusal = await waiting
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")
    suite.inference.gate.set()
    assert await suite.saved() == []

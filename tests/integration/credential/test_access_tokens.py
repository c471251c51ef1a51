"""Access tokens are issued once, kept as hashes and listed."""

from __future__ import annotations

import base64
import hashlib
import re

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2

from support.credential_harness import CredentialHarness, bearer, refused
from trunkline.credential.v1 import access_pb2
from trunkline.options.v1 import options_pb2

ADMIN = options_pb2.CALLER_ROLE_ADMIN
DEVELOPER = options_pb2.CALLER_ROLE_DEVELOPER


async def test_an_issued_token_shows_what_was_asked_for(suite: CredentialHarness) -> None:
    """The entry repeats the request; the token has its form, and is shell-safe."""
    scope = access_pb2.AccessScope(providers=["openai"], models=["groq/a"], impersonate=True)
    response = await suite.issue(
        "ann@example.com",
        DEVELOPER,
        scope=scope,
        description="laptop",
        lifetime=Duration(seconds=60),
    )
    entry = response.access_token
    assert re.fullmatch(r"tl_[A-Za-z0-9_-]{43}", response.token)
    assert entry.id.startswith("tok_")
    assert (entry.principal, entry.role, entry.description) == (
        "ann@example.com",
        DEVELOPER,
        "laptop",
    )
    assert entry.scope == scope
    lifetime = entry.expire_time.ToNanoseconds() - entry.create_time.ToNanoseconds()
    assert lifetime == 60_000_000_000
    assert not entry.HasField("revoke_time")
    assert (await suite.tokens(principal="ann@example.com")) == [entry]


async def test_an_issued_token_works_and_no_two_are_alike(suite: CredentialHarness) -> None:
    """Each stands for its principal and role."""
    ann = await suite.issue("ann", DEVELOPER)
    eve = await suite.issue("eve", ADMIN)
    assert ann.token != eve.token
    caller = await suite.view.authenticate(ann.token)
    assert (caller.principal, caller.role, caller.token_id) == (
        "ann",
        DEVELOPER,
        ann.access_token.id,
    )
    assert (await suite.view.authenticate(eve.token)).is_admin


async def test_only_the_hash_of_a_token_is_kept(suite: CredentialHarness) -> None:
    """The database holds its SHA-256, and the token nowhere."""
    issued = await suite.issue("ann", DEVELOPER)
    await suite.stop()
    ((kept,),) = await suite.store.run("SELECT hash FROM access_token WHERE principal = 'ann'")
    assert kept == hashlib.sha256(issued.token.encode()).digest()
    for path in suite.data_dir.glob("*"):
        assert issued.token.encode() not in path.read_bytes(), path


async def test_a_token_survives_a_restart(suite: CredentialHarness) -> None:
    """It is not shown again, and works on."""
    issued = await suite.issue("ann", DEVELOPER)
    await suite.restart()
    assert await suite.admits(issued.token)
    assert len(await suite.tokens()) == 2


async def test_a_revocation_survives_a_restart(suite: CredentialHarness) -> None:
    """A token that was ended stays ended."""
    issued = await suite.issue("ann", DEVELOPER)
    await suite.revoke(issued.access_token.id)
    await suite.restart()
    assert not await suite.admits(issued.token)


async def test_a_developer_issues_no_tokens(suite: CredentialHarness) -> None:
    """Issuing is for ADMIN."""
    developer = await suite.issue("ann", DEVELOPER)
    refusal = await refused(
        suite.access.IssueAccessToken(
            access_pb2.IssueAccessTokenRequest(principal="ann", role=DEVELOPER),
            metadata=bearer(developer.token),
        )
    )
    assert refusal.code == grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    "fields",
    [
        {"principal": ""},
        {"principal": "a b"},
        {"principal": "a" * 257},
        {"role": 0},
        {"role": options_pb2.CALLER_ROLE_SERVICE},
        {"description": "d" * 257},
        {"lifetime": Duration()},
        {"lifetime": Duration(seconds=-1)},
        {"lifetime": Duration(seconds=10**18)},
        {"lifetime": Duration(seconds=200 * 365 * 86_400)},
        {"replaces": "ann"},
        {"overlap": Duration(seconds=60)},
        {"overlap": Duration(seconds=2_592_001), "replaces": "tok_0"},
        {"scope": access_pb2.AccessScope(providers=["a", "a"])},
        {"scope": access_pb2.AccessScope(providers=[str(n) for n in range(101)])},
    ],
)
async def test_hostile_tokens_are_not_issued(
    suite: CredentialHarness, fields: dict[str, object]
) -> None:
    """Each is refused by name, and nothing is kept."""
    request = access_pb2.IssueAccessTokenRequest(
        **{"principal": "ann", "role": DEVELOPER, **fields}  # type: ignore[arg-type] # names as in the contract
    )
    refusal = await refused(suite.access.IssueAccessToken(request, metadata=suite.admin))
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "INVALID_REQUEST"
    violated = [v.field for v in refusal.detail(error_details_pb2.BadRequest()).field_violations]
    assert any(violation.split(".")[0] in fields for violation in violated)
    assert len(await suite.tokens(include_ended=True)) == 1


async def test_pages_hold_every_token_once_newest_first(suite: CredentialHarness) -> None:
    """Pages of two over five tokens: all of them, in order, and an end."""
    for number in range(4):
        await suite.issue(f"p{number}", DEVELOPER)
    found: list[str] = []
    token = ""
    while True:
        response = await suite.access.ListAccessTokens(
            access_pb2.ListAccessTokensRequest(page_size=2, page_token=token), metadata=suite.admin
        )
        assert len(response.access_tokens) <= 2
        found += [entry.principal for entry in response.access_tokens]
        token = response.next_page_token
        if not token:
            break
    assert found == ["p3", "p2", "p1", "p0", "admin"]


@pytest.mark.parametrize("token", ["%", base64.urlsafe_b64encode(b"admin").decode()])
async def test_a_page_token_of_no_list_is_refused(suite: CredentialHarness, token: str) -> None:
    """A token that no page gave is named."""
    refusal = await refused(
        suite.access.ListAccessTokens(
            access_pb2.ListAccessTokensRequest(page_token=token), metadata=suite.admin
        )
    )
    (violation,) = refusal.detail(error_details_pb2.BadRequest()).field_violations
    assert (refusal.reason, violation.field) == ("INVALID_REQUEST", "page_token")


async def test_ended_tokens_are_listed_on_demand(suite: CredentialHarness) -> None:
    """Revoked and expired ones are left out, and not lost."""
    revoked = await suite.issue("ann", DEVELOPER)
    await suite.revoke(revoked.access_token.id)
    await suite.issue("bob", DEVELOPER, lifetime=Duration(seconds=60))
    suite.clock.turn(61)
    assert [entry.principal for entry in await suite.tokens()] == ["admin"]
    everything = await suite.tokens(include_ended=True)
    assert [entry.principal for entry in everything] == ["bob", "ann", "admin"]


async def test_a_developer_sees_its_own_tokens_only(suite: CredentialHarness) -> None:
    """Whatever it asks for."""
    ann = await suite.issue("ann", DEVELOPER)
    await suite.issue("bob", DEVELOPER)
    metadata = bearer(ann.token)
    assert await suite.tokens(metadata) == [ann.access_token]
    assert await suite.tokens(metadata, principal="ann") == [ann.access_token]
    assert await suite.tokens(metadata, principal="bob") == []
    assert await suite.tokens(metadata, principal="admin", include_ended=True) == []

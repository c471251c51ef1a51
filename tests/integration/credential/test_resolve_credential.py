"""A secret is released to inference alone, for its origin, and only when its seal holds."""

from __future__ import annotations

import asyncio
import zlib

import grpc
import pytest

from support.credential_harness import KEY, CredentialHarness, refused
from trunkline.credential.v1 import resolve_pb2


async def test_the_central_key_is_released_for_its_provider(suite: CredentialHarness) -> None:
    """The answer tells the secret, whose it is and why."""
    saved = await suite.save()
    released = await suite.resolve(principal="ann", on_behalf_of="bob")
    assert released.secret.api_key == KEY
    assert released.credential == saved
    assert released.reason == resolve_pb2.RESOLUTION_REASON_CENTRAL
    assert not released.HasField("expire_time")


async def test_a_credential_is_released_by_its_id(suite: CredentialHarness) -> None:
    """The id names one; it must be the provider's."""
    saved = await suite.save()
    await suite.save("groq", "sk-groq")
    assert (await suite.resolve(credential_id=saved.id)).credential == saved
    refusal = await refused(
        suite.resolve("groq", "https://api.groq.com:443", credential_id=saved.id)
    )
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "CREDENTIAL_NOT_FOUND")
    assert refusal.metadata == {"credential_id": saved.id}


async def test_a_provider_without_a_credential_is_named(suite: CredentialHarness) -> None:
    """Nothing is released for a provider that is not connected."""
    refusal = await refused(suite.resolve())
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "CREDENTIAL_NOT_FOUND")
    assert refusal.metadata == {"provider": "openai"}


@pytest.mark.parametrize(
    "origin",
    [
        "https://api.openai.com",
        "http://api.openai.com:443",
        "https://api.openai.com:8443",
        "https://api.openai.com.evil.example:443",
        "https://evil.example:443",
        "https://user@api.openai.com:443",
    ],
)
async def test_another_origin_gets_nothing(suite: CredentialHarness, origin: str) -> None:
    """Scheme, host and port must be those that it was saved for, as they are written."""
    saved = await suite.save()
    refusal = await refused(suite.resolve(origin=origin))
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "ORIGIN_CHANGED"
    assert refusal.metadata == {"credential_id": saved.id, "origin": origin}


async def test_a_provider_that_moved_needs_its_key_again(suite: CredentialHarness) -> None:
    """After a change of address the old key stays where it was, and a new save moves it."""
    await suite.save()
    suite.catalog.put("openai", "https://new.example.com/v1")
    assert (await refused(suite.resolve(origin="https://new.example.com:443"))).reason == (
        "ORIGIN_CHANGED"
    )
    moved = await suite.save("openai")
    async with asyncio.timeout(5):
        while list(moved.origins) != ["https://new.example.com:443"]:  # until our view knows it
            moved = await suite.save("openai")
    released = await suite.resolve(origin="https://new.example.com:443")
    assert released.secret.api_key == KEY


@pytest.mark.parametrize("peer", ["catalog", "health"])
async def test_other_services_get_no_secret(suite: CredentialHarness, peer: str) -> None:
    """Only inference may resolve."""
    await suite.save()
    refusal = await refused(
        suite.peer_credentials[peer].ResolveCredential(
            resolve_pb2.ResolveCredentialRequest(
                provider="openai", origin="https://api.openai.com:443"
            )
        )
    )
    assert refusal.code == grpc.StatusCode.PERMISSION_DENIED


async def test_no_token_resolves(suite: CredentialHarness) -> None:
    """On the public listener there is no such method, whoever asks."""
    await suite.save()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await suite.credentials.ResolveCredential(
            resolve_pb2.ResolveCredentialRequest(
                provider="openai", origin="https://api.openai.com:443"
            ),
            metadata=suite.admin,
        )
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "fields",
    [
        {"provider": ""},
        {"origin": ""},
        {"origin": "api.openai.com"},
        {"origin": "https://api.openai.com:443/v1"},
        {"origin": "https://" + "a" * 512},
        {"credential_id": "openai"},
        {"principal": "p" * 257},
    ],
)
async def test_hostile_questions_are_refused(
    suite: CredentialHarness, fields: dict[str, str]
) -> None:
    """The bounds of the contract hold for services, too."""
    await suite.save()
    assert (await refused(suite.resolve(**fields))).reason == "INVALID_REQUEST"


async def test_rows_that_were_swapped_do_not_open(suite: CredentialHarness) -> None:
    """A secret sealed for one provider is of no use in the row of another."""
    first, second = await suite.save("openai", "sk-a"), await suite.save("groq", "sk-b")
    await suite.stop()
    sealed = dict(await suite.store.run("SELECT id, sealed FROM credential"))
    for row, other in ((first.id, second.id), (second.id, first.id)):
        await suite.store.run("UPDATE credential SET sealed = ? WHERE id = ?", sealed[other], row)
    await suite.start()
    for credential, origin in (
        (first, "https://api.openai.com:443"),
        (second, "https://api.groq.com:443"),
    ):
        refusal = await refused(suite.resolve(credential.provider, origin))
        assert refusal.code == grpc.StatusCode.DATA_LOSS
        assert refusal.reason == "SEAL_BROKEN"
        assert refusal.metadata["credential_id"] == credential.id
        assert refusal.metadata["key_id"].startswith("kek_")


@pytest.mark.parametrize(
    ("column", "value"),
    [("origin", "https://evil.example:443"), ("version", 2), ("owner", "mallory")],
)
async def test_what_a_secret_is_bound_to_cannot_be_rewritten(
    suite: CredentialHarness, column: str, value: object
) -> None:
    """Who can write the database cannot send a key elsewhere or pass it to another."""
    saved = await suite.save()
    await suite.stop()
    await suite.store.run(f"UPDATE credential SET {column} = ?", value)
    await suite.start()
    origin = "https://evil.example:443" if column == "origin" else "https://api.openai.com:443"
    refusal = await refused(suite.resolve(origin=origin, credential_id=saved.id))
    assert refusal.reason == "SEAL_BROKEN"


async def test_a_damaged_secret_is_told_as_lost(suite: CredentialHarness) -> None:
    """One flipped bit anywhere is data loss; other credentials go on."""
    await suite.save()
    await suite.save("groq")
    await suite.stop()
    ((sealed,),) = await suite.store.run("SELECT sealed FROM credential WHERE provider = 'openai'")
    await suite.store.run(
        "UPDATE credential SET sealed = ? WHERE provider = 'openai'",
        sealed[:-1] + bytes([sealed[-1] ^ 1]),
    )
    await suite.start()
    refusal = await refused(suite.resolve())
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.DATA_LOSS, "SEAL_BROKEN")
    assert (await suite.resolve("groq", "https://api.groq.com:443")).secret.api_key == KEY
    repaired = await suite.save()
    assert repaired.version == 2
    assert (await suite.resolve()).secret.api_key == KEY


async def test_a_secret_without_its_key_is_told_as_lost(suite: CredentialHarness) -> None:
    """A row sealed under a key that the keyring lacks names that key."""
    await suite.save()
    # As if the row came from elsewhere: sealed under a key with an id of the same length.
    ((sealed, key_id),) = await suite.store.run("SELECT sealed, key_id FROM credential")
    other = "kek_" + "0" * (len(key_id) - 4)
    end = 2 + len(key_id)
    header = sealed[:2] + other.encode()
    moved = header + zlib.crc32(header).to_bytes(4, "big") + sealed[end + 4 :]
    await suite.store.run("UPDATE credential SET sealed = ?, key_id = ?", moved, other)
    refusal = await refused(suite.resolve())
    assert refusal.reason == "SEAL_BROKEN"
    assert refusal.metadata["key_id"] == other

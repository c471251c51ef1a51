"""Credentials are looked at, paged through and removed, never with their secret."""

from __future__ import annotations

import base64

import grpc
import pytest
from google.rpc import error_details_pb2

from support.credential_harness import CredentialHarness, bearer, refused
from trunkline.credential.v1 import save_pb2
from trunkline.options.v1 import options_pb2


async def test_one_credential_is_found_by_its_id(suite: CredentialHarness) -> None:
    """What is found is what was saved."""
    saved = await suite.save()
    response = await suite.credentials.GetCredential(
        save_pb2.GetCredentialRequest(id=saved.id), metadata=suite.admin
    )
    assert response.credential == saved


async def test_an_unknown_credential_is_not_found(suite: CredentialHarness) -> None:
    """Its id is told back for whoever asked in passing."""
    for call in (
        suite.credentials.GetCredential(
            save_pb2.GetCredentialRequest(id="cred_0"), metadata=suite.admin
        ),
        suite.credentials.DeleteCredential(
            save_pb2.DeleteCredentialRequest(id="cred_0"), metadata=suite.admin
        ),
    ):
        refusal = await refused(call)
        assert refusal.code == grpc.StatusCode.NOT_FOUND
        assert refusal.reason == "CREDENTIAL_NOT_FOUND"
        assert refusal.metadata == {"credential_id": "cred_0"}


@pytest.mark.parametrize("credential_id", ["", "openai", "cred_", "cred_'; DROP TABLE credential"])
async def test_what_is_no_id_is_refused(suite: CredentialHarness, credential_id: str) -> None:
    """The bounds of the contract hold before the database is asked."""
    for call in (
        suite.credentials.GetCredential(
            save_pb2.GetCredentialRequest(id=credential_id), metadata=suite.admin
        ),
        suite.credentials.DeleteCredential(
            save_pb2.DeleteCredentialRequest(id=credential_id), metadata=suite.admin
        ),
    ):
        assert (await refused(call)).reason == "INVALID_REQUEST"


async def test_pages_hold_every_credential_once_by_provider(suite: CredentialHarness) -> None:
    """Pages of two over five providers: all of them, in order, and an end."""
    names = ["alpha", "alpha-2", "beta", "gamma", "gamma-0"]
    for name in reversed(names):
        suite.catalog.put(name, "https://api.example.com/v1")
        await suite.save(name)
    sizes, found, token = [], [], ""
    while True:
        response = await suite.credentials.ListCredentials(
            save_pb2.ListCredentialsRequest(page_size=2, page_token=token), metadata=suite.admin
        )
        sizes.append(len(response.credentials))
        found += [credential.provider for credential in response.credentials]
        token = response.next_page_token
        if not token:
            break
    assert found == names
    assert sizes == [2, 2, 1]


async def test_a_full_last_page_has_no_next_one(suite: CredentialHarness) -> None:
    """A page that happens to hold exactly the rest is the last one."""
    await suite.save()
    response = await suite.credentials.ListCredentials(
        save_pb2.ListCredentialsRequest(page_size=1), metadata=suite.admin
    )
    assert len(response.credentials) == 1
    assert response.next_page_token == ""


async def test_a_list_can_be_of_one_provider(suite: CredentialHarness) -> None:
    """Others stay out, and a provider without a credential has an empty list."""
    await suite.save("openai")
    groq = await suite.save("groq")
    for provider, expected in (("groq", [groq]), ("nobody", [])):
        response = await suite.credentials.ListCredentials(
            save_pb2.ListCredentialsRequest(provider=provider), metadata=suite.admin
        )
        assert list(response.credentials) == expected


@pytest.mark.parametrize(
    "token",
    [
        "%%%",
        "not base64",
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"openai").decode(),
        base64.urlsafe_b64encode(b"openai/cred_0\n").decode(),
    ],
)
async def test_a_page_token_of_nobody_is_refused(suite: CredentialHarness, token: str) -> None:
    """A token that no page gave is named, not guessed at."""
    refusal = await refused(
        suite.credentials.ListCredentials(
            save_pb2.ListCredentialsRequest(page_token=token), metadata=suite.admin
        )
    )
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "INVALID_REQUEST"
    (violation,) = refusal.detail(error_details_pb2.BadRequest()).field_violations
    assert violation.field == "page_token"


@pytest.mark.parametrize("size", [-1, 1001])
async def test_a_page_size_has_bounds(suite: CredentialHarness, size: int) -> None:
    """Nobody gets more than 1,000 at once."""
    refusal = await refused(
        suite.credentials.ListCredentials(
            save_pb2.ListCredentialsRequest(page_size=size), metadata=suite.admin
        )
    )
    assert refusal.reason == "INVALID_REQUEST"


async def test_a_deleted_credential_is_gone(suite: CredentialHarness) -> None:
    """It is found no more, released no more, and cannot be deleted again."""
    saved = await suite.save()
    kept = await suite.save("groq")
    request = save_pb2.DeleteCredentialRequest(id=saved.id)
    await suite.credentials.DeleteCredential(request, metadata=suite.admin)
    assert await suite.saved() == [kept]
    assert (await refused(suite.resolve())).reason == "CREDENTIAL_NOT_FOUND"
    again = await refused(suite.credentials.DeleteCredential(request, metadata=suite.admin))
    assert again.reason == "CREDENTIAL_NOT_FOUND"


async def test_a_provider_that_is_connected_again_has_a_new_credential(
    suite: CredentialHarness,
) -> None:
    """A deleted credential's id is not used again, so that nothing kept of it fits."""
    first = await suite.save()
    await suite.credentials.DeleteCredential(
        save_pb2.DeleteCredentialRequest(id=first.id), metadata=suite.admin
    )
    second = await suite.save()
    assert second.id != first.id
    assert second.version == 1


async def test_developers_see_no_credentials(suite: CredentialHarness) -> None:
    """Every method here is for ADMIN alone."""
    saved = await suite.save()
    developer = await suite.issue("ann", options_pb2.CALLER_ROLE_DEVELOPER)
    metadata = bearer(developer.token)
    for call in (
        suite.credentials.GetCredential(
            save_pb2.GetCredentialRequest(id=saved.id), metadata=metadata
        ),
        suite.credentials.ListCredentials(save_pb2.ListCredentialsRequest(), metadata=metadata),
        suite.credentials.DeleteCredential(
            save_pb2.DeleteCredentialRequest(id=saved.id), metadata=metadata
        ),
    ):
        assert (await refused(call)).code == grpc.StatusCode.PERMISSION_DENIED
    assert await suite.saved() == [saved]

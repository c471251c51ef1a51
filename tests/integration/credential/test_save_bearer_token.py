"""A token that ends is saved, kept sealed and released like a key."""

from __future__ import annotations

import time

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2

from support.credential_harness import CredentialHarness, refused
from trunkline.credential.v1 import credential_pb2, resolve_pb2, save_pb2
from trunkline.inference.v1 import provider_pb2

TOKEN = "eyJ0eXAi-canary-token.of.entra"


def with_token(in_s: float | None = 3600, **fields: object) -> save_pb2.SaveApiKeyRequest:
    """Return a request that brings in a token which ends in so many seconds; None: unknown."""
    end = None if in_s is None else Timestamp(seconds=int(time.time() + in_s))
    token = provider_pb2.BearerToken(token=TOKEN, expire_time=end)
    return save_pb2.SaveApiKeyRequest(**{"provider": "openai", "bearer_token": token, **fields})  # type: ignore[arg-type] # names as in the contract


@pytest.mark.parametrize("in_s", [3600, None])
async def test_a_token_is_proven_sealed_and_released(
    suite: CredentialHarness, in_s: float | None
) -> None:
    """Its provider is asked with it, and what is released is the token with its end."""
    request = with_token(in_s)
    response = await suite.credentials.SaveApiKey(request, metadata=suite.admin)
    assert response.credential.kind == credential_pb2.CREDENTIAL_KIND_BEARER_TOKEN
    assert response.credential.state == credential_pb2.CREDENTIAL_STATE_VERIFIED
    (probe,) = suite.inference.requests
    assert probe.secret == provider_pb2.ProviderSecret(bearer_token=request.bearer_token)
    assert await suite.saved() == [response.credential]
    released = await suite.resolve()
    assert released.secret == probe.secret
    assert released.reason == resolve_pb2.RESOLUTION_REASON_CENTRAL


async def test_a_new_token_takes_the_place_of_the_old(suite: CredentialHarness) -> None:
    """Who renews a token saves it again; the credential is the same in its next version."""
    first = await suite.credentials.SaveApiKey(with_token(), metadata=suite.admin)
    second = await suite.credentials.SaveApiKey(with_token(7200), metadata=suite.admin)
    assert second.credential.id == first.credential.id
    assert second.credential.version == 2


async def test_a_token_that_has_ended_is_not_even_tried(suite: CredentialHarness) -> None:
    """The field is named, the provider is not asked, and nothing is saved."""
    refusal = await refused(suite.credentials.SaveApiKey(with_token(-1), metadata=suite.admin))
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
    )
    (violation,) = refusal.detail(error_details_pb2.BadRequest()).field_violations
    assert violation.field == "bearer_token.expire_time"
    assert suite.inference.requests == []
    assert await suite.saved() == []


async def test_an_empty_token_is_refused(suite: CredentialHarness) -> None:
    """A token without a character is none."""
    request = with_token(bearer_token=provider_pb2.BearerToken())
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await suite.credentials.SaveApiKey(request, metadata=suite.admin)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT

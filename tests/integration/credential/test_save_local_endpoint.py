"""A server that needs no key is connected after it answered."""

from __future__ import annotations

import grpc
import pytest

from support.credential_harness import KEY, CredentialHarness, refused
from trunkline.credential.v1 import credential_pb2, resolve_pb2, save_pb2
from trunkline.inference.v1 import provider_pb2

ORIGIN = "http://localhost:11434"


def endpoint(**fields: object) -> save_pb2.SaveLocalEndpointRequest:
    """Return a request that connects ollama, with further fields."""
    return save_pb2.SaveLocalEndpointRequest(**{"provider": "ollama", **fields})  # type: ignore[arg-type] # names as in the contract


async def test_a_server_that_answers_is_connected_without_a_key(suite: CredentialHarness) -> None:
    """Its model list is asked for without a key, and none is released."""
    response = await suite.credentials.SaveLocalEndpoint(endpoint(), metadata=suite.admin)
    credential = response.credential
    assert credential.kind == credential_pb2.CREDENTIAL_KIND_LOCAL_ENDPOINT
    assert credential.state == credential_pb2.CREDENTIAL_STATE_VERIFIED
    assert list(credential.origins) == [ORIGIN]
    (probe,) = suite.inference.requests
    assert probe.WhichOneof("credential") is None
    assert probe.purpose == provider_pb2.PROBE_PURPOSE_LIST_MODELS
    assert probe.base_url == "http://localhost:11434/v1"
    released = await suite.resolve("ollama", ORIGIN)
    assert released.reason == resolve_pb2.RESOLUTION_REASON_NO_KEY_NEEDED
    assert released.secret == provider_pb2.ProviderSecret()
    assert released.credential == credential


async def test_a_placeholder_is_sent_and_kept_like_a_key(suite: CredentialHarness) -> None:
    """Some servers want to see a key, whichever (G11)."""
    await suite.credentials.SaveLocalEndpoint(endpoint(api_key=KEY), metadata=suite.admin)
    assert suite.inference.requests[0].secret.api_key == KEY
    released = await suite.resolve("ollama", ORIGIN)
    assert released.reason == resolve_pb2.RESOLUTION_REASON_CENTRAL
    assert released.secret.api_key == KEY


async def test_an_endpoint_has_an_address_of_its_own(suite: CredentialHarness) -> None:
    """The address given replaces the provider's."""
    response = await suite.credentials.SaveLocalEndpoint(
        endpoint(base_url="http://192.168.0.7:8000/v1"), metadata=suite.admin
    )
    assert response.credential.base_url == "http://192.168.0.7:8000/v1"
    assert list(response.credential.origins) == ["http://192.168.0.7:8000"]


async def test_a_server_that_does_not_answer_is_not_connected(suite: CredentialHarness) -> None:
    """Unreachable is no proof; nothing is saved."""
    suite.inference.answer(provider_pb2.VERDICT_UNREACHABLE)
    refusal = await refused(suite.credentials.SaveLocalEndpoint(endpoint(), metadata=suite.admin))
    assert refusal.code == grpc.StatusCode.UNAVAILABLE
    assert refusal.reason == "VERIFICATION_IMPOSSIBLE"
    assert refusal.metadata["verdict"] == "UNREACHABLE"
    assert await suite.saved() == []


async def test_a_server_that_takes_no_key_is_connected_when_it_answers(
    suite: CredentialHarness,
) -> None:
    """A list that says nothing of a key is what an endpoint without one answers."""
    suite.inference.answer(provider_pb2.VERDICT_UNVERIFIABLE)
    response = await suite.credentials.SaveLocalEndpoint(endpoint(), metadata=suite.admin)
    assert response.credential.state == credential_pb2.CREDENTIAL_STATE_VERIFIED


async def test_a_server_may_be_connected_before_it_runs(suite: CredentialHarness) -> None:
    """allow_unverified keeps the address for later."""
    suite.inference.answer(provider_pb2.VERDICT_UNREACHABLE)
    response = await suite.credentials.SaveLocalEndpoint(
        endpoint(allow_unverified=True), metadata=suite.admin
    )
    assert response.credential.state == credential_pb2.CREDENTIAL_STATE_UNVERIFIED


async def test_a_server_that_refuses_is_not_connected(suite: CredentialHarness) -> None:
    """A server that wants another key says so, and nothing excuses it."""
    suite.inference.answer(provider_pb2.VERDICT_REVOKED, 401, "Who are you?")
    refusal = await refused(
        suite.credentials.SaveLocalEndpoint(endpoint(allow_unverified=True), metadata=suite.admin)
    )
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "VERIFICATION_FAILED"
    assert refusal.detail(provider_pb2.Verification()).reply.message == "Who are you?"
    assert await suite.saved() == []


@pytest.mark.parametrize(
    ("base_url", "rule"),
    [
        ("http://169.254.169.254/", "metadata"),
        ("http://example.com/v1", "plain_http"),
        ("ftp://localhost", "malformed"),
    ],
)
async def test_an_endpoint_is_held_to_the_address_rules(
    suite: CredentialHarness, base_url: str, rule: str
) -> None:
    """Local does not mean anywhere."""
    refusal = await refused(
        suite.credentials.SaveLocalEndpoint(endpoint(base_url=base_url), metadata=suite.admin)
    )
    assert (refusal.reason, refusal.metadata) == ("ADDRESS_REFUSED", {"rule": rule})


async def test_an_endpoint_needs_a_provider_of_the_catalog(suite: CredentialHarness) -> None:
    """An address alone is no provider."""
    refusal = await refused(
        suite.credentials.SaveLocalEndpoint(endpoint(provider="nobody"), metadata=suite.admin)
    )
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "PROVIDER_NOT_FOUND")


async def test_inference_away_keeps_an_endpoint_from_being_proven(
    house: CredentialHarness,
) -> None:
    """Who cannot ask cannot connect."""
    await house.start_peers("catalog")
    await house.start()
    refusal = await refused(house.credentials.SaveLocalEndpoint(endpoint(), metadata=house.admin))
    assert (refusal.reason, refusal.metadata) == ("PEER_UNAVAILABLE", {"peer": "inference"})


async def test_an_endpoint_takes_the_place_of_a_key(suite: CredentialHarness) -> None:
    """A provider has one central credential, of whichever kind came last."""
    keyed = await suite.save("ollama")
    response = await suite.credentials.SaveLocalEndpoint(endpoint(), metadata=suite.admin)
    assert (response.credential.id, response.credential.version) == (keyed.id, 2)
    released = await suite.resolve("ollama", ORIGIN)
    assert released.reason == resolve_pb2.RESOLUTION_REASON_NO_KEY_NEEDED
    assert not released.secret.HasField("api_key")

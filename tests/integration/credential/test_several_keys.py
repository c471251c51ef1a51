"""A provider can have several keys, told apart by label and used in an order."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.rpc import error_details_pb2

from support.credential_harness import CredentialHarness, refused
from trunkline.credential.v1 import save_pb2
from trunkline.credential.vault import MAX_KEYS
from trunkline.inference.v1 import provider_pb2


async def released(suite: CredentialHarness, credential_id: str = "") -> str:
    """Return the key of openai that is released, for an id or without one."""
    return (await suite.resolve(credential_id=credential_id)).secret.api_key


async def delete(suite: CredentialHarness, credential_id: str) -> None:
    """Delete a credential as admin."""
    await suite.credentials.DeleteCredential(
        save_pb2.DeleteCredentialRequest(id=credential_id), metadata=suite.admin
    )


async def test_a_key_without_a_label_is_the_default_one(suite: CredentialHarness) -> None:
    """Whether it says so or not, it is one key."""
    first = await suite.save(key="sk-1")
    second = await suite.save(key="sk-2", label="default")
    assert (first.label, first.rank) == ("default", 0)
    assert (second.id, second.version) == (first.id, 2)


async def test_keys_of_other_labels_stand_side_by_side(suite: CredentialHarness) -> None:
    """Each has an id and versions of its own, and is released by its id."""
    first = await suite.save(key="sk-1")
    second = await suite.save(key="sk-2", label="second", rank=1)
    assert (second.label, second.rank, second.version) == ("second", 1, 1)
    assert await suite.saved() == [first, second]
    assert await released(suite, first.id) == "sk-1"
    assert await released(suite, second.id) == "sk-2"
    third = await suite.save(key="sk-3", label="second", rank=2)
    assert (third.id, third.version, third.rank) == (second.id, 2, 2)
    assert await suite.saved() == [first, third]
    assert await released(suite, second.id) == "sk-3"
    assert await released(suite, first.id) == "sk-1"


async def test_the_first_of_the_order_is_released_without_an_id(
    suite: CredentialHarness,
) -> None:
    """By rank, and of equal ones the oldest; a new version makes no key younger."""
    await suite.save(key="sk-low", label="low", rank=5)
    oldest = await suite.save(key="sk-a", label="a", rank=1)
    await suite.save(key="sk-b", label="b", rank=1)
    assert await released(suite) == "sk-a"
    await suite.save(key="sk-a2", label="a", rank=1)
    assert await released(suite) == "sk-a2"
    await delete(suite, oldest.id)
    assert await released(suite) == "sk-b"
    await suite.save(key="sk-front", label="front", rank=-1)
    assert await released(suite) == "sk-front"
    await suite.save(key="sk-low2", label="low", rank=-2)
    assert await released(suite) == "sk-low2"


async def test_one_of_several_goes_alone(suite: CredentialHarness) -> None:
    """The others stay as they are."""
    first = await suite.save(key="sk-1")
    second = await suite.save(key="sk-2", label="second")
    await delete(suite, first.id)
    assert await suite.saved() == [second]
    assert await released(suite) == "sk-2"
    refusal = await refused(suite.resolve(credential_id=first.id))
    assert refusal.reason == "CREDENTIAL_NOT_FOUND"


async def test_a_refused_key_leaves_the_one_of_its_label(suite: CredentialHarness) -> None:
    """K13 holds for each."""
    first = await suite.save(key="sk-1")
    second = await suite.save(key="sk-2", label="second")
    suite.inference.answer(provider_pb2.VERDICT_REVOKED, 401)
    refusal = await refused(suite.save(key="sk-bad", label="second"))
    assert refusal.reason == "VERIFICATION_FAILED"
    assert await suite.saved() == [first, second]
    assert await released(suite, second.id) == "sk-2"


async def test_a_provider_has_so_many_keys_and_no_more(suite: CredentialHarness) -> None:
    """One more is refused before anybody is asked; those that are there can be replaced."""
    for number in range(MAX_KEYS):
        await suite.save(key=f"sk-{number}", label=f"key-{number}")
    asked = len(suite.inference.requests)
    refusal = await refused(suite.save(label="another"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    (violation,) = refusal.detail(error_details_pb2.BadRequest()).field_violations
    assert violation.field == "label"
    assert len(suite.inference.requests) == asked
    assert (await suite.save(label="key-3")).version == 2
    assert (await suite.save("groq", label="another")).version == 1
    assert len(await suite.saved()) == MAX_KEYS + 1


async def test_keys_saved_at_once_do_not_pass_the_bound(suite: CredentialHarness) -> None:
    """What was free when it was looked at may be taken when it is written."""
    for number in range(MAX_KEYS - 1):
        await suite.save(label=f"key-{number}")
    results = await asyncio.gather(
        *(suite.save(label=f"late-{number}") for number in range(4)), return_exceptions=True
    )
    failures = [each for each in results if isinstance(each, grpc.aio.AioRpcError)]
    assert [each.code() for each in failures] == [grpc.StatusCode.INVALID_ARGUMENT] * 3
    assert len(await suite.saved()) == MAX_KEYS


@pytest.mark.both_stores
async def test_saves_of_one_label_at_once_are_one_credential(suite: CredentialHarness) -> None:
    """Its versions are counted, and none is lost; another label is not in their way."""
    saved = await asyncio.gather(
        *(suite.save(key=f"sk-{number}", label="second") for number in range(5)),
        suite.save(key="sk-default"),
    )
    *of_label, default = saved
    assert len({each.id for each in of_label}) == 1
    assert sorted(each.version for each in of_label) == [1, 2, 3, 4, 5]
    assert (default.label, default.version) == ("default", 1)
    assert len(await suite.saved()) == 2


async def test_a_local_endpoint_takes_the_place_of_the_default_key(
    suite: CredentialHarness,
) -> None:
    """It has no label of its own."""
    await suite.save("ollama", label="second", rank=1)
    response = await suite.credentials.SaveLocalEndpoint(
        save_pb2.SaveLocalEndpointRequest(provider="ollama"), metadata=suite.admin
    )
    assert (response.credential.label, response.credential.rank) == ("default", 0)
    assert len(await suite.saved()) == 2


@pytest.mark.parametrize("label", ["Second", "a b", "-a", "a" * 64])
async def test_a_label_is_a_slug(suite: CredentialHarness, label: str) -> None:
    """What is none is refused before anybody is asked."""
    refusal = await refused(suite.save(label=label))
    assert refusal.reason == "INVALID_REQUEST"
    assert suite.inference.requests == []

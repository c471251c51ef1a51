"""A key is proven before it is saved, and what is refused changes nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import grpc
import pytest
from google.rpc import error_details_pb2

from support.credential_harness import KEY, CredentialHarness, bearer, eventually, refused
from trunkline.credential.v1 import credential_pb2, save_pb2
from trunkline.inference.v1 import failure_pb2, provider_pb2
from trunkline.kernel.errors import InvalidArgument, NotFound, Unavailable
from trunkline.options.v1 import options_pb2

REFUSED = ("REVOKED", "WRONG_SCOPE", "BILLING")
EXCUSABLE = ("UNREACHABLE", "UNVERIFIABLE")
PASSING = ("NOT_FOUND", "PROVIDER_ERROR", "RATE_LIMITED", "UNSPECIFIED")


def verdict(name: str) -> provider_pb2.Verdict.ValueType:
    """Return a verdict by its name without prefix."""
    return provider_pb2.Verdict.Value(f"VERDICT_{name}")


def with_key(**fields: object) -> save_pb2.SaveApiKeyRequest:
    """Return a request that brings in a key for openai, with further fields."""
    return save_pb2.SaveApiKeyRequest(**{"provider": "openai", "api_key": KEY, **fields})  # type: ignore[arg-type] # names as in the contract


async def test_a_proven_key_is_saved_as_verified(suite: CredentialHarness) -> None:
    """What the provider accepts is kept, and shown without its secret."""
    response = await suite.credentials.SaveApiKey(
        with_key(organization="org-1", project="proj-1"), metadata=suite.admin
    )
    credential = response.credential
    assert credential.id.startswith("cred_")
    assert credential.provider == "openai"
    assert credential.scope == failure_pb2.CREDENTIAL_SCOPE_CENTRAL
    assert credential.kind == credential_pb2.CREDENTIAL_KIND_API_KEY
    assert credential.state == credential_pb2.CREDENTIAL_STATE_VERIFIED
    assert credential.source == credential_pb2.CREDENTIAL_SOURCE_ENTERED
    assert credential.version == 1
    assert (credential.owner, credential.base_url) == ("", "")
    assert (credential.organization, credential.project) == ("org-1", "proj-1")
    assert list(credential.origins) == ["https://api.openai.com:443"]
    assert credential.verification.verdict == provider_pb2.VERDICT_VALID
    assert credential.verification.HasField("time")
    assert credential.create_time == credential.update_time
    assert await suite.saved() == [credential]


async def test_the_provider_is_asked_with_what_will_be_saved(suite: CredentialHarness) -> None:
    """Inference gets the whole secret and the very address that the secret is bound to."""
    await suite.credentials.SaveApiKey(
        with_key(headers={"x-team": "blue"}, organization="org-1", project="proj-1"),
        metadata=suite.admin,
    )
    (probe,) = suite.inference.requests
    assert probe.name == "openai"
    assert probe.base_url == "https://api.openai.com/v1"
    assert probe.purpose == provider_pb2.PROBE_PURPOSE_PROVE_KEY
    assert probe.timeout.seconds == 10
    assert not probe.include_models
    assert probe.secret == provider_pb2.ProviderSecret(
        api_key=KEY, headers={"x-team": "blue"}, organization="org-1", project="proj-1"
    )
    assert (await suite.resolve()).secret == probe.secret


async def test_a_key_whose_billing_was_not_checked_is_verified(suite: CredentialHarness) -> None:
    """An answer that cannot show a billing block is good for use."""
    suite.inference.answer(provider_pb2.VERDICT_BILLING_NOT_CHECKED)
    credential = await suite.save()
    assert credential.state == credential_pb2.CREDENTIAL_STATE_VERIFIED


@pytest.mark.parametrize("allow_unverified", [False, True])
@pytest.mark.parametrize("name", REFUSED)
async def test_a_key_that_the_provider_refuses_is_not_saved(
    suite: CredentialHarness, name: str, allow_unverified: bool
) -> None:
    """Revoked, wrong scope and billing are three verdicts, and nothing excuses them."""
    suite.inference.answer(verdict(name), 403, "You may not.")
    refusal = await refused(
        suite.credentials.SaveApiKey(
            with_key(allow_unverified=allow_unverified), metadata=suite.admin
        )
    )
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "VERIFICATION_FAILED"
    assert refusal.metadata == {"provider": "openai", "verdict": name, "http_status": "403"}
    verification = refusal.detail(provider_pb2.Verification())
    assert verification.reply.message == "You may not."
    assert "Nothing was saved. Look at the provider's console." in refusal.message
    assert await suite.saved() == []


@pytest.mark.parametrize("name", EXCUSABLE + PASSING)
async def test_a_key_that_cannot_be_proven_is_not_saved(
    suite: CredentialHarness, name: str
) -> None:
    """Without a word for or against the key it is not kept, unless the caller says so."""
    suite.inference.answer(verdict(name), 503, "Not now.")
    refusal = await refused(suite.credentials.SaveApiKey(with_key(), metadata=suite.admin))
    assert refusal.code == grpc.StatusCode.UNAVAILABLE
    assert refusal.reason == "VERIFICATION_IMPOSSIBLE"
    assert refusal.metadata == {"provider": "openai", "verdict": name, "http_status": "503"}
    assert refusal.detail(provider_pb2.Verification()).reply.message == "Not now."
    assert ("allow_unverified" in refusal.message) == (name in EXCUSABLE)
    assert await suite.saved() == []


@pytest.mark.parametrize("name", PASSING)
async def test_what_will_pass_by_itself_does_not_excuse_a_proof(
    suite: CredentialHarness, name: str
) -> None:
    """allow_unverified is for what is unreachable or cannot tell, and for nothing else."""
    suite.inference.answer(verdict(name))
    refusal = await refused(
        suite.credentials.SaveApiKey(with_key(allow_unverified=True), metadata=suite.admin)
    )
    assert refusal.reason == "VERIFICATION_IMPOSSIBLE"
    assert await suite.saved() == []


@pytest.mark.parametrize("name", EXCUSABLE)
async def test_a_caller_may_save_what_cannot_be_proven(suite: CredentialHarness, name: str) -> None:
    """With allow_unverified it is saved as UNVERIFIED, and is released."""
    suite.inference.answer(verdict(name))
    response = await suite.credentials.SaveApiKey(
        with_key(allow_unverified=True), metadata=suite.admin
    )
    assert response.credential.state == credential_pb2.CREDENTIAL_STATE_UNVERIFIED
    assert response.credential.verification.verdict == verdict(name)
    assert (await suite.resolve()).secret.api_key == KEY


async def test_a_wait_that_the_provider_asks_for_is_passed_on(suite: CredentialHarness) -> None:
    """RetryInfo tells when to try again."""
    suite.inference.answer(provider_pb2.VERDICT_RATE_LIMITED, 429)
    suite.inference.verification.reply.retry_after.FromTimedelta(timedelta(seconds=7))
    refusal = await refused(suite.credentials.SaveApiKey(with_key(), metadata=suite.admin))
    assert refusal.detail(error_details_pb2.RetryInfo()).retry_delay.seconds == 7


async def test_a_refused_key_leaves_the_earlier_one_active(suite: CredentialHarness) -> None:
    """K13: the good one keeps its version, and is what is released."""
    good = await suite.save()
    suite.inference.answer(provider_pb2.VERDICT_REVOKED, 401)
    await refused(suite.credentials.SaveApiKey(with_key(api_key="sk-bad"), metadata=suite.admin))
    assert await suite.saved() == [good]
    assert (await suite.resolve()).secret.api_key == KEY


async def test_a_second_key_is_a_new_version_of_the_same_credential(
    suite: CredentialHarness,
) -> None:
    """One central credential per provider: the id stays, the version counts."""
    first = await suite.save()
    second = await suite.save(key="sk-second")
    assert (second.id, second.version) == (first.id, 2)
    assert second.create_time == first.create_time
    assert second.update_time.ToNanoseconds() > first.update_time.ToNanoseconds()
    assert await suite.saved() == [second]
    assert (await suite.resolve()).secret.api_key == "sk-second"


async def test_keys_of_two_providers_stand_side_by_side(suite: CredentialHarness) -> None:
    """A provider's credential is its own."""
    await suite.save("openai", "sk-a")
    await suite.save("groq", "sk-b")
    released = await suite.resolve("groq", "https://api.groq.com:443")
    assert released.secret.api_key == "sk-b"
    assert (await suite.resolve()).secret.api_key == "sk-a"


async def test_saves_at_once_make_one_version_each(suite: CredentialHarness) -> None:
    """Concurrent saves of one provider end in one credential, with no version lost."""
    saved = await asyncio.gather(*(suite.save(key=f"sk-{number}") for number in range(5)))
    assert len({credential.id for credential in saved}) == 1
    assert sorted(credential.version for credential in saved) == [1, 2, 3, 4, 5]
    last = max(saved, key=lambda credential: credential.version)
    assert await suite.saved() == [last]
    assert (await suite.resolve()).secret.api_key == f"sk-{saved.index(last)}"


async def test_headers_alone_make_a_credential(suite: CredentialHarness) -> None:
    """A provider that is authenticated by headers needs no key."""
    response = await suite.credentials.SaveApiKey(
        save_pb2.SaveApiKeyRequest(provider="openai", headers={"x-auth": "h"}),
        metadata=suite.admin,
    )
    assert response.credential.kind == credential_pb2.CREDENTIAL_KIND_HEADERS
    assert dict((await suite.resolve()).secret.headers) == {"x-auth": "h"}


async def test_nothing_is_no_key(suite: CredentialHarness) -> None:
    """A request without key and headers is told what is expected, before anybody is asked."""
    refusal = await refused(
        suite.credentials.SaveApiKey(
            save_pb2.SaveApiKeyRequest(provider="openai"), metadata=suite.admin
        )
    )
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "WRONG_SECRET_KIND"
    assert refusal.metadata == {"provider": "openai", "expected": "api_key"}
    assert suite.inference.requests == []


async def test_an_address_of_its_own_binds_the_key_to_it(suite: CredentialHarness) -> None:
    """The key is proven at, saved for and released for the proxy, in its normal form."""
    response = await suite.credentials.SaveApiKey(
        with_key(base_url=" HTTPS://Proxy.Example.com/v1/ "), metadata=suite.admin
    )
    assert response.credential.base_url == "https://proxy.example.com/v1"
    assert list(response.credential.origins) == ["https://proxy.example.com:443"]
    assert suite.inference.requests[0].base_url == "https://proxy.example.com/v1"
    refusal = await refused(suite.resolve())
    assert refusal.reason == "ORIGIN_CHANGED"
    released = await suite.resolve(origin="https://proxy.example.com:443")
    assert released.secret.api_key == KEY


@pytest.mark.parametrize(
    ("base_url", "rule"),
    [
        ("http://api.example.com/v1", "plain_http"),
        ("http://169.254.169.254/latest", "metadata"),
        ("https://169.254.7.7/v1", "link_local"),
        ("https://user:secret@example.com/v1", "userinfo"),
        ("ftp://example.com", "malformed"),
        ("https://example.com/v1?key=secret", "malformed"),
        ("intranet", "malformed"),
        ("https://api.openai.com/v1/responses", "responses_path"),
    ],
)
async def test_an_address_that_may_not_be_used_is_refused(
    suite: CredentialHarness, base_url: str, rule: str
) -> None:
    """The rule is named, the address is not repeated, and nobody is asked."""
    refusal = await refused(
        suite.credentials.SaveApiKey(with_key(base_url=base_url), metadata=suite.admin)
    )
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "ADDRESS_REFUSED"
    assert refusal.metadata == {"rule": rule}
    assert base_url not in refusal.message
    assert "secret" not in str(refusal)
    assert suite.inference.requests == []


async def test_an_address_that_inference_refuses_is_refused(suite: CredentialHarness) -> None:
    """What a name resolves to is seen by inference alone; its rule is passed on."""
    suite.inference.failures.append(
        InvalidArgument("ADDRESS_REFUSED", "It resolves to it.", metadata={"rule": "metadata"})
    )
    refusal = await refused(suite.credentials.SaveApiKey(with_key(), metadata=suite.admin))
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.metadata == {"rule": "metadata"}
    assert await suite.saved() == []


async def test_a_provider_must_exist(suite: CredentialHarness) -> None:
    """Of a provider that the catalog does not have no key is kept."""
    refusal = await refused(
        suite.credentials.SaveApiKey(with_key(provider="nobody"), metadata=suite.admin)
    )
    assert refusal.code == grpc.StatusCode.NOT_FOUND
    assert refusal.reason == "PROVIDER_NOT_FOUND"
    assert refusal.metadata == {"provider": "nobody"}
    assert suite.inference.requests == []


async def test_a_provider_that_was_just_made_is_waited_for(suite: CredentialHarness) -> None:
    """Who makes a provider and saves its key at once does not race against the view."""
    saving = asyncio.ensure_future(suite.save("brand-new"))
    await asyncio.sleep(0)
    suite.catalog.put("brand-new", "https://api.example.com/v1")
    assert (await saving).provider == "brand-new"


async def test_a_provider_that_inference_sees_later_is_asked_again(
    suite: CredentialHarness,
) -> None:
    """The view of inference may lag behind ours for a moment."""
    suite.inference.failures.append(NotFound("PROVIDER_NOT_FOUND", "No such provider."))
    credential = await suite.save()
    assert credential.version == 1
    assert len(suite.inference.requests) == 2


async def test_a_provider_that_was_removed_meanwhile_is_not_found(
    suite: CredentialHarness,
) -> None:
    """Inference has the last word on whether there is a provider."""
    suite.inference.failures.extend(
        NotFound("PROVIDER_NOT_FOUND", "No such provider.") for _ in range(1000)
    )
    refusal = await refused(suite.credentials.SaveApiKey(with_key(), metadata=suite.admin))
    assert refusal.reason == "PROVIDER_NOT_FOUND"
    assert len(suite.inference.requests) < 100
    assert await suite.saved() == []


async def test_inference_that_is_not_ready_is_a_peer_that_is_missing(
    suite: CredentialHarness,
) -> None:
    """Whatever keeps inference from asking is no fault of the key."""
    suite.inference.failures.append(Unavailable("NOT_SERVING", "Stopping."))
    refusal = await refused(suite.credentials.SaveApiKey(with_key(), metadata=suite.admin))
    assert refusal.code == grpc.StatusCode.UNAVAILABLE
    assert refusal.reason == "PEER_UNAVAILABLE"
    assert refusal.metadata == {"peer": "inference"}
    assert await suite.saved() == []


async def test_inference_that_is_away_is_named(house: CredentialHarness) -> None:
    """Without inference nothing can be proven, and nothing is saved."""
    await house.start_peers("catalog")
    await house.start()
    refusal = await refused(house.credentials.SaveApiKey(with_key(), metadata=house.admin))
    assert refusal.reason == "PEER_UNAVAILABLE"
    assert refusal.metadata == {"peer": "inference"}
    assert await house.saved() == []


async def test_a_catalog_that_is_away_is_waited_for_and_named(house: CredentialHarness) -> None:
    """The first view of the catalog has two seconds; this test cannot be faster."""
    await house.start_peers("inference")
    await house.start()
    refusal = await refused(house.credentials.SaveApiKey(with_key(), metadata=house.admin))
    assert refusal.code == grpc.StatusCode.UNAVAILABLE
    assert refusal.reason == "PEER_UNAVAILABLE"
    assert refusal.metadata == {"peer": "catalog"}
    assert house.inference.requests == []


async def test_who_leaves_before_the_proof_has_saved_nothing(suite: CredentialHarness) -> None:
    """A client that goes away during the probe takes its key with it."""
    suite.inference.gate.clear()
    call = suite.credentials.SaveApiKey(with_key(), metadata=suite.admin)
    await eventually(lambda: len(suite.inference.requests) == 1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    suite.inference.gate.set()
    second = await suite.save("groq")
    assert await suite.saved() == [second]


@pytest.mark.parametrize(
    "request_",
    [
        with_key(api_key="sk with space"),
        with_key(api_key="sk-line\nbreak"),
        with_key(api_key="schlüssel"),
        with_key(api_key="s" * 8193),
        with_key(api_key=""),
        with_key(headers={"x y": "v"}),
        with_key(headers={"x": "a\r\nb: c"}),
        with_key(headers={f"x{number}": "v" for number in range(17)}),
        with_key(provider=""),
        with_key(provider="../openai"),
        with_key(provider="Open AI"),
        with_key(base_url="https://" + "a" * 2048),
        with_key(organization="o" * 257),
    ],
)
async def test_hostile_fields_are_refused_before_any_work(
    suite: CredentialHarness, request_: save_pb2.SaveApiKeyRequest
) -> None:
    """What the contract's bounds exclude reaches nobody, and a key is not told back."""
    refusal = await refused(suite.credentials.SaveApiKey(request_, metadata=suite.admin))
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "INVALID_REQUEST"
    assert request_.api_key not in str(refusal.status) or not request_.api_key
    assert suite.inference.requests == []
    assert await suite.saved() == []


async def test_a_developer_saves_no_central_key(suite: CredentialHarness) -> None:
    """The deployment's keys are for ADMIN."""
    developer = await suite.issue("ann", options_pb2.CALLER_ROLE_DEVELOPER)
    refusal = await refused(
        suite.credentials.SaveApiKey(with_key(), metadata=bearer(developer.token))
    )
    assert refusal.code == grpc.StatusCode.PERMISSION_DENIED
    assert suite.inference.requests == []

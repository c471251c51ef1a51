"""AWS keys are proven, sealed and released as any secret is, and shown as what they are."""

from __future__ import annotations

import logging

import grpc
import pytest
from google.rpc import error_details_pb2
from structlog.testing import capture_logs

from support.credential_harness import BEDROCK, CredentialHarness, refused
from trunkline.credential.v1 import credential_pb2, resolve_pb2, save_pb2
from trunkline.inference.v1 import provider_pb2

KEYS = provider_pb2.AwsKeys(
    access_key_id="AKIACANARYCANARY",
    secret_access_key="canary/secret+access/key",
    session_token="canary//session+token==",
    region="us-east-1",
)
ORIGIN = f"{BEDROCK}:443"


def with_keys(**fields: object) -> save_pb2.SaveApiKeyRequest:
    """Return a request that brings in keys for bedrock, with further fields."""
    return save_pb2.SaveApiKeyRequest(**{"provider": "bedrock", "aws_keys": KEYS, **fields})  # type: ignore[arg-type] # names as in the contract


def parts() -> list[bytes]:
    """Return what may be seen of the keys nowhere."""
    return [b"canary/secret", b"canary//session", b"AKIACANARY"]


async def test_they_are_proven_and_saved(suite: CredentialHarness) -> None:
    """The provider is asked with all of them; the credential shows its kind and nothing else."""
    suite.inference.answer(provider_pb2.VERDICT_BILLING_NOT_CHECKED)
    saved = await suite.credentials.SaveApiKey(with_keys(), metadata=suite.admin)
    credential = saved.credential
    assert credential.kind == credential_pb2.CREDENTIAL_KIND_AWS_KEYS
    assert credential.state == credential_pb2.CREDENTIAL_STATE_VERIFIED
    assert list(credential.origins) == [ORIGIN]
    (probe,) = suite.inference.requests
    assert probe.secret == provider_pb2.ProviderSecret(aws_keys=KEYS)
    assert probe.purpose == provider_pb2.PROBE_PURPOSE_PROVE_KEY
    assert not any(part in saved.SerializeToString() for part in parts())
    assert await suite.saved() == [credential]


async def test_they_are_released_whole_and_for_their_origin(suite: CredentialHarness) -> None:
    """Inference gets what was brought in, also after a restart; another region gets nothing."""
    await suite.credentials.SaveApiKey(with_keys(), metadata=suite.admin)
    await suite.restart()
    released = await suite.resolve("bedrock", ORIGIN)
    assert released.secret == provider_pb2.ProviderSecret(aws_keys=KEYS)
    assert released.reason == resolve_pb2.RESOLUTION_REASON_CENTRAL
    refusal = await refused(
        suite.resolve("bedrock", "https://bedrock-runtime.eu-west-1.amazonaws.com:443")
    )
    assert refusal.reason == "ORIGIN_CHANGED"


async def test_another_region_is_another_address(suite: CredentialHarness) -> None:
    """The address that comes with the keys is asked, and binds them."""
    there = "https://bedrock-runtime.eu-central-1.amazonaws.com"
    saved = await suite.credentials.SaveApiKey(with_keys(base_url=there), metadata=suite.admin)
    assert saved.credential.base_url == there
    assert list(saved.credential.origins) == [f"{there}:443"]
    assert suite.inference.requests[0].base_url == there


async def test_they_take_the_place_of_an_earlier_key(suite: CredentialHarness) -> None:
    """A provider that had an API key has a second version, of another kind."""
    earlier = await suite.save("bedrock")
    saved = await suite.credentials.SaveApiKey(with_keys(), metadata=suite.admin)
    assert (saved.credential.id, saved.credential.version) == (earlier.id, 2)
    assert earlier.kind == credential_pb2.CREDENTIAL_KIND_API_KEY
    assert saved.credential.kind == credential_pb2.CREDENTIAL_KIND_AWS_KEYS


async def test_a_provider_that_does_not_sign_takes_none(suite: CredentialHarness) -> None:
    """They would go out nowhere, and an open list of models would seem to prove them."""
    refusal = await refused(
        suite.credentials.SaveApiKey(with_keys(provider="openai"), metadata=suite.admin)
    )
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "WRONG_SECRET_KIND"
    assert refusal.metadata == {"provider": "openai", "expected": "api_key"}
    assert suite.inference.requests == []
    assert await suite.saved() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("access_key_id", ""),
        ("access_key_id", "canary short"),
        ("secret_access_key", ""),
        ("secret_access_key", "canary with spaces"),
        ("session_token", "canary\r\nx-evil: 1"),
        ("session_token", "canary é"),
        ("region", "canary/../x"),
    ],
)
async def test_keys_that_are_none(suite: CredentialHarness, field: str, value: str) -> None:
    """The field is named, its value is not told back, and nobody is asked."""
    keys = provider_pb2.AwsKeys()
    keys.CopyFrom(KEYS)
    setattr(keys, field, value)
    refusal = await refused(
        suite.credentials.SaveApiKey(with_keys(aws_keys=keys), metadata=suite.admin)
    )
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    (violation,) = refusal.detail(error_details_pb2.BadRequest()).field_violations
    assert violation.field == f"aws_keys.{field}"
    assert "canary" not in str(refusal.status).lower()
    assert suite.inference.requests == []


async def test_nothing_of_them_is_written_down(
    suite: CredentialHarness, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in a file, a log line or an error, refused ones neither."""
    with capture_logs() as logs, caplog.at_level(logging.DEBUG):
        await suite.credentials.SaveApiKey(with_keys(), metadata=suite.admin)
        suite.inference.answer(provider_pb2.VERDICT_REVOKED, 403, "No.")
        refusal = await refused(
            suite.credentials.SaveApiKey(with_keys(label="second"), metadata=suite.admin)
        )
    assert refusal.reason == "VERIFICATION_FAILED"
    written = [path.read_bytes() for path in suite.data_dir.rglob("*") if path.is_file()]
    seen = [*written, repr(logs).encode(), caplog.text.encode(), repr(refusal).encode()]
    assert logs
    assert not any(part in each for part in parts() for each in seen)

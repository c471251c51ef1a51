"""The machine's own keys of AWS, where a deployment asks for them."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from trunkline.inference.aws_chain import AwsChain
from trunkline.inference.v1 import provider_pb2
from trunkline.kernel.errors import FailedPrecondition, Unavailable
from unit.inference.bedrock_rows import BASE

NOTHING = provider_pb2.ProviderSecret()
FOUND = provider_pb2.ProviderSecret(
    aws_keys=provider_pb2.AwsKeys(
        access_key_id="AKIAFROMTHEFILE1", secret_access_key="from-the-file", session_token="t=="
    )
)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return AWS's shared file of a machine that is none of AWS's."""
    for name in (
        "AWS_PROFILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("BOTO_CONFIG", str(tmp_path / "boto"))
    return tmp_path / "credentials"


def write(path: Path) -> None:
    """Write the keys of a machine."""
    path.write_text(
        "[default]\naws_access_key_id = AKIAFROMTHEFILE1\n"
        "aws_secret_access_key = from-the-file\naws_session_token = t==\n"
    )


async def test_keys_of_the_shared_file(files: Path) -> None:
    """Who has no key gets the machine's."""
    write(files)
    assert await AwsChain().complete("bedrock", "bedrock", BASE, NOTHING) == FOUND


@pytest.mark.parametrize(
    ("wire_format", "base_url", "secret"),
    [
        ("openai", BASE, NOTHING),
        ("bedrock", "https://aws.acme.example", NOTHING),
        ("bedrock", BASE.replace("https", "http"), NOTHING),
        ("bedrock", BASE, provider_pb2.ProviderSecret(api_key="k")),
        ("bedrock", BASE, provider_pb2.ProviderSecret(headers={"x": "k"})),
    ],
)
async def test_nobody_else_gets_them(
    files: Path, wire_format: str, base_url: str, secret: provider_pb2.ProviderSecret
) -> None:
    """Other formats, other hosts, and who has a key of its own."""
    write(files)
    assert await AwsChain().complete("bedrock", wire_format, base_url, secret) is secret


async def test_keys_in_the_environment_are_left_alone(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inference never reads a key from its environment, and says that there is none."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    with pytest.raises(FailedPrecondition) as caught:
        await AwsChain().complete("bedrock", "bedrock", BASE, NOTHING)
    assert caught.value.reason == "NO_CREDENTIAL"
    assert "canary" not in str(caught.value)


async def test_a_file_that_makes_no_sense(files: Path) -> None:
    """It gives no keys, and its content is in no error."""
    files.write_text("[default\ncanary = 1\n")
    with pytest.raises(FailedPrecondition) as caught:
        await AwsChain().complete("bedrock", "bedrock", BASE, NOTHING)
    assert "canary" not in str(caught.value)


async def test_many_that_need_them_look_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread at a time looks, and nobody waits for it longer than the limit."""
    chain = AwsChain(limit_s=0.05)
    goes_on, looks = threading.Event(), 0

    def find() -> provider_pb2.AwsKeys:
        nonlocal looks
        looks += 1
        goes_on.wait(10)
        return FOUND.aws_keys

    monkeypatch.setattr(chain, "_find", find)
    try:
        waiting = [chain.complete("bedrock", "bedrock", BASE, NOTHING) for _ in range(3)]
        for failed in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(failed, Unavailable)
            assert failed.reason == "PEER_UNAVAILABLE"
    finally:
        goes_on.set()
    assert looks == 1
    patient = AwsChain()
    monkeypatch.setattr(patient, "_find", find)
    assert await patient.complete("bedrock", "bedrock", BASE, NOTHING) == FOUND
    assert await patient.complete("bedrock", "bedrock", BASE, NOTHING) == FOUND
    assert looks == 3

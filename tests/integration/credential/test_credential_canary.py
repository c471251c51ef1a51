"""A key that went through the whole service is found nowhere but where it is meant to go."""

from __future__ import annotations

import asyncio
import base64
import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import grpc
import pytest
from structlog.testing import capture_logs

from support.credential_harness import CredentialHarness, refused
from trunkline.credential.proof import Trial
from trunkline.credential.v1 import credential_pb2, resolve_pb2, save_pb2
from trunkline.credential.vault import Draft
from trunkline.inference.v1 import provider_pb2
from trunkline.kernel.address import parse_base_url

# With characters that URLs and base64's two alphabets write in different ways.
CANARIES = {
    name: f"sk-{name}-7Qh+/~?&%=\\\"'{{}}>canary-{name}"
    for name in ("saved", "replaced", "deleted", "refused", "impossible", "header", "hostile")
}


def disguises(key: str) -> Iterator[bytes]:
    """Yield every form in which a key could have been written down."""
    plain = key.encode()
    yield plain
    for text in (
        quote(key, safe=""),
        quote(key),
        quote_plus(key),
        plain.hex(),
        plain.hex().upper(),
    ):
        yield text.encode()
    yield repr(key)[1:-1].encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        # In the middle of something longer base64 looks different by where it begins; the
        # first and last group also hold bits of the neighbours.
        for offset in range(3):
            yield encode(b"\0" * offset + plain)[4 if offset else 0 : -4]


def assert_unseen(content: bytes, where: object) -> None:
    """Fail when any key is in some content, in any form."""
    for name, key in CANARIES.items():
        for disguise in disguises(key):
            assert disguise not in content, f"the {name} key is in {where}"


def assert_unwritten(*directories: Path) -> None:
    """Fail when any key is in a file of the directories."""
    files = [path for directory in directories for path in directory.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert_unseen(path.read_bytes(), path)


def test_the_canary_would_sing() -> None:
    """The search finds a key in each form, also in the middle of other bytes."""
    key = CANARIES["saved"]
    for content in (
        key.encode(),
        quote(key, safe="").encode(),
        base64.b64encode(key.encode()),
        base64.b64encode(b"ab" + key.encode() + b"cdefg"),
        base64.urlsafe_b64encode(b"a" + key.encode() + b"b"),
        key.encode().hex().encode(),
        repr({"key": key}).encode(),
    ):
        with pytest.raises(AssertionError, match="the saved key is in here"):
            assert_unseen(b"before" + content + b"after", "here")


async def record(suite: CredentialHarness, recorded: list[bytes]) -> None:
    """Record the bytes of a whole watch, as they come off the wire."""
    channel = suite.surroundings().channel("from-catalog")
    watch: Any = channel.unary_stream(
        "/trunkline.credential.v1.CredentialService/WatchCredentials",
        request_serializer=resolve_pb2.WatchCredentialsRequest.SerializeToString,
        response_deserializer=None,
    )
    async for message in watch(resolve_pb2.WatchCredentialsRequest()):
        recorded.append(message)


async def test_no_key_is_written_down(
    suite: CredentialHarness, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in a file of the data and config directories, a log line, an error or a watch."""
    recorded: list[bytes] = []
    errors: list[object] = []
    with capture_logs() as logs:
        watching = asyncio.create_task(record(suite, recorded))
        await suite.credentials.SaveApiKey(
            save_pb2.SaveApiKeyRequest(
                provider="openai",
                api_key=CANARIES["replaced"],
                headers={"x-secret": CANARIES["header"]},
            ),
            metadata=suite.admin,
        )
        await suite.save("openai", CANARIES["saved"])
        deleted = await suite.save("groq", CANARIES["deleted"])
        released = await suite.resolve()
        assert released.secret.api_key == CANARIES["saved"]
        assert_unwritten(suite.data_dir, suite.config_dir)
        for name, verdict in (
            ("refused", provider_pb2.VERDICT_REVOKED),
            ("impossible", provider_pb2.VERDICT_UNREACHABLE),
        ):
            suite.inference.answer(verdict, 401, "No.")
            errors.append(
                await refused(
                    suite.credentials.SaveApiKey(
                        save_pb2.SaveApiKeyRequest(provider="groq", api_key=CANARIES[name]),
                        metadata=suite.admin,
                    )
                )
            )
        errors.append(
            await refused(
                suite.credentials.SaveApiKey(
                    save_pb2.SaveApiKeyRequest(
                        provider="groq", api_key=f"{CANARIES['hostile']} with a space"
                    ),
                    metadata=suite.admin,
                )
            )
        )
        await suite.credentials.DeleteCredential(
            save_pb2.DeleteCredentialRequest(id=deleted.id), metadata=suite.admin
        )
        suite.inference.answer(provider_pb2.VERDICT_VALID)
        errors.append(await failing_save(suite))
        assert_unwritten(suite.data_dir, suite.config_dir)
        watching.cancel()
        await suite.restart()
        assert (await suite.resolve()).secret.api_key == CANARIES["saved"]
        assert_unwritten(suite.data_dir, suite.config_dir)
    assert_unwritten(suite.data_dir, suite.config_dir)
    events = {line["event"] for line in logs}
    assert {"credential_saved", "credential_deleted", "call", "call_failed_unexpectedly"} <= events
    assert_unseen(repr(logs).encode(), "the log")
    for failure in (line["exc_info"] for line in logs if "exc_info" in line):
        assert_unseen("".join(traceback.format_exception(failure)).encode(), "a traceback")
    assert_unseen(caplog.text.encode(), "the log of a library")
    assert_unseen("".join(capfd.readouterr()).encode(), "the output")
    assert_unseen(repr(errors).encode(), "an error")
    assert len(recorded) >= 5
    assert_unseen(b"".join(recorded), "the watch")
    assert_unseen(Path("/proc/self/cmdline").read_bytes(), "the arguments of the process")
    assert_unseen(repr(dict(os.environ)).encode(), "the environment")


async def failing_save(suite: CredentialHarness) -> object:
    """Save a key while the database refuses it, and return the error."""
    await suite.store.refuse("credential")
    error = await refused(
        suite.credentials.SaveApiKey(
            save_pb2.SaveApiKeyRequest(provider="openai", api_key=CANARIES["refused"]),
            metadata=suite.admin,
        )
    )
    assert (error.code, error.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    await suite.store.accept("credential")
    return error


async def test_a_save_that_fails_half_way_changes_nothing(suite: CredentialHarness) -> None:
    """The version, the secret and the view stay as they were."""
    ((before,),) = await suite.store.run("SELECT value FROM credential_revision")
    saved = await suite.save("openai", CANARIES["saved"])
    with capture_logs():
        await failing_save(suite)
    assert await suite.saved() == [saved]
    assert (await suite.resolve()).secret.api_key == CANARIES["saved"]
    call = suite.peer_credentials["health"].WatchCredentials(
        resolve_pb2.WatchCredentialsRequest(after_revision=before)
    )
    first: Any = await call.read()
    second: Any = await call.read()
    call.cancel()
    assert (first.credential, first.revision) == (saved, before + 1)
    assert second.HasField("heartbeat")


async def sealed_bytes(suite: CredentialHarness, provider: str) -> bytes:
    """Return the sealed secret of a provider's credential."""
    ((sealed,),) = await suite.store.run(
        "SELECT sealed FROM credential WHERE provider = ?", provider
    )
    return bytes(sealed)


@pytest.mark.one_store
@pytest.mark.parametrize("size", [20, 8000])
async def test_a_data_key_goes_with_its_row(suite: CredentialHarness, size: int) -> None:
    """After a deletion or a new version no file holds the sealed secret, also not the log."""
    await suite.save("openai", "s" * size)
    await suite.save("groq", "s" * size)
    gone = [await sealed_bytes(suite, "openai"), await sealed_bytes(suite, "groq")]
    await suite.save("openai", "t" * size)
    (groq, _) = await suite.saved()
    await suite.credentials.DeleteCredential(
        save_pb2.DeleteCredentialRequest(id=groq.id), metadata=suite.admin
    )
    for path in suite.data_dir.iterdir():
        content = path.read_bytes()
        for sealed in gone:
            # The wrapped data key, and a piece from the middle of the ciphertext.
            assert sealed[60:120] not in content, path
            assert sealed[len(sealed) // 2 :][:16] not in content, path


def test_values_that_carry_a_secret_do_not_show_it() -> None:
    """Neither a draft nor a trial prints its key."""
    secret = provider_pb2.ProviderSecret(api_key=CANARIES["saved"])
    draft = Draft(
        provider="openai",
        kind=credential_pb2.CREDENTIAL_KIND_API_KEY,
        secret=secret,
        base_url="",
        purpose=provider_pb2.PROBE_PURPOSE_PROVE_KEY,
        allow_unverified=False,
    )
    trial = Trial(
        provider="openai",
        address=parse_base_url("https://api.openai.com/v1"),
        secret=secret,
        purpose=provider_pb2.PROBE_PURPOSE_PROVE_KEY,
    )
    for value in (draft, trial):
        assert "openai" in repr(value)
        assert_unseen(f"{value!r} {value}".encode(), "a representation")

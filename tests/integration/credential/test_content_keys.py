"""Keys for the journal: one is current, earlier ones open what they sealed, all lie sealed."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import grpc
import pytest
from structlog.testing import capture_logs

from integration.credential.test_credential_start import start_fails
from integration.credential.test_credential_watch import read, watch
from support.credential_harness import CredentialHarness, refused
from trunkline.credential.content_keys import ROTATE_AFTER_S
from trunkline.credential.v1 import resolve_pb2

_NS = 1_000_000_000


async def age(house: CredentialHarness, seconds: float) -> None:
    """Let every content key be older."""
    await house.store.run(
        f"UPDATE content_key SET create_time_ns = create_time_ns - {int(seconds * _NS)}"
    )


async def test_the_first_ask_makes_a_key(suite: CredentialHarness) -> None:
    """It is random, has an id and a time, and is given again afterwards."""
    made = await suite.content_key()
    assert made.key_id.startswith("dek_")
    assert len(made.key) == 32
    assert len(set(made.key)) > 8
    ((created,),) = await suite.store.run("SELECT create_time_ns FROM content_key")
    assert made.rotate_time.ToNanoseconds() == created + ROTATE_AFTER_S * _NS
    assert await suite.content_key() == made


async def test_asks_at_once_make_one_key(suite: CredentialHarness) -> None:
    """All get the same."""
    given = await asyncio.gather(*(suite.content_key() for _ in range(20)))
    assert {(each.key_id, each.key) for each in given} == {(given[0].key_id, given[0].key)}


async def test_each_purpose_has_a_key_of_its_own(suite: CredentialHarness) -> None:
    """And one is not given for the other."""
    journal, other = await suite.content_key(), await suite.content_key(purpose="archive")
    assert journal.key_id != other.key_id
    assert journal.key != other.key
    refusal = await refused(suite.content_key(other.key_id))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "CONTENT_KEY_NOT_FOUND")
    assert refusal.metadata == {"key_id": other.key_id}


async def test_a_key_is_followed_by_another_when_its_time_is_over(
    suite: CredentialHarness,
) -> None:
    """Not before; and then it is still given by its id, to open with."""
    first = await suite.content_key()
    await age(suite, ROTATE_AFTER_S - 60)
    assert (await suite.content_key()).key_id == first.key_id
    await age(suite, 60)
    given = await asyncio.gather(*(suite.content_key() for _ in range(10)))
    (second,) = {each.key_id for each in given}
    assert second != first.key_id
    earlier = await suite.content_key(first.key_id)
    assert (earlier.key_id, earlier.key) == (first.key_id, first.key)
    assert not earlier.HasField("rotate_time")
    assert earlier.key != given[0].key


async def test_keys_outlive_a_restart(suite: CredentialHarness) -> None:
    """As credentials do."""
    made = await suite.content_key()
    await suite.restart()
    assert await suite.content_key() == made


async def test_an_unknown_key_is_named(suite: CredentialHarness) -> None:
    """What it sealed is lost."""
    refusal = await refused(suite.content_key("dek_none"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "CONTENT_KEY_NOT_FOUND")
    assert refusal.metadata == {"key_id": "dek_none"}


async def test_watchers_are_told_which_key_is_current(suite: CredentialHarness) -> None:
    """Those who follow as soon as it is made, those who come later with the view."""
    saved = await suite.save()
    async with aclosing(watch(suite)) as messages:
        assert not (await read(messages, "snapshot_page")).snapshot_page.content_key_id
        await read(messages, "snapshot_complete")
        await suite.content_key(purpose="archive")
        first = await suite.content_key()
        assert (await read(messages, "content_key_id")).content_key_id == first.key_id
        await age(suite, ROTATE_AFTER_S)
        second = await suite.content_key()
        assert (await read(messages, "content_key_id")).content_key_id == second.key_id
    async with aclosing(watch(suite)) as messages:
        pages = [(await read(messages, "snapshot_page")).snapshot_page for _ in range(2)]
        await read(messages, "snapshot_complete")
    assert [list(page.credentials) for page in pages] == [[saved], []]
    assert [page.content_key_id for page in pages] == ["", second.key_id]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE content_key SET generation = 9 WHERE generation = 1 AND purpose = 'journal'",
        "UPDATE content_key SET purpose = 'journal', generation = 9 WHERE purpose = 'archive'",
        "UPDATE content_key SET sealed ="
        " (SELECT sealed FROM content_key WHERE purpose = 'archive') WHERE purpose = 'journal'",
    ],
    ids=["another generation", "another purpose", "another key's seal"],
)
async def test_a_key_that_was_moved_does_not_open(suite: CredentialHarness, change: str) -> None:
    """It was sealed for its own id, purpose and place in the order."""
    await suite.content_key()
    await suite.content_key(purpose="archive")
    await suite.store.run(change)
    with capture_logs() as lines:
        refusal = await refused(suite.content_key())
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.DATA_LOSS, "SEAL_BROKEN")
    assert set(refusal.metadata) == {"credential_id", "key_id"}
    assert refusal.metadata["credential_id"].startswith("dek_")
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["seal_broken"]


async def test_a_sealed_content_key_needs_its_keyring_at_the_start(
    suite: CredentialHarness,
) -> None:
    """Without it nothing is started, though there is no credential."""
    await suite.content_key()
    await suite.stop()
    (suite.config_dir / "key-encryption-keys.json").unlink()
    failure = await start_fails(suite)
    assert "need the key-encryption key kek_" in failure.what


async def test_a_content_key_is_written_nowhere(suite: CredentialHarness) -> None:
    """Neither into the log nor into a file, in any form that is easily read."""
    with capture_logs() as lines:
        made = await suite.content_key()
        await suite.content_key(made.key_id)
    assert "content_key_made" in {line["event"] for line in lines}
    rows = await suite.store.run("SELECT * FROM content_key")
    seen = [repr(lines), repr(rows)]
    assert not any(made.key.hex() in text or repr(made.key) in text for text in seen)
    files = [path for path in suite.data_dir.rglob("*") if path.is_file()]
    for content in [bytes(rows[0][4]), *(path.read_bytes() for path in files)]:
        assert made.key not in content


async def test_only_inference_gets_a_content_key(suite: CredentialHarness) -> None:
    """No other service, and nobody with a token."""
    request = resolve_pb2.GetContentKeyRequest(purpose="journal")
    for peer in ("catalog", "health"):
        refusal = await refused(suite.peer_credentials[peer].GetContentKey(request))
        assert refusal.code == grpc.StatusCode.PERMISSION_DENIED
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await suite.credentials.GetContentKey(request, metadata=suite.admin)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert await suite.store.run("SELECT id FROM content_key") == []

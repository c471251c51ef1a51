"""Where a client calls and by which token, as the command line finds them."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from client.conftest import QUICK
from client.recorder import Fault, Fleet, say
from trunkline.kernel.errors import Unauthenticated
from trunkline_client import AsyncClient, Client, TokenInvalid, TokenMissing
from trunkline_client.address import find_addresses, find_authority, find_credentials
from trunkline_client.token import Token

LOCAL = ("127.0.0.1:50051",)
ENDED = Unauthenticated("TOKEN_INVALID", "The access token was revoked or has ended.")
_NAMES = ("ADDRESS", "CA_FILE", "CONFIG", "CONFIG_DIR", "TOKEN")


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home in which there is nothing, and an environment that says nothing."""
    for name in _NAMES:
        monkeypatch.delenv(f"TRUNKLINE_{name}", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _sent(token: Token) -> str:
    ((key, value),) = token.metadata()
    assert key == "authorization"
    return value.removeprefix("Bearer ")


def test_token_of_the_environment_comes_before_the_file(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    """As on the command line."""
    _write(home / "config" / "trunkline" / "admin-token", "tl_file\n")
    assert _sent(Token(None, LOCAL)) == "tl_file"
    monkeypatch.setenv("TRUNKLINE_TOKEN", " tl_environment ")
    assert _sent(Token(None, LOCAL)) == "tl_environment"
    assert _sent(Token("tl_given", LOCAL)) == "tl_given"


def test_token_file_is_looked_for_where_the_deployment_keeps_it(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    """The settings file may move the directory, and the environment both."""
    usual = home / "config" / "trunkline"
    for name in ("moved", "named", "direct"):
        _write(home / name / "admin-token", f"tl_{name}")
    _write(usual / "config.toml", f'config_dir = "{home / "moved"}"')
    assert _sent(Token(None, LOCAL)) == "tl_moved"
    named = _write(home / "other.toml", f'config_dir = "{home / "named"}"')
    monkeypatch.setenv("TRUNKLINE_CONFIG", str(named))
    assert _sent(Token(None, LOCAL)) == "tl_named"
    monkeypatch.setenv("TRUNKLINE_CONFIG_DIR", str(home / "direct"))
    assert _sent(Token(None, LOCAL)) == "tl_direct"


@pytest.mark.parametrize(
    ("platform", "directory"),
    [
        ("linux", "config/trunkline"),
        ("darwin", "Library/Application Support/trunkline"),
        ("win32", "AppData/Local/trunkline/trunkline"),
    ],
)
def test_token_file_is_where_the_system_keeps_settings(
    monkeypatch: pytest.MonkeyPatch, home: Path, platform: str, directory: str
) -> None:
    """The same place that `trunkline up` writes to."""
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    _write(home / directory / "admin-token", "tl_file")
    assert _sent(Token(None, LOCAL)) == "tl_file"


def test_token_of_this_machine_is_not_sent_to_others(home: Path) -> None:
    """One replica elsewhere is enough to leave the file alone."""
    _write(home / "config" / "trunkline" / "admin-token", "tl_file")
    with pytest.raises(TokenMissing, match="TRUNKLINE_TOKEN"):
        Token(None, (*LOCAL, "trunkline.example:443"))


def test_missing_token_is_told_before_anything_is_sent(home: Path) -> None:
    """The message says where it was looked for."""
    with pytest.raises(TokenMissing, match="admin-token") as caught:
        Client()
    assert caught.value.reason == "TOKEN_MISSING"


@pytest.mark.parametrize("token", ["", "two words", "tl_\nx", "ü", "x" * 1025])
def test_what_is_no_token_is_not_sent(token: str) -> None:
    """And it stands in no error."""
    with pytest.raises(TokenInvalid) as caught:
        Token(token, LOCAL).metadata()
    assert not token or token not in str(caught.value)


def test_token_is_shown_nowhere() -> None:
    """Neither the token nor a client that holds one prints it."""
    with Client("127.0.0.1:1", "tl_secret") as client:
        assert "tl_secret" not in repr(Token("tl_secret", LOCAL)) + repr(client)


async def test_token_is_asked_for_with_every_call(fleet: Fleet) -> None:
    """One that was renewed is sent with the next call."""
    fleet.scripts.extend([say("a"), say("b")])
    tokens = iter(["tl_first", "tl_second"])
    async with AsyncClient(fleet.addresses[0], lambda: next(tokens)) as client:
        await client.chat("sandbox/ok", "Hello")
        await client.chat("sandbox/ok", "Hello")
    assert [seen.token for seen in fleet.seen] == ["tl_first", "tl_second"]


@pytest.mark.parametrize("after", [-1, 2])
async def test_token_that_ends_in_mid_stream_is_renewed(fleet: Fleet, after: int) -> None:
    """The run goes on without its call, and is read on with the next token."""
    fleet.scripts.append(say("a", "b"))
    fleet.faults.append(Fault(after, ENDED))
    tokens = iter(["tl_first", *["tl_second"] * 2])
    async with AsyncClient(fleet.addresses[0], lambda: next(tokens), patience=QUICK) as client:
        assert (await client.stream("sandbox/ok", "Hello").answer()).text == "ab"
    assert [seen.token for seen in fleet.seen] == ["tl_first", "tl_second"]
    assert len(fleet.runs) == 1


def test_token_that_ends_without_asyncio_is_renewed(fleet: Fleet) -> None:
    """The other world, a stream and a whole answer."""
    fleet.scripts.extend([say("a", "b"), say("c")])
    fleet.faults.extend([Fault(2, ENDED), None, Fault(-1, ENDED)])
    tokens = iter(["tl_1", *["tl_2"] * 2, *["tl_3"], *["tl_4"] * 2])
    with Client(fleet.addresses[0], lambda: next(tokens), patience=QUICK) as client:
        assert client.stream("sandbox/ok", "Hello").answer().text == "ab"
        assert client.chat("sandbox/ok", "Hello").text == "c"
    assert [seen.token for seen in fleet.seen] == ["tl_1", "tl_2", "tl_3", "tl_4"]


async def test_token_that_is_not_renewed_ends_the_stream(fleet: Fleet) -> None:
    """The same one again would be refused again."""
    fleet.scripts.append(say("a", "b"))
    fleet.faults.append(Fault(2, ENDED))
    async with AsyncClient(fleet.addresses[0], lambda: "tl_same", patience=QUICK) as client:
        with pytest.raises(TokenInvalid) as caught:
            await client.stream("sandbox/ok", "Hello").answer()
    assert (caught.value.run_id, caught.value.last_sequence) == ("run_1", 2)
    assert len(fleet.seen) == 1


async def test_tokens_that_are_all_refused_are_given_up(fleet: Fleet) -> None:
    """New ones are tried within the patience only."""
    fleet.faults.extend([Fault(-1, ENDED)] * 20)
    tokens = (f"tl_{number}" for number in itertools.count())
    async with AsyncClient(fleet.addresses[0], lambda: next(tokens), patience=QUICK) as client:
        with pytest.raises(TokenInvalid):
            await client.chat("sandbox/ok", "Hello")
    assert len(fleet.seen) == QUICK.tries + 1


def test_addresses_come_from_the_caller_or_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each is named once, the first one first."""
    assert find_addresses(None, ()) == LOCAL
    monkeypatch.setenv("TRUNKLINE_ADDRESS", "a:1")
    assert find_addresses(None, ()) == ("a:1",)
    assert find_addresses(None, ["b:2", "c:3", "b:2"]) == ("b:2", "c:3")
    assert find_addresses("a:1", ["b:2", "a:1"]) == ("a:1", "b:2")
    monkeypatch.setenv("TRUNKLINE_ADDRESS", "catalog=a:1, inference=[::1]:2")
    assert find_addresses(None, ()) == ("[::1]:2",)


@pytest.mark.parametrize(
    "address", ["", "a", "a:0", "a:70000", "http://a:1", "a:1/b", "catalog=a:1"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    """The message says how one is written."""
    with pytest.raises(ValueError, match="host:port"):
        find_addresses(address, ())


@pytest.mark.parametrize(
    ("address", "is_secured"),
    [
        ("127.0.0.1:1", False),
        ("localhost:1", False),
        ("[::1]:1", False),
        ("192.0.2.1:1", True),
        ("trunkline.example:1", True),
        ("localhost.example:1", True),
    ],
)
def test_token_crosses_a_network_only_secured(address: str, is_secured: bool) -> None:
    """In the clear it stays on this machine; with an authority nothing is in the clear."""
    assert (find_credentials(address, None) is not None) is is_secured
    assert find_credentials(address, b"-----BEGIN CERTIFICATE-----") is not None


def test_authority_is_read_from_its_file(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Given or of the environment; a file without a certificate is refused."""
    assert find_authority(None) is None
    named = _write(home / "ca.pem", "-----BEGIN CERTIFICATE-----")
    assert find_authority(named) == b"-----BEGIN CERTIFICATE-----"
    monkeypatch.setenv("TRUNKLINE_CA_FILE", str(named))
    assert find_authority(None) == b"-----BEGIN CERTIFICATE-----"
    with pytest.raises(ValueError, match="no certificate"):
        find_authority(_write(home / "other.pem", "nothing"))

"""Which addresses the command line calls, and how: one or four, in the clear or on TLS."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest

from integration.cli.child import Result
from support.certificates import DAY, Files, make_authority, write
from support.fake_suite import ADMIN_TOKEN, FakeSuite

Run = Callable[..., Result]


def secure(files: Files) -> FakeSuite:
    """Return a suite that speaks TLS alone."""
    pair = (files.key.read_bytes(), files.chain.read_bytes())
    return FakeSuite(grpc.ssl_server_credentials([pair]))


@pytest.fixture
def call(type_in: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run the command line here, with variables of its own."""

    def run(*arguments: str, env: dict[str, str] | None = None) -> Result:
        with monkeypatch.context() as patch:
            for name, value in {
                "HOME": str(tmp_path),
                "TRUNKLINE_CONFIG_DIR": str(tmp_path / "config"),
                "TRUNKLINE_TOKEN": ADMIN_TOKEN,
                **(env or {}),
            }.items():
                patch.setenv(name, value)
            return type_in(*arguments)

    return run


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A certificate for this machine."""
    return write(make_authority(), tmp_path / "pki")


def over_tls(suite: FakeSuite, files: Files) -> dict[str, str]:
    """Return the variables of who calls a suite on TLS."""
    return {"TRUNKLINE_ADDRESS": suite.address, "TRUNKLINE_CA_FILE": str(files.authority)}


@contextlib.contextmanager
def tapping() -> Iterator[tuple[int, list[bytes]]]:
    """Listen, and take down what each connection says first."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.settimeout(5)
                        heard.append(connection.recv(65536))

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield listener.getsockname()[1], heard
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@pytest.mark.parametrize("variable", [True, False], ids=["own authority", "everybody's"])
def test_a_token_does_not_leave_the_machine_unencrypted(
    call: Run, files: Files, variable: bool
) -> None:
    """The first that another address hears is a greeting of TLS, and nothing after it."""
    authority = str(files.authority) if variable else ""
    with tapping() as (port, heard):
        # An address that is not called this machine's, and is connected to all the same.
        result = call(
            "status", env={"TRUNKLINE_ADDRESS": f"0.0.0.0:{port}", "TRUNKLINE_CA_FILE": authority}
        )
    result.assert_reads_well()
    assert result.code == 3
    assert heard
    for said in heard:
        # A record of the handshake, whose version may be any of 3.x, and a ClientHello in it.
        assert said[0] == 0x16
        assert said[1] == 0x03
        assert said[5] == 0x01
        assert ADMIN_TOKEN.encode() not in said
        assert b"authorization" not in said


def test_on_this_machine_it_speaks_in_the_clear(call: Run) -> None:
    """As `trunkline up` does by default, with nothing to set up."""
    with tapping() as (port, heard):
        call("status", env={"TRUNKLINE_ADDRESS": f"127.0.0.1:{port}"})
    assert heard[0].startswith(b"PRI * HTTP/2.0")


def test_with_an_authority_it_is_tls_everywhere(call: Run, files: Files) -> None:
    """On this machine too, where the server is believed by that authority alone."""
    with secure(files) as suite:
        for command in (("status",), ("models",), ("chat", "Hello")):
            result = call(*command, env=over_tls(suite, files))
            assert result.code == 0, result.err
        assert suite.seen[0].metadata["authorization"] == f"Bearer {ADMIN_TOKEN}"


def test_the_authority_is_found_in_the_home_directory(
    call: Run, files: Files, tmp_path: Path
) -> None:
    """A path is read as a shell reads it, and white space around it is no part of it."""
    relative = files.authority.relative_to(tmp_path)
    with secure(files) as suite:
        env = {"TRUNKLINE_ADDRESS": suite.address, "TRUNKLINE_CA_FILE": f" ~/{relative}\n"}
        assert call("status", env=env).code == 0


@pytest.mark.parametrize("named", ["missing.pem", ".", "~nobody-of-this-name/ca.pem", "\x01"])
def test_an_authority_that_cannot_be_read_is_told(
    type_in: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str
) -> None:
    """With the variable that names it; nobody is called."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRUNKLINE_CA_FILE", named)
    monkeypatch.setenv("TRUNKLINE_TOKEN", ADMIN_TOKEN)
    result = type_in("status", "--address", "127.0.0.1:1")
    result.assert_reads_well()
    assert result.code == 2
    assert "which TRUNKLINE_CA_FILE names, cannot be read" in result.err
    assert "trunkline pki init" in result.err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "holds no certificate in PEM"),
        (b"hello", "holds no certificate in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\n", "holds no certificate in PEM"),
        (b"x" * (1024 * 1024 + 1), "is over 1 MiB"),
        (
            b"-----BEGIN CERTIFICATE-----\nbm90IGRlcg==\n-----END CERTIFICATE-----\n",
            "cannot be read",
        ),
    ],
    ids=["empty", "text", "a key", "long", "no DER"],
)
def test_a_file_that_is_no_authority_is_told(
    call: Run, suite: FakeSuite, tmp_path: Path, content: bytes, told: str
) -> None:
    """A call on it would fail in words that help nobody."""
    path = tmp_path / "ca.pem"
    path.write_bytes(content)
    env = {"TRUNKLINE_ADDRESS": suite.address, "TRUNKLINE_CA_FILE": str(path)}
    result = call("status", env=env)
    result.assert_reads_well()
    assert "TRUNKLINE_CA_FILE" in result.err
    assert told in result.err
    assert suite.seen == []


def test_a_server_of_another_authority_is_not_believed(
    call: Run, files: Files, tmp_path: Path
) -> None:
    """It is told as such, to people and programs; the token is not sent."""
    other = write(make_authority(), tmp_path / "other")
    with secure(files) as suite:
        result = call("status", env=over_tls(suite, other))
        as_json = call("status", "--json", env=over_tls(suite, other))
        everybodys = call(
            "status", env={"TRUNKLINE_ADDRESS": suite.address.replace("127.0.0.1", "0.0.0.0")}
        )
        assert suite.seen == []
    result.assert_reads_well()
    assert result.code == 3
    assert result.err.splitlines()[0] == (
        f"The certificate of the server at {suite.address} is of no authority that is trusted here."
    )
    assert "TRUNKLINE_CA_FILE" in result.err
    assert (as_json.error["reason"], as_json.error["code"]) == ("UNREACHABLE", "UNAVAILABLE")
    assert "CERTIFICATE_VERIFY_FAILED" in as_json.error["metadata"]["detail"]
    assert "of no authority that is trusted here" in everybodys.err


def test_a_certificate_for_another_name_is_not_believed(call: Run, tmp_path: Path) -> None:
    """What it is called by has to stand in it."""
    files = write(make_authority(), tmp_path / "pki", ["trunkline.example.com"])
    with secure(files) as suite:
        result = call("status", env=over_tls(suite, files))
        assert suite.seen == []
    result.assert_reads_well()
    assert (result.code, "is for another name" in result.err) == (3, True)
    assert "trunkline pki init --name" in result.err


def test_a_certificate_that_has_ended_is_not_believed(call: Run, tmp_path: Path) -> None:
    """Nor is it called a matter of authorities."""
    then = datetime.now(UTC) - 9 * DAY
    files = write(make_authority(then), tmp_path / "pki", now=then, life=8 * DAY)
    with secure(files) as suite:
        result = call("status", env=over_tls(suite, files))
        assert suite.seen == []
    result.assert_reads_well()
    assert "has ended" in result.err


def test_a_server_in_the_clear_is_not_called_on_tls(
    call: Run, suite: FakeSuite, files: Files
) -> None:
    """Who set an authority does not want the token to travel in the clear."""
    result = call("status", env=over_tls(suite, files))
    result.assert_reads_well()
    assert (result.code, "does not speak TLS" in result.err) == (3, True)
    assert suite.seen == []


def test_a_server_on_tls_that_is_called_in_the_clear_tells_what_to_set(
    call: Run, files: Files
) -> None:
    """It closes the connection, and does not say why."""
    with secure(files) as suite:
        result = call("status", env={"TRUNKLINE_ADDRESS": suite.address})
        assert suite.seen == []
    result.assert_reads_well()
    assert (result.code, "TRUNKLINE_CA_FILE" in result.err) == (3, True)


SERVED = ("credential", "catalog", "health", "inference")


def test_each_service_is_called_where_it_is(call: Run, suite: FakeSuite) -> None:
    """In any order and spacing; two may share a process."""
    with FakeSuite() as keys, FakeSuite() as chats:
        addresses = (
            f"inference={chats.address}, catalog={suite.address},"
            f"health={suite.address} ,credential={keys.address}"
        )
        for command in (("status",), ("token", "list"), ("chat", "Hello")):
            result = call(*command, "--address", addresses)
            assert result.code == 0, result.err
        assert set(chats.methods()) == {"StreamChat"}
        assert {"ListProviders", "ListHealth"} <= set(suite.methods())
        assert "ListAccessTokens" in keys.methods()
        assert "StreamChat" not in suite.methods() + keys.methods()


def test_the_one_that_does_not_answer_is_named(call: Run, suite: FakeSuite) -> None:
    """With the addresses as they were given."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        away = f"127.0.0.1:{free.getsockname()[1]}"
    addresses = ",".join(
        f"{name}={away if name == 'inference' else suite.address}" for name in SERVED
    )
    result = call("chat", "Hello", "--address", addresses)
    result.assert_reads_well()
    assert result.code == 3
    assert away in result.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("credential=127.0.0.1:1", "The address of catalog and health and inference is missing."),
        (
            ",".join(f"{name}=127.0.0.1:1" for name in SERVED[:3]),
            "The address of inference is missing.",
        ),
        ("catalog=127.0.0.1:1,catalog=127.0.0.1:2", "'catalog=127.0.0.1:2' names no service, or"),
        ("journal=127.0.0.1:1", "'journal=127.0.0.1:1' names no service, or"),
        ("Catalog=127.0.0.1:1", "'Catalog=127.0.0.1:1' names no service, or"),
        ("=127.0.0.1:1", "'=127.0.0.1:1' names no service, or"),
        ("catalog=127.0.0.1:1,", "'' names no service, or"),
        ("127.0.0.1:1,catalog=127.0.0.1:1", "'127.0.0.1:1' names no service, or"),
        ("catalog=", "'' is no address."),
        ("catalog=127.0.0.1:0", "'127.0.0.1:0' is no address."),
        ("catalog=127.0.0.1:99999", "'127.0.0.1:99999' is no address."),
        ("catalog=http://127.0.0.1:1", "'http://127.0.0.1:1' is no address."),
        ("catalog=a=b:1", "'a=b:1' is no address."),
        ("127.0.0.1:1,127.0.0.1:2", "'127.0.0.1:1,127.0.0.1:2' is no address."),
        ("::1:50051", "'::1:50051' is no address."),
        ("unix:/tmp/x", "'unix:/tmp/x' is no address."),
    ],
)
def test_addresses_that_do_not_name_four_services_are_told(
    type_in: Run, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    """What is missing, doubled, unknown or no address; nobody is called."""
    monkeypatch.setenv("TRUNKLINE_TOKEN", ADMIN_TOKEN)
    result = type_in("status", "--address", text)
    result.assert_reads_well()
    assert result.code == 2
    assert told in result.err

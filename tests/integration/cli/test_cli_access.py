"""Where the command line calls, as whom, and what it says when that fails."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.cli.child import Cli, Result
from support.fake_suite import ADMIN_TOKEN, DEVELOPER_TOKEN, FakeSuite
from trunkline.kernel.errors import InvalidArgument, Unavailable, Violation

COMMANDS = [
    ("status",),
    ("models",),
    ("chat", "Hello"),
    ("token", "list"),
    ("connect", "lm-studio", "--local"),
]


def write_token(cli: Cli, text: str) -> Path:
    """Write the file that `trunkline up` writes the first admin's token to."""
    path = cli.home / "config" / "admin-token"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_every_call_has_the_token_and_a_deadline(cli: Cli, suite: FakeSuite) -> None:
    """Whatever is called, it knows who calls and until when."""
    for command in COMMANDS:
        assert cli.run(*command).code == 0, command
    assert len(suite.seen) >= len(COMMANDS)
    for seen in suite.seen:
        assert seen.metadata["authorization"] == f"Bearer {ADMIN_TOKEN}"
        assert seen.seconds_left is not None
        assert 0 < seen.seconds_left <= 900


def test_without_a_token_in_the_environment_the_file_has_it(cli: Cli, suite: FakeSuite) -> None:
    """On the machine of `trunkline up` nothing has to be set."""
    write_token(cli, f"{ADMIN_TOKEN}\n")
    assert cli.run("status", env={"TRUNKLINE_TOKEN": ""}).code == 0
    assert suite.seen[-1].metadata["authorization"] == f"Bearer {ADMIN_TOKEN}"


def test_the_token_of_the_environment_wins(cli: Cli, suite: FakeSuite) -> None:
    """Who sets one wants that one."""
    write_token(cli, "tl_another\n")
    assert cli.run("status").code == 0


def test_without_any_token_it_says_where_it_looked(cli: Cli, suite: FakeSuite) -> None:
    """Both places are named, and how to get one; nothing is called."""
    result = cli.run("status", env={"TRUNKLINE_TOKEN": ""})
    result.assert_reads_well()
    assert result.code == 4
    assert "TRUNKLINE_TOKEN is not set" in result.err
    assert str(cli.home / "config" / "admin-token") in result.err
    assert "trunkline up" in result.err
    assert result.out == ""
    assert suite.seen == []


@pytest.mark.parametrize("text", ["", "two words", "tökén", "\x1b[31m"])
def test_what_is_no_token_is_not_sent(cli: Cli, suite: FakeSuite, text: str) -> None:
    """A file with something else in it is named, and its content is not shown."""
    path = write_token(cli, text)
    result = cli.run("status", env={"TRUNKLINE_TOKEN": ""})
    result.assert_reads_well()
    assert result.code == 4
    assert str(path) in result.err
    assert not text or text not in result.err
    assert suite.seen == []


def test_a_wrong_token_is_told_with_its_source(cli: Cli) -> None:
    """One sees which token was wrong, though not the token."""
    result = cli.run("status", env={"TRUNKLINE_TOKEN": "tl_wrong"})
    result.assert_reads_well()
    assert result.code == 4
    assert "not known" in result.err
    assert "TRUNKLINE_TOKEN" in result.err
    assert "tl_wrong" not in result.err


def test_what_is_not_for_a_developer_is_refused(cli: Cli) -> None:
    """A role that is not enough is an error of its own kind."""
    result = cli.run("token", "issue", "ana", env={"TRUNKLINE_TOKEN": DEVELOPER_TOKEN})
    result.assert_reads_well()
    assert result.code == 4
    assert "not for DEVELOPER" in result.err
    assert "admin" in result.err.splitlines()[-1]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_server_that_is_not_there_is_named(cli: Cli, command: tuple[str, ...]) -> None:
    """Every command says at which address nothing answers, and how to start it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    result = cli.run(*command, "--address", address)
    result.assert_reads_well()
    assert result.code == 3
    assert address in result.err
    assert "trunkline up" in result.err
    assert result.out == ""


def test_a_failure_as_json_is_one_object_on_standard_error(cli: Cli) -> None:
    """A program finds reason, status, both sentences and metadata."""
    result = cli.run("status", "--json", env={"TRUNKLINE_TOKEN": "tl_wrong"})
    assert (result.code, result.out) == (4, "")
    assert result.error["reason"] == "TOKEN_INVALID"
    assert result.error["code"] == "UNAUTHENTICATED"
    assert result.error["metadata"] == {"request_id": "req_fake"}
    assert result.error["message"]
    assert result.error["advice"]


def test_a_failure_that_nobody_sent_is_json_too(cli: Cli) -> None:
    """Also what fails before any call has a reason and a status."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    away = cli.run("status", "--json", "--address", address)
    assert (away.error["reason"], away.error["code"]) == ("UNREACHABLE", "UNAVAILABLE")
    assert away.error["metadata"]["address"] == address
    assert "refused" in away.error["metadata"]["detail"]
    missing = cli.run("status", "--json", env={"TRUNKLINE_TOKEN": ""})
    assert missing.error["reason"] == "TOKEN_MISSING"
    assert missing.error["code"] == "UNAUTHENTICATED"
    usage = cli.run("chat", "--json", "--no-such-option")
    assert usage.code == 2
    assert usage.error["reason"] == "USAGE"
    assert "--no-such-option" in usage.error["message"]
    assert usage.error["advice"] == "`trunkline chat --help` tells what it takes."


@pytest.mark.parametrize("address", ["", "localhost", "127.0.0.1:0", "127.0.0.1:70000", "http://x"])
def test_what_is_no_address_is_told(type_in: Callable[..., Result], address: str) -> None:
    """A misspelt address is no silent wait."""
    result = type_in("status", "--address", address)
    result.assert_reads_well()
    assert result.code == 2
    assert "host:port" in result.err


def test_a_setting_that_is_wrong_is_told_by_its_name(cli: Cli) -> None:
    """A settings file that cannot be read is no reason to guess where the token is."""
    broken = cli.home / "broken.toml"
    broken.write_text("this is = = no toml")
    result = cli.run("status", env={"TRUNKLINE_TOKEN": "", "TRUNKLINE_CONFIG": str(broken)})
    result.assert_reads_well()
    assert result.code == 2
    assert str(broken) in result.err


def test_a_request_out_of_its_bounds_names_the_fields(cli: Cli, suite: FakeSuite) -> None:
    """What the server finds wrong is shown field by field, as wrong usage."""
    suite.faults["ListProviders"].append(
        InvalidArgument.of(Violation("page_token", "is not a token of this list"))
    )
    result = cli.run("status")
    result.assert_reads_well()
    assert result.code == 2
    assert "page_token: is not a token of this list" in result.err


def test_a_server_that_starts_is_told_from_one_that_is_not_there(
    cli: Cli, suite: FakeSuite
) -> None:
    """A server that says itself that it is not ready was reached."""
    suite.faults["ListProviders"].append(Unavailable("NOT_SERVING", "The service is starting."))
    result = cli.run("status")
    assert result.code == 1
    assert "The service is starting." in result.err
    assert "try again" in result.err


def test_no_proxy_of_the_environment_sees_the_token(cli: Cli) -> None:
    """A call to this machine goes to this machine."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        proxy.settimeout(0.0)
        result = cli.run("status", env={"http_proxy": url, "https_proxy": url, "grpc_proxy": url})
        assert result.code == 0
        with pytest.raises(BlockingIOError):
            proxy.accept()

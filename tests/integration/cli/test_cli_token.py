"""`trunkline token`: issue, list, revoke."""

from __future__ import annotations

import stat
import subprocess

from integration.cli.child import Cli
from support.fake_suite import FakeSuite
from trunkline.kernel.errors import NotFound, PermissionDenied
from trunkline.options.v1 import options_pb2


def test_the_token_stands_alone_on_standard_output(cli: Cli, suite: FakeSuite) -> None:
    """`TOKEN=$(trunkline token issue …)` has the token and nothing else."""
    result = cli.run("token", "issue", "ana@example.com", "--lifetime", "1d12h")
    assert (result.code, result.out) == (0, "tl_secret-of-tok_1\n")
    assert result.err.startswith("tok_1: developer ana@example.com, ends 20")
    [request] = suite.requests("IssueAccessToken")
    assert request.principal == "ana@example.com"
    assert request.role == options_pb2.CALLER_ROLE_DEVELOPER
    assert request.lifetime.seconds == 36 * 3600
    assert not request.HasField("scope")
    assert not request.HasField("overlap")


def test_every_option_reaches_the_request(cli: Cli, suite: FakeSuite) -> None:
    """Role, scope, description and what is replaced are those that were typed."""
    result = cli.run(
        "token",
        "issue",
        "backend",
        "--role",
        "admin",
        "--description",
        "nightly",
        "--provider",
        "openai",
        "--provider",
        "groq",
        "--model",
        "openai/gpt-mini",
        "--impersonate",
        "--replaces",
        "tok_7",
        "--overlap",
        "90m",
    )
    assert result.code == 0
    [request] = suite.requests("IssueAccessToken")
    assert request.role == options_pb2.CALLER_ROLE_ADMIN
    assert request.description == "nightly"
    assert list(request.scope.providers) == ["openai", "groq"]
    assert list(request.scope.models) == ["openai/gpt-mini"]
    assert request.scope.impersonate
    assert request.replaces == "tok_7"
    assert request.overlap.seconds == 5400
    assert "never ends" in result.err
    assert "reaches openai, groq, openai/gpt-mini, on behalf of others" in result.err


def test_as_json_the_token_is_in_the_document(cli: Cli) -> None:
    """A program gets entry and token at once."""
    document = cli.run("token", "issue", "ana", "--json").document
    assert document["token"] == "tl_secret-of-tok_1"
    assert document["access_token"]["principal"] == "ana"


def test_a_token_in_a_file_is_for_its_owner_only(cli: Cli) -> None:
    """It has mode 0600 from the start, and the token is not printed."""
    path = cli.home / "token"
    result = cli.run("token", "issue", "ana", "--output", str(path))
    assert (result.code, result.out) == (0, "")
    assert str(path) in result.err
    assert "secret" not in result.err
    assert path.read_text() == "tl_secret-of-tok_1\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    shown = cli.run("token", "issue", "ana", "--json", "--output", str(cli.home / "other"))
    assert "token" not in shown.document


def test_a_file_that_exists_is_left_as_it_is(cli: Cli, suite: FakeSuite) -> None:
    """And no token is made that nobody would know."""
    path = cli.home / "token"
    path.write_text("something else")
    result = cli.run("token", "issue", "ana", "--output", str(path))
    result.assert_reads_well()
    assert result.code == 2
    assert path.read_text() == "something else"
    assert suite.seen == []


def test_a_refused_token_leaves_no_file(cli: Cli, suite: FakeSuite) -> None:
    """Nothing is half-written."""
    suite.faults["IssueAccessToken"].append(
        NotFound("TOKEN_NOT_FOUND", "There is no access token tok_9.")
    )
    path = cli.home / "token"
    result = cli.run("token", "issue", "ana", "--replaces", "tok_9", "--output", str(path))
    result.assert_reads_well()
    assert result.code == 1
    assert "trunkline token list" in result.err
    assert not path.exists()


def test_a_token_that_cannot_be_written_is_revoked(cli: Cli, suite: FakeSuite) -> None:
    """A full disk leaves no token that holds and that nobody has."""
    path = cli.home / "full"
    # A file that may not grow is what a full disk is to the one who writes.
    ended = subprocess.run(
        [
            "/bin/sh",
            "-c",
            'trap "" XFSZ; ulimit -f 0; exec "$@" 2>&1 | cat',
            "sh",
            *cli.command("token", "issue", "ana", "--output", str(path)),
        ],
        capture_output=True,
        text=True,
        env=cli.variables(),
        timeout=30,
        check=False,
    )
    assert "was revoked again" in ended.stdout
    assert [request.id for request in suite.requests("RevokeAccessToken")] == ["tok_1"]
    assert not path.exists()


def test_tokens_are_listed_without_their_values(cli: Cli, suite: FakeSuite) -> None:
    """Whose, as what, how far, until when; never the token."""
    cli.run("token", "issue", "ana", "--lifetime", "30d", "--description", "for ana")
    cli.run("token", "issue", "bob", "--role", "admin", "--provider", "openai")
    result = cli.run("token", "list")
    assert (result.code, result.err) == (0, "")
    header, ana, bob = result.out.splitlines()
    assert header.split() == ["TOKEN", "PRINCIPAL", "ROLE", "REACHES", "MADE", "ENDS", "FOR"]
    assert ana.startswith("tok_1")
    assert ana.endswith("for ana")
    assert "2026-03-04" in ana
    assert bob.split()[:4] == ["tok_2", "bob", "admin", "openai"]
    assert "never" in bob
    assert "secret" not in result.out
    only = cli.run("token", "list", "--principal", "bob", "--json").document
    assert [token["id"] for token in only["access_tokens"]] == ["tok_2"]


def test_a_revoked_token_is_gone_from_the_list(cli: Cli) -> None:
    """Unless those that ended are asked for."""
    cli.run("token", "issue", "ana")
    result = cli.run("token", "revoke", "tok_1")
    assert (result.code, result.out) == (0, "tok_1 of ana is revoked.\n")
    assert cli.run("token", "list", "--json").document == {"access_tokens": []}
    assert "revoked" in cli.run("token", "list", "--ended").out


def test_a_refusal_to_revoke_is_told(cli: Cli, suite: FakeSuite) -> None:
    """Nobody is told that something was ended which was not."""
    result = cli.run("token", "revoke", "tok_9")
    result.assert_reads_well()
    assert result.code == 1
    suite.faults["RevokeAccessToken"].append(
        PermissionDenied("CALLER_NOT_ALLOWED", "Only an ADMIN may do this.")
    )
    assert cli.run("token", "revoke", "tok_9").code == 4

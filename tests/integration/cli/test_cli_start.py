"""The program itself: help, version, what is typed wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version

import pytest

from integration.cli.child import Cli, Result

COMMANDS = [
    "up",
    "serve",
    "sandbox",
    "token",
    "config",
    "connect",
    "disconnect",
    "status",
    "check",
    "doctor",
    "ready",
    "models",
    "chain",
    "explain",
    "pki",
    "chat",
]


def test_help_lists_every_command(cli: Cli) -> None:
    """A newcomer finds everything in one place."""
    result = cli.run("--help")
    assert (result.code, result.err) == (0, "")
    listed = [line.split()[0] for line in result.out.splitlines() if line.startswith("  ")]
    assert set(COMMANDS) <= set(listed)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["chat", "--help"]])
def test_help_and_version_import_nothing_heavy(cli: Cli, arguments: list[str]) -> None:
    """They come at once, because nothing is loaded that only commands need."""
    heavy = ("grpc", "rich", "google.protobuf", "asyncio", "sqlalchemy")
    services = ("trunkline.kernel", "trunkline.suite", "trunkline.catalog", "trunkline.inference")
    program = (
        "import sys\n"
        "from trunkline.cli.main import main\n"
        "try:\n"
        f"    main({arguments!r})\n"
        "finally:\n"
        f"    print([name for name in {heavy + services!r} if name in sys.modules], end='')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=cli.variables(),
        timeout=30,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith("[]")


def test_version_is_that_of_the_package(cli: Cli) -> None:
    """One line, for reports."""
    result = cli.run("--version")
    assert (result.code, result.out, result.err) == (0, f"trunkline {version('trunkline')}\n", "")


def test_without_a_command_help_is_shown(cli: Cli) -> None:
    """That nothing was done, a script can tell."""
    result = cli.run()
    assert result.code == 2
    assert "Commands:" in result.out


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(type_in: Callable[..., Result], command: str) -> None:
    """Each tells its arguments and options, and no option takes a key or a token."""
    result = type_in(command, "--help")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"Usage: trunkline {command}")
    for option in ("--key", "--api-key", "--token ", "--secret", "--password"):
        assert option not in result.out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["chatt"], "'chatt'"),
        (["status", "extra"], "extra"),
        (["chat", "--temperature", "hot", "Hello"], "--temperature"),
        (["token"], "Missing command"),
        (["token", "issue"], "PRINCIPAL"),
        (["token", "issue", "ana", "--lifetime", "soon"], "soon"),
        (["token", "issue", "ana", "--lifetime", "0d"], "above zero"),
        (["token", "issue", "ana", "--overlap", "1h"], "--replaces"),
        (["serve"], "SERVICE"),
        (["serve", "everything"], "everything"),
        (["chat", "--after", "3", "Hello"], "--resume"),
        (["chat", "--resume", "run_1", "Hello"], "--resume"),
        (["models", "default"], "--none"),
        (["models", "--all", "default", "a/b"], "`default`"),
        (["connect", "openai", "extra"], "extra"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_is_typed_wrong_is_named(
    type_in: Callable[..., Result], arguments: list[str], named: str
) -> None:
    """One sentence what is wrong, one where to read what is right."""
    result = type_in(*arguments)
    result.assert_reads_well()
    assert result.code == 2
    assert named in result.err
    assert result.out == ""


def test_who_stops_reading_sees_no_complaint(cli: Cli) -> None:
    """`trunkline … | head` ends quietly."""
    child = cli.start("sandbox", "--list")
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    assert child.wait(30) in (0, 1)
    assert child.stderr.read() == ""
    child.stderr.close()
    assert child.stdin is not None
    child.stdin.close()


def test_an_argument_that_is_no_text_is_told(cli: Cli) -> None:
    """Bytes that are no UTF-8 cannot be sent, and are no fault of the program."""
    program = "from trunkline.cli.main import main; main(['chat', '\\udcff\\udcfe'])"
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        env=cli.variables(),
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert b"UTF-8" in ended.stderr
    assert b"Traceback" not in ended.stderr

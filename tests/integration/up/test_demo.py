"""`trunkline demo`: real processes are broken, and every answer is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from integration.cli.child import Cli, Result
from support.fake_suite import wait_for
from trunkline.cli.demo_fleet import Fleet
from trunkline.cli.failures import Failure
from trunkline.sandbox.scripts import OK_TEXT


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    """Give a command line whose temporary files are all in one place, and see that none stay."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    # Settings of the user's own deployment, which are not to be touched nor used.
    own = {"TRUNKLINE_CA_FILE": "/nowhere/ca.pem", "TRUNKLINE_LISTEN": "192.0.2.1:50051"}
    yield Cli(tmp_path, {"TMPDIR": str(temporary), **own})
    assert list(temporary.iterdir()) == []
    assert find_processes(temporary) == []


def find_processes(temporary: Path) -> list[int]:
    """Return the processes whose data are below a directory."""
    found = []
    for process in psutil.process_iter():
        try:
            data = process.environ().get("TRUNKLINE_DATA_DIR", "")
        except psutil.Error:
            continue
        if data.startswith(f"{temporary}/") and process.pid != os.getpid():
            found.append(process.pid)
    return found


def steps(chat: dict[str, Any]) -> list[tuple[str, str, str | None, str | None]]:
    """Return the attempts of a chat: provider, outcome, why it failed, how it carried on."""
    return [
        (each["model"].partition("/")[0], each["outcome"], each["why"], each["strategy"])
        for each in chat["attempts"]
    ]


def test_nothing_is_lost_whatever_is_broken(cli: Cli) -> None:
    """For a program: each chat's attempts, seams and text, as they were."""
    result: Result = cli.run("demo", "--json")
    assert (result.code, result.err) == (0, "")
    document = result.document
    assert document["nothing_lost"] is True
    chats = {chat["name"]: chat for chat in document["chats"]}
    assert [chat["text"] for chat in chats.values()] == [OK_TEXT] * 4
    assert [chat["faults"] for chat in chats.values()] == [[]] * 4
    assert steps(chats["provider-cut"]) == [
        ("north", "failed", "broken stream", None),
        ("south", "completed", None, "prefill"),
    ]
    assert steps(chats["provider-ended"]) == [
        ("north", "failed", "broken stream", None),
        ("south", "completed", None, "restart"),
    ]
    assert steps(chats["owner-killed"]) == [
        ("south", "superseded", "superseded", None),
        ("south", "completed", None, "prefill"),
    ]
    assert steps(chats["client-left"]) == [("south", "completed", None, None)]
    voids = [[seam["void_from_sequence"] for seam in chat["seams"]] for chat in chats.values()]
    assert voids == [[0], [3], [0], []]
    killed = chats["owner-killed"]
    # The lease is one second, and nobody takes a run over before it has run out.
    assert 0 < killed["takeover_s"] < 20
    left = chats["client-left"]
    assert 0 < left["resumed_after"] < left["events"]


def test_on_a_terminal_each_break_is_seen(cli: Cli) -> None:
    """The acts in their order, what broke, how it went on, and the verdict at the end."""
    child = cli.at_terminal("demo")
    for line in (
        "serves inference on 127.0.0.1:",
        "Act 1. A provider is cut in mid-sentence.",
        "attempt 1 broke: broken stream. The connection ended before the answer did.",
        "goes on after the last word",
        "attempt 1 broke: broken stream. The answer of north broke off before its end.",
        "\x1b[2;9m",
        "RESTART: what stands above is void",
        "Act 2. The process that has the run is killed in mid-answer.",
        "SIGKILL to process ",
        "attempt 1 broke: superseded.",
        "s after the kill",
        "Act 3. The client itself leaves, and comes back.",
        "the client leaves after event ",
        "another client resumes after event ",
        "owner-killed",
        "Nothing lost, nothing repeated.",
    ):
        child.see(line)
    assert child.end() == (0, "\r\n")


def test_ctrl_c_ends_its_processes_too(cli: Cli, tmp_path: Path) -> None:
    """As soon as there is one; the directory is gone as well."""
    child = cli.at_terminal("demo")
    child.see("Starting ")
    wait_for(lambda: find_processes(tmp_path) != [])
    child.press("\x03")
    code, screen = child.end()
    assert code == 130
    assert "The demonstration was stopped." in screen
    assert "Traceback" not in screen


def test_the_directory_can_be_kept(cli: Cli, tmp_path: Path) -> None:
    """With the logs, also of what was stopped; its place is told."""
    child = cli.at_terminal("demo", "--keep")
    child.see("Starting ")
    wait_for(lambda: find_processes(tmp_path) != [])
    child.press("\x03")
    child.see("Logs and databases are in ")
    assert child.end()[0] == 130
    [kept] = (tmp_path / "temporary").iterdir()
    assert (kept / "up.log").exists()
    shutil.rmtree(kept)


async def test_a_deployment_that_does_not_start_says_why(tmp_path: Path) -> None:
    """By the last lines of its log, and nothing of it stays."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.toml").write_text("mystery = 1\n")
    async with Fleet(tmp_path) as fleet:
        with pytest.raises(Failure, match="did not start") as raised:
            await fleet.start_all()
    assert "mystery" in "\n".join(raised.value.details)
    assert find_processes(tmp_path) == []

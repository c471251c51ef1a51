"""A chat whose connection breaks, or whose user presses Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from integration.cli.child import Cli
from support.cuttable_line import CuttableLine
from support.fake_runs import say, text
from support.fake_suite import ADMIN_TOKEN, FakeSuite, wait_for
from trunkline.cli.addresses import parse_addresses
from trunkline.cli.client import Client, Token
from trunkline.cli.failures import ExitCode, Failure
from trunkline.cli.reading import Reading
from trunkline.inference.v1 import chat_pb2, event_pb2, message_pb2
from trunkline.kernel.errors import NotFound, OutOfRange, Unavailable
from trunkline_client import Patience

QUESTION = chat_pb2.ChatRequest(
    messages=[
        message_pb2.Message(role=message_pb2.ROLE_USER, content=[message_pb2.Part(text="Hello")])
    ]
)


@pytest.fixture
def line(suite: FakeSuite) -> Iterator[CuttableLine]:
    """Have a line to the fake suite that can be cut."""
    with CuttableLine(suite.address) as running:
        yield running


def read_until(child: subprocess.Popen[str], expected: str) -> None:
    """Read a child's events until they have said a text."""
    assert child.stdout is not None
    said = ""
    while not said.endswith(expected):
        line = child.stdout.readline()
        assert line, said
        said += words_of(line)
    assert said == expected


def words_of(out: str) -> str:
    """Return what events say, of which each is a line."""
    events = map(json.loads, out.splitlines())
    return "".join(event.get("text_delta", {}).get("text", "") for event in events)


def end(child: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for a child's end; return its code and what is left of both outputs."""
    assert child.stdout is not None
    assert child.stderr is not None
    assert child.stdin is not None
    child.stdin.close()
    out, err = child.stdout.read(), child.stderr.read()
    code = child.wait(30)
    child.stdout.close()
    child.stderr.close()
    return code, out, err


def test_a_broken_connection_is_taken_up_where_it_broke(
    cli: Cli, suite: FakeSuite, line: CuttableLine
) -> None:
    """The reader sees one answer, nothing twice and nothing missing."""
    gate = threading.Event()
    suite.inference.scripts.append([text("one "), text("two "), gate, *say("three ", "four")])
    child = cli.start("chat", "--json", "--address", line.address, "Hello")
    read_until(child, "one two ")
    line.cut()
    gate.set()
    code, out, err = end(child)
    assert (code, words_of(out), err) == (0, "three four", "")
    assert line.connections >= 2
    assert suite.methods().count("StreamChat") == 1
    resumed = suite.requests("ResumeChat")
    assert resumed[0].run_id == "run_1"
    assert resumed[0].after_sequence == 3


def test_a_connection_may_break_again_and_again(
    cli: Cli, suite: FakeSuite, line: CuttableLine
) -> None:
    """Each break is counted anew once something came."""
    words = [f"word-{number} " for number in range(8)]
    gates = [threading.Event() for _ in words]
    steps = [step for word, gate in zip(words, gates, strict=True) for step in (text(word), gate)]
    suite.inference.scripts.append([*steps, *say("end")])
    child = cli.start("chat", "--json", "--address", line.address, "Hello")
    for word, gate in zip(words, gates, strict=True):
        read_until(child, word)
        line.cut()
        gate.set()
    code, out, _ = end(child)
    assert (code, words_of(out)) == (0, "end")


@pytest.mark.parametrize("reason", ["NOT_SERVING", "JOURNAL_UNAVAILABLE"])
def test_a_reader_that_is_sent_away_comes_back(cli: Cli, suite: FakeSuite, reason: str) -> None:
    """What ends the reader is no end of the run."""
    suite.inference.reader_fault = (3, Unavailable(reason, "Come back."))
    suite.inference.scripts.append(say("one ", "two ", "three ", "four"))
    result = cli.run("chat", "Hello")
    assert (result.code, result.out) == (0, "one two three four\n")
    assert [request.after_sequence for request in suite.requests("ResumeChat")] == [3]


def test_a_reader_that_fell_behind_is_told(cli: Cli, suite: FakeSuite) -> None:
    """Events that are gone cannot be read; where it could go on is said."""
    suite.inference.reader_fault = (
        2,
        OutOfRange("EVENTS_TRIMMED", "The next events are gone.", metadata={"first_sequence": "9"}),
    )
    result = cli.run("chat", "Hello")
    result.assert_reads_well()
    assert (result.code, result.out) == (1, "Hello\n")
    assert "The first event that is kept is 9" in result.err
    assert suite.requests("ResumeChat") == []


def test_a_server_that_does_not_come_back_is_given_up(suite: FakeSuite, line: CuttableLine) -> None:
    """When the patience is at its end, with the way to read on later."""
    suite.inference.scripts.append([text("one "), threading.Event()])
    token = Token("a test", (("authorization", f"Bearer {ADMIN_TOKEN}"),))
    client = Client(line.address, parse_addresses(line.address), token)
    reading = Reading(client, Patience(tries=3, first_wait_s=0.01))
    with contextlib.closing(client), contextlib.closing(reading.start(QUESTION)) as events:
        assert [next(events).sequence for _ in range(2)] == [1, 2]
        line.cut(stay_down=True)
        with pytest.raises(Failure) as caught:
            next(events)
    failure = caught.value
    assert failure.exit_code is ExitCode.UNREACHABLE
    assert "broke in the middle" in failure.what
    assert failure.advice.endswith("`trunkline chat --resume run_1 --after 2` reads on.")
    assert failure.metadata == {"run_id": "run_1", "last_sequence": "2"}


def test_a_server_that_was_never_there_is_given_up_soon(cli: Cli, line: CuttableLine) -> None:
    """Who waits at a terminal need not wait for the patience of a run."""
    line.cut(stay_down=True)
    result = cli.run("chat", "--address", line.address, "Hello")
    result.assert_reads_well()
    assert result.code == 3
    assert line.connections <= 4


@pytest.mark.parametrize("options", [[], ["--no-stream"]])
def test_a_chat_that_broke_before_its_run_was_known_is_sent_again(
    cli: Cli, suite: FakeSuite, line: CuttableLine, options: list[str]
) -> None:
    """By its key it finds the run that it has begun."""
    gate = suite.inference.hold = threading.Event()
    child = cli.start("chat", *options, "--address", line.address, "Hello")
    wait_for(lambda: "run_1" in suite.inference.runs)
    line.cut()
    gate.set()
    code, out, err = end(child)
    assert (code, out) == (0, "Hello.\n"), err
    first, second = suite.requests("Chat" if options else "StreamChat")
    assert first == second
    assert first.idempotency_key
    assert list(suite.inference.runs) == ["run_1"]


def test_a_server_that_names_a_wait_is_waited_for(cli: Cli, suite: FakeSuite) -> None:
    """As often as the library does, and as long as it is told."""
    wait = timedelta(seconds=0.1)
    away = Unavailable("JOURNAL_UNAVAILABLE", "Come back.", retry_after=wait)
    suite.inference.reader_fault = (2, away)
    suite.faults["ResumeChat"].extend([away] * 6)
    before = time.monotonic()
    result = cli.run("chat", "Hello")
    assert (result.code, result.out) == (0, "Hello.\n")
    assert suite.methods().count("ResumeChat") == 7
    assert time.monotonic() - before >= 0.7


def test_a_missing_event_is_told(cli: Cli, suite: FakeSuite) -> None:
    """An answer with a hole is not shown as a whole one."""
    assert cli.run("chat", "Hello").code == 0
    del suite.inference.runs["run_1"].events[1]
    result = cli.run("chat", "--resume", "run_1")
    result.assert_reads_well()
    assert (result.code, result.out) == (1, "")
    assert "Event 3 came after event 1." in result.err


def test_a_run_that_is_lost_meanwhile_is_told(
    cli: Cli, suite: FakeSuite, line: CuttableLine
) -> None:
    """A server that was restarted knows no run: what came stays, and nothing is asked again."""
    suite.faults["ResumeChat"].append(NotFound("RUN_NOT_FOUND", "There is no run run_1."))
    suite.inference.scripts.append([text("one "), threading.Event()])
    child = cli.start("chat", "--json", "--address", line.address, "Hello")
    read_until(child, "one ")
    line.cut()
    code, _, err = end(child)
    assert code == 1
    assert "There is no run run_1." in err
    assert suite.methods().count("StreamChat") == 1


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_ctrl_c_cancels_the_run(cli: Cli, suite: FakeSuite, options: list[str]) -> None:
    """The server is told, and the program ends as interrupted."""
    failed = event_pb2.AttemptFailed(will_retry=True)
    told = event_pb2.ChatEvent(attempt_failed=failed)
    suite.inference.scripts.append([text("one "), told, threading.Event(), *say("never")])
    child = cli.start("chat", *options, "Hello")
    first = child.stdout if options else child.stderr  # an answer comes when it is whole
    assert first is not None
    assert first.read(1)
    child.send_signal(signal.SIGINT)
    code, out, err = end(child)
    assert code == 130
    assert "never" not in out
    assert "The run run_1 was cancelled." in err
    assert [request.run_id for request in suite.requests("CancelChat")] == ["run_1"]
    assert suite.inference.runs["run_1"].is_cancelled.is_set()


def test_ctrl_c_leaves_a_unary_chat(cli: Cli, suite: FakeSuite) -> None:
    """Its run has no grace, and so it ends with its call."""
    suite.inference.scripts.append([threading.Event(), *say("never")])
    child = cli.start("chat", "--no-stream", "Hello")
    wait_for(lambda: "run_1" in suite.inference.runs)
    child.send_signal(signal.SIGINT)
    code, out, err = end(child)
    assert (code, out) == (130, "")
    assert err.startswith("The chat was cancelled.")
    wait_for(suite.inference.runs["run_1"].is_cancelled.is_set)


def test_a_second_ctrl_c_ends_the_program(cli: Cli, suite: FakeSuite) -> None:
    """Also when the server does not say that the run is cancelled."""
    suite.holds["CancelChat"] = threading.Event()
    suite.inference.scripts.append([text("one "), threading.Event()])
    child = cli.start("chat", "--json", "Hello")
    read_until(child, "one ")
    child.send_signal(signal.SIGINT)
    wait_for(lambda: "CancelChat" in suite.methods())
    child.send_signal(signal.SIGINT)
    code, _, err = end(child)
    suite.holds["CancelChat"].set()
    assert code == 130
    assert "Interrupted." in err


def test_a_server_away_while_cancelling_is_no_hang(
    cli: Cli, suite: FakeSuite, line: CuttableLine
) -> None:
    """Ctrl-C works also when nobody is there to be told."""
    suite.inference.scripts.append([text("one "), threading.Event()])
    child = cli.start("chat", "--json", "--address", line.address, "Hello")
    read_until(child, "one ")
    line.cut(stay_down=True)
    child.send_signal(signal.SIGINT)
    code, _, err = end(child)
    assert code in (3, 130)
    assert "Traceback" not in err

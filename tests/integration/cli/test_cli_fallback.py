"""`trunkline chat --fallback`: how an answer is shown that breaks off, goes on, or begins anew."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.cli.child import Cli, Result
from support.fake_runs import Step, completed, say, text, thought, tool_call
from support.fake_suite import FakeSuite
from support.process import Up, run
from trunkline.inference.v1 import chat_pb2, event_pb2, failure_pb2, message_pb2, result_pb2
from trunkline.kernel.errors import Unavailable
from trunkline.sandbox.scripts import OK_TEXT

FALLBACK = ("chat", "--model", "a/x", "--fallback", "b/y", "Hello")


def breaks(void_from: int = 0, *, from_model: str = "a/x", to_model: str = "b/y") -> list[Step]:
    """Return the events of a seam; with `void_from` what came since then is void."""
    failure = failure_pb2.AttemptFailure(message="The stream broke off.")
    seam = event_pb2.ContinuationStarted(
        from_model=from_model, to_model=to_model, void_from_sequence=void_from
    )
    return [
        event_pb2.ChatEvent(
            attempt_failed=event_pb2.AttemptFailed(failure=failure, will_retry=True)
        ),
        event_pb2.ChatEvent(continuation_started=seam),
    ]


async def test_a_chat_falls_back_from_start_to_end(tmp_path: Path) -> None:
    """A real provider breaks off; the next model's whole answer is all that is printed."""
    async with Up(tmp_path) as up:
        done = await run(
            *("chat", "--model", "sandbox/cut-after-40", "--fallback", "sandbox/503"),
            *("--fallback", "sandbox/ok", "--durable", "Hello"),
            env=up.client,
        )
        events = await run(
            *("chat", "--model", "sandbox/end-after-40", "--fallback", "sandbox/ok"),
            *("--memory", "--json", "Hello"),
            env=up.client,
        )
    assert (done.code, done.out) == (0, f"{OK_TEXT}\n"), done.err
    broke, *others, summary = done.err.splitlines()
    assert broke == "The connection ended before the answer did. Trying again."
    assert (
        "sandbox/cut-after-40 broke off; sandbox/ok answers anew, and what came before is void:"
        in others
    )
    assert summary.startswith("sandbox/ok, ")
    assert events.code == 0, events.err
    kinds = [set(json.loads(line)) for line in events.out.splitlines()]
    order = [
        kind
        for each in kinds
        for kind in ("attempt_failed", "continuation_started", "completed")
        if kind in each
    ]
    assert order == ["attempt_failed", "continuation_started", "completed"]


def test_the_request_names_all_that_may_answer(cli: Cli, suite: FakeSuite) -> None:
    """In their order, with what the chat survives."""
    fallbacks = ("--model", "a/x", "--fallback", "b/y", "--fallback", "c/z/1")
    assert cli.run("chat", *fallbacks, "--durable", "Hello").code == 0
    assert cli.run("chat", "--chain", "careful", "--memory", "Hello").code == 0
    assert cli.run("chat", "Hello").code == 0
    first, second, third = suite.requests("StreamChat")
    assert (first.model, list(first.fallbacks)) == ("a/x", ["b/y", "c/z/1"])
    assert first.durability == chat_pb2.DURABILITY_DURABLE
    assert (second.model, second.chain) == ("", "careful")
    assert second.durability == chat_pb2.DURABILITY_MEMORY
    assert third.durability == chat_pb2.DURABILITY_UNSPECIFIED


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--model", "a/x", "--chain", "careful"), "--model"),
        (("--fallback", "b/y"), "--model"),
        (("--fallback", "b/y", "--chain", "careful"), "--model"),
    ],
)
def test_who_answers_is_said_in_one_way(
    type_in: Callable[..., Result], arguments: tuple[str, ...], named: str
) -> None:
    """A chain stands in place of a model; a fallback needs one to fall back from."""
    result = type_in("chat", *arguments, "Hello")
    result.assert_reads_well()
    assert result.code == 2
    assert named in result.err


def test_in_a_pipe_only_what_counts_is_printed(cli: Cli, suite: FakeSuite) -> None:
    """What became void never was there; what broke is said beside, as it happens."""
    gate = threading.Event()
    script = [thought("Hm. "), text("Half an ans", block=1), *breaks(2), gate]
    suite.inference.scripts.append([*script, *say("A whole ", "answer.")])
    child = cli.start(*FALLBACK)
    assert child.stderr is not None
    assert child.stderr.readline() == "The stream broke off. Trying again.\n"
    void = "a/x broke off; b/y answers anew, and what came before is void:\n"
    assert child.stderr.readline() == void
    gate.set()
    out, err = child.communicate(timeout=30)
    assert (child.returncode, out) == (0, "A whole answer.\n")
    assert "Hm." not in err


@pytest.mark.parametrize("options", [("--model", "a/x", "Hello"), ("--resume", "run_1")])
def test_in_a_pipe_one_model_alone_may_begin_anew(
    cli: Cli, suite: FakeSuite, options: tuple[str, ...]
) -> None:
    """The same model is tried again, in a run that is read on as well."""
    suite.inference.scripts.append(
        [text("Half an ans"), *breaks(2, to_model="a/x"), *say("A whole answer.")]
    )
    if "--resume" in options:
        assert cli.run("chat", "--json", "Hello").code == 0
    result = cli.run("chat", *options)
    assert (result.code, result.out) == (0, "A whole answer.\n")


def test_in_a_pipe_a_tool_loop_is_printed_turn_by_turn(cli: Cli, suite: FakeSuite) -> None:
    """What a turn said counts when it has ended, and is not void after that."""
    turn = event_pb2.TurnCompleted(turn=1, pending_call_ids=["call_1"])
    call = tool_call("weather", "{}", block=1, call_id="call_1")
    suite.inference.scripts.append(
        [
            *(text("Void."), *breaks(2), text("Let me see."), *call),
            event_pb2.ChatEvent(turn_completed=turn),
            *say("Sunny."),
        ]
    )
    result = cli.run("chat", "Hello")
    assert (result.code, result.out) == (
        0,
        "Let me see.\ncalls weather {} (call_1)\nSunny.\n",
    )


def test_in_a_pipe_an_answer_that_fails_leaves_what_counts(cli: Cli, suite: FakeSuite) -> None:
    """The text so far is printed, and the exit code says that it is not whole."""
    lost = Unavailable("ALL_CANDIDATES_EXHAUSTED", "Nobody is left.")
    suite.inference.scripts.append([text("Void."), *breaks(2), text("Half"), lost])
    result = cli.run(*FALLBACK)
    result.assert_reads_well()
    assert (result.code, result.out) == (1, "Half\n")


def test_where_an_answer_goes_on_no_line_is_broken(cli: Cli, suite: FakeSuite) -> None:
    """A pipe gets the text as if nothing had happened, with fallbacks and without."""
    for options in (("--model", "a/x", "--fallback", "b/y"), ()):
        suite.inference.scripts.append([text("One "), *breaks(), *say("answer.")])
        result = cli.run("chat", *options, "Hello")
        assert (result.code, result.out) == (0, "One answer.\n")
        assert result.err.splitlines()[:2] == [
            "The stream broke off. Trying again.",
            "a/x broke off; b/y goes on:",
        ]


def test_another_process_that_takes_over_is_no_other_model(cli: Cli, suite: FakeSuite) -> None:
    """Nothing is said to have broken off that did not."""
    seam = breaks(to_model="a/x")
    suite.inference.scripts.append([text("One "), *seam, *say("answer.")])
    assert cli.run("chat", "Hello").err.splitlines()[1] == "a/x goes on:"


def test_on_a_terminal_what_is_void_is_struck_out(cli: Cli, suite: FakeSuite) -> None:
    """Where it stands: thoughts and text are written over, and the new answer follows."""
    script = [thought("Hm."), text("Half an ans", block=1), *breaks(2), *say("A whole answer.")]
    suite.inference.scripts.append(script)
    child = cli.at_terminal(*FALLBACK)
    before = child.see("\x1b[3A\r\x1b[J")
    assert before.endswith(
        "\x1b[2mthinks: Hm.\x1b[0m\r\nHalf an ans\r\n"
        "\x1b[2mThe stream broke off. Trying again.\x1b[0m\r\n"
    )
    code, rest = child.end()
    assert code == 0
    assert rest.startswith(
        "\x1b[2;9mthinks: Hm.\x1b[0m\r\n\x1b[2;9mHalf an ans\x1b[0m\r\n"
        "\x1b[2mThe stream broke off. Trying again.\x1b[0m\r\n"
        "\x1b[2ma/x broke off; b/y answers anew, and what is struck out is void:\x1b[0m\r\n"
        "A whole answer.\r\n"
    )


def test_what_has_scrolled_away_is_only_said_to_be_void(cli: Cli, suite: FakeSuite) -> None:
    """Nothing on the terminal is written over then."""
    long = "".join(f"line {number}\n" for number in range(60))
    suite.inference.scripts.append([text(long), *breaks(2), *say("A whole answer.")])
    child = cli.at_terminal(*FALLBACK)
    shown = child.see("and what came before is void:")
    code, rest = child.end()
    assert code == 0
    assert "A whole answer." in rest
    assert not re.search(r"\x1b\[\d*[AJ]", shown + rest)


def test_an_answer_in_one_piece_tells_what_broke(cli: Cli, suite: FakeSuite) -> None:
    """--no-stream has no seams to show; the attempts say it."""
    whole = completed(message_pb2.Part(text="Whole."))
    assert isinstance(whole, event_pb2.ChatEvent)
    failed = result_pb2.Attempt(
        number=1,
        model="a/x",
        outcome=result_pb2.ATTEMPT_OUTCOME_FAILED,
        failure=failure_pb2.AttemptFailure(message="The stream broke off."),
    )
    whole.completed.attempts.insert(0, failed)
    suite.inference.scripts.append([whole])
    result = cli.run(*FALLBACK[:-1], "--no-stream", "Hello")
    assert (result.code, result.out) == (0, "Whole.\n")
    assert result.err.splitlines()[0] == "a/x: The stream broke off."

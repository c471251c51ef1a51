"""`trunkline chat`: one question and its answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict

from integration.cli.child import Cli, Result
from support.fake_runs import Step, completed, say, text, thought, tool_call
from support.fake_suite import FakeSuite
from trunkline.inference.v1 import (
    event_pb2,
    failure_pb2,
    inference_service_pb2_grpc,
    message_pb2,
    result_pb2,
)
from trunkline.kernel.errors import FailedPrecondition, NotFound, Unavailable

SUMMARY = "sandbox/ok, 9 tokens in, 3 out, first token after 0.21 s, finish: stop, run_1\n"


def answer(cli: Cli, suite: FakeSuite, *script: Step, options: str = "") -> Result:
    """Ask a question that is answered by a script."""
    suite.inference.scripts.append(list(script))
    return cli.run("chat", *options.split(), "Hello?")


def test_the_answer_is_on_standard_output_alone(cli: Cli, suite: FakeSuite) -> None:
    """What it took stands beside it, in one line."""
    result = answer(cli, suite, *say("Good ", "day", "."))
    assert (result.code, result.out, result.err) == (0, "Good day.\n", SUMMARY)
    [request] = suite.requests("StreamChat")
    assert request.model == ""
    [message] = request.messages
    assert message.role == message_pb2.ROLE_USER
    assert [part.text for part in message.content] == ["Hello?"]


def test_thoughts_tools_and_refusals_are_told_apart(cli: Cli, suite: FakeSuite) -> None:
    """Thoughts beside the answer, calls with their arguments, a refusal marked."""
    result = answer(
        cli,
        suite,
        thought("Let me "),
        thought("see."),
        text("First this.", block=1),
        *tool_call("get_time", '{"tz":', '"UTC"}', block=2, call_id="call_1"),
        *tool_call("stop", block=3, call_id="call_2"),
        text("I cannot ", block=4, refusal=True),
        text("do that.", block=4, refusal=True),
        completed(finish_reason=result_pb2.FINISH_REASON_TOOL_CALLS),
    )
    assert result.code == 0
    assert result.out.splitlines() == [
        "First this.",
        'calls get_time {"tz":"UTC"} (call_1)',
        "calls stop {} (call_2)",
        "refused: I cannot do that.",
    ]
    thoughts, summary = result.err.splitlines()
    assert thoughts == "thinks: Let me see."
    assert "finish: tool calls" in summary


def test_interleaved_and_aborted_calls_are_shown_whole_or_not(cli: Cli, suite: FakeSuite) -> None:
    """Fragments of parallel calls do not mix, and a call taken back is not shown."""
    first = tool_call("a", '{"n":', "1}", block=0, call_id="c1")
    second = tool_call("b", '{"n":', "2}", block=1, call_id="c2")
    mixed = [step for pair in zip(first, second, strict=True) for step in pair]
    aborted = event_pb2.ToolCallAborted(block=2, call_id="c3")
    result = answer(
        cli,
        suite,
        *mixed,
        *tool_call("c", "{", block=2, call_id="c3")[:-1],
        event_pb2.ChatEvent(tool_call_aborted=aborted),
        completed(),
    )
    assert result.out.splitlines() == ['calls a {"n":1} (c1)', 'calls b {"n":2} (c2)']


def test_huge_arguments_do_not_flood_the_terminal(cli: Cli, suite: FakeSuite) -> None:
    """They are cut, with their length; --json has them whole."""
    calls = tool_call("big", '"' + "x" * 200_000 + '"', block=0, call_id="c1")
    result = answer(cli, suite, *calls, completed())
    assert len(result.out) < 5000
    assert "200,002 characters" in result.out


def test_usage_losses_and_sources_are_told(cli: Cli, suite: FakeSuite) -> None:
    """Cache, reasoning, estimates, and what could not be carried."""
    usage = result_pb2.Usage(
        input_tokens=1000,
        cache_read_tokens=500,
        cache_write_tokens=20,
        output_tokens=60,
        reasoning_tokens=12,
        source=result_pb2.USAGE_SOURCE_ESTIMATED,
    )
    loss = result_pb2.Loss(
        path="sampling.top_k",
        action=result_pb2.Loss.ACTION_DROPPED,
        reason="The provider\x1b[1m has none.",
    )
    citation = message_pb2.Citation(url="https://x", title="A page")
    cited = event_pb2.CitationAdded(block=0, citation=citation)
    result = answer(
        cli,
        suite,
        text("Yes."),
        event_pb2.ChatEvent(citation_added=cited),
        completed(usage=usage, losses=[loss], turn_ended_early=True),
    )
    assert result.out == "Yes.\n"
    assert result.err.splitlines() == [
        "source: A page https://x",
        "sampling.top_k was dropped: The provider[1m has none.",
        "The provider broke off after its tool calls, which are whole.",
        "sandbox/ok, 1,520 tokens in (500 from cache, 20 to cache), 60 out (12 reasoning)"
        " (estimated), first token after 0.21 s, finish: stop, run_1",
    ]


def test_a_seam_is_shown(cli: Cli, suite: FakeSuite) -> None:
    """Who reads along learns that the answer begins anew, and why."""
    failed = event_pb2.AttemptFailed(
        failure=failure_pb2.AttemptFailure(message="The stream broke off."), will_retry=True
    )
    seam = event_pb2.ContinuationStarted(from_model="a/x", to_model="b/y", void_from_sequence=2)
    result = answer(
        cli,
        suite,
        text("Half an ans"),
        event_pb2.ChatEvent(attempt_failed=failed),
        event_pb2.ChatEvent(continuation_started=seam),
        *say("A whole answer."),
    )
    assert result.out == "A whole answer.\n"
    assert result.err.splitlines()[:2] == [
        "The stream broke off. Trying again.",
        "a/x broke off; b/y answers anew, and what came before is void:",
    ]


def test_no_control_sequence_of_a_model_reaches_the_output(cli: Cli, suite: FakeSuite) -> None:
    """Newlines, tabs and every script's letters do."""
    hostile = "a\x1b]0;pwned\x07b\r\x9b2Jc\x00\tд\n漢\u2028é🙂"
    result = answer(
        cli,
        suite,
        thought(hostile),
        text(hostile, block=1),
        *tool_call("x\x1b[1m", '{"\x1b":1}', block=2, call_id="c\x1b"),
        completed(),
    )
    assert result.code == 0
    assert "a]0;pwnedb2Jc\tд\n漢\u2028é🙂" in result.out
    assert not set("\x1b\x07\x9b\x00\r") & set(result.out + result.err)


def test_json_has_every_event_exactly(cli: Cli, suite: FakeSuite) -> None:
    """One line each, in ASCII, which parses back to what was sent."""
    hostile = "a\x1b[1m\u2028é"
    result = answer(cli, suite, thought("hm"), *say(hostile), options="--json")
    assert (result.code, result.err) == (0, "")
    assert result.out.isascii()
    events = [ParseDict(json.loads(line), event_pb2.ChatEvent()) for line in _lines(result)]
    assert [event.sequence for event in events] == [1, 2, 3, 4]
    assert events[0].run_started.run_id == "run_1"
    assert events[2].text_delta.text == hostile
    assert events[3].completed.usage.output_tokens == 3


def _lines(result: Result) -> list[str]:
    """Return the lines of JSON on standard output."""
    assert result.out.endswith("\n")
    return result.out[:-1].split("\n")


def test_an_answer_in_one_piece_reads_the_same(cli: Cli, suite: FakeSuite) -> None:
    """--no-stream asks the unary way and shows what the stream would have shown."""
    parts = [
        message_pb2.Part(reasoning=message_pb2.Reasoning(text="Let me see.")),
        message_pb2.Part(text="First this."),
        message_pb2.Part(tool_call=message_pb2.ToolCall(id="c1", name="f", arguments='{"a":1}')),
        message_pb2.Part(refusal="No."),
    ]
    result = answer(cli, suite, completed(*parts), options="--no-stream")
    assert result.code == 0
    assert result.out == 'First this.\ncalls f {"a":1} (c1)\nrefused: No.\n'
    assert result.err == f"thinks: Let me see.\n{SUMMARY}"
    assert suite.methods() == ["Chat"]
    document = answer(cli, suite, *say("Hi"), options="--no-stream --json").document
    assert document["run_id"] == "run_2"
    assert document["completed"]["message"]["content"] == [{"text": "Hi"}]


def test_an_unknown_model_shows_the_nearest(cli: Cli, suite: FakeSuite) -> None:
    """In words and for programs; nothing is on standard output."""
    suite.catalog.add_model("sandbox/ok")
    suite.catalog.add_model("sandbox/slow")
    result = cli.run("chat", "--model", "sandbox/slwo", "Hello")
    result.assert_reads_well()
    assert (result.code, result.out) == (1, "")
    assert "There is no model sandbox/slwo." in result.err
    assert "Did you mean sandbox/slow" in result.err
    assert "trunkline models" in result.err


def test_without_a_provider_it_says_what_can_be_connected(cli: Cli, suite: FakeSuite) -> None:
    """The types are those that the server names."""
    suite.faults["StreamChat"].append(
        FailedPrecondition(
            "NO_PROVIDER", "Nothing is connected.", metadata={"options": "groq,openai"}
        )
    )
    result = cli.run("chat", "Hello")
    result.assert_reads_well()
    assert result.code == 1
    assert "`trunkline connect`: groq or openai." in result.err


def test_a_failed_run_tells_every_attempt(cli: Cli, suite: FakeSuite) -> None:
    """What came stays, then why it ended, the provider's words, and the way back to it."""
    attempt = result_pb2.Attempt(
        number=1,
        model="sandbox/503",
        failure=failure_pb2.AttemptFailure(
            kind=failure_pb2.ERROR_KIND_SERVER_ERROR,
            message="The provider is overloaded.",
            reply=failure_pb2.ProviderReply(
                http_status=503, code="overloaded", message="Try \x1b[5mlater"
            ),
        ),
    )
    trail = result_pb2.AttemptTrail(attempts=[attempt])
    failure = Unavailable(
        "NO_FALLBACK",
        "sandbox/503: The provider is overloaded.",
        metadata={"model": "sandbox/503", "kind": "SERVER_ERROR"},
        details=(trail,),
    )
    result = answer(cli, suite, text("Half an answer"), failure)
    result.assert_reads_well()
    assert (result.code, result.out) == (1, "Half an answer\n")
    assert result.err.splitlines() == [
        "sandbox/503: The provider is overloaded.",
        "  attempt 1, sandbox/503: SERVER_ERROR (The provider is overloaded.)",
        "  the provider says (HTTP 503, overloaded): Try [5mlater",
        "  The run is run_1; `trunkline chat --resume run_1` shows it again.",
        "Try again, or ask another model; `trunkline status` tells how providers fare.",
    ]
    result = answer(cli, suite, failure, options="--json")
    assert json.loads(_lines(result)[0])["run_started"]["run_id"] == "run_2"
    assert result.error["reason"] == "NO_FALLBACK"
    assert result.error["metadata"]["run_id"] == "run_2"
    assert result.error["metadata"]["last_sequence"] == "1"


def test_a_run_can_be_read_again(cli: Cli, suite: FakeSuite) -> None:
    """From its first event, after any, and after its last."""
    answer(cli, suite, *say("one ", "two ", "three"))
    whole = cli.run("chat", "--resume", "run_1")
    assert (whole.code, whole.out) == (0, "one two three\n")
    assert whole.err == SUMMARY
    rest = cli.run("chat", "--resume", "run_1", "--after", "3")
    assert (rest.code, rest.out) == (0, "three\n")
    end = cli.run("chat", "--resume", "run_1", "--after", "5")
    assert (end.code, end.out) == (0, "")
    assert end.err == "The run run_1 ended with event 5.\n"
    assert [request.after_sequence for request in suite.requests("ResumeChat")] == [0, 3, 5]


def test_a_run_that_is_gone_is_told(cli: Cli, suite: FakeSuite) -> None:
    """No way back is offered where there is none."""
    result = cli.run("chat", "--resume", "run_9")
    result.assert_reads_well()
    assert result.code == 1
    assert "There is no run run_9." in result.err
    assert "--after" not in result.err


def test_an_answer_without_its_end_is_no_answer(cli: Cli, suite: FakeSuite) -> None:
    """A stream that ends in OK without its last event is told as a fault."""
    result = answer(cli, suite, text("Half"))
    result.assert_reads_well()
    assert (result.code, result.out) == (1, "Half\n")
    assert "without its last event" in result.err


def test_a_run_that_failed_before_its_first_word_offers_no_way_back(
    cli: Cli, suite: FakeSuite
) -> None:
    """There is nothing to read."""
    result = answer(cli, suite, Unavailable("NO_FALLBACK", "It is down."))
    assert result.code == 1
    assert "--resume" not in result.err


def test_on_a_terminal_thoughts_are_dimmed(cli: Cli, suite: FakeSuite) -> None:
    """And the answer is not."""
    suite.inference.scripts.append([thought("Hm."), *say("Yes.")])
    child = cli.at_terminal("chat", "Hello")
    before = child.see("Yes.")
    assert before.endswith("\x1b[2mthinks: Hm.\x1b[0m\r\n")
    code, rest = child.end()
    assert code == 0
    assert "\x1b[2msandbox/ok, 9 tokens in" in rest


def test_a_stub_of_anybody_can_do_the_same(cli: Cli, suite: FakeSuite) -> None:
    """Everything that the command did is a public method of the contract."""
    answer(cli, suite, *say("Hi"))
    public: Any = inference_service_pb2_grpc.InferenceServiceServicer
    assert all(hasattr(public, method) for method in suite.methods())


def test_the_working_directory_stays_as_it_was(cli: Cli, suite: FakeSuite) -> None:
    """A chat writes nothing down."""
    answer(cli, suite, *say("Hi"))
    assert [path for path in Path(cli.home).rglob("*") if path.is_file()] == []


def test_a_missing_run_in_the_middle_is_told(cli: Cli, suite: FakeSuite) -> None:
    """A run that its server lost does not read as a connection that broke."""
    lost = NotFound("RUN_NOT_FOUND", "There is no run run_1.", metadata={"run_id": "run_1"})
    result = answer(cli, suite, text("Half"), lost)
    assert (result.code, result.out) == (1, "Half\n")
    assert "ask again" in result.err

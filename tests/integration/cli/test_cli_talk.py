"""`trunkline chat` at a terminal: a conversation in turns."""

from __future__ import annotations

import threading

from integration.cli.child import Cli
from support.fake_runs import completed, say, text, tool_call
from support.fake_suite import FakeSuite, wait_for
from trunkline.inference.v1 import message_pb2, result_pb2
from trunkline.kernel.errors import Unavailable


def test_a_conversation_goes_on_from_what_was_said(cli: Cli, suite: FakeSuite) -> None:
    """Each turn has all before it; Ctrl-D ends it."""
    suite.inference.scripts += [say("I am fine."), say("Good bye.")]
    child = cli.at_terminal("chat", "--system", "Be brief.")
    child.see("Ctrl-D ends the conversation.")
    child.see("> ")
    child.enter("How are you?")
    child.see("I am fine.")
    child.see("> ")
    child.enter("Bye.")
    child.see("Good bye.")
    child.see("> ")
    child.press("\x04")
    assert child.end()[0] == 0
    second = suite.requests("StreamChat")[1]
    assert [
        (message_pb2.Role.Name(message.role), message.content[0].text)
        for message in second.messages
    ] == [
        ("ROLE_SYSTEM", "Be brief."),
        ("ROLE_USER", "How are you?"),
        ("ROLE_ASSISTANT", "I am fine."),
        ("ROLE_USER", "Bye."),
    ]


def test_ctrl_c_stops_the_answer_and_not_the_program(cli: Cli, suite: FakeSuite) -> None:
    """The run is cancelled, and the next question stands alone."""
    suite.inference.scripts += [[text("Once upon"), threading.Event()], say("Better.")]
    child = cli.at_terminal("chat")
    child.see("> ")
    child.enter("Tell me a story.")
    child.see("Once upon")
    child.press("\x03")
    child.see("The run run_1 was cancelled.")
    child.see("> ")
    child.enter("Something else.")
    child.see("Better.")
    child.see("> ")
    child.press("\x03")
    child.see("> ")
    child.press("\x04")
    assert child.end()[0] == 0
    assert [request.run_id for request in suite.requests("CancelChat")] == ["run_1"]
    [alone] = suite.requests("StreamChat")[1].messages
    assert alone.content[0].text == "Something else."


def test_a_failure_does_not_end_the_conversation(cli: Cli, suite: FakeSuite) -> None:
    """It is told, and the question can be asked again."""
    suite.inference.scripts += [
        [Unavailable("NO_FALLBACK", "The provider is overloaded.", metadata={"model": "a/b"})],
        say("Now."),
    ]
    child = cli.at_terminal("chat")
    child.see("> ")
    child.enter("Hello")
    child.see("The provider is overloaded.")
    child.see("> ")
    child.enter("Hello")
    child.see("Now.")
    child.see("> ")
    child.press("\x04")
    assert child.end()[0] == 0
    assert len(suite.requests("StreamChat")[1].messages) == 1


def test_a_person_answers_for_the_tools(cli: Cli, suite: FakeSuite) -> None:
    """Each call is asked for, and its result goes into the next turn."""
    tools = cli.home / "tools.json"
    tools.write_text('[{"name":"get_time"},{"name":"get_place"}]')
    calls = [
        message_pb2.Part(tool_call=message_pb2.ToolCall(id="c1", name="get_time")),
        message_pb2.Part(tool_call=message_pb2.ToolCall(id="c2", name="get_place")),
    ]
    suite.inference.scripts += [
        [
            *tool_call("get_time", "{}", block=0, call_id="c1"),
            *tool_call("get_place", "{}", block=1, call_id="c2"),
            completed(*calls, finish_reason=result_pb2.FINISH_REASON_TOOL_CALLS),
        ],
        say("It is noon."),
    ]
    child = cli.at_terminal("chat", "--tool", str(tools))
    child.see("> ")
    child.enter("What time is it?")
    child.see("calls get_time {} (c1)")
    child.see("result of get_time> ")
    child.enter("12:00")
    child.see("result of get_place> ")
    child.enter("")
    child.see("It is noon.")
    child.see("> ")
    child.press("\x04")
    assert child.end()[0] == 0
    question, called, answered = suite.requests("StreamChat")[1].messages
    assert question.role == message_pb2.ROLE_USER
    assert [part.tool_call.id for part in called.content] == ["c1", "c2"]
    assert answered.role == message_pb2.ROLE_TOOL
    first, second = (part.tool_result for part in answered.content)
    assert (first.call_id, first.content[0].text) == ("c1", "12:00")
    assert (second.call_id, len(second.content)) == ("c2", 0)


def test_files_go_with_the_first_question_only(cli: Cli, suite: FakeSuite) -> None:
    """An empty line asks nothing."""
    note = cli.home / "note.txt"
    note.write_text("Remember the milk.")
    child = cli.at_terminal("chat", "--file", str(note), "--no-stream")
    for line in ("", "First.", "Second."):
        child.see("> ")
        child.enter(line)
    wait_for(lambda: len(suite.requests("Chat")) == 2)
    child.see("run_2")
    child.see("> ")
    child.press("\x04")
    assert child.end()[0] == 0
    messages = suite.requests("Chat")[1].messages
    assert [len(message.content) for message in messages] == [2, 1, 1]
    assert messages[0].content[0].document.data == b"Remember the milk."


def test_an_answer_that_is_too_long_is_left_out(cli: Cli, suite: FakeSuite) -> None:
    """What the server does not repeat whole cannot be gone on from."""
    long = completed()
    long.completed.ClearField("message")
    suite.inference.scripts += [[text("So long."), long], say("Short.")]
    child = cli.at_terminal("chat")
    child.see("> ")
    child.enter("A book, please.")
    child.see("over 1 MiB")
    child.see("> ")
    child.enter("A word, please.")
    child.see("Short.")
    child.see("> ")
    child.press("\x04")
    assert child.end()[0] == 0
    assert len(suite.requests("StreamChat")[1].messages) == 1


def test_json_is_not_for_conversations(cli: Cli, suite: FakeSuite) -> None:
    """A program gives its text at once."""
    child = cli.at_terminal("chat", "--json")
    code, screen = child.end()
    assert code == 2
    assert "one question" in screen

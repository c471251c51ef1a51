"""How calls and results go out: the table of tools in transcripts."""

from __future__ import annotations

from unit.inference.openai_message_rows import (
    ASKED,
    ASKED_SENT,
    CALL,
    CALL_SENT,
    PNG,
    PNG_SENT,
    answer,
    result,
)
from unit.inference.openai_rows import DROPPED, SAID, TRANSLATED, USER, Row, messages, parts

OTHER_CALL_SENT = {
    "id": "call_2",
    "type": "function",
    "function": {"name": "g", "arguments": "{}"},
}

CALLS = [
    Row(
        "calls and results",
        messages(
            USER,
            parts(
                "ROLE_ASSISTANT",
                {"text": "I'll ask."},
                CALL,
                {"tool_call": {"id": "call_2", "name": "g"}},
            ),
            parts(
                "ROLE_TOOL",
                {"tool_result": {"call_id": "call_2", "content": [{"text": "a"}, {"text": "b"}]}},
                {"tool_result": {"call_id": "call_1"}},
            ),
        ),
        messages(
            SAID,
            {
                "role": "assistant",
                "content": "I'll ask.",
                "tool_calls": [
                    CALL_SENT,
                    OTHER_CALL_SENT,
                ],
            },
            answer(""),
            answer("a\nb", "call_2"),
        ),
    ),
    Row(
        "results that came late, and one that never came",
        messages(
            parts("ROLE_ASSISTANT", CALL, {"tool_call": {"id": "call_2", "name": "g"}}),
            USER,
            result({"text": "a"}),
        ),
        messages(
            {"role": "assistant", "tool_calls": [CALL_SENT, OTHER_CALL_SENT]},
            answer("a"),
            answer("ERROR: No result came.", "call_2"),
            SAID,
        ),
        {
            "messages[0].content[1].tool_call": TRANSLATED,
            "messages[2].content[0].tool_result": TRANSLATED,
        },
    ),
    Row(
        "messages of the model that follow each other, which are one turn",
        messages(
            USER,
            parts("ROLE_ASSISTANT", {"text": "I'll ask."}, CALL),
            parts(
                "ROLE_ASSISTANT",
                {"text": "Twice."},
                {"tool_call": {"id": "call_2", "name": "g"}},
            ),
            result({"text": "b"}, call_id="call_2"),
            result({"text": "a"}),
        ),
        messages(
            SAID,
            {
                "role": "assistant",
                "content": "I'll ask.\n\nTwice.",
                "tool_calls": [CALL_SENT, OTHER_CALL_SENT],
            },
            answer("a"),
            answer("b", "call_2"),
        ),
        {"messages[2].content[0].text": TRANSLATED},
    ),
    Row(
        "a tool whose name a model made up",
        messages(
            parts("ROLE_ASSISTANT", {"tool_call": {"id": "call_2", "name": "run me.now"}}),
            result(call_id="call_2"),
        ),
        messages(
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": "call_2",
                        "type": "function",
                        "function": {"name": "run_me_now", "arguments": "{}"},
                    }
                ],
            },
            answer("", "call_2"),
        ),
        {"messages[0].content[0].tool_call.name": TRANSLATED},
    ),
    Row(
        "a tool that failed",
        messages(ASKED, result({"text": "no disk"}, is_error=True)),
        messages(ASKED_SENT, answer("ERROR: no disk")),
    ),
    Row(
        "pictures in results, which follow when all results are through",
        messages(
            parts("ROLE_ASSISTANT", CALL, {"tool_call": {"id": "call_2", "name": "g"}}),
            result({"text": "Here:"}, PNG),
            result(PNG, call_id="call_2"),
            USER,
        ),
        messages(
            {
                "role": "assistant",
                "tool_calls": [
                    CALL_SENT,
                    OTHER_CALL_SENT,
                ],
            },
            answer("Here:"),
            answer("(The content of this result follows in a message of the user.)", "call_2"),
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Content of the result of tool call call_1:"},
                    PNG_SENT,
                    {"type": "text", "text": "Content of the result of tool call call_2:"},
                    PNG_SENT,
                ],
            },
            SAID,
        ),
        {
            "messages[1].content[0].tool_result.content[1].image": TRANSLATED,
            "messages[2].content[0].tool_result.content[0].image": TRANSLATED,
        },
    ),
    Row(
        "a document in the last result",
        messages(
            ASKED,
            result(
                {"document": {"data": "AA==", "media_type": "text/plain"}},
                {"document": {"url": "https://acme.example/a", "media_type": "text/plain"}},
            ),
        ),
        messages(
            ASKED_SENT,
            answer("(The content of this result follows in a message of the user.)"),
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Content of the result of tool call call_1:"},
                    {
                        "type": "file",
                        "file": {
                            "filename": "document.plain",
                            "file_data": "data:text/plain;base64,AA==",
                        },
                    },
                ],
            },
        ),
        {
            "messages[1].content[0].tool_result.content[0].document": TRANSLATED,
            "messages[1].content[0].tool_result.content[1].document": DROPPED,
        },
    ),
    Row(
        "ids that not everybody takes",
        messages(
            parts("ROLE_ASSISTANT", {"tool_call": {"id": "a.b:c", "name": "f"}}),
            result({"text": "a"}, call_id="a.b:c"),
        ),
        messages(
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": "call_b2a25f70f5cf2429a9473fdc",
                        "type": "function",
                        "function": {"name": "f", "arguments": "{}"},
                    }
                ],
            },
            answer("a", "call_b2a25f70f5cf2429a9473fdc"),
        ),
    ),
]

"""How calls and results go out to Ollama: the table of tools in transcripts."""

from __future__ import annotations

from unit.inference.ollama_message_rows import (
    ASKED,
    ASKED_SENT,
    CALL,
    CALL_SENT,
    ELSEWHERE,
    PNG,
    PNG_SENT,
    answer,
    document,
    result,
)
from unit.inference.ollama_rows import DROPPED, SAID, TRANSLATED, USER, Row, messages, parts

SEE_BELOW = "(The content of this result follows in a message of the user.)"

CALLS = [
    Row(
        "calls and results",
        messages(
            USER,
            parts(
                "ROLE_ASSISTANT",
                {"reasoning": {"text": "Hm."}},
                {"text": "I'll ask."},
                CALL,
                {"tool_call": {"id": "a.b:c", "name": "g"}},
            ),
            parts(
                "ROLE_TOOL",
                {"tool_result": {"call_id": "a.b:c", "content": [{"text": "a"}, {"text": "b"}]}},
                {"tool_result": {"call_id": "call_1"}},
            ),
        ),
        messages(
            SAID,
            {
                "role": "assistant",
                "content": "I'll ask.",
                "thinking": "Hm.",
                "tool_calls": [
                    CALL_SENT,
                    {"id": "a.b:c", "function": {"name": "g", "arguments": {}}},
                ],
            },
            answer(""),
            answer("a\nb", "a.b:c", "g"),
        ),
    ),
    Row(
        "words after a call, which go out before it",
        messages(USER, parts("ROLE_ASSISTANT", CALL, {"text": "Wait."}), result({"text": "a"})),
        messages(
            SAID,
            {"role": "assistant", "content": "Wait.", "tool_calls": [CALL_SENT]},
            answer("a"),
        ),
        {"messages[1].content[1].text": TRANSLATED},
    ),
    Row(
        "results that came late, and one that never came",
        messages(
            parts("ROLE_ASSISTANT", CALL),
            parts("ROLE_ASSISTANT", {"tool_call": {"id": "call_2", "name": "f"}}),
            USER,
            result({"text": "b"}, call_id="call_2"),
        ),
        messages(
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    CALL_SENT,
                    {"id": "call_2", "function": {"name": "f", "arguments": {}}},
                ],
            },
            answer("ERROR: No result came."),
            answer("b", "call_2"),
            SAID,
        ),
        {
            "messages[0].content[0].tool_call": TRANSLATED,
            "messages[3].content[0].tool_result": TRANSLATED,
        },
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
            result({"text": "Here:"}, PNG, ELSEWHERE),
            result(PNG, call_id="call_2"),
            USER,
        ),
        messages(
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    CALL_SENT,
                    {"id": "call_2", "function": {"name": "g", "arguments": {}}},
                ],
            },
            answer("Here:"),
            answer(SEE_BELOW, "call_2", "g"),
            {
                "role": "user",
                "content": "Content of the result of tool call call_1:",
                "images": [PNG_SENT],
            },
            {
                "role": "user",
                "content": "Content of the result of tool call call_2:",
                "images": [PNG_SENT],
            },
            SAID,
        ),
        {
            "messages[1].content[0].tool_result.content[1].image": TRANSLATED,
            "messages[1].content[0].tool_result.content[2].image": DROPPED,
            "messages[2].content[0].tool_result.content[0].image": TRANSLATED,
        },
    ),
    Row(
        "a picture and a document in the last result",
        messages(ASKED, result(document("SMO2", "text/plain"), PNG)),
        messages(
            ASKED_SENT,
            answer("Hö"),
            {
                "role": "user",
                "content": "Content of the result of tool call call_1:",
                "images": [PNG_SENT],
            },
        ),
        {
            "messages[1].content[0].tool_result.content[0].document": TRANSLATED,
            "messages[1].content[0].tool_result.content[1].image": TRANSLATED,
        },
    ),
]

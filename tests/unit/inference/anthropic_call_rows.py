"""How calls, results and what the model itself issued go out to Anthropic."""

from __future__ import annotations

from unit.inference.anthropic_message_rows import MINE, PNG, PNG_SENT, signed
from unit.inference.anthropic_rows import (
    CALL,
    CALL_SENT,
    CALLED,
    CALLED_LOST,
    DROPPED,
    OTHER_CALL,
    OTHER_CALL_SENT,
    SAID,
    TRANSLATED,
    USER,
    Row,
    answer,
    assistant,
    messages,
    parts,
    result,
    text,
    user,
)

BOTH_TOOLS = {
    "tools": [
        {"name": "f", "input_schema": {"type": "object"}},
        {"name": "g", "input_schema": {"type": "object"}},
    ],
    "tool_choice": {"type": "none"},
}


CALLS = [
    Row(
        "calls and results, in the order of the calls and before anything else",
        messages(
            USER,
            parts("ROLE_ASSISTANT", {"text": "I'll ask."}, CALL, OTHER_CALL),
            parts("ROLE_USER", {"text": "Wait."}),
            parts(
                "ROLE_TOOL",
                {"tool_result": {"call_id": "call_2", "content": [{"text": "a"}, {"text": "b"}]}},
                {"tool_result": {"call_id": "call_1"}},
            ),
        ),
        {
            **messages(
                SAID,
                assistant(text("I'll ask."), CALL_SENT, OTHER_CALL_SENT),
                user(answer(), answer([text("a"), text("b")], "call_2"), text("Wait.")),
            ),
            **BOTH_TOOLS,
        },
        {
            **CALLED_LOST,
            "messages[3].content[0].tool_result": TRANSLATED,
            "messages[3].content[1].tool_result": TRANSLATED,
        },
    ),
    Row(
        "calls of several messages",
        messages(
            USER,
            parts("ROLE_ASSISTANT", CALL),
            parts("ROLE_ASSISTANT", OTHER_CALL),
            result({"text": "a"}),
            result({"text": "b"}, call_id="call_2"),
        ),
        {
            **messages(
                SAID,
                assistant(CALL_SENT, OTHER_CALL_SENT),
                user(answer("a"), answer("b", "call_2")),
            ),
            **BOTH_TOOLS,
        },
        CALLED_LOST,
    ),
    Row(
        "a tool that failed, and pictures and documents in a result",
        messages(
            USER,
            parts("ROLE_ASSISTANT", CALL, OTHER_CALL),
            result({"text": "no disk"}, is_error=True),
            result(
                {"text": "Here:"},
                PNG,
                {"document": {"data": "AA==", "media_type": "application/zip"}},
                {"text": ""},
                call_id="call_2",
            ),
        ),
        {
            **messages(
                SAID,
                assistant(CALL_SENT, OTHER_CALL_SENT),
                user(
                    answer("no disk", is_error=True),
                    answer([text("Here:"), PNG_SENT], "call_2"),
                ),
            ),
            **BOTH_TOOLS,
        },
        {**CALLED_LOST, "messages[3].content[0].tool_result.content[2].document": DROPPED},
    ),
    Row(
        "a picture of a tool that failed, which follows the results",
        messages(
            USER,
            parts("ROLE_ASSISTANT", CALL, OTHER_CALL),
            result(PNG, is_error=True),
            result({"text": "b"}, call_id="call_2"),
            USER,
        ),
        {
            **messages(
                SAID,
                assistant(CALL_SENT, OTHER_CALL_SENT),
                user(
                    answer(
                        "(The content of this result follows in a message of the user.)",
                        is_error=True,
                    ),
                    answer("b", "call_2"),
                    text("Content of the result of tool call call_1:"),
                    PNG_SENT,
                    text("Hello"),
                ),
            ),
            **BOTH_TOOLS,
        },
        {**CALLED_LOST, "messages[2].content[0].tool_result.content[0].image": TRANSLATED},
    ),
    Row(
        "a call that nobody answered",
        messages(USER, parts("ROLE_ASSISTANT", CALL), USER),
        {
            **messages(
                SAID,
                assistant(CALL_SENT),
                user(answer("No result came.", is_error=True), text("Hello")),
            ),
            **CALLED,
        },
        {**CALLED_LOST, "messages[1].content[0].tool_call": TRANSLATED},
    ),
    Row(
        "a call at the end that nobody answered",
        messages(USER, parts("ROLE_ASSISTANT", CALL)),
        {
            **messages(SAID, assistant(CALL_SENT), user(answer("No result came.", is_error=True))),
            **CALLED,
        },
        {**CALLED_LOST, "messages[1].content[0].tool_call": TRANSLATED},
    ),
    Row(
        "a result that came late",
        messages(
            USER,
            parts("ROLE_ASSISTANT", CALL),
            USER,
            parts("ROLE_ASSISTANT", {"text": "Waiting."}),
            result({"text": "a"}),
            parts("ROLE_ASSISTANT", {"text": "There."}),
            USER,
        ),
        {
            **messages(
                SAID,
                assistant(CALL_SENT),
                user(answer("a"), text("Hello")),
                assistant(text("Waiting."), text("There.")),
                SAID,
            ),
            **CALLED,
        },
        {**CALLED_LOST, "messages[4].content[0].tool_result": TRANSLATED},
    ),
    Row(
        "ids and names that the provider does not take",
        messages(
            USER,
            parts("ROLE_ASSISTANT", {"tool_call": {"id": "a.b:c", "name": "x.y" + "z" * 80}}),
            result({"text": "a"}, call_id="a.b:c"),
        ),
        {
            **messages(
                SAID,
                assistant(
                    {
                        "type": "tool_use",
                        "id": "call_b2a25f70f5cf2429a9473fdc",
                        "name": "x_y" + "z" * 61,
                        "input": {},
                    }
                ),
                user(answer("a", "call_b2a25f70f5cf2429a9473fdc")),
            ),
            "tools": [{"name": "x_y" + "z" * 61, "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "none"},
        },
        {**CALLED_LOST, "messages[1].content[0].tool_call.name": TRANSLATED},
    ),
]

GIVEN_BACK = [
    Row(
        "what the model issued itself",
        messages(
            USER,
            parts(
                "ROLE_ASSISTANT",
                {"reasoning": {"text": "Hm."}, **signed(MINE)},
                {"reasoning": {}, **signed({**MINE, "provider": ""}, "Eq2")},
                {"reasoning": {"redacted": True}, **signed(MINE, "Em9")},
                {
                    "provider_part": {
                        "issuer": MINE,
                        "type": "server_tool_use",
                        "data_json": '{"type": "server_tool_use", "input": {"q": 1}}',
                    }
                },
                {"text": "Hi."},
            ),
            USER,
        ),
        messages(
            SAID,
            assistant(
                {"type": "thinking", "thinking": "Hm.", "signature": "Eq1"},
                {"type": "thinking", "thinking": "", "signature": "Eq2"},
                {"type": "redacted_thinking", "data": "Em9"},
                {"type": "server_tool_use", "input": {"q": 1}},
                text("Hi."),
            ),
            SAID,
        ),
    ),
    Row(
        "what belongs to others",
        messages(
            USER,
            parts(
                "ROLE_ASSISTANT",
                {"reasoning": {"text": "Hm."}, **signed({**MINE, "vendor": "acme"})},
                {"reasoning": {"text": "Hm."}, **signed({**MINE, "model": "claude-3"})},
                {"reasoning": {"text": "Hm."}, **signed({**MINE, "provider": "acme"})},
                {"reasoning": {"text": "Hm."}, **signed({**MINE, "credential_id": "cred_1"})},
                {"reasoning": {"text": "Hm."}},
                {"provider_part": {"issuer": {"vendor": "acme"}, "type": "t", "data_json": "{}"}},
                {"provider_part": {"issuer": MINE, "type": "t", "data_json": "{}, 7"}},
                {"text": "Hi.", **signed(MINE)},
            ),
            parts("ROLE_ASSISTANT", {"reasoning": {"text": "Hm."}}),
            USER,
        ),
        messages(SAID, {"role": "assistant", "content": "Hi."}, SAID),
        {
            **{f"messages[1].content[{n}].signature": DROPPED for n in (0, 1, 2, 3, 7)},
            **{f"messages[1].content[{n}].reasoning": DROPPED for n in range(5)},
            "messages[1].content[5].provider_part": DROPPED,
            "messages[1].content[6].provider_part": DROPPED,
            "messages[2].content[0].reasoning": DROPPED,
        },
    ),
]


EXCHANGES = CALLS + GIVEN_BACK

"""How transcripts go out: the table of messages."""

from __future__ import annotations

from typing import Any

from unit.inference.openai_rows import (
    ALIKE,
    DROPPED,
    SAID,
    TRANSLATED,
    USER,
    Row,
    messages,
    parts,
    tools_sent,
)

ISSUER = {"vendor": "acme", "model": "acme-1"}
PNG = {"image": {"data": "iVBORw0KGgo=", "media_type": "image/png"}}
PNG_SENT = {
    "type": "image_url",
    "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="},
}
CALL = {"tool_call": {"id": "call_1", "name": "f", "arguments": '{"b": 1, "a": 2}'}}
CALL_SENT = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "f", "arguments": '{"b": 1, "a": 2}'},
}
ASKED = {"role": "ROLE_ASSISTANT", "content": [CALL]}
ASKED_SENT = {"role": "assistant", "tool_calls": [CALL_SENT]}


def result(*content: dict[str, Any], call_id: str = "call_1", **more: Any) -> dict[str, Any]:
    """Return a message that is the result of a tool."""
    return parts(
        "ROLE_TOOL", {"tool_result": {"call_id": call_id, "content": list(content), **more}}
    )


def answer(content: str, call_id: str = "call_1") -> dict[str, Any]:
    """Return a message that is a result on the wire."""
    return {"role": "tool", "tool_call_id": call_id, "content": content}


MESSAGES = [
    Row("a word", {}, {}),
    Row(
        "every role",
        messages(
            parts("ROLE_SYSTEM", {"text": "Be brief."}),
            USER,
            parts("ROLE_ASSISTANT", {"text": "Hi. "}, {"text": "Well?"}),
            parts("ROLE_SYSTEM", {"text": "Now be long."}),
            USER,
        ),
        messages(
            {"role": "system", "content": "Be brief."},
            SAID,
            {"role": "assistant", "content": "Hi. Well?"},
            {"role": "system", "content": "Now be long."},
            SAID,
        ),
    ),
    Row(
        "texts and pictures",
        messages(
            parts(
                "ROLE_USER",
                {"text": "Look:"},
                PNG,
                {"image": {"url": "https://acme.example/a.png"}},
                {"text": "\u2028 ö \U0001f44b"},
            )
        ),
        messages(
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look:"},
                    PNG_SENT,
                    {"type": "image_url", "image_url": {"url": "https://acme.example/a.png"}},
                    {"type": "text", "text": "\u2028 ö \U0001f44b"},
                ],
            }
        ),
    ),
    Row(
        "documents",
        messages(
            parts(
                "ROLE_USER",
                {"document": {"data": "AA==", "media_type": "application/pdf", "name": "a.pdf"}},
                {"document": {"data": "AA==", "media_type": "application/pdf"}},
                {"document": {"url": "https://acme.example/a", "media_type": "text/plain"}},
            )
        ),
        messages(
            {
                "role": "user",
                "content": [
                    {
                        "type": "file",
                        "file": {
                            "filename": name,
                            "file_data": "data:application/pdf;base64,AA==",
                        },
                    }
                    for name in ("a.pdf", "document.pdf")
                ],
            }
        ),
        {"messages[0].content[2].document": DROPPED},
    ),
    Row(
        "a text to be continued, by who imitates the format, though there are tools",
        {
            **messages(
                USER,
                parts("ROLE_ASSISTANT", {"text": "Hi,"}),
                parts("ROLE_ASSISTANT", {"text": "I \n"}),
            ),
            "tools": [{"name": "f"}],
        },
        {
            **messages(SAID, {"role": "assistant", "content": "Hi,\n\nI"}),
            "tools": tools_sent("f"),
        },
        {"messages[2]": TRANSLATED},
        ALIKE,
    ),
    Row(
        "blanks to be continued, which are nothing",
        messages(USER, parts("ROLE_ASSISTANT", {"text": " \n"})),
        messages(SAID),
        {"messages[1]": TRANSLATED},
        ALIKE,
    ),
    Row(
        "a text to be continued, which OpenAI does not",
        messages(USER, parts("ROLE_ASSISTANT", {"text": "Hi, I "})),
        messages(
            SAID,
            {"role": "assistant", "content": "Hi, I "},
            {
                "role": "user",
                "content": "Go on exactly where your answer breaks off, and repeat nothing of it.",
            },
        ),
        {"messages[1]": TRANSLATED},
    ),
    Row(
        "what belongs to others",
        messages(
            USER,
            parts(
                "ROLE_ASSISTANT",
                {"reasoning": {"text": "Hm."}, "signature": {"value": "x", "issuer": ISSUER}},
                {"provider_part": {"issuer": ISSUER, "type": "t", "data_json": "{}"}},
                {"text": "Hi.", "signature": {"value": "x", "issuer": ISSUER}},
            ),
            parts("ROLE_ASSISTANT", {"reasoning": {"text": "Hm."}}),
            USER,
        ),
        messages(SAID, {"role": "assistant", "content": "Hi."}, SAID),
        {
            "messages[1].content[0].signature": DROPPED,
            "messages[1].content[0].reasoning": DROPPED,
            "messages[1].content[1].provider_part": DROPPED,
            "messages[1].content[2].signature": DROPPED,
            "messages[2].content[0].reasoning": DROPPED,
        },
    ),
    Row(
        "cache marks",
        {
            **messages(
                parts("ROLE_USER", {"text": "Hello", "cache": {}}),
                ASKED,
                result({"text": "a", "cache": {"ttl": "300s"}}),
            ),
            "tools": [{"name": "f", "cache": {}}],
        },
        {**messages(SAID, ASKED_SENT, answer("a")), "tools": tools_sent("f")},
        {
            "messages[0].content[0].cache": DROPPED,
            "messages[2].content[0].tool_result.content[0].cache": DROPPED,
            "tools[0].cache": DROPPED,
        },
    ),
    Row(
        "a refusal",
        messages(
            parts("ROLE_ASSISTANT", {"refusal": "No."}),
            USER,
            parts("ROLE_ASSISTANT", {"text": "Well. "}, {"refusal": "No."}),
            USER,
        ),
        messages(
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            SAID,
            {"role": "assistant", "content": "Well. ", "refusal": "No."},
            SAID,
        ),
    ),
    Row(
        "a refusal for those who know none",
        messages(parts("ROLE_ASSISTANT", {"text": "Well. "}, {"refusal": "No."})),
        messages({"role": "assistant", "content": "Well. No."}),
        {"messages[0].content[1].refusal": TRANSLATED},
        ALIKE,
    ),
]

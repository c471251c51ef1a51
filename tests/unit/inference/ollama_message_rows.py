"""How transcripts go out to Ollama: the table of messages."""

from __future__ import annotations

from typing import Any

from unit.inference.ollama_rows import (
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
PNG_SENT = "iVBORw0KGgo="
ELSEWHERE = {"image": {"url": "https://acme.example/a.png"}}
CALL = {"tool_call": {"id": "call_1", "name": "f", "arguments": '{"b": 1, "a": 2}'}}
CALL_SENT = {"id": "call_1", "function": {"name": "f", "arguments": {"b": 1, "a": 2}}}
ASKED = parts("ROLE_ASSISTANT", CALL)
ASKED_SENT = {"role": "assistant", "content": "", "tool_calls": [CALL_SENT]}


def document(data: str, media_type: str, **more: str) -> dict[str, Any]:
    """Return a document by value, given as base64."""
    return {"document": {"data": data, "media_type": media_type, **more}}


def result(*content: dict[str, Any], call_id: str = "call_1", **more: Any) -> dict[str, Any]:
    """Return a message that is the result of a tool."""
    return parts(
        "ROLE_TOOL", {"tool_result": {"call_id": call_id, "content": list(content), **more}}
    )


def answer(content: str, call_id: str = "call_1", name: str = "f") -> dict[str, Any]:
    """Return a message that is a result on the wire."""
    return {"role": "tool", "tool_name": name, "tool_call_id": call_id, "content": content}


SPOKEN = [
    Row("a word", {}, {}),
    Row(
        "every role",
        messages(
            parts("ROLE_SYSTEM", {"text": "Be brief."}, {"text": "Be kind."}),
            USER,
            parts("ROLE_ASSISTANT", {"text": "Hi. "}, {"text": "Well?"}),
            parts("ROLE_SYSTEM", {"text": "Now be long."}),
            parts("ROLE_USER", {"text": "\u2028 ö"}, {"text": "\U0001f44b"}),
        ),
        messages(
            {"role": "system", "content": "Be brief.\n\nBe kind."},
            SAID,
            {"role": "assistant", "content": "Hi. Well?"},
            {"role": "system", "content": "Now be long."},
            {"role": "user", "content": "\u2028 ö\n\n\U0001f44b"},
        ),
    ),
    Row(
        "an answer to be continued",
        messages(USER, parts("ROLE_ASSISTANT", {"text": "Hi, I"})),
        messages(SAID, {"role": "assistant", "content": "Hi, I"}),
    ),
    Row(
        "an answer to be continued that ends with blanks, in two messages",
        messages(
            USER,
            parts("ROLE_ASSISTANT", {"reasoning": {"text": "Hm."}}, {"text": "Hi."}),
            parts("ROLE_ASSISTANT", {"text": "I "}),
        ),
        messages(SAID, {"role": "assistant", "content": "Hi.\n\nI", "thinking": "Hm."}),
        {"messages[2]": TRANSLATED},
    ),
    Row(
        "instructions alone, which would be answered by loading the model",
        messages(
            parts("ROLE_SYSTEM", {"text": "Be brief."}), parts("ROLE_SYSTEM", {"text": "Greet."})
        ),
        messages({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Greet."}),
        {"messages[1].role": TRANSLATED},
    ),
    Row(
        "thoughts, which are nobody's in particular",
        messages(
            USER,
            parts("ROLE_ASSISTANT", {"reasoning": {"text": "Hm."}}, {"text": "Hi."}),
            USER,
            parts("ROLE_ASSISTANT", {"reasoning": {"text": "Hm?"}}),
            USER,
        ),
        messages(
            SAID,
            {"role": "assistant", "content": "Hi.", "thinking": "Hm."},
            SAID,
            {"role": "assistant", "content": "", "thinking": "Hm?"},
            SAID,
        ),
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
            parts("ROLE_ASSISTANT", {"reasoning": {"redacted": True}}),
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
        "a refusal",
        messages(parts("ROLE_ASSISTANT", {"text": "Well. "}, {"refusal": "No."}), USER),
        messages({"role": "assistant", "content": "Well. No."}, SAID),
        {"messages[0].content[1].refusal": TRANSLATED},
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
]

SHOWN = [
    Row(
        "a picture and words about it",
        messages(parts("ROLE_USER", PNG, {"text": "What is it?"})),
        messages({"role": "user", "content": "What is it?", "images": [PNG_SENT]}),
    ),
    Row(
        "a picture alone",
        messages(parts("ROLE_USER", PNG)),
        messages({"role": "user", "content": "", "images": [PNG_SENT]}),
    ),
    Row(
        "pictures among words, whose order stays",
        messages(parts("ROLE_USER", {"text": "This:"}, PNG, {"text": "Or these?"}, PNG, PNG)),
        messages(
            {"role": "user", "content": "This:"},
            {"role": "user", "content": "Or these?", "images": [PNG_SENT]},
            {"role": "user", "content": "", "images": [PNG_SENT, PNG_SENT]},
        ),
    ),
    Row(
        "pictures elsewhere",
        messages(
            parts("ROLE_USER", {"text": "Look:"}, ELSEWHERE, PNG), parts("ROLE_USER", ELSEWHERE)
        ),
        messages(
            {"role": "user", "content": "Look:"},
            {"role": "user", "content": "", "images": [PNG_SENT]},
            {"role": "user", "content": ""},
        ),
        {
            "messages[0].content[1].image": DROPPED,
            "messages[1].content[0].image": DROPPED,
        },
    ),
    Row(
        "documents",
        messages(
            parts(
                "ROLE_USER",
                document("SMO2", "text/plain", name="a.txt"),
                document("SMO2", "text/markdown"),
                document("/w==", "text/plain"),
                document("SMO2", "application/pdf"),
                {"document": {"url": "https://acme.example/a", "media_type": "text/plain"}},
            )
        ),
        messages({"role": "user", "content": "Document a.txt:\nHö\n\nHö"}),
        {
            "messages[0].content[0].document": TRANSLATED,
            "messages[0].content[1].document": TRANSLATED,
            "messages[0].content[2].document": DROPPED,
            "messages[0].content[3].document": DROPPED,
            "messages[0].content[4].document": DROPPED,
        },
    ),
]

MESSAGES = SPOKEN + SHOWN

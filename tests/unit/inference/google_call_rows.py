"""How calls, their results and what is signed go out to the Gemini API: a table."""

from __future__ import annotations

from typing import Any

from trunkline.inference.adapters.adapter import Target
from unit.inference.google_rows import (
    AT,
    AT_SENT,
    DROPPED,
    GIF,
    NEWEST,
    OLDER,
    PDF,
    PDF_SENT,
    PNG,
    PNG_SENT,
    SAID,
    TRANSLATED,
    USER,
    Row,
    contents,
    messages,
    model,
    parts,
    user,
)

DUMMY = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="

OTHER = {"vendor": "anthropic", "model": "claude-1"}
FIRST = {"tool_call": {"id": "call_1", "name": "f", "arguments": '{"b": 1, "a": 2}'}}
FIRST_SENT = {"functionCall": {"id": "call_1", "name": "f", "args": {"b": 1, "a": 2}}}
SECOND_CALL = {"tool_call": {"id": "call_2", "name": "g"}}
SECOND_SENT = {"functionCall": {"id": "call_2", "name": "g", "args": {}}}


def issued(target: Target) -> dict[str, str]:
    """Return the provenance of what a target issued."""
    return {"vendor": "google", "model": target.model, "provider": target.provider}


def own(value: str, target: Target = NEWEST) -> dict[str, Any]:
    """Return a signature that a target issued."""
    return {"signature": {"value": value, "issuer": issued(target)}}


def foreign(value: str = "x") -> dict[str, Any]:
    """Return a signature that somebody else issued."""
    return {"signature": {"value": value, "issuer": OTHER}}


def result(*content: dict[str, Any], call_id: str = "call_1", **more: Any) -> dict[str, Any]:
    """Return a part that is the result of a tool."""
    return {"tool_result": {"call_id": call_id, "content": list(content), **more}}


def results(*given: dict[str, Any]) -> dict[str, Any]:
    """Return a message of results."""
    return parts("ROLE_TOOL", *given)


def answered(
    text: str, call_id: str = "call_1", name: str = "f", *, key: str = "output", **more: Any
) -> dict[str, Any]:
    """Return a result on the wire."""
    said = {"id": call_id, "name": name, "response": {key: text}, **more}
    return {"functionResponse": said}


def signed(part: dict[str, Any], value: str = DUMMY) -> dict[str, Any]:
    """Return a part on the wire with a signature."""
    return {**part, "thoughtSignature": value}


OWN = issued(NEWEST)

ASKED = parts("ROLE_ASSISTANT", FIRST)
ASKED_BOTH = parts("ROLE_ASSISTANT", FIRST, SECOND_CALL)

CALLS = [
    Row(
        "calls and results, in the order of the calls",
        messages(
            USER,
            parts("ROLE_ASSISTANT", {"text": "I'll ask."}, FIRST, SECOND_CALL),
            results(result({"text": "a"}, {"text": "b"}, call_id="call_2"), result()),
        ),
        contents(
            SAID,
            model({"text": "I'll ask."}, signed(FIRST_SENT), SECOND_SENT),
            user(answered(""), answered("a\nb", "call_2", "g")),
        ),
    ),
    Row(
        "results in messages of their own, and a word of the user",
        messages(USER, ASKED_BOTH, results(result({"text": "a"})),
                 results(result({"text": "b"}, call_id="call_2")), USER),
        contents(
            SAID,
            model(FIRST_SENT, SECOND_SENT),
            user(answered("a"), answered("b", "call_2", "g")),
            SAID,
        ),
        {},
        OLDER,
    ),
    Row(
        "two steps of one call each",
        messages(USER, ASKED, results(result({"text": "a"})),
                 parts("ROLE_ASSISTANT", SECOND_CALL),
                 results(result({"text": "b"}, call_id="call_2"))),
        contents(
            SAID,
            model(signed(FIRST_SENT)),
            user(answered("a")),
            model(signed(SECOND_SENT)),
            user(answered("b", "call_2", "g")),
        ),
    ),
    Row(
        "a tool that failed",
        messages(USER, ASKED, results(result({"text": "no disk"}, is_error=True))),
        contents(SAID, model(FIRST_SENT), user(answered("no disk", key="error"))),
        {},
        OLDER,
    ),
    Row(
        "a result that is JSON stays a text",
        messages(USER, ASKED, results(result({"text": '{"$ref": 1}'}))),
        contents(SAID, model(FIRST_SENT), user(answered('{"$ref": 1}'))),
        {},
        OLDER,
    ),
    Row(
        "pictures in results",
        messages(USER, ASKED, results(result({"text": "Here:"}, PNG, PDF))),
        contents(
            SAID,
            model(signed(FIRST_SENT)),
            user(answered("Here:", parts=[PNG_SENT, PDF_SENT])),
        ),
    ),
    Row(
        "pictures in results for those who take none there",
        messages(USER, ASKED_BOTH, results(result(PNG)), results(result(PDF, call_id="call_2")),
                 USER),
        contents(
            SAID,
            model(FIRST_SENT, SECOND_SENT),
            user(answered(""), answered("", "call_2", "g")),
            user(
                {"text": "Content of the result of f (call call_1):"},
                PNG_SENT,
                {"text": "Content of the result of g (call call_2):"},
                PDF_SENT,
                {"text": "Hello"},
            ),
        ),
        {
            "messages[2].content[0].tool_result.content[0].image": TRANSLATED,
            "messages[3].content[0].tool_result.content[0].document": TRANSLATED,
        },
        OLDER,
    ),
    Row(
        "content of results that is not taken there, or not at all",
        messages(USER, ASKED, results(result(AT, GIF, {"text": "a", "cache": {}}))),
        contents(
            SAID,
            model(signed(FIRST_SENT)),
            user(answered("a")),
            user({"text": "Content of the result of f (call call_1):"}, AT_SENT),
        ),
        {
            "messages[2].content[0].tool_result.content[0].document": TRANSLATED,
            "messages[2].content[0].tool_result.content[1].image": DROPPED,
            "messages[2].content[0].tool_result.content[2].cache": DROPPED,
        },
    ),
    Row(
        "calls without results",
        messages(USER, ASKED_BOTH, results(result({"text": "a"})), USER, ASKED | {
            "content": [{"tool_call": {"id": "call_3", "name": "h"}}]}),
        contents(
            SAID,
            model(FIRST_SENT, SECOND_SENT),
            user(answered("a"), answered("No result came.", "call_2", "g", key="error")),
            SAID,
            model({"functionCall": {"id": "call_3", "name": "h", "args": {}}}),
            user(answered("No result came.", "call_3", "h", key="error")),
        ),
        {
            "messages[1].content[1].tool_call": TRANSLATED,
            "messages[4].content[0].tool_call": TRANSLATED,
        },
        OLDER,
    ),
    Row(
        "a tool whose name a model made up",
        messages(USER,
                 parts("ROLE_ASSISTANT", {"tool_call": {"id": "call_1", "name": "9 lives.x"}}),
                 results(result({"text": "a"}))),
        contents(
            SAID,
            model({"functionCall": {"id": "call_1", "name": "__lives.x", "args": {}}}),
            user(answered("a", name="__lives.x")),
        ),
        {"messages[1].content[0].tool_call.name": TRANSLATED},
        OLDER,
    ),
    Row(
        "a result that comes late",
        messages(USER, ASKED_BOTH, results(result({"text": "a"})), USER,
                 results(result({"text": "b"}, call_id="call_2"))),
        contents(
            SAID,
            model(FIRST_SENT, SECOND_SENT),
            user(answered("a"), answered("b", "call_2", "g")),
            SAID,
        ),
        {"messages[4].content[0].tool_result": TRANSLATED},
        OLDER,
    ),
]  # fmt: skip

SIGNED = [
    Row(
        "signatures go back to who issued them",
        messages(
            USER,
            parts(
                "ROLE_ASSISTANT",
                {"reasoning": {"text": "Hm."}, **own("s1")},
                {"text": "Hi.", **own("s2")},
                {"reasoning": {}, **own("s3")},
                {"text": "", **own("s4")},
                {**FIRST, **own("s5")},
                {**SECOND_CALL, **own("s6")},
            ),
            results(result(), result(call_id="call_2")),
        ),
        contents(
            SAID,
            model(
                signed({"text": "Hm.", "thought": True}, "s1"),
                signed({"text": "Hi."}, "s2"),
                signed({"text": ""}, "s3"),
                signed({"text": ""}, "s4"),
                signed(FIRST_SENT, "s5"),
                signed(SECOND_SENT, "s6"),
            ),
            user(answered(""), answered("", "call_2", "g")),
        ),
    ),
    Row(
        "signatures of others, and of another model of the vendor",
        messages(
            USER,
            parts(
                "ROLE_ASSISTANT",
                {"reasoning": {"text": "Hm."}, **foreign()},
                {"reasoning": {}, **own("s", OLDER)},
                {"reasoning": {"text": "Hm."}},
                {"text": "Hi.", **foreign()},
                {**FIRST, **foreign()},
                SECOND_CALL,
                {"reasoning": {"redacted": True}, **foreign()},
            ),
            results(result(), {**result(call_id="call_2"), **foreign()}),
        ),
        contents(
            SAID,
            model({"text": "Hi."}, signed(FIRST_SENT), SECOND_SENT),
            user(answered(""), answered("", "call_2", "g")),
        ),
        {
            "messages[1].content[0].signature": DROPPED,
            "messages[1].content[0].reasoning": DROPPED,
            "messages[1].content[1].signature": DROPPED,
            "messages[1].content[2].reasoning": DROPPED,
            "messages[1].content[3].signature": DROPPED,
            "messages[1].content[4].signature": DROPPED,
            "messages[1].content[6].signature": DROPPED,
            "messages[1].content[6].reasoning": DROPPED,
            "messages[2].content[1].signature": DROPPED,
        },
    ),
    Row(
        "an older model needs no signature",
        messages(USER, parts("ROLE_ASSISTANT", {**FIRST, **foreign()}), results(result())),
        contents(SAID, model(FIRST_SENT), user(answered(""))),
        {"messages[1].content[0].signature": DROPPED},
        OLDER,
    ),
    Row(
        "blocks of its own and of others",
        messages(
            USER,
            parts(
                "ROLE_ASSISTANT",
                {"provider_part": {"issuer": OWN, "type": "inlineData",
                                   "data_json": '{"inlineData": {"data": "AA=="}}'}},
                {"provider_part": {"issuer": OWN, "data_json": "7"}},
                {"provider_part": {"issuer": OTHER, "type": "t", "data_json": "{}"}},
            ),
            USER,
        ),
        contents(SAID, model({"inlineData": {"data": "AA=="}}), SAID),
        {
            "messages[1].content[1].provider_part": DROPPED,
            "messages[1].content[2].provider_part": DROPPED,
        },
    ),
]  # fmt: skip

CALL_ROWS = CALLS + SIGNED

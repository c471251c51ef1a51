"""How transcripts go out to Responses: the table of items."""

from __future__ import annotations

import base64
from typing import Any

from trunkline.inference.adapters.partial import GO_ON
from unit.inference.responses_rows import (
    DROPPED,
    ENCRYPTED,
    SAID,
    THINKER,
    TRANSLATED,
    USER,
    Row,
    answered,
    called,
    items,
    messages,
    parts,
    spoken,
)

PNG = {"image": {"data": "iVBORw0KGgo=", "media_type": "image/png"}}
PNG_SENT = {
    "type": "input_image",
    "image_url": "data:image/png;base64,iVBORw0KGgo=",
    "detail": "auto",
}
PDF = base64.b64encode(b"%PDF-1").decode()
CALL = {"tool_call": {"id": "call_1", "name": "f", "arguments": '{"b": 1, "a": 2}'}}
CALL_SENT = called(arguments='{"b": 1, "a": 2}')
GO_ON_SENT = spoken("user", GO_ON)

ISSUER = {
    "vendor": "openai",
    "model": "gpt-5.6-sol",
    "provider": "openai",
    "credential_id": "cred_1",
}


def result(*content: dict[str, Any], call_id: str = "call_1", **more: Any) -> dict[str, Any]:
    """Return a message that is the result of a tool."""
    return parts("tool", {"tool_result": {"call_id": call_id, "content": list(content), **more}})


def thought(text: str = "Hm.", **issuer: str) -> dict[str, Any]:
    """Return a thought, signed by the target unless it says otherwise."""
    signature = {"value": "gAAA", "issuer": {**ISSUER, **issuer}}
    return {"reasoning": {"text": text}, "signature": signature}


THOUGHT_SENT = {
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "Hm."}],
    "encrypted_content": "gAAA",
}


def _foreign(name: str, **issuer: str) -> Row:
    """Return a row of a thought that somebody else made."""
    return Row(
        f"a thought of another {name}",
        messages(parts("assistant", thought(**issuer), {"text": "Hi."}), USER),
        items(spoken("assistant", "Hi."), SAID, **ENCRYPTED),
        {
            "messages[0].content[0].signature": DROPPED,
            "messages[0].content[0].reasoning": DROPPED,
        },
        THINKER,
    )


MESSAGES = [
    Row("a word", {}, {}),
    Row(
        "every role",
        messages(
            parts("system", {"text": "Be brief."}),
            USER,
            parts("assistant", {"text": "Hi. "}, {"text": "Well?"}),
            parts("system", {"text": "Now be long."}),
            USER,
        ),
        items(
            spoken("system", "Be brief."),
            SAID,
            spoken(
                "assistant",
                [{"type": "output_text", "text": "Hi. "}, {"type": "output_text", "text": "Well?"}],
            ),
            spoken("system", "Now be long."),
            SAID,
        ),
    ),
    Row(
        "texts and pictures",
        messages(
            parts(
                "user",
                {"text": "Look:"},
                PNG,
                {"image": {"url": "https://acme.example/a.png"}},
                {"text": "\u2028 ö \U0001f44b"},
            )
        ),
        items(
            spoken(
                "user",
                [
                    {"type": "input_text", "text": "Look:"},
                    PNG_SENT,
                    {
                        "type": "input_image",
                        "image_url": "https://acme.example/a.png",
                        "detail": "auto",
                    },
                    {"type": "input_text", "text": "\u2028 ö \U0001f44b"},
                ],
            )
        ),
    ),
    Row(
        "documents by value, with and without a name",
        messages(
            parts(
                "user",
                {"document": {"data": PDF, "media_type": "application/pdf", "name": "a.pdf"}},
                {"document": {"data": PDF, "media_type": "application/pdf"}},
            )
        ),
        items(
            spoken(
                "user",
                [
                    {
                        "type": "input_file",
                        "filename": name,
                        "file_data": f"data:application/pdf;base64,{PDF}",
                    }
                    for name in ("a.pdf", "document.pdf")
                ],
            )
        ),
    ),
    Row(
        "a document by address, which goes without its name",
        messages(
            parts(
                "user",
                {
                    "document": {
                        "url": "https://a.example/a.pdf",
                        "media_type": "application/pdf",
                        "name": "a.pdf",
                    }
                },
            )
        ),
        items(spoken("user", [{"type": "input_file", "file_url": "https://a.example/a.pdf"}])),
        {"messages[0].content[0].document.name": DROPPED},
    ),
    Row(
        "a refusal",
        messages(USER, parts("assistant", {"text": "Well,"}, {"refusal": "no."}), USER),
        items(
            SAID,
            spoken(
                "assistant",
                [{"type": "output_text", "text": "Well,"}, {"type": "refusal", "refusal": "no."}],
            ),
            SAID,
        ),
    ),
    Row(
        "an answer to be continued",
        messages(USER, parts("assistant", {"text": "Once upon "})),
        items(SAID, spoken("assistant", "Once upon "), GO_ON_SENT),
        {"messages[1]": TRANSLATED},
    ),
    Row(
        "a call between texts, and its result",
        messages(
            USER,
            parts("assistant", {"text": "I look."}, CALL, {"text": "So."}),
            result({"text": "1"}, {"text": "2"}),
        ),
        items(
            SAID,
            spoken("assistant", "I look."),
            CALL_SENT,
            spoken("assistant", "So."),
            answered("1\n2"),
        ),
    ),
    Row(
        "a result that failed, with a picture",
        messages(parts("assistant", CALL), result({"text": "Look:"}, PNG, is_error=True)),
        items(
            CALL_SENT,
            answered(
                [
                    {"type": "input_text", "text": "ERROR: "},
                    {"type": "input_text", "text": "Look:"},
                    PNG_SENT,
                ]
            ),
        ),
    ),
    Row(
        "a result that failed, and one that says nothing",
        messages(
            parts("assistant", CALL, {"tool_call": {"id": "call_2", "name": "f"}}),
            result({"text": "No."}, is_error=True),
            result(call_id="call_2"),
        ),
        items(CALL_SENT, called("call_2"), answered("ERROR: No."), answered("", "call_2")),
    ),
    Row(
        "a call without a result, and one whose result comes late",
        messages(
            parts("assistant", CALL, {"tool_call": {"id": "call_2", "name": "f"}}),
            USER,
            result({"text": "2"}, call_id="call_2"),
        ),
        items(
            CALL_SENT,
            called("call_2"),
            answered("ERROR: No result came."),
            answered("2", "call_2"),
            SAID,
        ),
        {
            "messages[0].content[0].tool_call": TRANSLATED,
            "messages[2].content[0].tool_result": TRANSLATED,
        },
    ),
    Row(
        "ids and names that the provider does not take",
        messages(
            parts("assistant", {"tool_call": {"id": "functions.f:0", "name": "run me.now"}}),
            result({"text": "1"}, call_id="functions.f:0"),
        ),
        items(
            called("call_d6bdd4de328a22edd610f954", "run_me_now"),
            answered("1", "call_d6bdd4de328a22edd610f954"),
        ),
        {"messages[0].content[0].tool_call.name": TRANSLATED},
    ),
    Row(
        "an own thought before the call that it led to",
        messages(USER, parts("assistant", thought(), CALL), result({"text": "1"})),
        items(SAID, THOUGHT_SENT, CALL_SENT, answered("1"), **ENCRYPTED),
        target=THINKER,
    ),
    Row(
        "an own thought of which nothing is shown",
        messages(parts("assistant", thought(""), {"text": "Hi."}), USER),
        items(
            {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"},
            spoken("assistant", "Hi."),
            SAID,
            **ENCRYPTED,
        ),
        target=THINKER,
    ),
    Row(
        "an own thought that led to nothing",
        messages(parts("assistant", {"text": "Hi."}, thought()), USER),
        items(spoken("assistant", "Hi."), SAID, **ENCRYPTED),
        {
            "messages[0].content[1].signature": DROPPED,
            "messages[0].content[1].reasoning": DROPPED,
        },
        THINKER,
    ),
    _foreign("vendor", vendor="anthropic"),
    _foreign("model", model="gpt-5.6-terra"),
    _foreign("provider, such as Azure", provider="azure"),
    _foreign("account", credential_id="cred_2"),
    Row(
        "a thought that nobody signed",
        messages(parts("assistant", {"reasoning": {"text": "Hm."}}, {"text": "Hi."}), USER),
        items(spoken("assistant", "Hi."), SAID, **ENCRYPTED),
        {"messages[0].content[0].reasoning": DROPPED},
        THINKER,
    ),
    Row(
        "items of the provider's own, and of somebody else's",
        messages(
            parts(
                "assistant",
                {"provider_part": {"issuer": ISSUER, "data_json": '{"type": "web_search_call"}'}},
                {
                    "provider_part": {
                        "issuer": {**ISSUER, "vendor": "anthropic"},
                        "data_json": "{}",
                    }
                },
                {"provider_part": {"issuer": ISSUER, "data_json": "7], ["}},
                {"text": "Hi."},
            ),
            USER,
        ),
        items({"type": "web_search_call"}, spoken("assistant", "Hi."), SAID, **ENCRYPTED),
        {
            "messages[0].content[1].provider_part": DROPPED,
            "messages[0].content[2].provider_part": DROPPED,
        },
        THINKER,
    ),
    Row(
        "marks that the provider does not have",
        messages(
            parts("user", {"text": "Hello", "cache": {}}),
            parts("assistant", {"text": "Hi.", "signature": {"value": "s", "issuer": ISSUER}}),
            USER,
        ),
        items(SAID, spoken("assistant", "Hi."), SAID),
        {"messages[0].content[0].cache": DROPPED, "messages[1].content[0].signature": DROPPED},
    ),
]

"""How transcripts go out to Anthropic: the table of messages."""

from __future__ import annotations

from unit.inference.anthropic_rows import (
    ADAPTIVE,
    ALIKE,
    COUNTING,
    DROPPED,
    NO_WORDS,
    SAID,
    TRANSLATED,
    USER,
    Row,
    assistant,
    messages,
    parts,
    text,
    user,
)

MINE = {"vendor": "anthropic", "model": COUNTING.model, "provider": "anthropic"}
PNG = {"image": {"data": "iVBORw0KGgo=", "media_type": "image/png"}}
PNG_SENT = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
}


def signed(issuer: dict[str, str], value: str = "Eq1") -> dict[str, object]:
    """Return the mark of who issued a part."""
    return {"signature": {"value": value, "issuer": issuer}}


SAYING = [
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
        {
            "system": "Be brief.",
            **messages(
                SAID,
                assistant(text("Hi. "), text("Well?")),
                user(text("<system>\nNow be long.\n</system>"), text("Hello")),
            ),
        },
        {"messages[3]": TRANSLATED},
    ),
    Row(
        "several instructions, and users in a row",
        messages(
            parts("ROLE_SYSTEM", {"text": "Be brief."}, {"text": "Be kind."}),
            parts("ROLE_SYSTEM", {"text": "Be good."}),
            USER,
            USER,
        ),
        {
            "system": [text("Be brief."), text("Be kind."), text("Be good.")],
            **messages(user(text("Hello"), text("Hello"))),
        },
    ),
    Row(
        "instructions alone",
        messages(parts("ROLE_SYSTEM", {"text": "Be brief."})),
        {"system": "Be brief.", **messages(NO_WORDS)},
        {"messages[0]": TRANSLATED},
    ),
    Row(
        "the model speaks first",
        messages(parts("ROLE_ASSISTANT", {"text": "Hi."}), USER),
        messages(NO_WORDS, {"role": "assistant", "content": "Hi."}, SAID),
        {"messages[0]": TRANSLATED},
    ),
    Row(
        "texts without a visible character",
        messages(
            parts("ROLE_SYSTEM", {"text": ""}, {"text": "Be brief."}),
            parts("ROLE_USER", {"text": ""}, {"text": "Hello"}, {"text": " \n"}),
            parts("ROLE_ASSISTANT", {"text": "\n\n"}, {"text": "Hi."}),
            parts("ROLE_USER", {"text": " "}),
            parts("ROLE_ASSISTANT", {"text": ""}),
            USER,
        ),
        {
            "system": "Be brief.",
            **messages(
                SAID,
                {"role": "assistant", "content": "Hi."},
                user(text("."), text("Hello")),
            ),
        },
        {
            "messages[1].content[2].text": DROPPED,
            "messages[2].content[0].text": DROPPED,
            "messages[3].content[0].text": DROPPED,
            "messages[3]": TRANSLATED,
        },
    ),
    Row(
        "a refusal",
        messages(USER, parts("ROLE_ASSISTANT", {"text": "Well. "}, {"refusal": "No."}), USER),
        messages(SAID, assistant(text("Well. "), text("No.")), SAID),
        {"messages[1].content[1].refusal": TRANSLATED},
    ),
    Row(
        "a text to be continued",
        messages(USER, parts("ROLE_ASSISTANT", {"text": "Once \n"})),
        messages(SAID, {"role": "assistant", "content": "Once"}),
        {"messages[1]": TRANSLATED},
    ),
    Row(
        "a text to be continued by who imitates the format",
        messages(USER, parts("ROLE_ASSISTANT", {"text": "Once"})),
        messages(SAID, {"role": "assistant", "content": "Once"}),
        {},
        ALIKE,
    ),
    Row(
        "a text to be continued by a model that does not",
        messages(USER, parts("ROLE_ASSISTANT", {"text": "x" * 200 + "Once "})),
        messages(
            SAID,
            {"role": "assistant", "content": "x" * 200 + "Once "},
            {
                "role": "user",
                "content": "Your answer broke off after: «" + "x" * 195 + "Once ». Go on exactly"
                " from there, and repeat nothing.",
            },
        ),
        {"messages[1]": TRANSLATED},
        ADAPTIVE,
    ),
    Row(
        "a thought to be continued, which cannot be",
        messages(USER, parts("ROLE_ASSISTANT", {"reasoning": {"text": "Hm."}, **signed(MINE)})),
        messages(
            SAID,
            assistant({"type": "thinking", "thinking": "Hm.", "signature": "Eq1"}),
            NO_WORDS,
        ),
        {"messages[1]": TRANSLATED},
    ),
]

MEDIA = [
    Row(
        "texts and pictures",
        messages(
            parts(
                "ROLE_USER",
                {"text": "Look:"},
                PNG,
                {"image": {"data": "AA==", "media_type": "image/jpg"}},
                {"image": {"data": "AA==", "media_type": "image/bmp"}},
                {"image": {"url": "https://acme.example/a.png"}},
                {"text": "\u2028 ö \U0001f44b"},
            )
        ),
        messages(
            user(
                text("Look:"),
                PNG_SENT,
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/jpeg", "data": "AA=="},
                },
                {"type": "image", "source": {"type": "url", "url": "https://acme.example/a.png"}},
                text("\u2028 ö \U0001f44b"),
            )
        ),
        {"messages[0].content[3].image": DROPPED},
    ),
    Row(
        "documents",
        messages(
            parts(
                "ROLE_USER",
                {"document": {"data": "AA==", "media_type": "application/pdf", "name": "a.pdf"}},
                {"document": {"data": "w7Y=", "media_type": "text/plain"}},
                {"document": {"data": "e30=", "media_type": "application/json"}},
                {"document": {"data": "/w==", "media_type": "text/csv"}},
                {"document": {"data": "AA==", "media_type": "application/zip"}},
                {"document": {"url": "https://acme.example/a", "media_type": "application/pdf"}},
                {"document": {"url": "https://acme.example/a", "media_type": "text/plain"}},
            )
        ),
        messages(
            user(
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="},
                    "title": "a.pdf",
                },
                {
                    "type": "document",
                    "source": {"type": "text", "media_type": "text/plain", "data": "ö"},
                },
                {
                    "type": "document",
                    "source": {"type": "text", "media_type": "text/plain", "data": "{}"},
                },
                {"type": "document", "source": {"type": "url", "url": "https://acme.example/a"}},
            )
        ),
        {
            "messages[0].content[2].document.media_type": TRANSLATED,
            "messages[0].content[3].document": DROPPED,
            "messages[0].content[4].document": DROPPED,
            "messages[0].content[6].document": DROPPED,
        },
    ),
]

MESSAGES = SAYING + MEDIA

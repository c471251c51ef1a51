"""How texts and media go out to the Gemini API: the table of messages."""

from __future__ import annotations

from unit.inference.google_rows import (
    AT,
    AT_SENT,
    DROPPED,
    GIF,
    OLDER,
    PDF,
    PDF_SENT,
    PNG,
    PNG_SENT,
    SAID,
    SECOND,
    TRANSLATED,
    UNKNOWN,
    USER,
    Row,
    contents,
    messages,
    model,
    parts,
    user,
)

TEXTS = [
    Row("a word", {}, contents(SAID)),
    Row(
        "every role",
        messages(
            parts("ROLE_SYSTEM", {"text": "Be brief."}, {"text": "Be kind."}),
            parts("ROLE_SYSTEM", {"text": "Be right."}),
            USER,
            parts("ROLE_ASSISTANT", {"text": "Hi. "}, {"text": "Well?"}),
            parts("ROLE_SYSTEM", {"text": "Now be"}, {"text": "long."}),
            USER,
        ),
        {
            "systemInstruction": {
                "parts": [{"text": "Be brief."}, {"text": "Be kind."}, {"text": "Be right."}]
            },
            **contents(
                SAID,
                model({"text": "Hi. "}, {"text": "Well?"}),
                user({"text": "<system>\nNow be\n\nlong.\n</system>"}, {"text": "Hello"}),
            ),
        },
        {"messages[4]": TRANSLATED},
    ),
    Row(
        "turns of one side are one",
        messages(USER, USER, *[parts("ROLE_ASSISTANT", {"text": "Hi."})] * 2, USER),
        contents(user(*SAID["parts"] * 2), model({"text": "Hi."}, {"text": "Hi."}), SAID),
    ),
    Row(
        "empty texts",
        messages(
            parts("ROLE_SYSTEM", {"text": ""}),
            parts("ROLE_USER", {"text": ""}, {"text": "Hello"}),
            parts("ROLE_ASSISTANT", {"text": ""}),
            parts("ROLE_SYSTEM", {"text": ""}),
        ),
        contents(SAID),
    ),
    Row(
        "instructions and nothing else",
        messages(parts("ROLE_SYSTEM", {"text": "Be brief."})),
        {"systemInstruction": {"parts": [{"text": "Be brief."}]}, **contents(user({"text": "."}))},
        {"messages[0]": TRANSLATED},
    ),
    Row(
        "the model spoke first",
        messages(parts("ROLE_ASSISTANT", {"text": "Hi."}), USER),
        contents(user({"text": "."}), model({"text": "Hi."}), SAID),
        {"messages[0]": TRANSLATED},
    ),
    *(
        Row(
            f"the beginning of an answer ({target.model})",
            messages(USER, parts("ROLE_ASSISTANT", {"text": "Once upon"})),
            contents(SAID, model({"text": "Once upon"})),
            {},
            target,
        )
        for target in (SECOND, OLDER, UNKNOWN)
    ),
    Row(
        "the beginning of an answer, for a model that cannot go on",
        messages(USER, parts("ROLE_ASSISTANT", {"text": "Once upon"})),
        contents(
            SAID,
            model({"text": "Once upon"}),
            user({"text": "Go on exactly where your answer breaks off, and repeat nothing of it."}),
        ),
        {"messages[1]": TRANSLATED},
    ),
    Row(
        "a refusal",
        messages(USER, parts("ROLE_ASSISTANT", {"refusal": "No."}), USER),
        contents(SAID, model({"text": "No."}), SAID),
        {"messages[1].content[0].refusal": TRANSLATED},
    ),
    Row(
        "cache marks",
        {
            **messages(
                parts("ROLE_USER", {"text": "Hello", "cache": {}}),
                parts("ROLE_ASSISTANT", {"text": "Hi.", "cache": {}}),
                USER,
            ),
            "tools": [{"name": "f", "cache": {}}],
        },
        {
            **contents(SAID, model({"text": "Hi."}), SAID),
            "tools": [{"functionDeclarations": [{"name": "f"}]}],
        },
        {
            "messages[0].content[0].cache": DROPPED,
            "messages[1].content[0].cache": DROPPED,
            "tools[0].cache": DROPPED,
        },
    ),
]

MEDIA = [
    Row(
        "pictures and documents",
        messages(
            parts(
                "ROLE_USER",
                {"text": "Look:"},
                PNG,
                {"image": {"url": "https://acme.example/a.png"}},
                PDF,
                AT,
                {"text": "\u2028 ö \U0001f44b"},
            )
        ),
        contents(
            user(
                {"text": "Look:"},
                PNG_SENT,
                {"fileData": {"fileUri": "https://acme.example/a.png"}},
                PDF_SENT,
                AT_SENT,
                {"text": "\u2028 ö \U0001f44b"},
            )
        ),
    ),
    Row(
        "what is not taken as it is",
        messages(parts("ROLE_USER", {"text": "Hello"}, GIF, {"document": {
            **PDF["document"], "name": "a.pdf"}})),
        contents(user({"text": "Hello"}, {"text": "Document a.pdf:"}, PDF_SENT)),
        {
            "messages[0].content[1].image": DROPPED,
            "messages[0].content[2].document.name": TRANSLATED,
        },
    ),
]  # fmt: skip

MESSAGE_ROWS = TEXTS + MEDIA

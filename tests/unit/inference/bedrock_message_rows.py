"""How what is said goes out to Bedrock: a table."""

from __future__ import annotations

from typing import Any

from trunkline.inference.adapters.partial import GO_ON
from unit.inference.bedrock_rows import (
    CLAUDE,
    DROPPED,
    HIDDEN,
    LLAMA,
    LONG_MARK,
    MARK,
    NEW_CLAUDE,
    NOVA,
    PDF,
    PDF_SENT,
    PNG,
    PNG_SENT,
    SAID,
    TRANSLATED,
    USER,
    Row,
    messages,
    model,
    parts,
    user,
)

SYSTEM = parts("ROLE_SYSTEM", {"text": "Be brief."})
OWN = {"vendor": "bedrock", "model": CLAUDE.model, "provider": "bedrock"}
OTHER = {"vendor": "anthropic", "model": "claude-opus-4-5"}


def thought(text: str, value: str, issuer: dict[str, str], *, redacted: bool = False) -> Any:
    """Return a thought that is signed."""
    return {
        "reasoning": {"text": text, "redacted": redacted},
        "signature": {"value": value, "issuer": issuer},
    }


def cached(seconds: int = 0) -> dict[str, Any]:
    """Return a mark, for a time where one is given."""
    return {"cache": {"ttl": f"{seconds}s"} if seconds else {}}


def csv(name: str) -> dict[str, Any]:
    """Return a document of some name."""
    return {"document": {"data": "AA==", "media_type": "text/csv", "name": name}}


def csv_sent(name: str) -> dict[str, Any]:
    """Return the same on the wire."""
    return {"document": {"format": "csv", "name": name, "source": {"bytes": "AA=="}}}


WORDS = [
    Row("a word", {}, {}),
    Row("a word to a model without a limit of ours", {}, {}, {}, NOVA),
    Row(
        "the system prompt is cached by default, where the model takes a mark",
        messages(SYSTEM, USER),
        {"system": [{"text": "Be brief."}, MARK]},
    ),
    Row(
        "and of Nova too",
        messages(SYSTEM, USER),
        {"system": [{"text": "Be brief."}, MARK]},
        {},
        NOVA,
    ),
    Row("nowhere else", messages(SYSTEM, USER), {"system": [{"text": "Be brief."}]}, {}, LLAMA),
    Row("nor behind an ARN", messages(SYSTEM, USER), {"system": [{"text": "Be brief."}]}, {},
        HIDDEN),
    Row(
        "sides take turns",
        messages(USER, USER, parts("ROLE_ASSISTANT", {"text": "a"}),
                 parts("ROLE_ASSISTANT", {"text": "b"}), USER),
        messages(user({"text": "Hello"}, {"text": "Hello"}), model({"text": "a"}, {"text": "b"}),
                 SAID),
    ),
    Row(
        "the model speaks first",
        messages(parts("ROLE_ASSISTANT", {"text": "a"}), USER),
        messages(user({"text": "."}), model({"text": "a"}), SAID),
        {"messages[0]": TRANSLATED},
    ),
    Row(
        "instructions in the middle",
        messages(USER, SYSTEM),
        messages(user({"text": "Hello"}, {"text": "<system>\nBe brief.\n</system>"})),
        {"messages[1]": TRANSLATED},
    ),
    Row(
        "blanks",
        messages(parts("ROLE_SYSTEM", {"text": " "}), parts("ROLE_USER", {"text": "\n"})),
        messages(user({"text": "."})),
        {"messages[0].content[0].text": DROPPED, "messages[1].content[0].text": DROPPED,
         "messages[1]": TRANSLATED},
    ),
    Row(
        "a refusal",
        messages(USER, parts("ROLE_ASSISTANT", {"refusal": "No."}), USER),
        messages(SAID, model({"text": "No."}), SAID),
        {"messages[1].content[0].refusal": TRANSLATED},
    ),
]  # fmt: skip

ENDS = [
    Row(
        "an answer to be continued",
        messages(USER, parts("ROLE_ASSISTANT", {"text": "Hel \n"})),
        messages(SAID, model({"text": "Hel"})),
        {"messages[1]": TRANSLATED},
    ),
    Row(
        "one that is asked for in words",
        messages(USER, parts("ROLE_ASSISTANT", {"text": "Hel"})),
        messages(SAID, model({"text": "Hel"}), user({"text": GO_ON})),
        {"messages[1]": TRANSLATED},
        NEW_CLAUDE,
    ),
    Row(
        "and of every other family",
        messages(USER, parts("ROLE_ASSISTANT", {"text": "Hel"})),
        messages(SAID, model({"text": "Hel"}), user({"text": GO_ON})),
        {"messages[1]": TRANSLATED},
        NOVA,
    ),
]

MEDIA = [
    Row(
        "a picture and a document",
        messages(parts("ROLE_USER", {"text": "Look:"}, PNG, PDF)),
        messages(user({"text": "Look:"}, PNG_SENT, PDF_SENT)),
    ),
    Row(
        "a document alone",
        messages(parts("ROLE_USER", PDF)),
        messages(user({"text": "."}, PDF_SENT)),
        {"messages[0]": TRANSLATED},
    ),
    Row(
        "names of documents",
        messages(parts("ROLE_USER", {"text": "a"},
                       {"document": {"data": "AA==", "media_type": "text/csv"}},
                       {"document": {"data": "AA==", "media_type": "text/x-python",
                                     "name": "a_b.py"}})),
        messages(user({"text": "a"},
                      {"document": {"format": "csv", "name": "document 1",
                                    "source": {"bytes": "AA=="}}},
                      {"document": {"format": "txt", "name": "a-b-py",
                                    "source": {"bytes": "AA=="}}})),
        {"messages[0].content[2].document.media_type": TRANSLATED,
         "messages[0].content[2].document.name": TRANSLATED},
    ),
    Row(
        "documents of one name",
        messages(parts("ROLE_USER", {"text": "a"}, csv("A"), csv("a"), csv("a (2)"))),
        messages(user({"text": "a"}, *map(csv_sent, ("A", "a (2)", "a (2) (2)")))),
        {"messages[0].content[2].document.name": TRANSLATED,
         "messages[0].content[3].document.name": TRANSLATED},
    ),
    Row(
        "what is not taken",
        messages(parts("ROLE_USER", {"text": "a"},
                       {"image": {"url": "https://acme.example/a.png"}},
                       {"image": {"data": "AA==", "media_type": "image/tiff"}},
                       {"document": {"url": "https://acme.example/a", "media_type": "text/csv"}},
                       {"document": {"data": "AA==", "media_type": "application/zip"}})),
        messages(user({"text": "a"})),
        {"messages[0].content[1].image": DROPPED, "messages[0].content[2].image": DROPPED,
         "messages[0].content[3].document": DROPPED, "messages[0].content[4].document": DROPPED},
    ),
]  # fmt: skip

THOUGHTS = [
    Row(
        "thoughts go back to their issuer",
        messages(USER, parts("ROLE_ASSISTANT", thought("Hm.", "s1", OWN), thought("", "s2", OWN),
                             thought("", "c2VjcmV0", OWN, redacted=True), {"text": "a"}), USER),
        messages(SAID, model(
            {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s1"}}},
            {"reasoningContent": {"reasoningText": {"text": "", "signature": "s2"}}},
            {"reasoningContent": {"redactedContent": "c2VjcmV0"}},
            {"text": "a"}), SAID),
    ),
    Row(
        "and to nobody else",
        messages(USER, parts("ROLE_ASSISTANT", thought("Hm.", "s1", OTHER),
                             thought("Hm.", "s2", {**OWN, "model": "anthropic.claude-3-7"}),
                             {"reasoning": {"text": "Hm."}, **cached()},
                             {"provider_part": {"issuer": OWN, "type": "image",
                                                "data_json": "{}"}, **cached()},
                             {"text": "a"}), USER),
        messages(SAID, model({"text": "a"}), SAID),
        {f"messages[1].content[{index}].{part}": DROPPED for index, part in (
            (0, "signature"), (0, "reasoning"), (1, "signature"), (1, "reasoning"),
            (2, "cache"), (2, "reasoning"), (3, "cache"), (3, "provider_part"))},
    ),
]  # fmt: skip

MARKS = [
    Row(
        "a mark stands behind what it marks, and an own one is enough",
        messages({**SYSTEM, "content": [{"text": "Be brief.", **cached()}]},
                 parts("ROLE_USER", {"text": "a", **cached(300)}, {"text": "b"})),
        {"system": [{"text": "Be brief."}, MARK],
         **messages(user({"text": "a"}, MARK, {"text": "b"}))},
    ),
    Row(
        "a long mark, and default ones before it that must be as long",
        messages(SYSTEM, parts("ROLE_USER", {"text": "a", **cached(3600)})),
        {"system": [{"text": "Be brief."}, LONG_MARK],
         **messages(user({"text": "a"}, LONG_MARK))},
    ),
    Row(
        "a long one after a short one, and times between",
        messages(parts("ROLE_USER", {"text": "a", **cached(60)}, {"text": "b", **cached(3600)},
                       {"text": "c", **cached(7200)})),
        messages(user({"text": "a"}, MARK, {"text": "b"}, MARK, {"text": "c"}, MARK)),
        {"messages[0].content[0].cache.ttl": TRANSLATED,
         "messages[0].content[1].cache.ttl": TRANSLATED,
         "messages[0].content[2].cache.ttl": TRANSLATED},
    ),
    Row(
        "too many: first the default one goes, then the first",
        messages(SYSTEM, parts("ROLE_USER", *({"text": each, **cached()} for each in "abcde"))),
        {"system": [{"text": "Be brief."}],
         **messages(user({"text": "a"}, *(block for each in "bcde"
                                          for block in ({"text": each}, MARK))))},
        {"messages[1].content[0].cache": DROPPED},
    ),
    Row(
        "where no mark is taken",
        messages(parts("ROLE_USER", {"text": "a", **cached()}, {"text": " ", **cached()})),
        messages(user({"text": "a"})),
        {"messages[0].content[0].cache": DROPPED, "messages[0].content[1].text": DROPPED,
         "messages[0].content[1].cache": DROPPED},
        LLAMA,
    ),
    Row(
        "Nova keeps for five minutes, and marks no document",
        messages(parts("ROLE_USER", {"text": "a", **cached(3600)}, {**PDF, **cached()})),
        messages(user({"text": "a"}, MARK, PDF_SENT)),
        {"messages[0].content[0].cache.ttl": TRANSLATED, "messages[0].content[1].cache": DROPPED},
        NOVA,
    ),
    Row(
        "who hides behind an ARN gets the marks that are asked for",
        messages(parts("ROLE_USER", {"text": "a", **cached()})),
        messages(user({"text": "a"}, MARK)),
        {},
        HIDDEN,
    ),
]  # fmt: skip

MESSAGE_ROWS = WORDS + ENDS + MEDIA + THOUGHTS + MARKS

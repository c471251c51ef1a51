"""What is said, and by whom."""

from __future__ import annotations

from typing import Final

from fidelity.features.feature import Feature
from fidelity.features.parts import ANY_TEXT, ASKED, CALLED, HELLO, THANKS, system, text, user
from fidelity.reading import Kind, Said

FEATURES: Final = (
    Feature(
        "texts in their order",
        "speech",
        ANY_TEXT,
        (*CALLED, [text("Rain.")], user("Good to know.")),
    ),
    Feature(
        "any characters",
        "speech",
        ANY_TEXT,
        (
            user('é 漢字 👩‍🚀 \u2028 "quoted" \\ {}[]</system>'),
            [text("Grüße, 世界 \u0000\u001f")],
            THANKS,
        ),
    ),
    Feature(
        "system message",
        "system messages",
        r"messages\[0\](\..*)?",
        (system("Be brief."), *HELLO),
    ),
    Feature(
        "several system messages",
        "system messages",
        r"messages\[[01]\](\..*)?",
        (system("Be brief.", "Be kind."), system("Speak French."), *HELLO),
    ),
    Feature(
        "system message in the middle",
        "system messages",
        r"messages\[3\](\..*)?",
        (system("Be brief."), user("Hello"), [text("Hello!")], system("Now rhyme."), THANKS),
    ),
    Feature(
        "several messages of one side",
        "speech",
        ANY_TEXT,
        (user("One."), user("Two."), [text("Three.")], [text("Four.")], THANKS),
    ),
    Feature(
        "blank text",
        "speech",
        r"messages\[0\]\.content\[1\]\.text",
        (user("One.", " \n\t ", "Two."),),
    ),
    Feature(
        "conversation that the model begins",
        "speech",
        r"messages\[0\]",
        ([text("Hello, I am here.")], user("Hello")),
    ),
    Feature(
        "text to be continued (prefill)",
        "speech",
        r"messages\[1\]",
        (user("Count to ten."), [text("One, two,")]),
    ),
    Feature(
        "refusal",
        "speech",
        r".*\.refusal",
        (ASKED, [Said(Kind.REFUSAL, "I cannot help with that.")], THANKS),
    ),
    Feature(
        "text with citations",
        "speech",
        ANY_TEXT,
        (ASKED, [text("It rained.", cited="rain, 4 mm")], THANKS),
    ),
)

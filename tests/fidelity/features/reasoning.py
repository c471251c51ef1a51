"""Thoughts, proofs, and what belongs to one vendor alone."""

from __future__ import annotations

from typing import Final

from fidelity.features.feature import Back, Feature
from fidelity.features.parts import (
    ASKED,
    FOUND,
    PROOF,
    SIGNATURE,
    THANKS,
    TOOLS,
    call,
    result,
    results,
    text,
)
from fidelity.reading import Kind, Said

FEATURES: Final = (
    Feature(
        "thought without a signature",
        "reasoning",
        r".*\.reasoning",
        (ASKED, [Said(Kind.THOUGHT, "Hm, Bern."), text("Rain.")], THANKS),
    ),
    Feature(
        "signed thought",
        "reasoning",
        rf".*\.reasoning|{PROOF}",
        (
            ASKED,
            [Said(Kind.THOUGHT, "Hm, Bern.", signature=SIGNATURE), text("Rain.")],
            THANKS,
        ),
    ),
    Feature(
        "signed thought in a tool loop",
        "reasoning",
        rf".*\.reasoning|{PROOF}",
        (
            ASKED,
            [Said(Kind.THOUGHT, "Look it up.", signature=SIGNATURE), call("call_1")],
            FOUND,
        ),
        TOOLS,
    ),
    Feature(
        "signed thought of another model",
        "reasoning",
        rf".*\.reasoning|{PROOF}",
        (
            ASKED,
            [Said(Kind.THOUGHT, "Hm, Bern.", signature=SIGNATURE), text("Rain.")],
            THANKS,
        ),
        model="an-older-model",
    ),
    Feature(
        "signed thought of its own, after a turn of another",
        "reasoning",
        r"messages\[3\]\.content\[0\]\.(reasoning|signature)",
        (
            ASKED,
            [call("call_1")],
            FOUND,
            Back([Said(Kind.THOUGHT, "Now Rome.", signature=SIGNATURE), call("call_2")]),
            results(result("call_2", "24 degrees")),
        ),
        TOOLS,
    ),
    Feature(
        "sealed thought (redacted)",
        "reasoning",
        rf".*\.reasoning|{PROOF}",
        (ASKED, [Said(Kind.SEALED, signature=SIGNATURE), text("Rain.")], THANKS),
    ),
    Feature(
        "signed text",
        "reasoning",
        PROOF,
        (ASKED, [text("Rain.", signature=SIGNATURE)], THANKS),
    ),
    Feature(
        "signed call",
        "reasoning",
        PROOF,
        (ASKED, [call("call_1", signature=SIGNATURE)], FOUND, THANKS),
        TOOLS,
    ),
    Feature(
        "block of the vendor's own",
        "vendor's own",
        r".*\.provider_part",
        (ASKED, [Said(Kind.OWN, "A page"), text("Rain.")], THANKS),
    ),
)

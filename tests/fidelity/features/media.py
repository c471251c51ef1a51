"""Pictures and documents."""

from __future__ import annotations

from typing import Final

from fidelity.features.feature import Feature
from fidelity.features.parts import GIF, PDF, PLAIN, PNG, document, image, user

FEATURES: Final = (
    Feature("picture", "media", r".*\.image", (user("What is it?", PNG),)),
    Feature(
        "pictures between texts",
        "media",
        r".*\.(image|text)",
        (user("Before:", PNG, "after:", image("image/webp", b"RIFF....WEBP", "other"), "Compare"),),
    ),
    Feature("GIF", "media", r".*\.image", (user("What is it?", GIF),)),
    Feature(
        "picture by address",
        "media",
        r".*\.image",
        (user("What is it?", {"image": {"url": "https://a.example/p.png"}}),),
    ),
    Feature("text document", "media", r".*\.document", (user("Sum up", PLAIN),)),
    Feature("PDF", "media", r".*\.document", (user("Sum up", PDF),)),
    Feature(
        "PDF by address",
        "media",
        r".*\.document",
        (
            user(
                "Sum up",
                {
                    "document": {
                        "url": "https://a.example/r.pdf",
                        "mediaType": "application/pdf",
                    }
                },
            ),
        ),
    ),
    Feature(
        "name of a document",
        "media",
        r".*\.document(\.name)?",
        (user("Sum up", document("text/plain", b"Sold: 4", "sales.txt")),),
    ),
    Feature(
        "two documents of one name",
        "media",
        r".*\.document(\.name)?",
        (
            user("Sum up", document("text/plain", b"Sold: 4", "sales")),
            user("And then", document("text/plain", b"Sold: 5", "sales")),
        ),
    ),
)

"""Write the names of called tools as a vendor takes them.

Names of tools are held to what all vendors take; a call may bear one that a model made up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class NameForm:
    """What names a vendor takes.

    Attributes:
        refused: characters that it does not take.
        most: how many characters a name has.
        reason: why a name is changed, one sentence.
    """

    refused: re.Pattern[str]
    most: int
    reason: str

    def wire(self, name: str) -> str:
        """Return a name that the vendor takes; one that it takes already stays as it is."""
        return self.refused.sub("_", name)[: self.most]


PLAIN: Final = NameForm(
    re.compile(r"[^A-Za-z0-9_-]"),
    64,
    "The provider takes letters, digits, `_` and `-` in names, 64 at most.",
)
"""What Anthropic and OpenAI take, and others with them."""

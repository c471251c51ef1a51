"""What is said of the model's own words: where they stand, and that they are to be continued."""

from __future__ import annotations

from typing import Final

GO_ON: Final = "Go on exactly where your answer breaks off, and repeat nothing of it."
"""What the user says to a model that continues no answer."""

NO_PREFILL: Final = "The model continues no answer of its own; it is asked in words to go on."
"""Why that is said."""

NO_BLANK_END: Final = "A text to be continued is sent without the blanks at its end."
"""Several vendors refuse them, and models go on badly from them."""

BETWEEN_MESSAGES: Final = "\n\n"
"""What stands between messages of the model that follow each other, where one is to be sent.

Two are refused by some who continue the last one, and by templates in which roles alternate."""

BEFORE_CALLS: Final = "A turn of the model has its text before its calls; it is sent there."
"""Where calls stand beside the text of a message and not in it."""

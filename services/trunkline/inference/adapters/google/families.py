"""What is known of families of models: the facts that requests depend on, as data.

Sources: https://ai.google.dev/gemini-api/docs/thinking (levels, budgets),
https://ai.google.dev/gemini-api/docs/thought-signatures (signed calls),
https://ai.google.dev/gemini-api/docs/function-calling (content of results),
https://ai.google.dev/gemini-api/docs/structured-output (with tools). That newer models refuse
to continue an answer is known from crewAIInc/crewAI#6984 and #7134; that they ignore
`temperature`, `topP` and `topK`, from langchain-ai/langchain-google PR 1897.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final


@dataclass(frozen=True, slots=True)
class Budget:
    """How many tokens a model may think.

    Attributes:
        least: in tokens, above 0.
        most: in tokens.
        can_stop: 0 turns thinking off; where it does not, 0 is refused.
    """

    least: int
    most: int
    can_stop: bool


@dataclass(frozen=True, slots=True)
class Family:
    """What the models whose ids begin alike have in common.

    Attributes:
        prefixes: what their ids begin with.
        levels: of thinking, the lowest first; empty where there are none.
        budget: of thinking; never together with `levels`. Neither: they do not think.
        thinks_unasked: they think when nothing is said; else thoughts are asked for only
            together with an effort.
        signs_calls: the first call of a turn is refused without its signature.
        media_in_results: results of tools hold pictures and documents.
        schema_with_tools: JSON can be asked for while there are tools.
        continues: a transcript that ends with the model's own words is continued.
        samples: temperature and the like mean something.
    """

    prefixes: tuple[str, ...]
    levels: tuple[str, ...] = ()
    budget: Budget | None = None
    thinks_unasked: bool = True
    signs_calls: bool = True
    media_in_results: bool = True
    schema_with_tools: bool = True
    continues: bool = False
    samples: bool = True


_LOW_HIGH: Final = ("LOW", "HIGH")
_FROM_LOW: Final = ("LOW", "MEDIUM", "HIGH")
_FROM_MINIMAL: Final = ("MINIMAL", "LOW", "MEDIUM", "HIGH")

# Of an id of which nothing is known, such as Gemma's: little is asked.
_UNKNOWN: Final = Family(
    ("",), signs_calls=False, media_in_results=False, schema_with_tools=False, continues=True
)

# Before generation 3.
_PRO: Final = Budget(128, 32_768, can_stop=False)
_FLASH: Final = Budget(1, 24_576, can_stop=True)
_FLASH_LITE: Final = Budget(512, 24_576, can_stop=True)

# The first family that fits counts: longer prefixes stand before shorter ones.
_FAMILIES: Final = (
    # These make pictures or speech, and do not think.
    replace(_UNKNOWN, prefixes=("gemini-2.5-flash-image", "gemini-2.5-flash-preview-tts")),
    replace(_UNKNOWN, prefixes=("gemini-2.5-pro-preview-tts",)),
    replace(_UNKNOWN, prefixes=("gemini-2.5-pro",), budget=_PRO),
    replace(
        _UNKNOWN, prefixes=("gemini-2.5-flash-lite",), budget=_FLASH_LITE, thinks_unasked=False
    ),
    replace(_UNKNOWN, prefixes=("gemini-2.5-",), budget=_FLASH),
    replace(_UNKNOWN, prefixes=("gemini-1", "gemini-2")),
    Family(("gemini-3-pro",), levels=_LOW_HIGH, continues=True),
    Family(("gemini-3.1-pro", "gemini-pro-latest"), levels=_FROM_LOW, continues=True),
    Family(("gemini-3-", "gemini-3.1-"), levels=_FROM_MINIMAL, continues=True),
    Family(("gemini-3.5-flash-lite", "gemini-3.6-flash"), levels=_FROM_MINIMAL, samples=False),
    Family(("gemini-3.5-flash",), levels=_FROM_MINIMAL),
    # Of what comes after, the narrowest offer that was seen.
    Family(("gemini-",), levels=_FROM_LOW, samples=False),
    _UNKNOWN,
)


@lru_cache(maxsize=1024)
def family_of(model: str) -> Family:
    """Return the family of a model, by its id without `models/`."""
    return next(family for family in _FAMILIES if model.startswith(family.prefixes))


def bare_id(model: str) -> str:
    """Return a model's id without `models/`, with or without which it may be named."""
    return model.removeprefix("models/")

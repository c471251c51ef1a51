"""What each model takes: the table that requests are shaped by.

Models differ in which efforts they take, and refuse settings of sampling when they think. The
table is data: a model that is not in it is treated like the newest when it is a GPT, and gets what
is asked for when it is not.

Source: https://platform.openai.com/docs/guides/reasoning and the models' own pages, and what users
report of each model's refusals.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

NO_EFFORT: Final = "none"

_FAMILY: Final = "gpt-"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model takes.

    Attributes:
        thinks: it gives its thoughts encrypted, and a summary of them.
        efforts: what `reasoning.effort` may be, from little to much; empty: not known, and what
            is asked for is sent.
        unasked: the effort when none is asked for; empty: some effort.
        sampling: takes settings of sampling when it does not think.
    """

    thinks: bool = True
    efforts: tuple[str, ...] = ()
    unasked: str = ""
    sampling: bool = True


_OTHERS: Final = Abilities(thinks=False, unasked=NO_EFFORT)
_FIRST: Final = Abilities(efforts=("low", "medium", "high"), sampling=False)
_FIVE: Final = replace(_FIRST, efforts=("minimal", "low", "medium", "high"))
_FIVE_ONE: Final = Abilities(efforts=("none", "low", "medium", "high"), unasked=NO_EFFORT)
_FIVE_TWO: Final = replace(_FIVE_ONE, efforts=("none", "low", "medium", "high", "xhigh"))
_FIVE_FIVE: Final = replace(_FIVE_TWO, unasked="")
_ALWAYS: Final = Abilities(efforts=("low", "medium", "high", "xhigh"), sampling=False)
_NEWEST: Final = replace(_FIVE_FIVE, efforts=())
_PRO: Final = replace(_ALWAYS, efforts=("medium", "high", "xhigh"))

# How a model's name begins; the longest one counts.
_MODELS: Final[dict[str, Abilities]] = {
    "gpt-3.5": _OTHERS,
    "gpt-4": _OTHERS,
    "gpt-4o": _OTHERS,
    "gpt-4.1": _OTHERS,
    "gpt-4.5": _OTHERS,
    # Open weights, behind others' servers.
    "gpt-oss": _OTHERS,
    "o1": _FIRST,
    "o3": _FIRST,
    "o4": _FIRST,
    "gpt-5": _FIVE,
    "gpt-5.1": _FIVE_ONE,
    "gpt-5.2": _FIVE_TWO,
    "gpt-5.2-pro": _PRO,
    "gpt-5.3": _FIVE_TWO,
    "gpt-5.4": _FIVE_TWO,
    "gpt-5.4-pro": _PRO,
    "gpt-5.5": _FIVE_FIVE,
    "gpt-5.5-pro": _PRO,
    "gpt-5.6": _FIVE_FIVE,
    "gpt-6": _FIVE_FIVE,
    "gpt-6-astra": _ALWAYS,
    "gpt-6.1": _FIVE_FIVE,
    "gpt-6.1-sol": _ALWAYS,
}


@lru_cache(maxsize=1024)
def abilities_of(model: str) -> Abilities:
    """Return what a model takes.

    Args:
        model: as its provider calls it; other hosts write `openai/gpt-5.6-sol`.
    """
    name = model.lower().rpartition("/")[2]
    fitting = [prefix for prefix in _MODELS if _begins(name, prefix)]
    if fitting:
        return _MODELS[max(fitting, key=len)]
    return _NEWEST if name.startswith(_FAMILY) else _OTHERS


def _begins(name: str, prefix: str) -> bool:
    """Tell whether a name begins with a prefix that ends with a whole word of it.

    `gpt-5.5` is no `gpt-5`.
    """
    return name.startswith(prefix) and name[len(prefix) : len(prefix) + 1] in ("", "-", ":")

"""What each model takes: the table that requests are shaped by.

Models differ in what they refuse, and a refusal costs the answer. The table is data: a model
that is not in it is treated like the newest when it is a Claude, and like the plainest when it
is not.

Source: https://platform.claude.com/docs/en/about-claude/models/overview and the pages on
thinking, effort and structured outputs beside it, and what users report of each model's
refusals.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

_FAMILY: Final = "claude-"


class Sampling(enum.Enum):
    """How much of the sampling a model takes."""

    ALL = enum.auto()
    ONE = enum.auto()
    """Not `temperature` and `top_p` together."""
    NONE = enum.auto()


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model takes.

    Attributes:
        max_output: tokens of an answer when the caller names no limit, which the format wants.
        budget: thinks by a number of tokens, `thinking.type: enabled`.
        adaptive: thinks as it sees fit, `thinking.type: adaptive`.
        off: the `thinking.type` by which it does not think; empty when it always does.
        thinks_unasked: thinks when nothing is said about it.
        efforts: what `output_config.effort` may be, from little to much.
        display: takes `thinking.display`.
        hides: leaves thoughts out unless `thinking.display` asks for them.
        sampling: what of it.
        forced_choice: can be made to call a tool though it thinks adaptively.
        prefill: goes on with a message of its own.
        schemas: holds a JSON schema, in answers and in tools.
    """

    max_output: int
    budget: bool = False
    adaptive: bool = False
    off: str = "disabled"
    thinks_unasked: bool = False
    efforts: tuple[str, ...] = ()
    display: bool = False
    hides: bool = False
    sampling: Sampling = Sampling.NONE
    forced_choice: bool = True
    prefill: bool = False
    schemas: bool = True

    @property
    def thinks(self) -> bool:
        """Whether it can be asked to think."""
        return self.budget or self.adaptive


_THREE: Final = Abilities(max_output=4096, sampling=Sampling.ALL, prefill=True, schemas=False)
_FOUR: Final = Abilities(
    max_output=32_000, budget=True, sampling=Sampling.ONE, prefill=True, schemas=False
)
# Opus 4.5 takes an effort too, yet thinks only by a number of tokens: one dial is enough.
_FOUR_FIVE: Final = replace(_FOUR, max_output=64_000, display=True, schemas=True)
_FOUR_SIX: Final = replace(
    _FOUR_FIVE,
    max_output=128_000,
    adaptive=True,
    efforts=("low", "medium", "high", "max"),
    prefill=False,
)
_FOUR_SEVEN: Final = replace(
    _FOUR_SIX,
    budget=False,
    efforts=("low", "medium", "high", "xhigh", "max"),
    hides=True,
    sampling=Sampling.NONE,
)
_FIVE: Final = replace(_FOUR_SEVEN, thinks_unasked=True)
_FABLE: Final = replace(_FIVE, off="")
_NEWEST: Final = replace(_FABLE, forced_choice=False)

# How a model's name begins; the longest one counts.
_MODELS: Final[dict[str, Abilities]] = {
    "claude-instant": _THREE,
    "claude-2": _THREE,
    "claude-3": _THREE,
    "claude-3-5": replace(_THREE, max_output=8192),
    "claude-3-7": replace(_FOUR, sampling=Sampling.ALL),
    "claude-opus-4": _FOUR,
    "claude-sonnet-4": _FOUR,
    "claude-haiku-4-5": _FOUR_FIVE,
    "claude-sonnet-4-5": _FOUR_FIVE,
    "claude-opus-4-5": _FOUR_FIVE,
    "claude-sonnet-4-6": _FOUR_SIX,
    "claude-opus-4-6": _FOUR_SIX,
    "claude-opus-4-7": _FOUR_SEVEN,
    "claude-opus-4-8": _FOUR_SEVEN,
    "claude-opus-5": _FIVE,
    "claude-sonnet-5": _FIVE,
    "claude-haiku-5-5": _FIVE,
    "claude-opus-5-5": _NEWEST,
    # Without thinking it still says what it does between tools, as thoughts.
    "claude-sonnet-5-5": replace(_NEWEST, off="between_tools"),
    "claude-fable-5": _FABLE,
    "claude-mythos-5": _FABLE,
    "claude-fable-5-1": _NEWEST,
    "claude-fable-5-2": _NEWEST,
    "claude-mythos-5-1": _NEWEST,
    "claude-mythos-5-2": _NEWEST,
}

# Others behind this format: they took over what it had when it was young, and a limit that is
# larger than a small model's window is refused.
_OTHERS: Final = Abilities(
    max_output=8192, budget=True, sampling=Sampling.ALL, prefill=True, schemas=False
)


@lru_cache(maxsize=1024)
def abilities_of(model: str) -> Abilities:
    """Return what a model takes.

    Args:
        model: as its provider calls it; other hosts write `anthropic/claude-opus-4.5` or
            `us.anthropic.claude-opus-4-5-20251101-v1:0`.
    """
    name = model.lower().replace(".", "-")
    start = name.find(_FAMILY)
    if start < 0:
        return _OTHERS
    name = name[start:]
    fitting = [prefix for prefix in _MODELS if _begins(name, prefix)]
    return _MODELS[max(fitting, key=len)] if fitting else _NEWEST


def _begins(name: str, prefix: str) -> bool:
    """Tell whether a name begins with a prefix that ends with a whole word of it.

    `claude-fable-5-2` is no `claude-fable-5-20261101`.
    """
    return name.startswith(prefix) and not name[len(prefix) : len(prefix) + 1].isalnum()

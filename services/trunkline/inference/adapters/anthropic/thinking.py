"""Say how much to think, in the dial that the model has.

Source: https://platform.claude.com/docs/en/build-with-claude/extended-thinking, "Adaptive
thinking" and "Effort" beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trunkline.inference.adapters.anthropic.abilities import Abilities
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import chat_pb2

MIN_BUDGET: Final = 1024
"""The fewest tokens that a model thinks by."""

# What an effort comes to with a model that counts tokens. The vendor names no such numbers;
# these are what its own and other clients have settled on.
_BUDGETS: Final[dict[str, int]] = {
    "minimal": 1024,
    "low": 4096,
    "medium": 10_240,
    "high": 20_480,
    "xhigh": 32_768,
    "max": 63_999,
}

_SCALE: Final = ("minimal", "low", "medium", "high", "xhigh", "max")

_NO_THOUGHTS: Final = "The model does not think."
_NO_BUDGET: Final = "The model takes an effort and no number of tokens."
_NO_SUCH_EFFORT: Final = "The model has no such effort; the nearest is sent."
_UNKNOWN_EFFORT: Final = "The model thinks by a number of tokens, and this effort stands for none."
_NEVER_OFF: Final = "The model cannot stop thinking; its lowest effort is sent."
_NO_ROOM: Final = "The token limit leaves no room for thinking, which takes 1,024 at least."
_OUT_OF_BOUNDS: Final = "The provider takes 1,024 at least and less than the token limit."


@dataclass(frozen=True, slots=True)
class Thinking:
    """How much to think, as the format has it.

    Attributes:
        thinking: None when nothing is said.
        effort: empty when nothing is said.
    """

    thinking: Json | None = None
    effort: str = ""

    @property
    def is_on(self) -> bool:
        """Whether thinking is asked for."""
        return self.thinking is not None and self.thinking["type"] in ("adaptive", "enabled")


def settle_thinking(
    options: chat_pb2.ReasoningOptions,
    abilities: Abilities,
    losses: Losses,
    *,
    max_tokens: int,
    obstacle: str,
) -> Thinking:
    """Return how much to think.

    Args:
        options: as asked.
        abilities: of the model.
        losses: takes what is left out or carried in another form.
        max_tokens: the token limit, thoughts included.
        obstacle: one sentence on why a model that counts tokens cannot think in this request;
            empty when it can.
    """
    effort, budget = options.effort, options.budget_tokens
    if effort == "none" and not budget:
        return _off(abilities, losses)
    if not abilities.thinks:
        if budget:
            losses.dropped("reasoning.budget_tokens", _NO_THOUGHTS)
        if effort:
            losses.dropped("reasoning.effort", _NO_THOUGHTS)
        return Thinking()
    if abilities.adaptive and not (budget and abilities.budget):
        return _adaptive(options, abilities, losses)
    if obstacle and (budget or effort):
        losses.dropped("reasoning", obstacle)
        return Thinking()
    return _counted(options, abilities, losses, max_tokens)


def _off(abilities: Abilities, losses: Losses) -> Thinking:
    """Ask for no thoughts."""
    if not abilities.thinks:
        return Thinking()
    if abilities.off:
        return Thinking({"type": abilities.off})
    losses.translated("reasoning.effort", _NEVER_OFF)
    return Thinking(effort=abilities.efforts[0])


def _adaptive(options: chat_pb2.ReasoningOptions, abilities: Abilities, losses: Losses) -> Thinking:
    """Let the model think as it sees fit, with an effort."""
    effort, budget = options.effort, options.budget_tokens
    if budget:
        losses.dropped("reasoning.budget_tokens", _NO_BUDGET)
    if not (effort or budget or abilities.thinks_unasked):
        # Whether it thinks is the model's own setting, which is that it does not.
        return Thinking()
    if effort in _SCALE and effort not in abilities.efforts:
        losses.translated("reasoning.effort", _NO_SUCH_EFFORT)
        reach = _SCALE.index(effort)
        lower = [each for each in abilities.efforts if _SCALE.index(each) < reach]
        effort = lower[-1] if lower else abilities.efforts[0]
    return Thinking({"type": "adaptive", **_display(options, abilities)}, effort)


def _counted(
    options: chat_pb2.ReasoningOptions, abilities: Abilities, losses: Losses, max_tokens: int
) -> Thinking:
    """Let the model think by a number of tokens, which leaves a rest for the answer."""
    effort, budget = options.effort, options.budget_tokens
    asked = budget or _BUDGETS.get(effort, 0)
    if not asked:
        if effort:
            losses.dropped("reasoning.effort", _UNKNOWN_EFFORT)
        return Thinking()
    path = "reasoning.budget_tokens" if budget else "reasoning.effort"
    # Who asks in tokens knows what is left; an effort is to leave a fifth.
    most = max_tokens - 1 if budget else max_tokens * 4 // 5
    if most < MIN_BUDGET:
        losses.dropped(path, _NO_ROOM)
        return Thinking()
    tokens = min(max(asked, MIN_BUDGET), most)
    if budget and tokens != budget:
        losses.translated(path, _OUT_OF_BOUNDS)
    display = _display(options, abilities)
    return Thinking({"type": "enabled", "budget_tokens": tokens, **display})


def _display(options: chat_pb2.ReasoningOptions, abilities: Abilities) -> Json:
    """Return whether thoughts shall come, where the model takes that and it is no default."""
    if not abilities.display:
        return {}
    if options.HasField("include") and not options.include:
        return {"display": "omitted"}
    return {"display": "summarized"} if abilities.hides else {}

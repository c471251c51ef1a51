"""Say how much to think, in the way that the family of the model knows.

Sources: https://ai.google.dev/gemini-api/docs/thinking; what an effort is in tokens, from
https://ai.google.dev/gemini-api/docs/openai.
"""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.google.families import Budget, Family
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.thoughts import are_wanted
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import chat_pb2

_EFFORT: Final = "reasoning.effort"
_BUDGET: Final = "reasoning.budget_tokens"

_RANKS: Final = ("MINIMAL", "LOW", "MEDIUM", "HIGH")

# The level that comes nearest to an effort.
_LEVELS: Final[dict[str, str]] = {
    "none": "MINIMAL",
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "HIGH",
    "max": "HIGH",
}

# What an effort is in tokens; None: all there are.
_TOKENS: Final[dict[str, int | None]] = {
    "none": 0,
    "minimal": 1_024,
    "low": 1_024,
    "medium": 8_192,
    "high": 24_576,
    "xhigh": None,
    "max": None,
}

# The effort that comes nearest to a number of tokens: the first that is large enough.
_EFFORTS_OF_TOKENS: Final = ((1_024, "low"), (8_192, "medium"))


def thinking_config(family: Family, asked: chat_pb2.ReasoningOptions, losses: Losses) -> Json:
    """Return the `thinkingConfig`; empty when there is nothing to say.

    Thoughts come unless nobody wants them.

    Args:
        family: of the model.
        asked: all empty when the request says nothing.
        losses: takes what is left out or carried in another form.
    """
    config: Json = {}
    if family.levels:
        config = _level(family.levels, asked, losses)
    elif family.budget is not None:
        config = _budget(family.budget, asked, losses)
    else:
        if asked.effort not in ("", "none"):
            losses.dropped(_EFFORT, "The model does not think.")
        if asked.budget_tokens:
            losses.dropped(_BUDGET, "The model does not think.")
        return config
    # To ask for thoughts of a model that does not think now is an error.
    thinks = config.get("thinkingBudget") != 0 and (config or family.thinks_unasked)
    if thinks and are_wanted(asked):
        config["includeThoughts"] = True
    return config


def _level(levels: tuple[str, ...], asked: chat_pb2.ReasoningOptions, losses: Losses) -> Json:
    """Return the level; a budget beside it would be an error."""
    effort = asked.effort
    if asked.budget_tokens and effort:
        losses.dropped(_BUDGET, "The model takes an effort and no number of tokens.")
    elif asked.budget_tokens:
        losses.translated(_BUDGET, "The model takes no number of tokens; the nearest effort is.")
        effort = _effort_of(asked.budget_tokens)
    if not effort:
        return {}
    wanted = _LEVELS.get(effort)
    if wanted is None:
        losses.dropped(_EFFORT, f"The model knows no effort `{effort}`.")
        return {}
    enough = _RANKS[_RANKS.index(wanted) :]
    level = next((level for level in levels if level in enough), levels[-1])
    if asked.effort and level.lower() != effort:
        losses.translated(_EFFORT, f"The model has no effort `{effort}`; {level.lower()} is sent.")
    return {"thinkingLevel": level}


def _budget(budget: Budget, asked: chat_pb2.ReasoningOptions, losses: Losses) -> Json:
    """Return the number of tokens, within what the model takes."""
    if asked.budget_tokens:
        tokens = min(max(asked.budget_tokens, budget.least), budget.most)
        if tokens != asked.budget_tokens:
            losses.translated(
                _BUDGET, f"The model takes {budget.least:,} to {budget.most:,} tokens."
            )
        return {"thinkingBudget": tokens}
    if not asked.effort:
        return {}
    if asked.effort not in _TOKENS:
        losses.dropped(_EFFORT, f"The model knows no effort `{asked.effort}`.")
        return {}
    wanted = _TOKENS[asked.effort]
    if wanted == 0 and budget.can_stop:
        return {"thinkingBudget": 0}
    if wanted == 0:
        losses.translated(_EFFORT, "The model always thinks; the least that it takes is sent.")
    wanted = budget.most if wanted is None else wanted
    return {"thinkingBudget": min(max(wanted, budget.least), budget.most)}


def _effort_of(tokens: int) -> str:
    """Return the effort that comes nearest to a number of tokens."""
    return next((effort for most, effort in _EFFORTS_OF_TOKENS if tokens <= most), "high")

"""Say how much to think, in the way that a service knows."""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.openai.service import Thinking
from trunkline.inference.adapters.thoughts import are_wanted
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import chat_pb2

_EFFORT: Final = "reasoning.effort"
_BUDGET: Final = "reasoning.budget_tokens"

# How much each word asks for: ours, and those of some services for on and off.
_AMOUNTS: Final = {
    "none": 0,
    "off": 0,
    "minimal": 1,
    "low": 2,
    "medium": 3,
    "on": 3,
    "default": 3,
    "high": 4,
    "xhigh": 5,
    "max": 6,
}

_NO_EFFORT: Final = "The service takes no effort for this model."
_NO_BUDGET: Final = "The service takes no number of tokens to think."
_ALWAYS_THINKS: Final = "The service cannot keep this model from thinking."
_ONLY_ON: Final = "The service only switches thinking on; how much is the model's choice."


def add_thinking(
    body: Json,
    asked: chat_pb2.ReasoningOptions,
    thinking: Thinking | None,
    modes: tuple[str, ...],
    losses: Losses,
) -> None:
    """Add how much to think to a body.

    Args:
        body: of the request.
        asked: the options; a number of tokens wins over the effort where it is taken.
        thinking: how the service is told; None: it cannot be, but by the model's own modes.
        modes: those that the model's own list names; they stand in the place of the service's.
        losses: takes what is left out or carried in another form.
    """
    if thinking is None and modes:
        thinking = Thinking()
    if thinking is None:
        if asked.effort:
            losses.dropped(_EFFORT, _NO_EFFORT)
        if asked.budget_tokens:
            losses.dropped(_BUDGET, _NO_BUDGET)
        return
    if thinking.hidden and not are_wanted(asked):
        _put(body, thinking.hidden, True)
    if asked.budget_tokens and thinking.budget:
        merge(body, thinking.counted)
        _put(body, thinking.budget, max(asked.budget_tokens, thinking.least_budget))
        if asked.budget_tokens < thinking.least_budget:
            losses.translated(_BUDGET, f"The service takes {thinking.least_budget:,} or more.")
        return
    if asked.budget_tokens:
        losses.dropped(_BUDGET, _NO_BUDGET)
    if asked.effort:
        _add_effort(body, asked.effort, thinking, modes, losses)


def merge(body: Json, more: Json) -> None:
    """Add to a body, and to the objects in it, without changing what is added."""
    for key, value in more.items():
        if isinstance(value, dict):
            inner = body[key] = {**body[key]} if isinstance(body.get(key), dict) else {}
            merge(inner, value)
        else:
            body[key] = value


def _add_effort(
    body: Json, effort: str, thinking: Thinking, modes: tuple[str, ...], losses: Losses
) -> None:
    """Add the word that comes nearest to an effort, or the switch."""
    amount = _AMOUNTS.get(effort)
    if amount == 0 and thinking.off is not None:
        merge(body, thinking.off)
        return
    if thinking.effort:
        word = _nearest(effort, modes or thinking.efforts)
        merge(body, thinking.on)
        _put(body, thinking.effort, word)
        if word != effort:
            losses.translated(_EFFORT, f"There is no effort `{effort}` here; `{word}` is sent.")
    elif amount == 0:
        losses.dropped(_EFFORT, _ALWAYS_THINKS)
    elif amount is None:
        losses.dropped(_EFFORT, _NO_EFFORT)
    else:
        merge(body, thinking.on)
        losses.translated(_EFFORT, _ONLY_ON)


def _nearest(effort: str, words: tuple[str, ...]) -> str:
    """Return the least word that is enough, else the greatest there is.

    One that thinks is never answered by one that does not, while there is another. A word that
    nobody knows stays: it may be the model's own.
    """
    if not words or effort in words or effort not in _AMOUNTS:
        return effort
    asked = _AMOUNTS[effort]
    known = sorted((word for word in words if word in _AMOUNTS), key=_AMOUNTS.__getitem__)
    enough = (word for word in known if _AMOUNTS[word] >= asked)
    return next(enough, known[-1] if known else effort)


def _put(body: Json, keys: tuple[str, ...], value: object) -> None:
    """Put a value where keys lead."""
    *outer, last = keys
    place = body
    for key in outer:
        place = place.setdefault(key, {})
    place[last] = value

"""Say how much to think, and that the thoughts come back to be given back.

Source: https://platform.openai.com/docs/guides/reasoning. Nothing is stored at the provider, so
that a thought is kept by who asks, encrypted.
"""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.responses.abilities import NO_EFFORT, Abilities
from trunkline.inference.adapters.thoughts import are_wanted
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import chat_pb2

_SCALE: Final = (NO_EFFORT, "minimal", "low", "medium", "high", "xhigh", "max")

_ENCRYPTED: Final = "reasoning.encrypted_content"

_NO_BUDGET: Final = "Responses takes an effort and no number of tokens."
_NO_SUCH_EFFORT: Final = "The model has no such effort; the nearest is sent."
_NEVER_OFF: Final = "The model cannot stop thinking; its lowest effort is sent."


def add_reasoning(
    body: Json, options: chat_pb2.ReasoningOptions, abilities: Abilities, losses: Losses
) -> bool:
    """Add how much to think to a request's body.

    Args:
        body: the body so far.
        options: as asked; empty when nothing was.
        abilities: of the model.
        losses: takes what is left out or carried in another form.

    Returns:
        Whether the model thinks, as far as is known.
    """
    if options.budget_tokens:
        losses.dropped("reasoning.budget_tokens", _NO_BUDGET)
    effort = _effort(options.effort, abilities, losses)
    thinks = (effort or abilities.unasked) != NO_EFFORT
    reasoning: Json = {}
    if effort:
        reasoning["effort"] = effort
    if abilities.thinks and thinks:
        body["include"] = [_ENCRYPTED]
        if options.ByteSize() and are_wanted(options):
            reasoning["summary"] = "auto"
    if reasoning:
        body["reasoning"] = reasoning
    return thinks


def _effort(asked: str, abilities: Abilities, losses: Losses) -> str:
    """Return the effort to send; empty: none."""
    efforts = abilities.efforts
    if not abilities.thinks and asked == NO_EFFORT:
        return ""
    if not efforts or asked in efforts or asked not in _SCALE:
        return asked
    losses.translated("reasoning.effort", _NEVER_OFF if asked == NO_EFFORT else _NO_SUCH_EFFORT)
    reach = _SCALE.index(asked)
    # Who asks for little thought does not ask for none.
    some = [each for each in efforts if each != NO_EFFORT]
    lower = [each for each in some if _SCALE.index(each) < reach]
    return lower[-1] if lower else some[0]

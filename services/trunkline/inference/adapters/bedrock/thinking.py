"""Say how much to think, in what stands beside the format's own fields.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html
for Claude; of the others, what https://github.com/pydantic/pydantic-ai has found out.
"""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.anthropic.thinking import Thinking, settle_thinking
from trunkline.inference.adapters.bedrock.families import Dial, Family
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import chat_pb2

_SCALE: Final = ("minimal", "low", "medium", "high", "xhigh", "max")

_NO_THOUGHTS: Final = "The model does not think, or it is not known how to make it."
_NO_BUDGET: Final = "The model takes an effort and no number of tokens."
_NO_SUCH_EFFORT: Final = "The model has no such effort; the nearest is sent."
_UNKNOWN_EFFORT: Final = "The model has no such effort."
_NEVER_OFF: Final = "The model cannot stop thinking; its lowest effort is sent."


def add_thinking(
    fields: Json,
    options: chat_pb2.ReasoningOptions,
    family: Family,
    losses: Losses,
    *,
    max_tokens: int,
    obstacle: str,
) -> bool:
    """Add how much to think to what stands beside the format's own fields.

    Args:
        fields: takes it.
        options: as asked.
        family: of the model.
        losses: takes what is left out or carried in another form.
        max_tokens: the token limit, thoughts included.
        obstacle: why a Claude that counts tokens cannot think in this request; empty when it can.

    Returns:
        Whether a Claude thinks, which takes fewer settings then.
    """
    if family.claude is not None:
        thinking: Thinking = settle_thinking(
            options, family.claude, losses, max_tokens=max_tokens, obstacle=obstacle
        )
        if thinking.thinking is not None:
            fields["thinking"] = thinking.thinking
        if thinking.effort:
            fields["output_config"] = {"effort": thinking.effort}
        return thinking.is_on
    if options.budget_tokens:
        reason = _NO_THOUGHTS if family.dial is None else _NO_BUDGET
        losses.dropped("reasoning.budget_tokens", reason)
    if options.effort:
        _turn(fields, options.effort, family.dial, losses)
    return False


def put_at(fields: Json, path: str, value: object) -> None:
    """Put a value to where a path leads; a dot leads into an object."""
    *way, last = path.split(".")
    for key in way:
        fields = fields.setdefault(key, {})
    fields[last] = value


def _turn(fields: Json, effort: str, dial: Dial | None, losses: Losses) -> None:
    """Add an effort, as far as the model has it."""
    if dial is None:
        if effort != "none":
            losses.dropped("reasoning.effort", _NO_THOUGHTS)
        return
    sent = _nearest(effort, dial, losses)
    if sent is None:
        return
    put_at(fields, dial.key, sent)
    for key, value in dial.beside:
        put_at(fields, f"{dial.key.rpartition('.')[0]}.{key}", value)


def _nearest(effort: str, dial: Dial, losses: Losses) -> str | None:
    """Return the effort that a model has; None: nothing is sent."""
    if effort == "none":
        if dial.off:
            return dial.off
        if dial.beside:
            # Thinking is switched on by what stands beside, and off by its absence.
            return None
        losses.translated("reasoning.effort", _NEVER_OFF)
        return dial.efforts[0]
    if effort in dial.efforts:
        return effort
    if effort not in _SCALE:
        losses.dropped("reasoning.effort", _UNKNOWN_EFFORT)
        return None
    losses.translated("reasoning.effort", _NO_SUCH_EFFORT)
    reach = _SCALE.index(effort)
    lower = [each for each in dial.efforts if _SCALE.index(each) < reach]
    return lower[-1] if lower else dial.efforts[0]

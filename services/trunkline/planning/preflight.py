"""Tell before asking whether a model can do what is asked.

Only what is known counts: a fact that nobody states, or that is merely assumed, is never
the reason to leave a model out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trunkline.catalog.v1 import model_pb2
from trunkline.inference.v1 import failure_pb2
from trunkline.planning.needs import Needs

# Fact and need, by the same name in both; the reason; the sentence.
_ABILITIES: Final = (
    ("vision", "vision", failure_pb2.SKIP_REASON_NO_VISION, "It takes no images."),
    ("documents", "documents", failure_pb2.SKIP_REASON_NO_DOCUMENTS, "It takes no documents."),
    ("tools", "tools", failure_pb2.SKIP_REASON_NO_TOOLS, "It calls no tools."),
    (
        "structured_output",
        "structured_output",
        failure_pb2.SKIP_REASON_NO_STRUCTURED_OUTPUT,
        "It cannot hold a schema.",
    ),
    ("thinking", "thinking", failure_pb2.SKIP_REASON_NO_REASONING, "It does not think."),
)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a model cannot do what is asked.

    Attributes:
        reason: for programs.
        detail: one sentence, with the figures.
    """

    reason: failure_pb2.SkipReason.ValueType
    detail: str


def find_obstacle(facts: model_pb2.ModelFacts, needs: Needs) -> Obstacle | None:
    """Return the first reason why a model cannot do what is asked; None: there is none known."""
    for fact, need, reason, detail in _ABILITIES:
        if facts.HasField(fact):  # type: ignore[arg-type] # one of the names above
            ability: model_pb2.BoolFact = getattr(facts, fact)
            if not ability.value and is_known(ability.source) and getattr(needs, need):
                return Obstacle(reason, detail)
    window = known_window(facts)
    if window and needs.least_tokens > window:
        return Obstacle(
            failure_pb2.SKIP_REASON_CONTEXT_TOO_SMALL,
            f"The prompt has {needs.least_tokens:,} tokens or more, and its window"
            f" holds {window:,}.",
        )
    return None


def known_window(facts: model_pb2.ModelFacts) -> int:
    """Return a model's context window in tokens; 0: it is not known."""
    window = facts.context_window
    return window.value if is_known(window.source) else 0


def is_known(source: model_pb2.FactSource.ValueType) -> bool:
    """Tell whether somebody states a fact."""
    return source not in (model_pb2.FACT_SOURCE_UNSPECIFIED, model_pb2.FACT_SOURCE_ASSUMED)

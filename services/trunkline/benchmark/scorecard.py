"""The scorecard: the verdicts of a run of the benchmark, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from trunkline.benchmark.judge import Judgement, Verdict

COLUMNS: Final = ("SCENARIO", "VERDICT", "SECONDS", "ATTEMPTS", "THE PROVIDER", "FINDINGS")
"""The columns of `list_rows`; attempts are those on the primary and those on the fallback."""


def list_rows(judgements: Sequence[Judgement]) -> list[tuple[str, ...]]:
    """Return a row of texts for each scenario."""
    return [
        (
            judgement.scenario.id,
            judgement.verdict.value,
            f"{judgement.seconds:.1f}",
            f"{judgement.primary_attempts}+{judgement.fallback_attempts}",
            judgement.scenario.title,
            " ".join(judgement.findings),
        )
        for judgement in judgements
    ]


def count(judgements: Sequence[Judgement]) -> dict[str, int]:
    """Count the scenarios of each verdict, the best first."""
    return {
        verdict.value: sum(judgement.verdict is verdict for judgement in judgements)
        for verdict in Verdict
    }


def summarise(judgements: Sequence[Judgement]) -> str:
    """Say in one line how many scenarios came out how."""
    counted = ", ".join(f"{number} {name}" for name, number in count(judgements).items())
    return f"{len(judgements)} scenarios: {counted}."


def to_document(judgements: Sequence[Judgement], scale: float) -> dict[str, Any]:
    """Return everything for a program.

    Args:
        judgements: in the order of the scenarios.
        scale: factor of all times.
    """
    return {
        "scale": scale,
        "counts": count(judgements),
        "scenarios": [
            {
                "id": judgement.scenario.id,
                "title": judgement.scenario.title,
                "verdict": judgement.verdict.value,
                "seconds": round(judgement.seconds, 3),
                "primary_attempts": judgement.primary_attempts,
                "fallback_attempts": judgement.fallback_attempts,
                "findings": list(judgement.findings),
            }
            for judgement in judgements
        ],
    }

"""Which model takes what."""

from __future__ import annotations

import pytest

from trunkline.inference.adapters.anthropic.abilities import Abilities, Sampling, abilities_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # Dates, aliases and other hosts' ways to write a name.
        ("claude-opus-4-5", "claude-opus-4-5-20251101"),
        ("claude-opus-4-5", "anthropic/claude-opus-4.5"),
        ("claude-opus-4-5", "us.anthropic.claude-opus-4-5-20251101-v1:0"),
        ("claude-opus-4-5", "Claude-Opus-4-5@20251101"),
        ("claude-3-5-haiku-20241022", "claude-3-5-sonnet-latest"),
        ("claude-sonnet-4", "claude-sonnet-4-20250514"),
        ("claude-opus-4-20250514", "claude-opus-4-1-20250805"),
        # A date is no version.
        ("claude-fable-5", "claude-fable-5-20260815"),
        ("claude-opus-5", "claude-opus-5-50000000"),
        # What nobody knows yet.
        ("claude-opus-5-5", "claude-saga-9"),
        ("kimi-k3", "not-a-claude"),
    ],
)
def test_names_of_the_same_model(one: str, other: str) -> None:
    """However a model's name is written, it takes the same."""
    assert abilities_of(one) == abilities_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("claude-fable-5", "claude-fable-5-2"),
        ("claude-opus-5", "claude-opus-5-5"),
        ("claude-opus-4-5", "claude-opus-4-6"),
        ("claude-opus-4-6", "claude-opus-4-7"),
        ("claude-opus-4", "claude-opus-4-5"),
        ("claude-3-5-sonnet", "claude-3-7-sonnet"),
        ("claude-opus-5-5", "glm-5"),
    ],
)
def test_names_of_other_models(one: str, other: str) -> None:
    """A longer name is another model's."""
    assert abilities_of(one) != abilities_of(other)


NAMES = [
    "claude-instant-1.2",
    "claude-2.1",
    "claude-3-opus-20240229",
    "claude-3-7-sonnet-latest",
    "claude-opus-4-1",
    "claude-haiku-4-5",
    "claude-sonnet-4-5",
    "claude-sonnet-4-6",
    "claude-opus-4-8",
    "claude-opus-5",
    "claude-sonnet-5",
    "claude-haiku-5-5",
    "claude-sonnet-5-5",
    "claude-mythos-5-1",
    "glm-5",
]


@pytest.mark.parametrize("name", NAMES)
def test_what_a_model_takes_makes_sense(name: str) -> None:
    """The table does not contradict itself, nor what the vendor says of all models."""
    takes: Abilities = abilities_of(name)
    assert takes.max_output >= 4096
    assert not takes.efforts or takes.adaptive
    assert takes.adaptive == bool(takes.efforts)
    assert not takes.hides or takes.display
    assert takes.off or takes.efforts
    assert not takes.thinks_unasked or takes.adaptive
    # Neither is taken by a model that thinks as it sees fit alone.
    if takes.adaptive and not takes.budget:
        assert takes.sampling is Sampling.NONE
        assert not takes.prefill

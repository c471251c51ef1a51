"""What the packaged table says of well-known models."""

from __future__ import annotations

import tomllib
from collections import Counter
from datetime import UTC, date, datetime
from importlib import resources
from typing import Final

import pytest

from trunkline import catalog
from trunkline.catalog.facts import FACT_NAMES, layer_facts
from trunkline.catalog.knowledge import Knowledge, data_hash
from trunkline.catalog.known_models import DATA_FILE, KnownModels, load_known_models
from trunkline.catalog.provider_types import SERVED_FORMATS, load_provider_types
from trunkline.catalog.v1 import model_pb2

KNOWN: Final = model_pb2.FACT_SOURCE_KNOWN
COLUMNS: Final = {"type", "id", "prefix", "checked", "source", "priced", *FACT_NAMES}


@pytest.fixture(scope="module")
def models() -> KnownModels:
    """Give the table."""
    return load_known_models()


def test_every_row_says_whom_it_is_about_when_and_from_where() -> None:
    """And nothing that is no fact; no two rows are about the same."""
    text = resources.files(catalog).joinpath(DATA_FILE).read_text("utf-8")
    rows = tomllib.loads(text)["model"]
    types = {kind.name for kind in load_provider_types()}
    for row in rows:
        assert row["type"] in types, row
        assert ("id" in row) != ("prefix" in row), row
        assert row.keys() <= COLUMNS, row
        assert type(row["checked"]) is date, row
        assert row["source"].startswith("https://"), row
        # D29: that a model calls no tools is only its provider's to say.
        assert row.get("tools", True), row
    named = Counter((row["type"], row.get("id"), row.get("prefix")) for row in rows)
    assert not [name for name, count in named.items() if count > 1]


@pytest.mark.parametrize(
    ("model_id", "window"),
    [
        ("claude-sonnet-4-5", 200_000),
        ("claude-sonnet-4-5-20250929", 200_000),
        ("claude-sonnet-4-5@20250929", 200_000),
        ("claude-sonnet-4-5-latest", 200_000),
        ("claude-opus-5-5", 1_000_000),
        ("claude-opus-5-20260801", 1_000_000),
        # Another model, though its name begins so.
        ("claude-sonnet-4-5-7", None),
        ("claude-sonnet-4", None),
        ("my-claude-sonnet-4-5", None),
    ],
)
def test_a_row_stands_for_a_model_and_its_releases(
    models: KnownModels, model_id: str, window: int | None
) -> None:
    """And for nothing else of its vendor, nor of another."""
    facts, _ = models.find("anthropic", model_id)
    assert facts.HasField("context_window") == (window is not None)
    assert facts.context_window.value == (window or 0)
    assert models.find("openrouter", model_id)[0] == model_pb2.ModelFacts()


def test_each_fact_is_of_the_closest_row_that_states_it(models: KnownModels) -> None:
    """So a column of its own can be added in rows of its own."""
    facts, _ = models.find("openai", "gpt-4o-2024-08-06")
    assert facts.prefill == model_pb2.BoolFact(value=False, source=KNOWN)
    assert facts.vision == model_pb2.BoolFact(value=True, source=KNOWN)
    assert facts.deprecation_time.source == KNOWN
    when = facts.deprecation_time.value.ToDatetime(tzinfo=UTC)
    assert when == datetime(2027, 1, 14, tzinfo=UTC)
    other, _ = models.find("google", "models/gemini-3.5-flash-lite-preview")
    assert not other.prefill.value


def test_what_is_known_goes_before_what_is_assumed() -> None:
    """And after everything else (decision 4)."""
    known = model_pb2.ModelFacts(
        context_window=model_pb2.IntegerFact(value=5, source=KNOWN),
        prefill=model_pb2.BoolFact(value=True, source=KNOWN),
    )
    said = model_pb2.ModelFacts(
        context_window=model_pb2.IntegerFact(value=7, source=model_pb2.FACT_SOURCE_PROVIDER)
    )
    facts = layer_facts(model_pb2.ModelFacts(), said, known)
    assert facts.context_window.value == 7
    assert facts.prefill.source == KNOWN
    assert facts.tools.source == model_pb2.FACT_SOURCE_ASSUMED
    assert (
        layer_facts(model_pb2.ModelFacts(), model_pb2.ModelFacts(), known).context_window.value == 5
    )


async def test_knowledge_joins_facts_and_prices() -> None:
    """A window that only the price data have counts; a name that they mistake has no price."""
    types = load_provider_types()
    knowledge = Knowledge()
    openai = types.find("openai")
    minimax = types.find("minimax")
    ollama = types.find("ollama")
    assert openai
    assert minimax
    assert ollama
    learned = await knowledge.read(openai, ["gpt-5.2", "ft:mine"])
    assert learned.models["gpt-5.2"].facts.context_window.value == 400_000
    assert learned.models["gpt-5.2"].prices[0].input == 1_750_000_000
    assert learned.models["ft:mine"] == model_pb2.Model()
    assert learned.version.startswith(f"{data_hash()}, genai-prices ")
    learned = await knowledge.read(minimax, ["MiniMax-M2", "MiniMax-M2.5"])
    assert learned.models["MiniMax-M2"].prices
    assert learned.models["MiniMax-M2.5"] == model_pb2.Model()
    learned = await knowledge.read(ollama, ["anything"])
    (free,) = learned.models["anything"].prices
    assert (free.input, free.output, free.source) == (0, 0, KNOWN)
    assert free.HasField("input")
    assert free.version


@pytest.mark.parametrize(
    ("type_", "model_id", "wire_format"),
    [
        ("openai", "gpt-5.4", "openai-responses"),
        ("openai", "gpt-5.4-mini-2026-03-05", "openai-responses"),
        ("openai", "gpt-5.6-sol", "openai-responses"),
        ("openai", "gpt-6-astra", "openai-responses"),
        ("openai", "gpt-6.1-terra", "openai-responses"),
        ("openai", "gpt-5.2", ""),
        ("openai", "gpt-5.40", ""),
        ("openai", "gpt-60", ""),
        ("openai", "gpt-4o", ""),
        ("openai-compatible", "gpt-5.4", ""),
        ("openrouter", "openai/gpt-5.6-sol", ""),
    ],
)
def test_which_models_another_format_serves(
    models: KnownModels, type_: str, model_id: str, wire_format: str
) -> None:
    """It holds for the vendor's own models alone, by whole words of their names."""
    facts, _ = models.find(type_, model_id)
    assert facts.format.value == wire_format
    assert not wire_format or wire_format in SERVED_FORMATS

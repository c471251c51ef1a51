"""Prices of models: what is known, what is set by hand, and what of it is told."""

from __future__ import annotations

from typing import Any, Final

import pytest

from support.catalog_harness import CatalogHarness
from support.service_calls import DEVELOPER, eventually, refused
from trunkline.catalog.facts import MAX_RATE
from trunkline.catalog.known_prices import prices_version
from trunkline.catalog.v1 import model_pb2
from trunkline.inference.v1 import provider_pb2 as inference_pb2
from trunkline.kernel.clock import timestamp

MANUAL: Final = model_pb2.FACT_SOURCE_MANUAL
PROVIDER: Final = model_pb2.FACT_SOURCE_PROVIDER
KNOWN: Final = model_pb2.FACT_SOURCE_KNOWN
SECOND_NS: Final = 10**9


def price(**fields: Any) -> model_pb2.Price:
    """Return a price, its times in seconds."""
    for name in ("start_time", "end_time"):
        if name in fields:
            fields[name] = timestamp(fields[name] * SECOND_NS)
    return model_pb2.Price(**fields)


def told(model: model_pb2.Model) -> list[tuple[int, int]]:
    """Return of each price its source and what its input costs."""
    return [(each.source, each.input) for each in model.prices]


async def test_a_well_known_model_has_its_published_price(catalog: CatalogHarness) -> None:
    """With the release of the data; a stranger has none, and a local model's is zero."""
    await catalog.create(models=["gpt-5.2", "ft:mine"])
    (known,) = (await catalog.get_model("openai/gpt-5.2")).prices
    assert (known.source, known.input, known.output) == (KNOWN, 1_750_000_000, 14_000_000_000)
    assert known.version == prices_version()
    assert not (await catalog.get_model("openai/ft:mine")).prices
    await catalog.create("ollama", "ollama", models=["llama3.3"])
    (free,) = (await catalog.get_model("ollama/llama3.3")).prices
    assert free.HasField("input")
    assert (free.input, free.output) == (0, 0)


async def test_a_list_brings_what_is_known_of_its_models(catalog: CatalogHarness) -> None:
    """Beneath what the provider says; a refresh tells of it once."""
    await catalog.create("anthropic", "anthropic")
    catalog.inference.answer(
        inference_pb2.DiscoveredModel(id="claude-sonnet-4-5", context_window=123_456)
    )
    (change,) = await catalog.refresh("anthropic")
    facts = change.after.facts
    assert facts.context_window.source == model_pb2.FACT_SOURCE_PROVIDER
    assert (facts.prefill.value, facts.prefill.source) == (True, KNOWN)
    assert [each.above_prompt_tokens for each in change.after.prices] == [200_000, 0]
    assert not await catalog.refresh("anthropic")


async def test_what_a_list_says_goes_before_what_is_known(catalog: CatalogHarness) -> None:
    """And what is set by hand goes before both; a list that is silent leaves what is known."""
    await catalog.create(models=["gpt-5.2"])
    listed = inference_pb2.DiscoveredModel(
        id="gpt-5.2", prices=[inference_pb2.DiscoveredPrice(input=3, output=4)]
    )
    catalog.inference.answer(listed)
    (change,) = await catalog.refresh("openai")
    assert "prices" in change.fields
    assert told(change.after) == [(PROVIDER, 3), (KNOWN, 1_750_000_000)]
    assert not await catalog.refresh("openai")
    del listed.prices[:]
    catalog.inference.answer(listed)
    (change,) = await catalog.refresh("openai")
    assert told(change.after) == [(KNOWN, 1_750_000_000)]


async def test_a_price_by_hand_stands_before_the_known_one(catalog: CatalogHarness) -> None:
    """Until it is cleared by leaving it out; what of others is sent back is not taken over."""
    await catalog.create(models=["gpt-5.2"])
    before = await catalog.get_model("openai/gpt-5.2")
    after = await catalog.update_model(
        "openai/gpt-5.2", prices=[*before.prices, price(input=5, output=7)]
    )
    assert told(after) == [(MANUAL, 5), (KNOWN, 1_750_000_000)]
    assert after.prices[0].version.startswith("manual 20")
    assert after.etag != before.etag
    # Sent back as it is, it stays as it is.
    again = await catalog.update_model("openai/gpt-5.2", prices=list(after.prices))
    assert again == after
    more = await catalog.update_model(
        "openai/gpt-5.2",
        mask=["prices"],
        prices=[*after.prices, price(input=6, output=7, start_time=1_900_000_000)],
    )
    assert told(more) == [(MANUAL, 6), (MANUAL, 5), (KNOWN, 1_750_000_000)]
    assert more.prices[1].version == after.prices[0].version
    cleared = await catalog.update_model("openai/gpt-5.2", mask=["prices"])
    assert list(cleared.prices) == list(before.prices)


async def test_prices_of_several_times_and_sizes_are_kept(catalog: CatalogHarness) -> None:
    """The latest first, and of one time that of the largest prompts."""
    await catalog.create(models=["a"])
    given = [
        price(input=1, end_time=100),
        price(input=2, start_time=100, above_prompt_tokens=10),
        price(input=3, start_time=100),
        price(cache_read=4, start_time=200, end_time=300),
    ]
    after = await catalog.update_model("openai/a", mask=["prices"], prices=given)
    assert [each.input for each in after.prices] == [0, 2, 3, 1]
    assert after.prices[0].cache_read == 4
    assert not after.prices[0].HasField("input")


@pytest.mark.parametrize(
    ("prices", "fields"),
    [
        ([price(input=-1)], ["model.prices[0].input"]),
        ([price()], ["model.prices[0]"]),
        ([price(input=MAX_RATE + 1)], ["model.prices[0].input"]),
        ([price(input=1), price(output=1)], ["model.prices[1]"]),
        ([price(input=1, start_time=5, end_time=5)], ["model.prices[0].end_time"]),
        ([price(input=1, start_time=10**12)], ["model.prices[0].start_time"]),
        (
            [price(input=1), price(start_time=9, end_time=8)],
            ["model.prices[1]", "model.prices[1].end_time"],
        ),
        ([price(input=1, start_time=each) for each in range(33)], ["model.prices"]),
    ],
)
async def test_prices_that_cannot_be_are_refused_by_field(
    catalog: CatalogHarness, prices: list[model_pb2.Price], fields: list[str]
) -> None:
    """All of them at once, and nothing is written."""
    await catalog.create(models=["a"])
    failure = await refused(catalog.update_model("openai/a", mask=["prices"], prices=prices))
    assert failure.fields == fields
    assert not (await catalog.get_model("openai/a")).prices


async def test_a_developer_sets_no_price(catalog: CatalogHarness) -> None:
    """Models are the administrators'."""
    await catalog.create(models=["a"])
    request = model_pb2.UpdateModelRequest(
        model=model_pb2.Model(name="openai/a", prices=[price(input=1)])
    )
    failure = await refused(catalog.stub.UpdateModel(request, metadata=DEVELOPER))
    assert failure.reason == "CALLER_NOT_ALLOWED"


async def test_other_data_are_asked_at_the_next_start(catalog: CatalogHarness) -> None:
    """Of all that an older release had asked; its watchers are told where it shows."""
    await catalog.create(models=["gpt-5.2", "ft:mine"])
    await catalog.update_model("openai/gpt-5.2", prices=[price(input=5, output=7)])
    whole = await catalog.list_models()
    before = await catalog.get_model("openai/gpt-5.2")
    before.facts.ClearField("context_window")
    del before.prices[1:]
    await catalog.stop()
    for published, model_id in ((before.SerializeToString(), "gpt-5.2"), (None, "ft:mine")):
        await catalog.store.run(
            "UPDATE model SET known = ?, known_version = ?, published = coalesce(?, published)"
            " WHERE id = ?",
            *(b"", "old", published, model_id),
        )
    await catalog.start()

    async def list_versions() -> set[str]:
        rows = await catalog.store.run("SELECT known_version FROM model")
        return {version for (version,) in rows}

    (version,) = await eventually(list_versions, lambda found: "old" not in found)
    assert prices_version() in version
    assert await catalog.list_models() == whole

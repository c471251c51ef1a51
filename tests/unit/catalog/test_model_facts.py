"""The layers of facts, and what a list merges into them."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.catalog.answers import describe_model
from trunkline.catalog.facts import FACT_NAMES, MAX_RATE, layer_facts, set_by_hand
from trunkline.catalog.listing import (
    MergedModel,
    describe_change,
    is_model_id,
    merge_list,
    read_reported,
)
from trunkline.catalog.records import StoredModel
from trunkline.catalog.v1 import model_pb2
from trunkline.inference.v1 import provider_pb2 as inference_pb2

ETAGS = count()
IDS = st.sampled_from(["a", "b", "c", "d/e"])
LISTS = st.lists(
    st.builds(
        inference_pb2.DiscoveredModel,
        id=IDS,
        display_name=st.sampled_from(["", "A", "B"]),
        context_window=st.one_of(st.none(), st.integers(-5, 5)),
        vision=st.one_of(st.none(), st.booleans()),
    ),
    max_size=6,
)


def _merge(
    known: dict[str, StoredModel],
    models: list[inference_pb2.DiscoveredModel],
    now_ns: int = 2,
    most: int = 100,
) -> list[MergedModel]:
    def mint_etag() -> str:
        return f"{next(ETAGS)}"

    return merge_list("p", known, models, now_ns=now_ns, mint_etag=mint_etag, most=most)


def test_every_fact_has_its_layers() -> None:
    """By hand goes before the provider's word, and both before what is assumed."""
    manual = model_pb2.ModelFacts(vision=model_pb2.BoolFact(value=True))
    reported = model_pb2.ModelFacts(
        vision=model_pb2.BoolFact(value=False), tools=model_pb2.BoolFact(value=False)
    )
    facts = layer_facts(manual, reported)
    assert facts.vision.value
    assert not facts.tools.value
    assert facts.context_window.source == model_pb2.FACT_SOURCE_ASSUMED
    assert {field.name for field, _ in facts.ListFields()} == {"vision", "tools", "context_window"}


def test_every_fact_of_the_contract_can_be_set_and_cleared() -> None:
    """None is forgotten when the contract grows."""
    for name in FACT_NAMES:
        given_facts = model_pb2.ModelFacts()
        getattr(given_facts, name).SetInParent()
        manual = set_by_hand(model_pb2.ModelFacts(), given_facts, name)
        assert getattr(manual, name).source == model_pb2.FACT_SOURCE_MANUAL
        assert set_by_hand(manual, model_pb2.ModelFacts(), name) == model_pb2.ModelFacts()


@given(LISTS, LISTS)
def test_a_list_is_merged_whole_and_once(
    first: list[inference_pb2.DiscoveredModel], second: list[inference_pb2.DiscoveredModel]
) -> None:
    """Afterwards listed is what the list has; merging it again changes nothing."""
    known: dict[str, StoredModel] = {}
    for models in (first, second):
        merged = _merge(known, models)
        assert [entry.after.id for entry in merged] == sorted(entry.after.id for entry in merged)
        for entry in merged:
            assert entry.before == known.get(entry.after.id)
        known |= {entry.after.id: entry.after for entry in merged}
        assert {model.id for model in known.values() if model.listed} == {m.id for m in models}
        assert not _merge(known, models, now_ns=3)


@given(LISTS, LISTS)
def test_a_change_is_told_exactly_when_it_shows(
    first: list[inference_pb2.DiscoveredModel], second: list[inference_pb2.DiscoveredModel]
) -> None:
    """What is told and what a model shows before and after agree, etag included."""
    known = {entry.after.id: entry.after for entry in _merge({}, first)}
    for entry in _merge(known, second):
        assert entry.before is None or entry.before.id == entry.after.id
        change = describe_change(entry)
        if entry.before is None:
            assert change is not None
            continue
        before, after = describe_model(entry.before), describe_model(entry.after)
        assert (change is not None) == (before != after)
        if change is not None:
            assert change.after == after
            assert (before.etag != after.etag) == bool(change.fields)


def test_a_fact_beneath_a_manual_one_changes_nothing_that_shows() -> None:
    """Neither the etag nor the time of the last change."""
    manual = model_pb2.Model(
        facts=model_pb2.ModelFacts(
            vision=model_pb2.BoolFact(value=True, source=model_pb2.FACT_SOURCE_MANUAL)
        )
    )
    known = StoredModel("p", "a", 1, 1, "etag", manual=manual, listed=True)
    (entry,) = _merge({"a": known}, [inference_pb2.DiscoveredModel(id="a", vision=False)])
    assert describe_change(entry) is None
    assert describe_model(entry.after) == describe_model(known)
    assert entry.after.reported.facts.HasField("vision")


def test_a_model_that_the_list_lacks_keeps_what_was_said_of_it() -> None:
    """Only `listed` changes, which leaves the etag."""
    (first,) = _merge({}, [inference_pb2.DiscoveredModel(id="a", vision=True)])
    (gone,) = _merge({"a": first.after}, [], now_ns=5)
    assert not gone.after.listed
    assert gone.after.reported == first.after.reported
    assert gone.after.etag == first.after.etag
    assert gone.after == replace(first.after, listed=False, update_time_ns=5)


def test_a_strangers_list_has_bounds() -> None:
    """Of one provider so many models are kept; those that are known go on being updated."""
    many = [inference_pb2.DiscoveredModel(id=f"m{number}") for number in range(10)]
    known = {entry.after.id: entry.after for entry in _merge({}, many, most=7)}
    assert len(known) == 7
    late = [inference_pb2.DiscoveredModel(id=name) for name in ("a-new-one", "m0")]
    merged = _merge(known, late, most=7)
    assert len(merged) == 6
    assert all(entry.before is not None for entry in merged)


def test_a_price_of_the_list_keeps_its_version_as_long_as_it_is_said() -> None:
    """A list that is read anew changes nothing."""
    cheap = inference_pb2.DiscoveredPrice(input=5, output=7, cache_read=1)
    said = inference_pb2.DiscoveredModel(id="a", prices=[cheap])
    (first,) = _merge({}, [said])
    (price,) = first.after.reported.prices
    assert price == model_pb2.Price(
        input=5,
        output=7,
        cache_read=1,
        source=model_pb2.FACT_SOURCE_PROVIDER,
        version=price.version,
    )
    assert price.version.startswith("list 1970-01-01T00:00:0")
    later = 10 * 10**9
    assert not _merge({"a": first.after}, [said], now_ns=later)
    said.prices[0].output = 8
    (changed,) = _merge({"a": first.after}, [said], now_ns=later)
    assert changed.after.reported.prices[0].version == "list 1970-01-01T00:00:10Z"
    del said.prices[:]
    (unsaid,) = _merge({"a": first.after}, [said], now_ns=later)
    assert not unsaid.after.reported.prices


@pytest.mark.parametrize("rate", [-1, MAX_RATE + 1])
def test_a_price_that_cannot_be_is_no_price(rate: int) -> None:
    """None of the model's is believed then."""
    prices = [inference_pb2.DiscoveredPrice(input=1), inference_pb2.DiscoveredPrice(input=rate)]
    (merged,) = _merge({}, [inference_pb2.DiscoveredModel(id="a", prices=prices)])
    assert not merged.after.reported.prices


def test_what_a_list_says_is_cut_to_the_contracts_bounds() -> None:
    """Too long, too many, or fit to steer a terminal."""
    reported = read_reported(
        inference_pb2.DiscoveredModel(
            id="a",
            display_name="N" * 1000,
            description="a\x1b]0;b\a" + "D" * 10_000,
            max_output_tokens=-1,
            reasoning_modes=["", "x" * 300, *(f"m{n}" for n in range(100))],
            default_reasoning_mode="y" * 300,
        )
    )
    assert len(reported.display_name) == 256
    assert reported.description.startswith("a ]0;b D")
    assert len(reported.description) == 4096
    assert not reported.facts.HasField("max_output_tokens")
    assert len(reported.facts.reasoning_modes.values) == 64
    assert reported.facts.reasoning_modes.values[0] == "m0"
    assert not reported.facts.HasField("default_reasoning_mode")


def test_what_can_be_a_models_id() -> None:
    """As in the contract's pattern, and nothing that cannot be seen."""
    assert all(map(is_model_id, ["a", "org/model:free", "ü", "x" * 256, "#", "a,b"]))
    assert not any(
        map(is_model_id, ["", " ", "a b", "a\n", "\x00", "x" * 257, "a\u00a0b", "\u200b"])
    )

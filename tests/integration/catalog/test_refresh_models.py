"""RefreshModels: what a provider's list changes, what it leaves, and when it cannot be read."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from support.catalog_harness import CatalogHarness
from support.service_calls import eventually, refused
from trunkline.catalog.v1 import model_pb2, provider_pb2
from trunkline.inference.v1 import provider_pb2 as inference_pb2
from trunkline.kernel.errors import FailedPrecondition, TrunklineError

Discovered = inference_pb2.DiscoveredModel


async def test_a_list_is_read_with_the_central_credential(catalog: CatalogHarness) -> None:
    """Inference is asked by name and credential, for the models, at the address that holds."""
    await catalog.create(models=["a"])
    catalog.inference.answer("a")
    credential_id = await catalog.verify()
    await eventually(catalog.get, lambda seen: seen.HasField("refresh_time"))
    catalog.inference.requests.clear()
    await catalog.refresh()
    (asked,) = catalog.inference.requests
    assert asked.name == "openai"
    assert asked.credential_id == credential_id
    assert asked.base_url == "https://api.openai.com/v1"
    assert asked.include_models
    assert asked.purpose == inference_pb2.PROBE_PURPOSE_LIST_MODELS


async def test_a_key_with_an_address_of_its_own_is_used_there(catalog: CatalogHarness) -> None:
    """The credential's address goes before the provider's."""
    await catalog.create(models=["a"])
    catalog.inference.answer("a")
    await catalog.verify(base_url="https://eu.example.com/v1")
    await catalog.refresh()
    assert catalog.inference.requests[-1].base_url == "https://eu.example.com/v1"


async def test_without_a_credential_the_list_is_asked_for_without_one(
    catalog: CatalogHarness,
) -> None:
    """Some lists are public."""
    await catalog.create("openrouter", "openrouter")
    catalog.inference.answer("openrouter/auto")
    (change,) = await catalog.refresh("openrouter")
    assert change.model == "openrouter/openrouter/auto"
    assert catalog.inference.requests[0].WhichOneof("credential") is None


async def test_what_is_new_changed_and_gone_is_told(catalog: CatalogHarness) -> None:
    """A model that is gone stays, marked as not listed."""
    await catalog.create(models=["hand"])
    catalog.inference.answer(Discovered(id="old", vision=True), Discovered(id="same"), "gone")
    changes = await catalog.refresh()
    assert {change.model: (change.listed, change.was_listed) for change in changes} == {
        "openai/gone": (True, False),
        "openai/old": (True, False),
        "openai/same": (True, False),
    }
    assert all(not change.fields for change in changes)
    catalog.inference.answer(
        Discovered(id="old", vision=False, context_window=8192, display_name="Old"),
        Discovered(id="same"),
        "hand",
    )
    told = {change.model: change for change in await catalog.refresh()}
    assert set(told) == {"openai/gone", "openai/hand", "openai/old"}
    assert list(told["openai/old"].fields) == [
        "display_name",
        "facts.context_window",
        "facts.vision",
    ]
    assert (told["openai/old"].was_listed, told["openai/old"].listed) == (True, True)
    assert (told["openai/gone"].was_listed, told["openai/gone"].listed) == (True, False)
    assert (told["openai/hand"].was_listed, told["openai/hand"].listed) == (False, True)
    for name, change in told.items():
        assert change.after == await catalog.get_model(name)
    assert (await catalog.get_model("openai/gone")).enabled
    assert not await catalog.refresh()


async def test_what_the_provider_says_is_kept_with_its_source(catalog: CatalogHarness) -> None:
    """Every fact that it says, and none that it does not say."""
    await catalog.create("groq", "groq")
    full = Discovered(
        id="a",
        display_name="A",
        description="Good\x1b[31m.",
        context_window=8192,
        max_output_tokens=1024,
        vision=True,
        tools=False,
        thinking=True,
        structured_output=True,
        embeddings=False,
        reasoning_modes=["low", "high"],
        default_reasoning_mode="low",
    )
    full.deprecation_time.seconds = 1_800_000_000
    catalog.inference.answer(full, Discovered(id="b", context_window=0))
    await catalog.refresh("groq")
    model = await catalog.get_model("groq/a")
    facts = model.facts
    named = {field.name for field, _ in facts.ListFields()}
    assert named == {
        "context_window",
        "max_output_tokens",
        "vision",
        "tools",
        "thinking",
        "structured_output",
        "embeddings",
        "reasoning_modes",
        "default_reasoning_mode",
        "deprecation_time",
    }
    assert all(fact.source == model_pb2.FACT_SOURCE_PROVIDER for _, fact in facts.ListFields())
    assert facts.context_window.value == 8192
    assert not facts.tools.value
    assert facts.deprecation_time.value.seconds == 1_800_000_000
    assert model.display_name == "A"
    assert model.description == "Good [31m."
    assumed = (await catalog.get_model("groq/b")).facts
    assert {field.name for field, _ in assumed.ListFields()} == {"context_window", "tools"}
    assert assumed.context_window.source == model_pb2.FACT_SOURCE_ASSUMED


async def test_what_was_set_by_hand_survives_every_refresh(catalog: CatalogHarness) -> None:
    """A change beneath it is kept, and neither told nor seen before it is cleared (D14)."""
    await catalog.create(models=["a"])
    catalog.inference.answer(Discovered(id="a", context_window=8192))
    await catalog.refresh()
    facts = model_pb2.ModelFacts(context_window=model_pb2.IntegerFact(value=32_000))
    by_hand = await catalog.update_model("openai/a", facts=facts, enabled=False)
    catalog.inference.answer(Discovered(id="a", context_window=16_384))
    assert not await catalog.refresh()
    assert await catalog.get_model("openai/a") == by_hand
    cleared = await catalog.update_model("openai/a", mask=["facts.context_window"])
    assert cleared.facts.context_window.value == 16_384
    assert not cleared.enabled


async def test_a_dry_run_tells_and_changes_nothing(catalog: CatalogHarness) -> None:
    """The same changes come again, and then for real."""
    await catalog.create(models=["a"])
    catalog.inference.answer("b")
    before = await catalog.get()
    dry = await catalog.refresh(dry_run=True)
    assert [change.model for change in dry] == ["openai/b"]
    assert await catalog.get() == before
    assert [model.name for model in await catalog.list_models()] == ["openai/a"]
    assert [change.model for change in await catalog.refresh()] == ["openai/b"]
    assert (await catalog.get()).HasField("refresh_time")


async def test_what_is_no_model_is_passed_over(catalog: CatalogHarness) -> None:
    """Ids that no name can hold, and those that come twice."""
    await catalog.create("groq", "groq")
    catalog.inference.answer(
        "", "a b", "x" * 257, "esc\x1b", Discovered(id="a", vision=True), Discovered(id="a")
    )
    await catalog.refresh("groq")
    (model,) = await catalog.list_models()
    assert model.name == "groq/a"
    assert model.facts.vision.value


async def test_an_unknown_provider_has_no_list(catalog: CatalogHarness) -> None:
    """PROVIDER_NOT_FOUND, and nobody is asked."""
    failure = await refused(catalog.refresh("nobody"))
    assert failure.code is grpc.StatusCode.NOT_FOUND
    assert failure.reason == "PROVIDER_NOT_FOUND"
    assert failure.metadata == {"provider": "nobody"}
    assert not catalog.inference.requests


async def test_a_list_that_cannot_be_read_leaves_what_is_known(catalog: CatalogHarness) -> None:
    """LIST_UNAVAILABLE with the Verification; a note stays until it can be read again."""
    await catalog.create(models=["a"])
    catalog.inference.answer("a")
    await catalog.refresh()
    catalog.inference.refuse(inference_pb2.VERDICT_BILLING, "The account must pay first.")
    catalog.inference.verification.reply.http_status = 402
    catalog.inference.verification.reply.message = "their own words"
    failure = await refused(catalog.refresh())
    assert failure.code is grpc.StatusCode.UNAVAILABLE
    assert failure.reason == "LIST_UNAVAILABLE"
    assert failure.metadata == {"provider": "openai", "verdict": "BILLING"}
    assert failure.detail(inference_pb2.Verification()).reply.http_status == 402
    noted = await catalog.get()
    assert list(noted.notes) == [
        "Its list of models could not be read: The account must pay first."
    ]
    assert (await catalog.get_model("openai/a")).listed
    catalog.inference.answer("a")
    await catalog.refresh()
    assert not (await catalog.get()).notes


async def test_a_dry_run_that_fails_leaves_no_note(catalog: CatalogHarness) -> None:
    """It only tells."""
    await catalog.create(models=["a"])
    catalog.inference.refuse(inference_pb2.VERDICT_UNREACHABLE)
    failure = await refused(catalog.refresh(dry_run=True))
    assert failure.metadata["verdict"] == "UNREACHABLE"
    assert not (await catalog.get()).notes


async def test_an_empty_list_is_no_list(catalog: CatalogHarness) -> None:
    """After a second look it counts as one that cannot be read; nothing is marked as gone."""
    await catalog.create(models=["a"])
    catalog.inference.answer("a")
    await catalog.refresh()
    catalog.inference.answer()
    catalog.inference.requests.clear()
    failure = await refused(catalog.refresh())
    assert failure.reason == "LIST_UNAVAILABLE"
    assert failure.message == "The list is empty."
    assert len(catalog.inference.requests) == 2
    assert (await catalog.get_model("openai/a")).listed


@pytest.mark.parametrize("reason", ["NO_CREDENTIAL", "ORIGIN_CHANGED"])
async def test_what_inference_refuses_is_told(catalog: CatalogHarness, reason: str) -> None:
    """Its sentence is the list's trouble."""
    await catalog.create(models=["a"])
    failures: list[TrunklineError] = [FailedPrecondition(reason, "The credential is gone.")]
    catalog.inference.failures = failures
    failure = await refused(catalog.refresh())
    assert failure.reason == "LIST_UNAVAILABLE"
    assert failure.message == "The credential is gone."
    assert failure.metadata["verdict"] == "UNSPECIFIED"


async def test_an_absent_inference_is_told_as_such(catalog: CatalogHarness) -> None:
    """PEER_UNAVAILABLE names it, and no note is made: the provider was not asked."""
    await catalog.create(models=["a"])
    await catalog.stop()
    await catalog.close_peers()
    await catalog.start_peers("credential")
    await catalog.start()
    failure = await refused(catalog.refresh())
    assert failure.code is grpc.StatusCode.UNAVAILABLE
    assert failure.reason == "PEER_UNAVAILABLE"
    assert failure.metadata == {"peer": "inference"}
    assert not (await catalog.get()).notes


async def test_a_list_of_an_address_that_was_left_is_not_taken(catalog: CatalogHarness) -> None:
    """The answer comes after the address was changed, and counts no more."""
    await catalog.create(models=["a"])
    catalog.inference.answer("theirs")
    catalog.inference.gate.clear()
    reading = asyncio.ensure_future(refused(catalog.refresh()))

    async def asked() -> int:
        return len(catalog.inference.requests)

    await eventually(asked, bool)
    await catalog.update(endpoint=provider_pb2.ProviderEndpoint(base_url="https://b.example/v1"))
    catalog.inference.gate.set()
    failure = await reading
    assert failure.reason == "LIST_UNAVAILABLE"
    assert [model.name for model in await catalog.list_models()] == ["openai/a"]


async def test_refreshes_of_one_provider_come_one_after_the_other(
    catalog: CatalogHarness,
) -> None:
    """Together they make each model once."""
    await catalog.create("groq", "groq")
    catalog.inference.answer("a", "b")
    results = await asyncio.gather(*(catalog.refresh("groq") for _ in range(5)))
    assert sorted(len(changes) for changes in results) == [0, 0, 0, 0, 2]


async def test_a_provider_that_goes_meanwhile_stays_gone(catalog: CatalogHarness) -> None:
    """Its list comes too late, and makes nothing."""
    await catalog.create(models=["a"])
    catalog.inference.answer("b")
    catalog.inference.gate.clear()
    reading = asyncio.ensure_future(refused(catalog.refresh()))

    async def asked() -> int:
        return len(catalog.inference.requests)

    await eventually(asked, bool)
    await catalog.delete()
    catalog.inference.gate.set()
    assert (await reading).reason == "PROVIDER_NOT_FOUND"
    assert not await catalog.list_models()

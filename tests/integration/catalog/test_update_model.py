"""GetModel and UpdateModel: facts by hand, their clearing, and the one default."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct

from support.catalog_harness import CatalogHarness
from support.service_calls import ADMIN, DEVELOPER, refused
from trunkline.catalog.v1 import model_pb2
from trunkline.inference.v1 import chat_pb2
from trunkline.inference.v1 import provider_pb2 as inference_pb2

MANUAL = model_pb2.FACT_SOURCE_MANUAL
PROVIDER = model_pb2.FACT_SOURCE_PROVIDER
ASSUMED = model_pb2.FACT_SOURCE_ASSUMED


def _window(value: int, source: int = 0) -> model_pb2.ModelFacts:
    return model_pb2.ModelFacts(
        context_window=model_pb2.IntegerFact(
            value=value, source=model_pb2.FactSource.ValueType(source)
        )
    )


async def test_a_model_is_given_by_its_name(catalog: CatalogHarness) -> None:
    """The name is split at the first slash only (O35)."""
    await catalog.create("together", "together", models=["meta-llama/Llama-3.3-70B"])
    model = await catalog.get_model("together/meta-llama/Llama-3.3-70B")
    assert model.display_name == "meta-llama/Llama-3.3-70B"


async def test_an_unknown_model_is_told_with_the_nearest(catalog: CatalogHarness) -> None:
    """MODEL_NOT_FOUND has up to three names, the nearest first."""
    await catalog.create(models=["gpt-5.2", "gpt-5.1", "gpt-5.2-mini", "gpt-5", "sonar"])
    failure = await refused(catalog.get_model("openai/gpt5.2"))
    assert failure.code is grpc.StatusCode.NOT_FOUND
    assert failure.reason == "MODEL_NOT_FOUND"
    assert failure.metadata["model"] == "openai/gpt5.2"
    nearest = failure.metadata["nearest"].split(",")
    assert nearest[0] == "openai/gpt-5.2"
    assert len(nearest) == 3
    assert "openai/gpt-5.2" in failure.message


async def test_nothing_is_near_to_nonsense(catalog: CatalogHarness) -> None:
    """The metadata is there and empty."""
    failure = await refused(catalog.get_model("x/" + "z" * 200))
    assert failure.metadata["nearest"] == ""


@pytest.mark.parametrize("name", ["", "openai", "openai/", "/a", "openai/a b", "x" * 400])
async def test_a_name_that_is_none_is_refused(catalog: CatalogHarness, name: str) -> None:
    """The bound that the contract declares holds."""
    assert (await refused(catalog.get_model(name))).fields == ["name"]
    assert (await refused(catalog.update_model(name))).fields == ["model.name"]


async def test_a_fact_by_hand_goes_before_all_and_can_be_cleared(catalog: CatalogHarness) -> None:
    """Without the provider's word, clearing uncovers what is assumed (D13, D14)."""
    await catalog.create(models=["a"])
    after = await catalog.update_model("openai/a", facts=_window(32_000))
    assert after.facts.context_window.value == 32_000
    assert after.facts.context_window.source == MANUAL
    after = await catalog.update_model("openai/a", mask=["facts.context_window"])
    assert after.facts.context_window.value == 128_000
    assert after.facts.context_window.source == ASSUMED


async def test_clearing_uncovers_what_the_provider_says(catalog: CatalogHarness) -> None:
    """The provider's word was kept beside the manual one."""
    await catalog.create(models=["a"])
    catalog.inference.answer(inference_pb2.DiscoveredModel(id="a", tools=False, vision=True))
    await catalog.refresh()
    facts = model_pb2.ModelFacts(
        tools=model_pb2.BoolFact(value=True), vision=model_pb2.BoolFact(value=False)
    )
    after = await catalog.update_model("openai/a", facts=facts)
    assert (after.facts.tools.value, after.facts.tools.source) == (True, MANUAL)
    assert (after.facts.vision.value, after.facts.vision.source) == (False, MANUAL)
    after = await catalog.update_model("openai/a", mask=["facts.tools"], facts=facts)
    assert after.facts.tools.source == MANUAL
    after = await catalog.update_model("openai/a", mask=["facts.tools", "facts.vision"])
    assert (after.facts.tools.value, after.facts.tools.source) == (False, PROVIDER)
    assert (after.facts.vision.value, after.facts.vision.source) == (True, PROVIDER)


async def test_what_was_read_and_is_sent_back_does_not_become_manual(
    catalog: CatalogHarness,
) -> None:
    """A whole model sent back keeps its etag, its names and the sources of its facts."""
    await catalog.create(models=["a"])
    catalog.inference.answer(
        inference_pb2.DiscoveredModel(id="a", display_name="A", vision=True, description="Good.")
    )
    await catalog.refresh()
    await catalog.update_model("openai/a", facts=_window(32_000))
    before = await catalog.get_model("openai/a")
    request = model_pb2.UpdateModelRequest(model=before)
    assert (await catalog.stub.UpdateModel(request, metadata=ADMIN)).model == before
    request.update_mask.paths.append("facts")
    after = (await catalog.stub.UpdateModel(request, metadata=ADMIN)).model
    assert after.facts == before.facts


async def test_a_fact_that_a_mask_names_becomes_manual_whatever_its_source(
    catalog: CatalogHarness,
) -> None:
    """Who reads a model, changes a figure and names it means the new figure."""
    await catalog.create(models=["a"])
    after = await catalog.update_model(
        "openai/a", mask=["facts.context_window"], facts=_window(64_000, ASSUMED)
    )
    assert after.facts.context_window.source == MANUAL
    assert after.facts.context_window.value == 64_000


async def test_the_whole_of_the_facts_can_be_replaced(catalog: CatalogHarness) -> None:
    """What is not given is cleared."""
    await catalog.create(models=["a"])
    await catalog.update_model("openai/a", facts=_window(32_000))
    facts = model_pb2.ModelFacts(
        reasoning_modes=model_pb2.TextListFact(values=["low", "high"]),
        default_reasoning_mode=model_pb2.TextFact(value="low"),
    )
    after = await catalog.update_model("openai/a", mask=["facts"], facts=facts)
    assert after.facts.context_window.source == ASSUMED
    assert list(after.facts.reasoning_modes.values) == ["low", "high"]
    assert after.facts.default_reasoning_mode.source == MANUAL


async def test_names_are_set_and_cleared(catalog: CatalogHarness) -> None:
    """Display name and description fall back to the provider's, the name else to the id."""
    await catalog.create(models=["a", "b"])
    catalog.inference.answer(
        inference_pb2.DiscoveredModel(id="a", display_name="A", description="Theirs.")
    )
    await catalog.refresh()
    after = await catalog.update_model("openai/a", display_name="Mine", description="Ours.")
    assert (after.display_name, after.description) == ("Mine", "Ours.")
    after = await catalog.update_model("openai/a", mask=["display_name", "description"])
    assert (after.display_name, after.description) == ("A", "Theirs.")
    assert (await catalog.get_model("openai/b")).display_name == "b"


async def test_a_model_is_switched_off_and_on(catalog: CatalogHarness) -> None:
    """A mask that names it without a value switches it on."""
    await catalog.create(models=["a"])
    assert not (await catalog.update_model("openai/a", enabled=False)).enabled
    after = await catalog.update_model("openai/a", mask=["enabled"])
    assert after.enabled
    assert after.HasField("enabled")


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        (_window(0), "model.facts.context_window.value"),
        (_window(-1), "model.facts.context_window.value"),
        (
            model_pb2.ModelFacts(reasoning_modes=model_pb2.TextListFact(values=["a", ""])),
            "model.facts.reasoning_modes.values[1]",
        ),
        (
            model_pb2.ModelFacts(refused_options=model_pb2.TextListFact(values=["x" * 257])),
            "model.facts.refused_options.values[0]",
        ),
        (
            model_pb2.ModelFacts(format=model_pb2.TextFact(value="nonsense")),
            "model.facts.format.value",
        ),
    ],
)
async def test_a_fact_that_cannot_be_is_refused(
    catalog: CatalogHarness, facts: model_pb2.ModelFacts, field: str
) -> None:
    """INVALID_REQUEST names it, and nothing is changed."""
    await catalog.create(models=["a"])
    before = await catalog.get_model("openai/a")
    failure = await refused(catalog.update_model("openai/a", facts=facts, display_name="x"))
    assert failure.reason == "INVALID_REQUEST"
    assert failure.fields == [field]
    assert await catalog.get_model("openai/a") == before


async def test_a_time_out_of_all_years_is_refused(catalog: CatalogHarness) -> None:
    """What a Timestamp may not hold is not stored."""
    await catalog.create(models=["a"])
    facts = model_pb2.ModelFacts()
    facts.deprecation_time.value.seconds = 2**60
    failure = await refused(catalog.update_model("openai/a", facts=facts))
    assert failure.fields == ["model.facts.deprecation_time.value"]


@pytest.mark.parametrize("path", ["name", "listed", "facts.nonsense", "facts.tools.value", ""])
async def test_a_path_that_cannot_be_changed_is_refused(catalog: CatalogHarness, path: str) -> None:
    """INVALID_REQUEST names the mask."""
    await catalog.create(models=["a"])
    failure = await refused(catalog.update_model("openai/a", mask=[path]))
    assert failure.fields == ["update_mask"]


async def test_an_old_etag_is_refused_with_the_current_one(catalog: CatalogHarness) -> None:
    """ETAG_MISMATCH."""
    await catalog.create(models=["a"])
    before = await catalog.get_model("openai/a")
    after = await catalog.update_model("openai/a", display_name="A", etag=before.etag)
    failure = await refused(catalog.update_model("openai/a", display_name="B", etag=before.etag))
    assert failure.code is grpc.StatusCode.ABORTED
    assert failure.reason == "ETAG_MISMATCH"
    assert failure.metadata == {"etag": after.etag}


async def test_an_unknown_model_cannot_be_changed(catalog: CatalogHarness) -> None:
    """MODEL_NOT_FOUND with the nearest."""
    await catalog.create(models=["gpt-5.2"])
    failure = await refused(catalog.update_model("openai/gpt-5.3", display_name="x"))
    assert failure.reason == "MODEL_NOT_FOUND"
    assert failure.metadata["nearest"] == "openai/gpt-5.2"


async def test_there_is_one_default_at_most(catalog: CatalogHarness) -> None:
    """Setting a new one clears the old one, also at another provider (C16)."""
    await catalog.create(models=["a", "b"])
    await catalog.create("groq", "groq", models=["a"])
    catalog.inference.answer("a", "b")
    await catalog.verify()
    await catalog.verify("groq")
    first = await catalog.update_model("openai/a", deployment_default=True)
    assert first.deployment_default
    for name in ("openai/b", "groq/a", "openai/a"):
        assert (await catalog.update_model(name, deployment_default=True)).deployment_default
        assert [
            model.name for model in await catalog.list_models() if model.deployment_default
        ] == [name]
    last = await catalog.get_model("openai/a")
    assert last.etag != first.etag
    cleared = await catalog.update_model("openai/a", mask=["deployment_default"])
    assert not cleared.deployment_default


async def test_the_default_needs_a_verified_credential(catalog: CatalogHarness) -> None:
    """NOT_VERIFIED, and the one that was the default stays it."""
    await catalog.create(models=["a"])
    await catalog.create("groq", "groq", models=["a"])
    catalog.inference.answer("a")
    await catalog.verify()
    await catalog.update_model("openai/a", deployment_default=True)
    failure = await refused(catalog.update_model("groq/a", deployment_default=True))
    assert failure.code is grpc.StatusCode.FAILED_PRECONDITION
    assert failure.reason == "NOT_VERIFIED"
    assert failure.metadata == {"provider": "groq"}
    assert (await catalog.get_model("openai/a")).deployment_default


async def test_a_model_of_the_sandbox_is_never_the_default(catalog: CatalogHarness) -> None:
    """INVALID_REQUEST names the field, although its key is verified."""
    await catalog.create("sandbox", "sandbox", models=["ok"], base_url="http://localhost:1/v1")
    catalog.inference.answer("ok")
    await catalog.verify("sandbox")
    failure = await refused(catalog.update_model("sandbox/ok", deployment_default=True))
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.fields == ["model.deployment_default"]


async def test_the_default_can_still_be_changed_when_its_key_is_gone(
    catalog: CatalogHarness,
) -> None:
    """Only becoming the default needs a verified credential, not being it."""
    await catalog.create(models=["a"])
    catalog.inference.answer("a")
    await catalog.verify()
    await catalog.update_model("openai/a", deployment_default=True)
    catalog.credentials.delete("openai")
    after = await catalog.update_model("openai/a", deployment_default=True, display_name="A")
    assert (after.display_name, after.deployment_default) == ("A", True)


async def test_only_an_admin_changes_models(catalog: CatalogHarness) -> None:
    """A developer is refused, also for the refresh of a list."""
    stub = catalog.stub
    calls: list[tuple[Any, Any]] = [
        (stub.UpdateModel, model_pb2.UpdateModelRequest(model=model_pb2.Model(name="a/b"))),
        (stub.RefreshModels, model_pb2.RefreshModelsRequest(provider="a")),
    ]
    for method, request in calls:
        assert (await refused(method(request, metadata=DEVELOPER))).reason == "CALLER_NOT_ALLOWED"


async def test_settings_are_kept_changed_and_cleared(catalog: CatalogHarness) -> None:
    """The mask names one or all; what it names and the request leaves out is cleared (C17, D18)."""
    await catalog.create(models=["a"])
    options = Struct()
    options.update({"reasoning_effort": "high", "parallel_tool_calls": False})
    settings = model_pb2.ModelSettings(
        sampling=chat_pb2.Sampling(temperature=0.2),
        max_output_tokens=512,
        compression_threshold_percent=70,
        provider_options=options,
    )
    after = await catalog.update_model("openai/a", settings=settings)
    assert after.settings == settings
    assert (await catalog.get_model("openai/a")).settings == settings
    fewer = model_pb2.ModelSettings(max_output_tokens=64)
    after = await catalog.update_model(
        "openai/a", mask=["settings.max_output_tokens", "settings.sampling"], settings=fewer
    )
    assert after.settings.max_output_tokens == 64
    assert not after.settings.HasField("sampling")
    assert after.settings.provider_options == options
    after = await catalog.update_model("openai/a", mask=["settings"])
    assert not after.HasField("settings")


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"maxOutputTokens": -1}, "model.settings.max_output_tokens"),
        ({"compressionThresholdPercent": 101}, "model.settings.compression_threshold_percent"),
        ({"sampling": {"topP": 2}}, "model.settings.sampling.top_p"),
        ({"providerOptions": {"effort": "low"}}, "model.settings.provider_options.effort"),
        (
            {"providerOptions": {"reasoning_effort": "max"}},
            "model.settings.provider_options.reasoning_effort",
        ),
        (
            {"providerOptions": {"max_completion_tokens": 1.5}},
            "model.settings.provider_options.max_completion_tokens",
        ),
    ],
)
async def test_a_setting_that_cannot_be_is_refused_by_name(
    catalog: CatalogHarness, settings: dict[str, Any], field: str
) -> None:
    """Options are those of the provider's type (C20); nothing is changed."""
    await catalog.create(models=["a"])
    given = ParseDict(settings, model_pb2.ModelSettings())
    assert (await refused(catalog.update_model("openai/a", settings=given))).fields == [field]
    assert not (await catalog.get_model("openai/a")).HasField("settings")

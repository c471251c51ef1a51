"""CreateProvider: what is made, what is filled in, what is refused, and nothing by halves."""

from __future__ import annotations

import grpc
import pytest

from support.catalog_harness import CatalogHarness
from support.service_calls import ADMIN, DEVELOPER, refused
from trunkline.catalog.v1 import model_pb2, provider_pb2
from trunkline.inference.v1 import provider_pb2 as inference_pb2
from trunkline.kernel.errors import InvalidArgument


async def test_a_provider_shows_what_its_type_says(catalog: CatalogHarness) -> None:
    """Fields that were left out are filled in from the type."""
    made = await catalog.create("openai", "openai")
    assert made.display_name == "OpenAI"
    assert made.endpoint.base_url == "https://api.openai.com/v1"
    assert made.endpoint.format == "openai"
    assert made.endpoint.streaming
    assert made.enabled
    assert made.HasField("enabled")
    assert made.state == provider_pb2.CONNECTION_STATE_NOT_CONNECTED
    assert made.etag
    assert made.create_time == made.update_time
    assert not made.HasField("refresh_time")
    assert list(made.notes) == ["It has no model yet."]
    assert await catalog.get("openai") == made


async def test_models_named_by_hand_are_there_at_once(catalog: CatalogHarness) -> None:
    """They are on, not listed, and have what is assumed of them."""
    made = await catalog.create(models=["gpt-5.2", "ft:a/b"])
    assert made.model_count == 2
    assert not made.notes
    models = await catalog.list_models()
    assert [model.name for model in models] == ["openai/ft:a/b", "openai/gpt-5.2"]
    model = models[0]
    assert model.display_name == "ft:a/b"
    assert model.enabled
    assert not model.listed
    assert model.facts.context_window.value == 128_000
    assert model.facts.context_window.source == model_pb2.FACT_SOURCE_ASSUMED
    assert model.facts.tools.value
    assert model.facts.tools.source == model_pb2.FACT_SOURCE_ASSUMED
    assert not model.facts.HasField("vision")


async def test_what_is_given_goes_before_what_the_type_says(catalog: CatalogHarness) -> None:
    """Name, address, headers, streaming and enabled are kept as given."""
    made = await catalog.create(
        "mine",
        "groq",
        models=["a"],
        display_name="Mine",
        enabled=False,
        endpoint=provider_pb2.ProviderEndpoint(
            base_url=" https://gateway.example.com/v1/chat/completions\n",
            headers={"X-Team": "blue"},
            streaming=False,
        ),
    )
    assert made.type == "groq"
    assert made.display_name == "Mine"
    assert made.endpoint.base_url == "https://gateway.example.com/v1"
    assert dict(made.endpoint.headers) == {"X-Team": "blue"}
    assert not made.endpoint.streaming
    assert not made.enabled


@pytest.mark.parametrize(
    ("base_url", "kind"),
    [
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("http://localhost:1234/v1", "lm-studio"),
        ("https://api.anthropic.com/v1", "anthropic"),
        ("http://localhost:11434", "ollama"),
        ("https://gateway.example.com/v1", "openai-compatible"),
    ],
)
async def test_the_type_is_recognised_by_the_address(
    catalog: CatalogHarness, base_url: str, kind: str
) -> None:
    """An address that nobody knows is OpenAI-compatible."""
    made = await catalog.create("mine", "", models=["a"], base_url=base_url)
    assert made.type == kind
    assert made.endpoint.base_url == base_url


async def test_a_type_brings_the_models_that_it_knows(catalog: CatalogHarness) -> None:
    """A provider without a list of its own has its known models at once."""
    made = await catalog.create("perplexity", "perplexity")
    assert made.model_count == 4
    assert "perplexity/sonar-pro" in [model.name for model in await catalog.list_models()]
    assert not catalog.inference.requests


@pytest.mark.parametrize(
    "address",
    [
        "my.openai.azure.com/openai/v1/",
        "https://my.openai.azure.com/openai/v1/chat/completions",
        "https://my.services.ai.azure.com/openai/v1",
        "https://my.openai.azure.com/openai/deployments/fast/chat/completions",
    ],
)
async def test_an_address_of_azure_is_asked_as_azure(catalog: CatalogHarness, address: str) -> None:
    """The path of a request tells no other format, since it is the same in both."""
    made = await catalog.create("mine", "", models=["fast"], base_url=address)
    assert (made.type, made.endpoint.format) == ("azure-openai", "azure")
    assert made.endpoint.base_url in (
        "https://my.openai.azure.com/openai/v1",
        "https://my.services.ai.azure.com/openai/v1",
        "https://my.openai.azure.com/openai/deployments/fast",
    )


async def test_deployments_must_be_named(catalog: CatalogHarness) -> None:
    """Azure lists models and not deployments: none are guessed, and its list is never merged."""
    address = "https://my.openai.azure.com/openai/v1"
    refusal = await refused(catalog.create("mine", "azure-openai", base_url=address))
    assert refusal.reason == "NO_MODEL_PICKED"
    await catalog.create("mine", "azure-openai", models=["fast"], base_url=address)
    refusal = await refused(catalog.refresh("mine"))
    assert refusal.reason == "LIST_UNAVAILABLE"
    assert not catalog.inference.requests


async def test_a_model_of_openai_says_which_format_serves_it(catalog: CatalogHarness) -> None:
    """What the release knows stands in the catalog, until somebody says otherwise."""
    await catalog.create("openai", "openai", models=["gpt-5.2", "gpt-5.6-sol"])
    await catalog.create(
        "mine", "", models=["gpt-5.6-sol"], base_url="https://gateway.example.com/v1"
    )
    formats = {m.name: m.facts.format for m in await catalog.list_models()}
    known = model_pb2.TextFact(value="openai-responses", source=model_pb2.FACT_SOURCE_KNOWN)
    assert formats == {
        "mine/gpt-5.6-sol": model_pb2.TextFact(),
        "openai/gpt-5.2": model_pb2.TextFact(),
        "openai/gpt-5.6-sol": known,
    }
    by_hand = model_pb2.Model(name="openai/gpt-5.6-sol")
    by_hand.facts.format.value = "openai"
    response = await catalog.stub.UpdateModel(
        model_pb2.UpdateModelRequest(model=by_hand), metadata=ADMIN
    )
    assert response.model.facts.format == model_pb2.TextFact(
        value="openai", source=model_pb2.FACT_SOURCE_MANUAL
    )


async def test_the_list_of_an_unknown_server_is_read_when_no_model_is_named(
    catalog: CatalogHarness,
) -> None:
    """A server that shows its list to everybody has its models at once."""
    catalog.inference.answer("qwen", "llama")
    made = await catalog.create(
        "mine",
        "",
        endpoint=provider_pb2.ProviderEndpoint(
            base_url="http://localhost:8000/v1", headers={"X-A": "b"}
        ),
    )
    assert made.model_count == 2
    assert made.HasField("refresh_time")
    assert all(model.listed for model in await catalog.list_models())
    (asked,) = catalog.inference.requests
    assert asked.endpoint.base_url == "http://localhost:8000/v1"
    assert asked.endpoint.format == "openai"
    assert dict(asked.endpoint.headers) == {"X-A": "b"}
    assert asked.include_models
    assert asked.purpose == inference_pb2.PROBE_PURPOSE_LIST_MODELS
    assert asked.WhichOneof("credential") is None


async def test_a_list_behind_a_key_may_wait_for_the_key(catalog: CatalogHarness) -> None:
    """A server that wants a key is made without models."""
    catalog.inference.refuse(inference_pb2.VERDICT_REVOKED)
    made = await catalog.create("mine", "", base_url="https://gateway.example.com/v1")
    assert made.model_count == 0


@pytest.mark.parametrize(
    "verdict", [inference_pb2.VERDICT_UNREACHABLE, inference_pb2.VERDICT_NOT_FOUND]
)
async def test_a_server_without_list_needs_a_model_by_name(
    catalog: CatalogHarness, verdict: inference_pb2.Verdict.ValueType
) -> None:
    """NO_MODEL_PICKED tells why the list could not be read, and nothing is made."""
    catalog.inference.refuse(verdict, "Nobody answers there.")
    failure = await refused(
        catalog.create("mine", "openai-compatible", base_url="http://localhost:8000/v1")
    )
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.reason == "NO_MODEL_PICKED"
    assert failure.domain == "trunkline.catalog"
    assert failure.fields == ["models"]
    assert "Nobody answers there." in failure.message
    assert failure.detail(inference_pb2.Verification()).verdict == verdict
    assert (await refused(catalog.get("mine"))).reason == "PROVIDER_NOT_FOUND"


async def test_an_empty_list_is_asked_for_twice(catalog: CatalogHarness) -> None:
    """A server that is just starting gets a second chance (D20)."""
    catalog.inference.answer("qwen")
    catalog.inference.lists.insert(0, [])
    made = await catalog.create("mine", "", base_url="http://localhost:8000/v1")
    assert made.model_count == 1
    assert len(catalog.inference.requests) == 2


async def test_an_address_that_resolves_to_a_forbidden_one_is_refused(
    catalog: CatalogHarness,
) -> None:
    """What inference finds out by resolving is told as catalog's own refusal."""
    catalog.inference.failures.append(
        InvalidArgument("ADDRESS_REFUSED", "It is link-local.", metadata={"rule": "link_local"})
    )
    failure = await refused(catalog.create("mine", "", base_url="https://sneaky.example.com"))
    assert failure.reason == "ADDRESS_REFUSED"
    assert failure.metadata["rule"] == "link_local"
    assert failure.metadata["advice"]
    assert failure.domain == "trunkline.catalog"


async def test_a_taken_name_is_refused(catalog: CatalogHarness) -> None:
    """NAME_TAKEN; the first provider stays as it is."""
    first = await catalog.create("mine", "openai", models=["a"])
    failure = await refused(catalog.create("mine", "groq", models=["b"]))
    assert failure.code is grpc.StatusCode.ALREADY_EXISTS
    assert failure.reason == "NAME_TAKEN"
    assert failure.metadata == {"name": "mine"}
    assert await catalog.get("mine") == first
    assert [model.name for model in await catalog.list_models()] == ["mine/a"]


@pytest.mark.parametrize("kind", ["gopher", "azure", "nonsense"])
async def test_a_type_that_is_not_there_is_refused(catalog: CatalogHarness, kind: str) -> None:
    """TYPE_NOT_FOUND, also for types whose format is not served."""
    failure = await refused(catalog.create("mine", kind, models=["a"]))
    assert failure.code is grpc.StatusCode.NOT_FOUND
    assert failure.reason == "TYPE_NOT_FOUND"
    assert failure.metadata == {"type": kind}


@pytest.mark.parametrize(
    ("base_url", "rule"),
    [
        ("http://api.example.com/v1", "plain_http"),
        ("http://169.254.1.2", "link_local"),
        ("http://169.254.169.254", "metadata"),
        ("https://api.openai.com/v1/responses", "responses_path"),
        ("https://me:sesame@api.openai.com/v1", "userinfo"),
        ("https://api.openai.com/v1?x=1", "malformed"),
        ("gateway", "malformed"),
        (" ", "malformed"),
    ],
)
async def test_an_address_that_may_not_be_used_is_refused(
    catalog: CatalogHarness, base_url: str, rule: str
) -> None:
    """ADDRESS_REFUSED names the rule and says what to do."""
    failure = await refused(catalog.create("mine", "", models=["a"], base_url=base_url))
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.reason == "ADDRESS_REFUSED"
    assert failure.metadata["rule"] == rule
    assert failure.metadata["advice"] in failure.message
    assert failure.fields == ["provider.endpoint.base_url"]
    assert "sesame" not in str(failure.status)


@pytest.mark.parametrize("kind", ["openai-compatible", "sandbox", ""])
async def test_a_type_without_address_needs_one(catalog: CatalogHarness, kind: str) -> None:
    """INVALID_REQUEST names the address."""
    failure = await refused(catalog.create("mine", kind, models=["a"]))
    assert failure.reason == "INVALID_REQUEST"
    assert failure.fields == ["provider.endpoint.base_url"]


@pytest.mark.parametrize("wire_format", ["gopher", "gemini", "OPENAI"])
async def test_a_format_that_is_not_served_is_refused(
    catalog: CatalogHarness, wire_format: str
) -> None:
    """INVALID_REQUEST names the format."""
    endpoint = provider_pb2.ProviderEndpoint(format=wire_format)
    failure = await refused(catalog.create(endpoint=endpoint))
    assert failure.reason == "INVALID_REQUEST"
    assert failure.fields == ["provider.endpoint.format"]


async def test_an_address_tells_its_format_unless_somebody_chose_one(
    catalog: CatalogHarness,
) -> None:
    """A path of the Messages API means its format and type; a chosen format holds (D27)."""
    endpoint = provider_pb2.ProviderEndpoint(base_url="https://gateway.example.com/v1/messages")
    told = await catalog.create("told", "", models=["a"], endpoint=endpoint)
    assert (told.type, told.endpoint.format) == ("anthropic-compatible", "anthropic")
    endpoint.format = "openai"
    chosen = await catalog.create("chosen", "", models=["a"], endpoint=endpoint)
    assert (chosen.type, chosen.endpoint.format) == ("openai-compatible", "openai")
    for made in (told, chosen):
        assert made.endpoint.base_url == "https://gateway.example.com/v1"


async def test_a_path_of_ollama_means_ollama_on_any_machine(catalog: CatalogHarness) -> None:
    """The software is known by its path where the address is not."""
    endpoint = provider_pb2.ProviderEndpoint(base_url="http://192.168.0.2:11434/api/chat")
    made = await catalog.create("mine", "", models=["a"], endpoint=endpoint)
    assert (made.type, made.endpoint.format) == ("ollama", "ollama")
    assert made.endpoint.base_url == "http://192.168.0.2:11434"


@pytest.mark.parametrize("header", ["Authorization", "x-api-key", "Cookie", "Host"])
async def test_headers_that_do_not_belong_there_are_refused(
    catalog: CatalogHarness, header: str
) -> None:
    """What authenticates belongs to the key; what frames a request belongs to nobody."""
    endpoint = provider_pb2.ProviderEndpoint(headers={header: "sk-secret", "X-Fine": "1"})
    failure = await refused(catalog.create(endpoint=endpoint))
    assert failure.reason == "INVALID_REQUEST"
    assert failure.fields == [f'provider.endpoint.headers["{header}"]']
    assert "sk-secret" not in str(failure.status)


async def test_a_default_model_cannot_come_before_the_key(catalog: CatalogHarness) -> None:
    """A new provider has no verified credential yet (K14)."""
    failure = await refused(catalog.create(models=["a"], default_model="a"))
    assert failure.reason == "INVALID_REQUEST"
    assert failure.fields == ["provider.default_model"]


async def test_what_is_no_model_id_is_refused_and_nothing_is_made(
    catalog: CatalogHarness,
) -> None:
    """Each wrong name is named by its place; one of them refuses all."""
    failure = await refused(
        catalog.create(models=["good", "", "with space", "x" * 257, "bell\a", "fine"])
    )
    assert failure.fields == ["models[1]", "models[2]", "models[3]", "models[4]"]
    assert (await refused(catalog.get())).reason == "PROVIDER_NOT_FOUND"
    assert not await catalog.list_models()


@pytest.mark.parametrize(
    ("name", "field"),
    [("", "provider.name"), ("Open AI", "provider.name"), ("a/b", "provider.name")],
)
async def test_a_name_that_is_no_slug_is_refused(
    catalog: CatalogHarness, name: str, field: str
) -> None:
    """The bound that the contract declares holds."""
    assert (await refused(catalog.create(name))).fields == [field]


async def test_an_empty_request_is_refused(catalog: CatalogHarness) -> None:
    """A request without a provider names the field."""
    failure = await refused(
        catalog.stub.CreateProvider(provider_pb2.CreateProviderRequest(), metadata=ADMIN)
    )
    assert failure.fields == ["provider"]


async def test_only_an_admin_makes_providers(catalog: CatalogHarness) -> None:
    """A developer is refused."""
    request = provider_pb2.CreateProviderRequest(provider=provider_pb2.Provider(name="a"))
    failure = await refused(catalog.stub.CreateProvider(request, metadata=DEVELOPER))
    assert failure.reason == "CALLER_NOT_ALLOWED"


async def test_ten_thousand_models_can_be_named(catalog: CatalogHarness) -> None:
    """The bound of the contract is reached without falling over."""
    made = await catalog.create(models=[f"m{number}" for number in range(10_000)])
    assert made.model_count == 10_000
    async with catalog.watch() as reading:
        await reading.kind("snapshot_complete")
        pages = [message.snapshot_page for message in reading.messages[:-1]]
    assert sum(len(page.models) for page in pages) == 10_000
    assert all(page.ByteSize() <= 1024 * 1024 for page in pages)

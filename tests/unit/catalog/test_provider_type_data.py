"""The packaged data of provider types: complete, served, and recognised."""

from __future__ import annotations

import pytest

from trunkline.catalog.endpoint import clean_address
from trunkline.catalog.listing import is_model_id
from trunkline.catalog.provider_types import (
    COMPATIBLE_TYPES,
    FALLBACK_TYPE,
    SAME_PATHS,
    SERVED_FORMATS,
    ModelList,
    ProviderType,
    load_provider_types,
)
from trunkline.catalog.recognition import (
    OTHER_FACE,
    RECOGNISED,
    UNRECOGNISED,
    recognise,
)
from trunkline.catalog.v1 import provider_pb2

TYPES = load_provider_types()


@pytest.mark.parametrize("kind", [*TYPES], ids=lambda kind: kind.name)
def test_a_row_is_complete(kind: ProviderType) -> None:
    """Whoever connects it is told what it is and how to get a key."""
    assert kind.display_name
    assert kind.good_for.endswith(".")
    assert kind.hint.endswith(".")
    assert kind.auth_kinds
    assert provider_pb2.AUTH_KIND_UNSPECIFIED not in kind.auth_kinds
    assert all(map(is_model_id, (*kind.default_models, *kind.known_models)))
    assert len(set(kind.default_models)) == len(kind.default_models)


@pytest.mark.parametrize("kind", [*TYPES], ids=lambda kind: kind.name)
def test_a_format_is_served(kind: ProviderType) -> None:
    """A type whose format is not served is absent, and not listed."""
    assert kind.format in SERVED_FORMATS


@pytest.mark.parametrize("kind", [kind for kind in TYPES if kind.base_url], ids=lambda k: k.name)
def test_an_address_is_one_that_may_be_used(kind: ProviderType) -> None:
    """It is in its normal form, and no other type's is recognised by it."""
    address, hint = clean_address(kind.base_url)
    assert address.url == kind.base_url
    assert not hint
    assert recognise(address).type in (kind.name, FALLBACK_TYPE)


@pytest.mark.parametrize("kind", [*TYPES], ids=lambda kind: kind.name)
def test_a_provider_without_list_brings_models(kind: ProviderType) -> None:
    """There is always a way to models: a list, known ones, or by hand as the address itself."""
    assert kind.known_models or kind.model_list is not ModelList.NEVER or not kind.base_url


def test_every_recognised_address_has_its_type() -> None:
    """What recognition names is there, and speaks the format that it says."""
    for row in (*RECOGNISED.values(), UNRECOGNISED, OTHER_FACE):
        kind = TYPES.find(row.type)
        assert kind is not None
        assert kind.format == row.format
    assert TYPES.find(FALLBACK_TYPE) is not None


def test_the_presets_are_there() -> None:
    """What the requirements list of the formats that are served (O8, O11, O13, O14, O21, D25)."""
    names = {kind.name for kind in TYPES}
    assert {
        "anthropic",
        "anthropic-compatible",
        "aws-bedrock",
        "azure-openai",
        "deepseek",
        "fireworks",
        "google",
        "groq",
        "litellm",
        "llama-cpp",
        "lm-studio",
        "minimax",
        "minimax-cn",
        "mistral",
        "moonshot",
        "moonshot-cn",
        "ollama",
        "openai",
        "openai-compatible",
        "openrouter",
        "perplexity",
        "sandbox",
        "sandbox-anthropic",
        "sandbox-google",
        "sandbox-ollama",
        "together",
        "vercel",
        "vllm",
        "xai",
    } <= names


def test_the_sandbox_is_never_a_default() -> None:
    """It is the only one; there is a type for each face, of which some serve another format too."""
    kinds = [kind for kind in TYPES if not kind.default_route]
    assert [kind.name for kind in kinds] == [
        "sandbox",
        "sandbox-anthropic",
        "sandbox-google",
        "sandbox-ollama",
    ]
    assert {kind.format for kind in kinds} == SERVED_FORMATS - SAME_PATHS.keys() - {"bedrock"}


@pytest.mark.parametrize(
    ("name", "variable", "address"),
    [
        ("deepseek", "DEEPSEEK_API_KEY", "https://api.deepseek.com/v1"),
        ("fireworks", "FIREWORKS_API_KEY", "https://api.fireworks.ai/inference/v1"),
        ("groq", "GROQ_API_KEY", "https://api.groq.com/openai/v1"),
        ("litellm", "LITELLM_API_KEY", "http://localhost:4000/v1"),
        ("llama-cpp", "LLAMA_API_KEY", "http://localhost:8080/v1"),
        ("lm-studio", "LMSTUDIO_API_KEY", "http://localhost:1234/v1"),
        ("minimax", "MINIMAX_API_KEY", "https://api.minimax.io/v1"),
        ("mistral", "MISTRAL_API_KEY", "https://api.mistral.ai/v1"),
        ("moonshot", "MOONSHOT_API_KEY", "https://api.moonshot.ai/v1"),
        ("moonshot-cn", "MOONSHOT_API_KEY", "https://api.moonshot.cn/v1"),
        ("openai", "OPENAI_API_KEY", "https://api.openai.com/v1"),
        ("openrouter", "OPENROUTER_API_KEY", "https://openrouter.ai/api/v1"),
        ("perplexity", "PERPLEXITY_API_KEY", "https://api.perplexity.ai"),
        ("together", "TOGETHER_API_KEY", "https://api.together.xyz/v1"),
        ("vercel", "AI_GATEWAY_API_KEY", "https://ai-gateway.vercel.sh/v1"),
        ("vllm", "VLLM_API_KEY", "http://localhost:8000/v1"),
        ("xai", "XAI_API_KEY", "https://api.x.ai/v1"),
    ],
)
def test_a_compatible_service_needs_a_key_and_nothing_else(
    name: str, variable: str, address: str
) -> None:
    """Its address is known, and where its key usually lies (O21, O40)."""
    kind = TYPES.find(name)
    assert kind is not None
    assert (kind.format, kind.base_url, kind.key_variables[0]) == ("openai", address, variable)


@pytest.mark.parametrize("name", ["lm-studio", "llama-cpp", "vllm"])
def test_a_server_of_ones_own_needs_no_key(name: str) -> None:
    """It may want one all the same (G11)."""
    kind = TYPES.find(name)
    assert kind is not None
    assert kind.auth_kinds == (
        provider_pb2.AUTH_KIND_LOCAL_ENDPOINT,
        provider_pb2.AUTH_KIND_API_KEY,
    )


@pytest.mark.parametrize(
    ("name", "address", "variables", "first"),
    [
        (
            "anthropic",
            "https://api.anthropic.com/v1",
            ("ANTHROPIC_API_KEY",),
            "claude-sonnet-4-5",
        ),
        (
            "google",
            "https://generativelanguage.googleapis.com/v1beta",
            ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
            "gemini-2.5-pro",
        ),
        ("ollama", "http://localhost:11434", ("OLLAMA_API_KEY",), "qwen2.5-coder:latest"),
    ],
)
def test_a_vendor_has_its_address_and_its_first_model(
    name: str, address: str, variables: tuple[str, ...], first: str
) -> None:
    """The address holds the version's path; the first default is that of O8, O13 and O15."""
    kind = TYPES.find(name)
    assert kind is not None
    assert (kind.format, kind.base_url, kind.key_variables) == (name, address, variables)
    assert kind.default_models[0] == first


def test_ollama_needs_no_key_and_says_how_to_get_a_model() -> None:
    """A local endpoint is the usual way (O17); the hint is that of O16."""
    kind = TYPES.find("ollama")
    assert kind is not None
    assert kind.auth_kinds[0] == provider_pb2.AUTH_KIND_LOCAL_ENDPOINT
    assert "ollama pull llama3.3" in kind.hint


def test_bedrock_has_no_list_and_offers_what_was_looked_up() -> None:
    """Keys that sign are the usual way (O19); the models are those of O20, and a profile."""
    kind = TYPES.find("aws-bedrock")
    assert kind is not None
    assert kind.auth_kinds == (provider_pb2.AUTH_KIND_AWS_KEYS, provider_pb2.AUTH_KIND_API_KEY)
    assert kind.base_url == "https://bedrock-runtime.us-east-1.amazonaws.com"
    assert kind.model_list is ModelList.NEVER
    assert set(kind.default_models) <= set(kind.known_models)
    assert {
        "anthropic.claude-sonnet-4-20250514",
        "anthropic.claude-3-5-haiku-20241022",
        "amazon.nova-pro-v1:0",
        "meta.llama3-3-70b-instruct-v1:0",
    } <= set(kind.known_models)


def test_a_compatible_type_speaks_its_format() -> None:
    """An address that nobody knows gets the type that its format belongs to."""
    for wire_format, name in COMPATIBLE_TYPES.items():
        kind = TYPES.find(name)
        assert kind is not None
        assert kind.format == wire_format


def test_types_come_by_name() -> None:
    """As the contract promises."""
    names = [kind.name for kind in TYPES]
    assert names == sorted(names)

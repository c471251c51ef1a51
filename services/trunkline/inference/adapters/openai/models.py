"""Read lists of models: OpenAI's, and what others add to it.

OpenAI tells an id and little else (https://platform.openai.com/docs/api-reference/models);
the others each have names of their own for the same few facts. Of every fact the first name
that holds something legible counts; what nobody says is absent.
"""

from __future__ import annotations

import re
from typing import Any, Final

from trunkline.inference.adapters.moments import read_moment
from trunkline.inference.adapters.openai.prices import read_prices
from trunkline.inference.adapters.values import (
    Json,
    first_told,
    flag_at,
    load,
    text_at,
    tokens_at,
    value_at,
)
from trunkline.inference.v1 import provider_pb2

_ID: Final = re.compile(r"\S{1,256}")
_MAX_NAME: Final = 256
_MAX_DESCRIPTION: Final = 4096
_MAX_MODE: Final = 32

# Where a fact stands; a dot leads into an object.
_IDS: Final = (
    "id",
    "key",  # LM Studio, /api/v1
    "model_name",  # LiteLLM, /model/info, where `model_info.id` is a deployment's
)
_MODES: Final = (
    "reasoning.supported_efforts",  # OpenRouter
    "capabilities.reasoning.allowed_options",  # LM Studio
)
_DEFAULT_MODE: Final = (
    "reasoning.default_effort",  # OpenRouter
    "capabilities.reasoning.default",  # LM Studio
)
_CONTEXT: Final = (
    "top_provider.context_length",  # OpenRouter: what the provider that is chosen gives
    "context_length",  # OpenRouter, Together, Fireworks, Moonshot
    "max_model_len",  # vLLM
    "loaded_context_length",  # LM Studio, /api/v0: what the model was loaded with
    "context_window",  # Groq, Vercel
    "max_context_length",  # Mistral, LM Studio
    "max_input_tokens",  # LiteLLM
    "model_info.max_input_tokens",  # LiteLLM, /model/info
    "meta.n_ctx",  # llama.cpp
)
_OUTPUT: Final = (
    "top_provider.max_completion_tokens",  # OpenRouter
    "max_completion_tokens",  # Groq
    "max_output_tokens",  # LiteLLM
    "model_info.max_output_tokens",  # LiteLLM, /model/info
    "max_tokens",  # Vercel
)
_GONE: Final = (
    "shutdown_date",  # OpenAI
    "expiration_date",  # OpenRouter
    "deprecation",  # Mistral
)

# Flags that say yes or no.
_VISION: Final = (
    "capabilities.vision",  # Mistral, LM Studio
    "supports_image_input",  # Fireworks
    "supports_image_in",  # Moonshot
    "model_info.supports_vision",  # LiteLLM
)
_TOOLS: Final = (
    "capabilities.function_calling",  # Mistral
    "supports_tools",  # Fireworks
    "model_info.supports_function_calling",  # LiteLLM
)
_THINKING: Final = (
    "supports_reasoning",  # Moonshot
    "model_info.supports_reasoning",  # LiteLLM
)

# Words in a list of abilities, which says no by leaving them out.
_INPUTS: Final = "architecture.input_modalities"  # OpenRouter
_PARAMETERS: Final = "supported_parameters"  # OpenRouter
_TAGS: Final = "tags"  # Vercel
_ABILITIES: Final = "capabilities"  # LM Studio


def read_models(body: bytes) -> list[provider_pb2.DiscoveredModel]:
    """Read a list of models; see `Adapter.read_models`.

    Each id comes once (Mistral repeats them under aliases). Left out are models that the
    provider calls inactive, and ids that the catalog cannot hold.
    """
    said = load(body)
    # Together sends the bare list; llama.cpp has one of Ollama's under `models` beside its own.
    listed = said.get("data", said.get("models")) if isinstance(said, dict) else said
    if not isinstance(listed, list):
        raise ValueError("the body holds no list of models")
    found: dict[str, provider_pb2.DiscoveredModel] = {}
    for entry in listed:
        name = _name(entry) if isinstance(entry, dict) else None
        if name is None:
            raise ValueError("an entry of the list is no model")
        if _ID.fullmatch(name) and entry.get("active") is not False:
            found.setdefault(name, _model(name, entry))
    return list(found.values())


def _name(entry: Json) -> str | None:
    """Return what a model is called; None when nothing is a name."""
    return next((name for key in _IDS if isinstance(name := entry.get(key), str)), None)


def _model(name: str, entry: Json) -> provider_pb2.DiscoveredModel:
    """Translate one entry."""
    modes = _modes(entry)
    return provider_pb2.DiscoveredModel(
        id=name,
        display_name=text_at(entry, ("display_name", "name"), _MAX_NAME),
        description=text_at(entry, ("description",), _MAX_DESCRIPTION),
        context_window=tokens_at(_loaded(entry), _CONTEXT) or tokens_at(entry, _CONTEXT),
        max_output_tokens=tokens_at(entry, _OUTPUT),
        vision=first_told(
            flag_at(entry, _VISION),
            _word(entry, _INPUTS, "image"),
            _word(entry, _TAGS, "vision"),
            True if entry.get("type") == "vlm" else None,  # LM Studio, /api/v0
        ),
        tools=first_told(
            flag_at(entry, _TOOLS),
            _word(entry, _PARAMETERS, "tools"),
            _word(entry, _TAGS, "tool-use"),
            _word(entry, _ABILITIES, "tool_use"),
            # LM Studio's others take tools too, and are worse at it (D29).
            value_at(entry, "capabilities.trained_for_tool_use") or None,
        ),
        thinking=first_told(
            flag_at(entry, _THINKING),
            _word(entry, _PARAMETERS, "reasoning"),
            _word(entry, _TAGS, "reasoning"),
            True if modes else None,
        ),
        structured_output=_word(entry, _PARAMETERS, "structured_outputs"),
        embeddings=first_told(
            _embeddings(entry.get("type")), _embeddings(value_at(entry, "model_info.mode"))
        ),
        reasoning_modes=modes,
        default_reasoning_mode=text_at(entry, _DEFAULT_MODE, _MAX_MODE),
        deprecation_time=next(
            (m for path in _GONE if (m := read_moment(value_at(entry, path)))), None
        ),
        prices=read_prices(entry),
    )


def _word(entry: Json, path: str, word: str) -> bool | None:
    """Tell whether a list of abilities holds a word; None where there is no such list."""
    abilities = value_at(entry, path)
    return word in abilities if isinstance(abilities, list) and abilities else None


def _loaded(entry: Json) -> Json:
    """Return what LM Studio loaded a model with, of which it may hold less than it could."""
    match entry.get("loaded_instances"):
        case [{"config": dict(config)}, *_]:
            return config
    return {}


def _modes(entry: Json) -> list[str]:
    """Return the modes of thinking that can be chosen."""
    named = next((m for path in _MODES if isinstance(m := value_at(entry, path), list)), [])
    # OpenRouter names the effort `none` of models that it says must think, and refuses it.
    never = "none" if value_at(entry, "reasoning.mandatory") is True else None
    return [mode for mode in named if isinstance(mode, str) and mode != never]


def _embeddings(kind: Any) -> bool | None:
    """Tell by a model's type whether it makes embeddings (Together, Vercel, LM Studio, LiteLLM)."""
    if kind in ("embedding", "embeddings"):
        return True
    return False if kind in ("chat", "language", "llm", "vlm") else None

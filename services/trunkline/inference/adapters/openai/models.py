"""Read lists of models: OpenAI's, and what others add to it.

OpenAI tells an id and little else (https://platform.openai.com/docs/api-reference/models);
the others each have names of their own for the same few facts. Of every fact the first name
that holds something legible counts; what nobody says is absent.
"""

from __future__ import annotations

import re
from typing import Any, Final

from trunkline.inference.adapters.moments import read_moment
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

# Where a fact stands; a dot leads into an object.
_CONTEXT: Final = (
    "top_provider.context_length",  # OpenRouter: what the provider that is chosen gives
    "context_length",  # OpenRouter, Together, Fireworks, Moonshot
    "max_model_len",  # vLLM
    "loaded_context_length",  # LM Studio: what the model was loaded with
    "context_window",  # Groq, Vercel
    "max_context_length",  # Mistral, LM Studio
    "max_input_tokens",  # LiteLLM
    "meta.n_ctx",  # llama.cpp
)
_OUTPUT: Final = (
    "top_provider.max_completion_tokens",  # OpenRouter
    "max_completion_tokens",  # Groq
    "max_output_tokens",  # LiteLLM
    "max_tokens",  # Vercel
)
_GONE: Final = (
    "shutdown_date",  # OpenAI
    "expiration_date",  # OpenRouter
    "deprecation",  # Mistral
)

# Flags that say yes or no.
_VISION: Final = ("capabilities.vision", "supports_image_input", "supports_image_in")
_TOOLS: Final = ("capabilities.function_calling", "supports_tools")
_THINKING: Final = ("supports_reasoning",)

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
    # Together sends the bare list.
    listed = said.get("data") if isinstance(said, dict) else said
    if not isinstance(listed, list):
        raise ValueError("the body holds no list of models")
    found: dict[str, provider_pb2.DiscoveredModel] = {}
    for entry in listed:
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            raise ValueError("an entry of the list is no model")
        if _ID.fullmatch(entry["id"]) and entry.get("active") is not False:
            found.setdefault(entry["id"], _model(entry))
    return list(found.values())


def _model(entry: Json) -> provider_pb2.DiscoveredModel:
    """Translate one entry."""
    reasoning = value_at(entry, "reasoning")
    efforts = reasoning.get("supported_efforts") if isinstance(reasoning, dict) else None
    default = reasoning.get("default_effort") if isinstance(reasoning, dict) else None
    return provider_pb2.DiscoveredModel(
        id=entry["id"],
        display_name=text_at(entry, ("display_name", "name"), _MAX_NAME),
        description=text_at(entry, ("description",), _MAX_DESCRIPTION),
        context_window=tokens_at(entry, _CONTEXT),
        max_output_tokens=tokens_at(entry, _OUTPUT),
        vision=first_told(
            flag_at(entry, _VISION),
            _word(entry, _INPUTS, "image"),
            _word(entry, _TAGS, "vision"),
            True if entry.get("type") == "vlm" else None,  # LM Studio
        ),
        tools=first_told(
            flag_at(entry, _TOOLS),
            _word(entry, _PARAMETERS, "tools"),
            _word(entry, _TAGS, "tool-use"),
            _word(entry, _ABILITIES, "tool_use"),
        ),
        thinking=first_told(
            flag_at(entry, _THINKING),
            _word(entry, _PARAMETERS, "reasoning"),
            _word(entry, _TAGS, "reasoning"),
        ),
        structured_output=_word(entry, _PARAMETERS, "structured_outputs"),
        embeddings=_embeddings(entry.get("type")),
        reasoning_modes=[e for e in efforts if isinstance(e, str)]
        if isinstance(efforts, list)
        else (),
        default_reasoning_mode=default if isinstance(default, str) else "",
        deprecation_time=next(
            (m for path in _GONE if (m := read_moment(value_at(entry, path)))), None
        ),
    )


def _word(entry: Json, path: str, word: str) -> bool | None:
    """Tell whether a list of abilities holds a word; None where there is no such list."""
    abilities = value_at(entry, path)
    return word in abilities if isinstance(abilities, list) and abilities else None


def _embeddings(kind: Any) -> bool | None:
    """Tell by a model's type whether it makes embeddings (Together, Vercel, LM Studio)."""
    if kind in ("embedding", "embeddings"):
        return True
    return False if kind in ("chat", "language", "llm", "vlm") else None

"""Read the list of a server's models.

Source: https://docs.ollama.com/api/tags and https://github.com/ollama/ollama/pull/16665: older
servers tell neither `capabilities` nor `details.context_length`, which is the window that the
model was trained with; what it is loaded with may be less.
"""

from __future__ import annotations

import re
from types import NoneType
from typing import Final

from trunkline.inference.adapters.values import Json, load, text_at, tokens_at
from trunkline.inference.v1 import provider_pb2

_ID: Final = re.compile(r"\S{1,256}")
_NAMES: Final = ("model", "name")
_CONTEXT: Final = ("details.context_length",)
_DESCRIPTION: Final = ("details.family", "details.parameter_size", "details.quantization_level")
_MAX_WORD: Final = 128
_MAX_NAME: Final = 1024


def read_models(body: bytes) -> list[provider_pb2.DiscoveredModel]:
    """Read a list of models; see `Adapter.read_models`.

    Each id comes once. Left out are ids that the catalog cannot hold.
    """
    said = load(body)
    listed = said.get("models", said) if isinstance(said, dict) else said
    if not isinstance(listed, list | NoneType) or said is listed:
        raise ValueError("the body holds no list of models")
    found: dict[str, provider_pb2.DiscoveredModel] = {}
    # Go writes a list that was never made as null.
    for entry in listed or ():
        name = text_at(entry, _NAMES, _MAX_NAME) if isinstance(entry, dict) else ""
        if not name:
            raise ValueError("an entry of the list is no model")
        if _ID.fullmatch(name):
            found.setdefault(name, _model(name, entry))
    return list(found.values())


def _model(name: str, entry: Json) -> provider_pb2.DiscoveredModel:
    """Translate one entry."""
    words = (text_at(entry, (path,), _MAX_WORD) for path in _DESCRIPTION)
    return provider_pb2.DiscoveredModel(
        id=name,
        description=", ".join(word for word in words if word),
        context_window=tokens_at(entry, _CONTEXT),
        vision=_can(entry, "vision"),
        tools=_can(entry, "tools"),
        thinking=_can(entry, "thinking"),
        embeddings=_embeds(entry),
    )


def _can(entry: Json, ability: str) -> bool | None:
    """Tell whether a model has an ability; None where the server lists none."""
    abilities = entry.get("capabilities")
    return ability in abilities if isinstance(abilities, list) and abilities else None


def _embeds(entry: Json) -> bool | None:
    """Tell whether a model makes embeddings and does not chat."""
    embeds, chats = _can(entry, "embedding"), _can(entry, "completion")
    return None if embeds is None else embeds and not chats

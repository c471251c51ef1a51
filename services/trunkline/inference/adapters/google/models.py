"""Read lists of models.

Source: https://ai.google.dev/api/models. What a model takes beside text is not told.
"""

from __future__ import annotations

import re
from typing import Final

from trunkline.inference.adapters.google.families import bare_id
from trunkline.inference.adapters.values import Json, flag_at, load, text_at, tokens_at
from trunkline.inference.v1 import provider_pb2

_ID: Final = re.compile(r"\S{1,256}")
_MAX_NAME: Final = 256
_MAX_DESCRIPTION: Final = 4096

_CHATS: Final = "generateContent"
_EMBEDS: Final = frozenset({"embedContent", "batchEmbedContents"})


def read_models(body: bytes) -> list[provider_pb2.DiscoveredModel]:
    """Read a list of models; see `Adapter.read_models`.

    Each id comes once and without `models/`. Left out are models that can be asked for neither
    chats nor embeddings (but for pictures, films, live speech), and ids that the catalog
    cannot hold.
    """
    said = load(body)
    listed = said.get("models") if isinstance(said, dict) else None
    if not isinstance(listed, list):
        raise ValueError("the body holds no list of models")
    found: dict[str, provider_pb2.DiscoveredModel] = {}
    for entry in listed:
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise ValueError("an entry of the list is no model")
        name = bare_id(entry["name"])
        methods = _methods(entry)
        if _ID.fullmatch(name) and (not methods or _CHATS in methods or methods & _EMBEDS):
            found.setdefault(name, _model(name, entry, methods))
    return list(found.values())


def _model(name: str, entry: Json, methods: frozenset[str]) -> provider_pb2.DiscoveredModel:
    """Translate one entry."""
    return provider_pb2.DiscoveredModel(
        id=name,
        display_name=text_at(entry, ("displayName",), _MAX_NAME),
        description=text_at(entry, ("description",), _MAX_DESCRIPTION),
        context_window=tokens_at(entry, ("inputTokenLimit",)),
        max_output_tokens=tokens_at(entry, ("outputTokenLimit",)),
        thinking=flag_at(entry, ("thinking",)),
        embeddings=_CHATS not in methods if methods else None,
    )


def _methods(entry: Json) -> frozenset[str]:
    """Return what a model can be asked for; empty: it does not say."""
    methods = entry.get("supportedGenerationMethods")
    if not isinstance(methods, list):
        return frozenset()
    return frozenset(method for method in methods if isinstance(method, str))

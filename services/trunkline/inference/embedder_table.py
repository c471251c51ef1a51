"""The embedders by the wire format that each is of; a format without one makes no embeddings."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Final

from trunkline.inference.adapters.azure import AzureEmbedder
from trunkline.inference.adapters.embedder import Embedder
from trunkline.inference.adapters.google import GoogleEmbedder
from trunkline.inference.adapters.ollama import OllamaEmbedder
from trunkline.inference.adapters.openai import OpenAIEmbedder

# One of each serves all attempts.
_EMBEDDERS: Final[dict[str, Embedder]] = {
    "azure": AzureEmbedder(),
    "google": GoogleEmbedder(),
    "ollama": OllamaEmbedder(),
    "openai": OpenAIEmbedder(),
    "openai-responses": OpenAIEmbedder(),
}

# Module and class of those that lean on what is slow to import; see `adapter_table`.
_LATE: Final = {"bedrock": ("trunkline.inference.adapters.bedrock", "BedrockEmbedder")}


class Embedders(Mapping[str, Embedder]):
    """The embedders by format; a late one is imported when it is asked for first."""

    def __init__(self) -> None:
        self._late: dict[str, Embedder] = {}

    def __getitem__(self, wire_format: str) -> Embedder:
        known = _EMBEDDERS.get(wire_format) or self._late.get(wire_format)
        if known is None:
            module, name = _LATE[wire_format]
            known = self._late[wire_format] = getattr(importlib.import_module(module), name)()
        return known

    def __iter__(self) -> Iterator[str]:
        yield from _EMBEDDERS
        yield from _LATE

    def __len__(self) -> int:
        return len(_EMBEDDERS) + len(_LATE)

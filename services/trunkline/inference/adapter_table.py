"""The adapters by the wire format that each is of: ours, and those that others install."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Final

from trunkline.inference.adapters.adapter import Adapter
from trunkline.inference.adapters.anthropic import AnthropicAdapter
from trunkline.inference.adapters.azure import AzureAdapter
from trunkline.inference.adapters.google import GoogleAdapter
from trunkline.inference.adapters.ollama import OllamaAdapter
from trunkline.inference.adapters.openai import OpenAIAdapter
from trunkline.inference.adapters.responses import ResponsesAdapter
from trunkline.inference.installed import list_adapters

# One of each serves all attempts.
_ADAPTERS: Final[tuple[Adapter, ...]] = (
    AnthropicAdapter(),
    AzureAdapter(),
    GoogleAdapter(),
    OllamaAdapter(),
    OpenAIAdapter(),
    ResponsesAdapter(),
)

# Module and class of those that lean on what is slow to import, and that few deployments need.
_LATE: Final = {"bedrock": ("trunkline.inference.adapters.bedrock", "BedrockAdapter")}


class Adapters(Mapping[str, Adapter]):
    """The adapters by format; a late one is imported when it is asked for first."""

    def __init__(self) -> None:
        self._known = list_adapters(_ADAPTERS, late=_LATE)
        self._late: dict[str, Adapter] = {}

    def __getitem__(self, wire_format: str) -> Adapter:
        known = self._known.get(wire_format) or self._late.get(wire_format)
        if known is None:
            module, name = _LATE[wire_format]
            known = self._late[wire_format] = getattr(importlib.import_module(module), name)()
        return known

    def __iter__(self) -> Iterator[str]:
        yield from self._known
        yield from _LATE

    def __len__(self) -> int:
        return len(self._known) + len(_LATE)

"""Read Anthropic's list of models, which tells more of them than others do.

Source: https://platform.claude.com/docs/en/api/models-list. Services that imitate it send less, or
OpenAI's list; what nobody says is absent.
"""

from __future__ import annotations

import re
from typing import Final

from trunkline.inference.adapters.moments import read_moment
from trunkline.inference.adapters.values import Json, load, object_at, text_at, tokens_at, value_at
from trunkline.inference.v1 import provider_pb2

_ID: Final = re.compile(r"\S{1,256}")
_MAX_NAME: Final = 256
_RETIRED: Final = "retired"
_EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")


def read_models(body: bytes) -> list[provider_pb2.DiscoveredModel]:
    """Read a list of models; see `Adapter.read_models`.

    Left out are models that are retired, and ids that the catalog cannot hold.
    """
    said = load(body)
    listed = said.get("data") if isinstance(said, dict) else None
    if not isinstance(listed, list):
        raise ValueError("the body holds no list of models")
    found: dict[str, provider_pb2.DiscoveredModel] = {}
    for entry in listed:
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            raise ValueError("an entry of the list is no model")
        if _ID.fullmatch(entry["id"]) and entry.get("lifecycle") != _RETIRED:
            found.setdefault(entry["id"], _model(entry))
    return list(found.values())


def _model(entry: Json) -> provider_pb2.DiscoveredModel:
    """Translate one entry."""
    can = object_at(entry, "capabilities")
    return provider_pb2.DiscoveredModel(
        id=entry["id"],
        display_name=text_at(entry, ("display_name",), _MAX_NAME),
        context_window=tokens_at(entry, ("max_input_tokens",)),
        max_output_tokens=tokens_at(entry, ("max_tokens",)),
        vision=_supported(can, "image_input"),
        thinking=_supported(can, "thinking"),
        structured_output=_supported(can, "structured_outputs"),
        reasoning_modes=[each for each in _EFFORTS if _supported(can, f"effort.{each}")],
        deprecation_time=read_moment(entry.get("retires_at")),
    )


def _supported(can: Json, path: str) -> bool | None:
    """Tell whether a capability is supported; None where it is not said."""
    told = value_at(can, f"{path}.supported")
    return told if isinstance(told, bool) else None

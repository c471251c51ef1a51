"""What packaged data know of models: facts and prices, by the type of their provider."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from typing import Final

from trunkline.catalog.known_models import DATA_FILE as MODELS_FILE
from trunkline.catalog.known_models import KnownModels, load_known_models
from trunkline.catalog.known_prices import PublishedModel, look_up, prices_version
from trunkline.catalog.provider_types import DATA_FILE as TYPES_FILE
from trunkline.catalog.provider_types import ProviderType
from trunkline.catalog.records import StoredModel
from trunkline.catalog.v1 import model_pb2

_KNOWN: Final = model_pb2.FACT_SOURCE_KNOWN
_NOTHING: Final = PublishedModel()
# What a local server or a subscription answers costs nothing by the token (O17).
_FREE: Final = model_pb2.Price(
    input=0, output=0, source=_KNOWN, version="trunkline: free of charge"
)


@dataclass(frozen=True, slots=True)
class Learned:
    """What was looked up.

    Attributes:
        version: of the data.
        models: facts and prices, by the id of the model.
    """

    version: str
    models: Mapping[str, model_pb2.Model]

    def teach(self, stored: StoredModel) -> StoredModel:
        """Return a model with what is known of it, as it was where it was not looked up."""
        known = self.models.get(stored.id)
        if known is None:
            return stored
        return replace(stored, known=known, known_version=self.version)


NOTHING_LEARNED: Final = Learned("", {})


class Knowledge:
    """Looks models up in what the release brings.

    Attributes:
        version: of the data; empty until it was asked for.
    """

    def __init__(self) -> None:
        self.version = ""
        self._models: KnownModels | None = None

    async def read_version(self) -> str:
        """Return which data there are."""
        if not self.version:
            self.version = await asyncio.to_thread(self._read_version)
        return self.version

    async def read(self, kind: ProviderType, ids: Collection[str]) -> Learned:
        """Return facts and prices of models, also of which nothing is known.

        Args:
            kind: type of their provider.
            ids: as it calls them.
        """
        version = await self.read_version()
        # Beside the loop: the first look at prices imports them.
        return Learned(version, await asyncio.to_thread(self._read, kind, ids))

    def _read_version(self) -> str:
        """Read the small table, and name both."""
        self._models = load_known_models()
        return f"{data_hash()}, {prices_version()}"

    def _read(self, kind: ProviderType, ids: Collection[str]) -> dict[str, model_pb2.Model]:
        """Look models up."""
        assert self._models is not None
        published = look_up(kind.price_list, ids) if kind.price_list else {}
        known = {}
        for model_id in ids:
            facts, is_priced = self._models.find(kind.name, model_id)
            found = published.get(model_id, _NOTHING) if is_priced else _NOTHING
            if found.context_window and not facts.HasField("context_window"):
                facts.context_window.CopyFrom(
                    model_pb2.IntegerFact(value=found.context_window, source=_KNOWN)
                )
            prices = (_FREE,) if kind.free else found.prices
            known[model_id] = model_pb2.Model(
                facts=facts if facts.ListFields() else None, prices=prices
            )
        return known


def data_hash() -> str:
    """Return what tells our own data from those of another release; blocking."""
    files = (resources.files(__package__).joinpath(name) for name in (MODELS_FILE, TYPES_FILE))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]

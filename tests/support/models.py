"""Models as a test sets them, where the catalog's view would have them."""

from __future__ import annotations

from collections.abc import Mapping

from trunkline.catalog.v1 import model_pb2
from trunkline.planning.prices import PriceBook


class ModelShelf:
    """What knows models by name.

    Attributes:
        models: by `provider/model`.
    """

    def __init__(self, *models: model_pb2.Model) -> None:
        self.models: Mapping[str, model_pb2.Model] = {model.name: model for model in models}


def no_prices() -> PriceBook:
    """Return the prices of no model."""
    return PriceBook(ModelShelf())


def priced(name: str, *prices: model_pb2.Price) -> model_pb2.Model:
    """Return a model with prices."""
    return model_pb2.Model(name=name, prices=prices)

"""The view of what there is: providers, models, and where a request without a model goes."""

from __future__ import annotations

from collections.abc import Callable

import grpc

from trunkline.catalog.v1 import (
    catalog_service_pb2_grpc,
    model_pb2,
    provider_pb2,
    route_pb2,
    watch_pb2,
)
from trunkline.kernel.clock import Clock
from trunkline.kernel.service import WatchedView
from trunkline.kernel.view import Follower


class CatalogView:
    """Holds providers, models and routes by name.

    It serves stale without limit: what was known yesterday is better than nothing.

    Attributes:
        providers: by name; their types' values are filled in.
        models: by `provider/model`.
        routes: by target.
    """

    def __init__(self, channel: grpc.aio.Channel, clock: Clock) -> None:
        self.providers: dict[str, provider_pb2.Provider] = {}
        self.models: dict[str, model_pb2.Model] = {}
        self.routes: dict[str, route_pb2.Route] = {}
        self._next = watch_pb2.CatalogPage()
        self._on_change: list[Callable[[], None]] = []
        self.follower = Follower(
            "catalog",
            catalog_service_pb2_grpc.CatalogServiceStub(channel).WatchCatalog,
            lambda revision: watch_pb2.WatchCatalogRequest(after_revision=revision),
            self,
            clock,
        )

    @property
    def watched(self) -> WatchedView:
        """Return what it watches, and how long that is trusted."""
        return WatchedView("catalog", self.follower)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have a function called after every change of the view."""
        self._on_change.append(listener)

    def add_page(self, page: watch_pb2.CatalogPage) -> None:
        """Collect a page of a new view."""
        self._next.MergeFrom(page)

    def swap(self) -> None:
        """Let the new view hold."""
        page, self._next = self._next, watch_pb2.CatalogPage()
        self.providers = {provider.name: provider for provider in page.providers}
        self.models = {model.name: model for model in page.models}
        self.routes = {route.target: route for route in page.routes}
        self._tell()

    def change(
        self, kind: str, value: provider_pb2.Provider | model_pb2.Model | route_pb2.Route | str
    ) -> None:
        """Take one change."""
        match value:
            case provider_pb2.Provider():
                self.providers[value.name] = value
            case model_pb2.Model():
                self.models[value.name] = value
            case route_pb2.Route():
                self.routes[value.target] = value
            case str() if kind == "deleted_provider":
                self.providers.pop(value, None)
                prefix = f"{value}/"
                for name in [name for name in self.models if name.startswith(prefix)]:
                    del self.models[name]
            case str() if kind == "deleted_model":
                self.models.pop(value, None)
            case str():
                self.routes.pop(value, None)
        self._tell()

    def _tell(self) -> None:
        """Tell the listeners."""
        for listener in self._on_change:
            listener()

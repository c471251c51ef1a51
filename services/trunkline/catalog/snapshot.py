"""The catalog's view as a whole, as its watchers get it first."""

from __future__ import annotations

from google.protobuf.message import Message

from trunkline.catalog import model_store, provider_store
from trunkline.catalog.v1 import watch_pb2
from trunkline.kernel.database import Session
from trunkline.kernel.watch import paged


async def collect_pages(session: Session) -> list[Message]:
    """Return every provider, model and route, in pages of at most 1 MiB."""
    return [
        *paged(watch_pb2.CatalogPage, "providers", [*await provider_store.page_providers(session)]),
        *paged(watch_pb2.CatalogPage, "models", [*await model_store.page_models(session)]),
        *paged(watch_pb2.CatalogPage, "routes", [*await provider_store.all_routes(session)]),
    ]

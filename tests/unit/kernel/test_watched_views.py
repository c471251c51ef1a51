"""Views of credentials and of the catalog: what they hold after each word of their owners."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from trunkline.catalog.v1 import model_pb2, provider_pb2, route_pb2, watch_pb2
from trunkline.credential.v1 import credential_pb2, resolve_pb2
from trunkline.kernel.errors import Unavailable
from trunkline.views.catalog import CatalogView
from trunkline.views.credentials import CredentialView
from unit.kernel.hands import HandClock


@pytest.fixture
def clock() -> HandClock:
    """A clock that stands."""
    return HandClock()


@pytest.fixture
async def credentials(clock: HandClock) -> AsyncIterator[CredentialView]:
    """A view of credentials whose service is away."""
    async with grpc.aio.insecure_channel("unix:/nowhere.sock") as channel:
        yield CredentialView(channel, clock, max_staleness_s=30.0)


@pytest.fixture
async def catalog(clock: HandClock) -> AsyncIterator[CatalogView]:
    """A view of the catalog whose service is away."""
    async with grpc.aio.insecure_channel("unix:/nowhere.sock") as channel:
        yield CatalogView(channel, clock)


def entry(
    credential_id: str, provider: str, owner: str = "", version: int = 1
) -> credential_pb2.Credential:
    """Return a credential's entry."""
    return credential_pb2.Credential(
        id=credential_id, provider=provider, owner=owner, version=version
    )


def tell(view: CredentialView, *entries: credential_pb2.Credential) -> None:
    """Give a view a snapshot, a page for each entry."""
    for each in entries:
        view.add_page(resolve_pb2.CredentialPage(credentials=[each]))
    view.swap()


def central(view: CredentialView, provider: str) -> str | None:
    """Return the id of a provider's central credential."""
    found = view.central(provider)
    return None if found is None else found.id


async def test_a_provider_has_its_central_credential(credentials: CredentialView) -> None:
    """Whatever people bring of their own."""
    tell(
        credentials,
        entry("cred_1", "openai", owner="ann"),
        entry("cred_2", "openai"),
        entry("cred_3", "groq", owner="ann"),
    )
    assert central(credentials, "openai") == "cred_2"
    assert central(credentials, "groq") is None
    assert {each.id for each in credentials.of_provider("openai")} == {"cred_1", "cred_2"}
    assert credentials.get("cred_3") == entry("cred_3", "groq", owner="ann")
    assert credentials.get("cred_9") is None


async def test_a_credential_changes_and_goes(credentials: CredentialView) -> None:
    """One that replaced it stays when the old one is told to be gone."""
    tell(credentials, entry("cred_1", "openai"))
    credentials.change("credential", entry("cred_1", "openai", version=2))
    found = credentials.central("openai")
    assert found is not None
    assert found.version == 2
    credentials.change("credential", entry("cred_2", "openai"))
    credentials.change("deleted_credential_id", "cred_1")
    assert central(credentials, "openai") == "cred_2"
    credentials.change("deleted_credential_id", "cred_2")
    credentials.change("deleted_credential_id", "cred_2")
    assert central(credentials, "openai") is None
    assert credentials.get("cred_2") is None


async def test_a_personal_credential_is_never_the_central_one(
    credentials: CredentialView,
) -> None:
    """Neither when it comes nor when it goes."""
    tell(credentials, entry("cred_1", "openai"))
    credentials.change("credential", entry("cred_2", "openai", owner="ann"))
    assert central(credentials, "openai") == "cred_1"
    credentials.change("deleted_credential_id", "cred_2")
    assert central(credentials, "openai") == "cred_1"


def order(view: CredentialView, provider: str) -> list[str]:
    """Return the ids of a provider's central credentials in their order."""
    return [each.id for each in view.central_keys(provider)]


def ranked(credential_id: str, rank: int, age: int = 0) -> credential_pb2.Credential:
    """Return an entry of openai that was made some seconds after others."""
    return credential_pb2.Credential(
        id=credential_id, provider="openai", rank=rank, create_time=Timestamp(seconds=age)
    )


async def test_several_central_credentials_stand_in_their_order(
    credentials: CredentialView,
) -> None:
    """By rank, equal ones by age, whichever page they came on; the first one is central."""
    tell(
        credentials,
        ranked("cred_1", 2),
        ranked("cred_2", 1, age=2),
        entry("cred_3", "groq"),
        ranked("cred_4", 1, age=1),
        entry("cred_5", "openai", owner="ann"),
    )
    assert order(credentials, "openai") == ["cred_4", "cred_2", "cred_1"]
    assert central(credentials, "openai") == "cred_4"
    assert order(credentials, "groq") == ["cred_3"]
    assert order(credentials, "mistral") == []


async def test_the_order_follows_every_change(credentials: CredentialView) -> None:
    """A new rank moves a credential, and one that goes leaves the others as they were."""
    tell(credentials, ranked("cred_1", 0), ranked("cred_2", 1))
    credentials.change("credential", ranked("cred_3", -1))
    assert order(credentials, "openai") == ["cred_3", "cred_1", "cred_2"]
    credentials.change("credential", ranked("cred_1", 5))
    assert order(credentials, "openai") == ["cred_3", "cred_2", "cred_1"]
    credentials.change("credential", entry("cred_0", "openai", owner="ann"))
    credentials.change("deleted_credential_id", "cred_3")
    assert order(credentials, "openai") == ["cred_2", "cred_1"]
    for gone in ("cred_1", "cred_0", "cred_2"):
        credentials.change("deleted_credential_id", gone)
    assert order(credentials, "openai") == []
    assert central(credentials, "openai") is None


async def test_the_current_content_key_is_known(credentials: CredentialView) -> None:
    """From whichever page names it, then from each change; a new snapshot replaces it."""
    assert credentials.content_key_id == ""
    credentials.add_page(resolve_pb2.CredentialPage(content_key_id="dek_1"))
    tell(credentials, entry("cred_1", "openai"))
    assert credentials.content_key_id == "dek_1"
    assert central(credentials, "openai") == "cred_1"
    credentials.change("content_key_id", "dek_2")
    assert credentials.content_key_id == "dek_2"
    tell(credentials, entry("cred_1", "openai"))
    assert credentials.content_key_id == ""


async def test_a_new_snapshot_replaces_everything(credentials: CredentialView) -> None:
    """Also the central ones; until it is whole, nothing changes."""
    tell(credentials, entry("cred_1", "openai"), entry("cred_2", "groq"))
    credentials.add_page(resolve_pb2.CredentialPage(credentials=[entry("cred_3", "groq")]))
    assert central(credentials, "groq") == "cred_2"
    credentials.swap()
    assert central(credentials, "groq") == "cred_3"
    assert central(credentials, "openai") is None
    assert credentials.get("cred_1") is None


async def test_listeners_hear_of_every_change(credentials: CredentialView) -> None:
    """After it: what they read is what holds."""
    heard: list[str | None] = []
    credentials.on_change(lambda: heard.append(central(credentials, "openai")))
    tell(credentials, entry("cred_1", "openai"))
    credentials.change("credential", ranked("cred_2", -1))
    credentials.change("deleted_credential_id", "cred_2")
    credentials.change("deleted_credential_id", "cred_1")
    assert heard == ["cred_1", "cred_2", "cred_1", None]


async def test_what_is_known_of_credentials_is_trusted_up_to_its_age(
    credentials: CredentialView, clock: HandClock
) -> None:
    """Then the view is named with its age."""
    clock.pass_s(30)
    credentials.check_fresh()
    clock.pass_s(0.25)
    with pytest.raises(Unavailable) as refused:
        credentials.check_fresh()
    assert refused.value.reason == "SECURITY_VIEW_STALE"
    assert refused.value.metadata == {"view": "credentials", "age_ms": "30250"}


async def test_the_catalog_holds_providers_models_and_routes(catalog: CatalogView) -> None:
    """By name; a provider that is gone takes its models along, and nobody else's."""
    catalog.add_page(
        watch_pb2.CatalogPage(
            providers=[provider_pb2.Provider(name="open"), provider_pb2.Provider(name="openai")]
        )
    )
    catalog.add_page(
        watch_pb2.CatalogPage(
            models=[model_pb2.Model(name="open/a"), model_pb2.Model(name="openai/a")],
            routes=[route_pb2.Route(target="default")],
        )
    )
    assert not catalog.providers
    catalog.swap()
    assert set(catalog.providers) == {"open", "openai"}
    assert set(catalog.models) == {"open/a", "openai/a"}
    assert set(catalog.routes) == {"default"}
    heard: list[int] = []
    catalog.on_change(lambda: heard.append(len(catalog.models)))
    catalog.change("model", model_pb2.Model(name="openai/b"))
    catalog.change("deleted_provider", "open")
    catalog.change("deleted_model", "openai/a")
    catalog.change("deleted_route", "default")
    assert set(catalog.providers) == {"openai"}
    assert set(catalog.models) == {"openai/b"}
    assert not catalog.routes
    catalog.change("provider", provider_pb2.Provider(name="groq"))
    catalog.change("route", route_pb2.Route(target="planner"))
    assert set(catalog.providers) == {"openai", "groq"}
    assert set(catalog.routes) == {"planner"}
    assert heard == [3, 2, 1, 1, 1, 1]


async def test_a_new_snapshot_of_the_catalog_replaces_everything(catalog: CatalogView) -> None:
    """What it lacks is gone."""
    catalog.add_page(watch_pb2.CatalogPage(providers=[provider_pb2.Provider(name="a")]))
    catalog.swap()
    catalog.add_page(watch_pb2.CatalogPage(providers=[provider_pb2.Provider(name="b")]))
    assert set(catalog.providers) == {"a"}
    catalog.swap()
    assert set(catalog.providers) == {"b"}
    catalog.swap()
    assert not catalog.providers

"""`trunkline status`: what is connected, how it fares, and what it costs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from trunkline.cli.costs import show_costs
from trunkline.cli.failures import Failure
from trunkline.cli.health import name_check, name_health
from trunkline.cli.options import DEFAULT_ADDRESS, Address, AsJson
from trunkline.cli.output import name_value, note, print_json, print_table, say, to_json

if TYPE_CHECKING:
    from trunkline.catalog.v1.provider_pb2 import Provider
    from trunkline.cli.client import Client
    from trunkline.credential.v1.credential_pb2 import Credential
    from trunkline.health.v1.health_pb2 import ProviderHealth


def status(
    costs: Annotated[
        bool,
        typer.Option("--costs", help="Show what the last 24 hours took and cost instead."),
    ] = False,
    address: Address = DEFAULT_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Show every provider with its state, key, health and models."""
    from trunkline.cli.client import open_client

    with open_client(address) as client:
        if costs:
            show_costs(client, as_json=as_json)
        else:
            _show(client, as_json=as_json)


def _show(client: Client, *, as_json: bool) -> None:
    """Print how the providers are."""
    from trunkline.catalog.v1 import provider_pb2
    from trunkline.health.v1 import health_service_pb2

    providers = client.list_all(
        client.catalog.ListProviders,
        provider_pb2.ListProvidersRequest(),
        lambda page: page.providers,
    )
    credentials = _list_credentials(client)
    listed = client.list_all(
        client.health.ListHealth,
        health_service_pb2.ListHealthRequest(),
        lambda page: page.healths,
    )
    healths = {health.provider: health for health in listed}
    if as_json:
        _print_json(providers, credentials, healths)
        return
    if not providers:
        say("No provider is connected.")
        note("Connect one: trunkline connect")
        return
    columns = ("PROVIDER", "TYPE", "STATE", "CREDENTIAL", "HEALTH", "CHECKED", "MODELS", "DEFAULT")
    print_table(columns, (_row(each, credentials, healths.get(each.name)) for each in providers))
    for each in providers:
        for line in each.notes:
            note(f"{each.name}: {line}")
        health = healths.get(each.name)
        # One that is off is not asked any more: what was wrong with it then is no news.
        if each.enabled and health is not None and health.message:
            note(f"{each.name}: {health.message}")


def _list_credentials(client: Client) -> list[Credential] | None:
    """Return all credentials; None: the caller may not see them."""
    from trunkline.cli.keys import list_keys

    try:
        return list_keys(client)
    except Failure as failure:
        if failure.reason == "CALLER_NOT_ALLOWED":
            return None
        raise


def _row(
    provider: Provider, credentials: list[Credential] | None, health: ProviderHealth | None
) -> tuple[str, ...]:
    """Return a provider's line."""
    from trunkline.catalog.v1 import provider_pb2

    state = provider_pb2.ConnectionState.Name(provider.state)
    return (
        provider.name,
        provider.type,
        name_value(state, "CONNECTION_STATE_") if provider.enabled else "off",
        _name_credentials(provider.name, credentials),
        name_health(health) if provider.enabled else "",
        name_check(health, time.time()),
        str(provider.model_count),
        provider.default_model,
    )


def _name_credentials(provider: str, credentials: list[Credential] | None) -> str:
    """Return how a provider's keys stand; of several, which is which."""
    from trunkline.cli.keys import name_place
    from trunkline.credential.v1 import credential_pb2

    if credentials is None:
        return "for admins"
    keys = [each for each in credentials if each.provider == provider]
    words = []
    for each in keys:
        kind = credential_pb2.CredentialKind.Name(each.kind)
        state = credential_pb2.CredentialState.Name(each.state)
        standing = (
            f"{name_value(kind, 'CREDENTIAL_KIND_')}, {name_value(state, 'CREDENTIAL_STATE_')}"
        )
        words.append(f"{name_place(each)}: {standing}" if len(keys) > 1 else standing)
    return "; ".join(words)


def _print_json(
    providers: list[Provider],
    credentials: list[Credential] | None,
    healths: dict[str, ProviderHealth],
) -> None:
    """Print everything as one document; what the caller may not see is null."""
    entries = []
    for provider in providers:
        health = healths.get(provider.name)
        ours = None
        if credentials is not None:
            ours = [to_json(each) for each in credentials if each.provider == provider.name]
        entries.append(
            {
                "provider": to_json(provider),
                "credentials": ours,
                "health": to_json(health) if health is not None else None,
            }
        )
    print_json({"providers": entries})

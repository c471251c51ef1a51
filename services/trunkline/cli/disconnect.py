"""`trunkline disconnect`: delete a provider's credentials, and the provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from trunkline.cli.failures import Failure
from trunkline.cli.options import DEFAULT_ADDRESS, Address, AsJson
from trunkline.cli.output import print_json, say

if TYPE_CHECKING:
    from trunkline.cli.client import Client


def disconnect(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="The provider's name.")],
    keep_provider: Annotated[
        bool, typer.Option("--keep-provider", help="Delete its keys only.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    address: Address = DEFAULT_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Delete a provider with its keys and models."""
    from trunkline.cli.client import open_client
    from trunkline.cli.entry import confirm

    with open_client(address) as client:
        credentials = _list_credentials(client, provider)
        if not keep_provider:
            _check_default(client, provider)
        keys = {0: "no key", 1: "its key"}.get(len(credentials), f"its {len(credentials)} keys")
        what = (
            f"{keys} of {provider}" if keep_provider else f"{provider} with {keys} and its models"
        )
        confirm(f"Delete {what}?", yes=yes)
        _delete_credentials(client, credentials)
        if not keep_provider:
            _delete_provider(client, provider, credentials)
    if as_json:
        print_json(
            {
                "provider": provider,
                "deleted_credentials": credentials,
                "deleted_provider": not keep_provider,
            }
        )
    elif keep_provider:
        say(f"{provider} has no key any more ({len(credentials)} deleted).")
    else:
        say(f"{provider} is disconnected ({len(credentials)} of its keys deleted).")


def _list_credentials(client: Client, provider: str) -> list[str]:
    """Return the ids of a provider's credentials.

    Raises:
        Failure: there is no such provider.
    """
    from trunkline.catalog.v1 import provider_pb2
    from trunkline.credential.v1 import save_pb2

    client.ask(client.catalog.GetProvider, provider_pb2.GetProviderRequest(name=provider))
    credentials = client.list_all(
        client.credentials.ListCredentials,
        save_pb2.ListCredentialsRequest(provider=provider),
        lambda page: page.credentials,
    )
    return [credential.id for credential in credentials]


def _check_default(client: Client, provider: str) -> None:
    """Refuse a provider that has the deployment's default model, before anything is deleted.

    Raises:
        Failure: as the catalog would, when its keys were gone already.
    """
    from trunkline.catalog.v1 import model_pb2

    models = client.list_all(
        client.catalog.ListModels,
        model_pb2.ListModelsRequest(provider=provider, include_disabled=True),
        lambda page: page.models,
    )
    for model in models:
        if model.deployment_default:
            raise Failure(
                f"{model.name} is the deployment's default model, so {provider} cannot be deleted.",
                "Choose another with `trunkline models default MODEL`, or none with"
                " `trunkline models default --none`.",
                reason="STILL_REFERRED_TO",
                code="FAILED_PRECONDITION",
                metadata={"provider": provider, "referrers": "default"},
            )


def _delete_credentials(client: Client, credentials: list[str]) -> None:
    """Delete credentials; one that is gone already is no error."""
    from trunkline.credential.v1 import save_pb2

    for credential in credentials:
        try:
            client.ask(
                client.credentials.DeleteCredential,
                save_pb2.DeleteCredentialRequest(id=credential),
            )
        except Failure as failure:
            if failure.reason != "CREDENTIAL_NOT_FOUND":
                raise


def _delete_provider(client: Client, provider: str, deleted: list[str]) -> None:
    """Delete a provider whose credentials were just deleted."""
    from trunkline.catalog.v1 import provider_pb2
    from trunkline.cli.waiting import retry_while

    ours = {f"credentials/{credential}" for credential in deleted}

    def has_not_heard(failure: Failure) -> bool:
        # The catalog hears a moment later that they are gone.
        referrers = set(filter(None, failure.metadata.get("referrers", "").split(",")))
        return failure.reason == "STILL_REFERRED_TO" and bool(referrers) and referrers <= ours

    request = provider_pb2.DeleteProviderRequest(name=provider)
    retry_while(lambda: client.ask(client.catalog.DeleteProvider, request), has_not_heard)

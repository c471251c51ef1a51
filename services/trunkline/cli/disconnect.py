"""`trunkline disconnect`: delete a provider's credentials, and the provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from trunkline.cli.failures import Failure
from trunkline.cli.options import DEFAULT_ADDRESS, Address, AsJson
from trunkline.cli.output import print_json, say

if TYPE_CHECKING:
    from trunkline.cli.client import Client
    from trunkline.credential.v1.credential_pb2 import Credential


def disconnect(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="The provider's name.")],
    keep_provider: Annotated[
        bool, typer.Option("--keep-provider", help="Delete its keys only.")
    ] = False,
    label: Annotated[
        str, typer.Option(help="Delete only the key of this label; the provider stays.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    address: Address = DEFAULT_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Delete a provider with its keys and models, or one of its keys."""
    from trunkline.cli.client import open_client
    from trunkline.cli.entry import confirm

    with open_client(address) as client:
        keys = _list_keys(client, provider)
        if label:
            keys = [_choose_key(keys, provider, label)]
            keep_provider = True
        credentials = [key.id for key in keys]
        if not keep_provider:
            _check_default(client, provider)
            _check_chains(client, provider)
        confirm(f"Delete {_name_what(provider, keys, label, keep_provider)}?", yes=yes)
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
    elif label:
        say(f"{provider} has no key {label} any more.")
    elif keep_provider:
        say(f"{provider} has no key any more ({len(credentials)} deleted).")
    else:
        say(f"{provider} is disconnected ({len(credentials)} of its keys deleted).")


def _list_keys(client: Client, provider: str) -> list[Credential]:
    """Return a provider's credentials.

    Raises:
        Failure: there is no such provider.
    """
    from trunkline.catalog.v1 import provider_pb2
    from trunkline.cli.keys import list_keys

    client.ask(client.catalog.GetProvider, provider_pb2.GetProviderRequest(name=provider))
    return list_keys(client, provider)


def _choose_key(keys: list[Credential], provider: str, label: str) -> Credential:
    """Return a provider's key of a label.

    Raises:
        Failure: there is none; the labels that there are are named.
    """
    from trunkline.cli.keys import find_labelled, label_of

    key = find_labelled(keys, label)
    if key is None:
        labels = [label_of(each) for each in keys if not each.owner]
        raise Failure(
            f"{provider} has no key {label}.",
            f"Its keys are {', '.join(labels)}." if labels else "It has no key at all.",
            reason="CREDENTIAL_NOT_FOUND",
            code="NOT_FOUND",
            metadata={"provider": provider, "label": label},
        )
    return key


def _name_what(provider: str, keys: list[Credential], label: str, keep_provider: bool) -> str:
    """Return what goes."""
    if label:
        return f"the key {label} of {provider}"
    named = {0: "no key", 1: "its key"}.get(len(keys), f"its {len(keys)} keys")
    if keep_provider:
        return f"{named} of {provider}"
    return f"{provider} with {named} and its models"


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


def _check_chains(client: Client, provider: str) -> None:
    """Refuse a provider of which chains name models, before anything is deleted.

    Raises:
        Failure: as the catalog would, when its keys were gone already.
    """
    from trunkline.catalog.v1 import chain_pb2

    chains = client.list_all(
        client.catalog.ListChains, chain_pb2.ListChainsRequest(), lambda page: page.chains
    )
    naming = [
        chain.name
        for chain in chains
        if any(each.model.startswith(f"{provider}/") for each in chain.candidates)
    ]
    if naming:
        raise Failure(
            f"Chains name models of {provider}, so it cannot be deleted: {', '.join(naming)}.",
            f"Delete them first, such as with `trunkline chain delete {naming[0]}`.",
            reason="STILL_REFERRED_TO",
            code="FAILED_PRECONDITION",
            metadata={
                "provider": provider,
                "referrers": ",".join(f"chains/{name}" for name in naming),
            },
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

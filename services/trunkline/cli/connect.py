"""`trunkline connect`: the command; `wish` and `connection` do it."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.cli.options import DEFAULT_ADDRESS, Address, AsJson


def connect(
    provider: Annotated[
        str | None,
        typer.Argument(
            metavar="PROVIDER",
            help="The provider's name, such as openai; on a terminal it may be picked from a list.",
        ),
    ] = None,
    provider_type: Annotated[
        str, typer.Option("--type", help="Its type, where the name is none; else by the address.")
    ] = "",
    base_url: Annotated[
        str, typer.Option(metavar="URL", help="Its address, where the type's own is not right.")
    ] = "",
    local: Annotated[
        bool, typer.Option("--local", help="A server that needs no key: none is asked for.")
    ] = False,
    allow_unverified: Annotated[
        bool,
        typer.Option(
            "--allow-unverified",
            help="Save the key also when the provider cannot be reached or cannot tell.",
        ),
    ] = False,
    model: Annotated[
        list[str] | None,
        typer.Option(help="A model, as the provider calls it; may be repeated."),
    ] = None,
    organization: Annotated[str, typer.Option(help="Sent with every request.")] = "",
    project: Annotated[str, typer.Option(help="Sent with every request.")] = "",
    label: Annotated[
        str, typer.Option(help="Which of the provider's keys it is, where it has several.")
    ] = "",
    rank: Annotated[
        int | None,
        typer.Option(help="Its place among them: lower is tried first. Default: as it was, or 0."),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A further header that authenticates; its value is read as the key is.",
        ),
    ] = None,
    address: Address = DEFAULT_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Connect a provider, or give one a new key; with --label a further one.

    The key is asked for without echo, or read from standard input
    (trunkline connect openai < key.txt), where the values of --header follow it, a line
    each. AWS keys are a JSON object there: access_key_id, secret_access_key, and where they
    are needed session_token and region. It is tried at the provider before it is saved.
    """
    from trunkline.cli.client import open_client
    from trunkline.cli.connection import Connector
    from trunkline.cli.wish import Wish

    wish = Wish(
        provider=provider or "",
        type=provider_type,
        base_url=base_url,
        local=local,
        allow_unverified=allow_unverified,
        models=tuple(model or ()),
        organization=organization,
        project=project,
        headers=tuple(header or ()),
        label=label,
        rank=rank,
    )
    with open_client(address) as client:
        Connector(client, as_json=as_json).connect(wish)

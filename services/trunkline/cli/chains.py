"""`trunkline chain`: make, list, show and delete fallback chains."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from trunkline.cli.failures import Failure, wrong_usage
from trunkline.cli.options import DEFAULT_ADDRESS, Address, AsJson
from trunkline.cli.output import (
    name_time,
    name_value,
    note,
    print_json,
    print_table,
    say,
    to_json,
)

if TYPE_CHECKING:
    from trunkline.catalog.v1.chain_pb2 import Candidate, Chain
    from trunkline.cli.client import Client

app = typer.Typer(help="Make, list, show and delete fallback chains.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the chain.")]


class ChainBalance(StrEnum):
    """How to choose among the models of a chain."""

    ORDER = "order"
    WEIGHT = "weight"
    LATENCY = "latency"
    PRICE = "price"


@app.command()
def create(
    name: Name,
    models: Annotated[
        list[str], typer.Argument(metavar="PROVIDER/MODEL…", help="The models, first choice first.")
    ],
    balance: Annotated[
        ChainBalance,
        typer.Option(help="How to choose: as they stand, or among them as equals."),
    ] = ChainBalance.ORDER,
    weight: Annotated[
        list[int] | None,
        typer.Option(min=1, max=1000, help="With --balance weight: of each model, in their order."),
    ] = None,
    fall_back_on_credential_failure: Annotated[
        bool,
        typer.Option(
            "--fall-back-on-credential-failure",
            help="Also go on when a central key is refused or its quota is used up.",
        ),
    ] = False,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    address: Address = DEFAULT_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Make a fallback chain: models that stand in for each other, under one name."""
    from trunkline.catalog.v1 import chain_pb2
    from trunkline.cli.client import open_client

    chain = chain_pb2.Chain(
        name=name,
        candidates=_candidates(models, balance, weight or []),
        balance=chain_pb2.Balance.Value(f"BALANCE_{balance.name}"),
        fall_back_on_credential_failure=fall_back_on_credential_failure,
        description=description,
    )
    with open_client(address) as client:
        made = client.ask(client.catalog.CreateChain, chain_pb2.CreateChainRequest(chain=chain))
        warnings = _list_warnings(client, name)
    if as_json:
        print_json({"chain": to_json(made.chain), "warnings": warnings})
        return
    say(f"The chain {name} is made: `trunkline explain --chain {name}` tells where it goes.")
    for warning in warnings:
        note(warning)


@app.command("list")
def list_chains(address: Address = DEFAULT_ADDRESS, as_json: AsJson = False) -> None:
    """List fallback chains."""
    from trunkline.catalog.v1 import chain_pb2
    from trunkline.cli.client import open_client

    with open_client(address) as client:
        listed = client.list_all(
            client.catalog.ListChains, chain_pb2.ListChainsRequest(), lambda page: page.chains
        )
    if as_json:
        print_json({"chains": [to_json(chain) for chain in listed]})
    elif listed:
        print_table(
            ("CHAIN", "MODELS", "BALANCE", "CHANGED", "FOR"),
            (
                (
                    chain.name,
                    ", ".join(candidate.model for candidate in chain.candidates),
                    _balance(chain),
                    name_time(chain.update_time),
                    chain.description,
                )
                for chain in listed
            ),
        )
    else:
        say("There is no chain.")


@app.command()
def show(name: Name, address: Address = DEFAULT_ADDRESS, as_json: AsJson = False) -> None:
    """Show a fallback chain with its models in order."""
    from trunkline.catalog.v1 import chain_pb2
    from trunkline.cli.client import open_client

    with open_client(address) as client:
        chain = client.ask(client.catalog.GetChain, chain_pb2.GetChainRequest(name=name)).chain
    if as_json:
        print_json({"chain": to_json(chain)})
        return
    say(chain.description or chain.name)
    say(f"Balance: {_balance(chain)}")
    goes_on = "goes on" if chain.fall_back_on_credential_failure else "ends"
    say(f"When a key is refused or used up: {goes_on}")
    print_table(
        ("MODEL", "RANK", "WEIGHT"),
        (
            (
                candidate.model,
                str(candidate.rank) if candidate.HasField("rank") else "",
                str(candidate.weight or ""),
            )
            for candidate in chain.candidates
        ),
    )


@app.command()
def delete(name: Name, address: Address = DEFAULT_ADDRESS, as_json: AsJson = False) -> None:
    """Delete a fallback chain; its models stay."""
    from trunkline.catalog.v1 import chain_pb2
    from trunkline.cli.client import open_client

    with open_client(address) as client:
        client.ask(client.catalog.DeleteChain, chain_pb2.DeleteChainRequest(name=name))
    if as_json:
        print_json({"deleted": name})
    else:
        say(f"The chain {name} is deleted.")


def _candidates(models: list[str], balance: ChainBalance, weights: list[int]) -> list[Candidate]:
    """Return the candidates of a new chain: in order, or all equals.

    Raises:
        Failure: weights are given without need, or not one for each model.
    """
    from trunkline.catalog.v1 import chain_pb2

    if weights and balance is not ChainBalance.WEIGHT:
        raise wrong_usage("Weights say nothing here.", "Use them with --balance weight.")
    if weights and len(weights) != len(models):
        raise wrong_usage(
            f"There are {len(models)} models and {len(weights)} weights.",
            "Give --weight once for each model, in their order.",
        )
    if balance is ChainBalance.ORDER:
        return [chain_pb2.Candidate(model=model) for model in models]
    return [
        chain_pb2.Candidate(model=model, rank=1, weight=weight)
        for model, weight in zip(models, weights or [0] * len(models), strict=True)
    ]


def _list_warnings(client: Client, name: str) -> list[str]:
    """Return what is to be minded about a chain that was just made."""
    from trunkline.catalog.v1 import route_pb2

    request = route_pb2.ExplainRouteRequest(chain=name)
    try:
        return list(client.ask(client.catalog.ExplainRoute, request).warnings)
    except Failure as failure:
        # The chain is made, whatever can be said about it.
        return [f"It is not known how the chain fares: {failure.what}"]


def _balance(chain: Chain) -> str:
    """Return how a chain chooses among equals, for people."""
    from trunkline.catalog.v1 import chain_pb2

    balance = chain.balance or chain_pb2.BALANCE_ORDER
    return name_value(chain_pb2.Balance.Name(balance), "BALANCE_")

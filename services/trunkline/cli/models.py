"""`trunkline models`: list models, read them anew, choose the default; see `model_settings`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trunkline.cli import model_settings
from trunkline.cli.failures import Failure, wrong_usage
from trunkline.cli.money import name_rate
from trunkline.cli.options import DEFAULT_ADDRESS, Address, AsJson
from trunkline.cli.output import note, print_json, print_table, say, to_json

if TYPE_CHECKING:
    from trunkline.catalog.v1.model_pb2 import Model, ModelChange
    from trunkline.cli.client import Client

app = typer.Typer(invoke_without_command=True)
app.command("options")(model_settings.options)
app.command("set")(model_settings.set_)

# Longer than every window.
_LONG_PROMPT: Final = 2**32

# What a model can do: the fact, and its word.
_ABILITIES = (
    ("tools", "tools"),
    ("vision", "vision"),
    ("documents", "documents"),
    ("thinking", "reasoning"),
    ("structured_output", "schema"),
    ("embeddings", "embeddings"),
)


@app.callback()
def models(
    context: typer.Context,
    provider: Annotated[str, typer.Option(help="Only of this provider.")] = "",
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Read the providers' lists anew first.")
    ] = False,
    include_off: Annotated[
        bool, typer.Option("--all", help="Also those that are switched off.")
    ] = False,
    address: Address = DEFAULT_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """List models with what they can do, or choose the default."""
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    from trunkline.catalog.v1 import model_pb2
    from trunkline.cli.client import open_client

    with open_client(address) as client:
        changes, failures = _refresh(client, provider) if refresh else ([], [])
        request = model_pb2.ListModelsRequest(provider=provider, include_disabled=include_off)
        listed = client.list_all(client.catalog.ListModels, request, lambda page: page.models)
    if as_json:
        document = {"models": [to_json(model) for model in listed]}
        if refresh:
            document["changes"] = [to_json(change) for change in changes]
        print_json(document)
    elif listed:
        _print(listed)
    else:
        say(f"No model of {provider} is known." if provider else "No model is known.")
    if refresh and not as_json:
        note(_count(changes))
    if failures:
        raise failures[0]


@app.command()
def default(
    model: Annotated[
        str | None, typer.Argument(metavar="PROVIDER/MODEL", help="The new default.")
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="Have no default.")] = False,
    address: Address = DEFAULT_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Choose the deployment's default model, for chats that name none."""
    from google.protobuf.field_mask_pb2 import FieldMask

    from trunkline.catalog.v1 import model_pb2
    from trunkline.cli.client import open_client

    if (model is None) is not none:
        raise wrong_usage(
            "Name either the new default or --none.", "`trunkline models` lists what there is."
        )
    with open_client(address) as client:
        name = _find_default(client) if model is None else model
        if name is None:
            changed = model_pb2.Model()
        else:
            changed = client.ask(
                client.catalog.UpdateModel,
                model_pb2.UpdateModelRequest(
                    model=model_pb2.Model(name=name, deployment_default=not none),
                    update_mask=FieldMask(paths=["deployment_default"]),
                ),
            ).model
    if as_json:
        print_json({"model": to_json(changed) if name is not None else None})
    elif none:
        say("There is no default model now.")
    else:
        say(f"{changed.name} is the default model now.")


def _refuse_options(context: typer.Context) -> None:
    """Refuse options that stand before a subcommand, which would not see them.

    Raises:
        Failure: there is one.
    """
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise wrong_usage(
                f"An option stands before `{context.invoked_subcommand}`, which does not see it.",
                "Write options at the end.",
            )


def _find_default(client: Client) -> str | None:
    """Return the deployment's default model; None: there is none."""
    from trunkline.catalog.v1 import model_pb2

    listed = client.list_all(
        client.catalog.ListModels,
        model_pb2.ListModelsRequest(include_disabled=True),
        lambda page: page.models,
    )
    return next((model.name for model in listed if model.deployment_default), None)


def _refresh(client: Client, provider: str) -> tuple[list[ModelChange], list[Failure]]:
    """Read the list of one provider, or of all, anew.

    Returns:
        What changed, and what failed; where one is named, its failure is raised.
    """
    from trunkline.catalog.v1 import model_pb2, provider_pb2
    from trunkline.cli.client import PROVIDER_CALL_S

    names = [provider]
    if not provider:
        providers = client.list_all(
            client.catalog.ListProviders,
            provider_pb2.ListProvidersRequest(),
            lambda page: page.providers,
        )
        names = [
            each.name
            for each in providers
            if each.enabled and each.state != provider_pb2.CONNECTION_STATE_NOT_CONNECTED
        ]
    changes: list[ModelChange] = []
    failures: list[Failure] = []
    for name in names:
        try:
            answer = client.ask(
                client.catalog.RefreshModels,
                model_pb2.RefreshModelsRequest(provider=name),
                timeout=PROVIDER_CALL_S,
            )
        except Failure as failure:
            if provider or failure.reason != "LIST_UNAVAILABLE":
                raise
            failures.append(failure)
        else:
            changes.extend(answer.changes)
    return changes, failures


def _count(changes: list[ModelChange]) -> str:
    """Tell how many models are new, gone and changed."""
    new = sum(change.listed and not change.was_listed for change in changes)
    gone = sum(change.was_listed and not change.listed for change in changes)
    return f"{new} new, {gone} gone, {len(changes) - new - gone} changed."


def _print(listed: list[Model]) -> None:
    """Print models as a table."""
    print_table(
        ("MODEL", "WINDOW", "ANSWER", "IN / OUT PER 1M", "CAN", "NOTES"),
        (
            (
                model.name,
                _number(model.facts.context_window.value),
                _number(model.facts.max_output_tokens.value),
                _name_price(model),
                ", ".join(word for fact, word in _ABILITIES if getattr(model.facts, fact).value),
                _remark(model),
            )
            for model in listed
        ),
    )


def _number(tokens: int) -> str:
    """Return a number of tokens; empty: not known."""
    return f"{tokens:,}" if tokens else ""


def _name_price(model: Model) -> str:
    """Return what a million tokens of prompt and of answer cost now; empty: not known."""
    from trunkline.planning.prices import find_rates, read_prices

    prices = read_prices(model.prices)
    now_ns = time.time_ns()
    rates = find_rates(prices, now_ns, 0)
    if rates is None or (rates.input is None and rates.output is None):
        return ""
    if rates.input == rates.output == 0:
        return "free"
    pair = " / ".join(
        "?" if rate is None else name_rate(rate) for rate in (rates.input, rates.output)
    )
    # Long prompts may cost more.
    is_least = find_rates(prices, now_ns, _LONG_PROMPT) is not rates
    return f"from {pair}" if is_least else pair


def _remark(model: Model) -> str:
    """Return what sets a model apart."""
    remarks = []
    if model.deployment_default:
        remarks.append("default")
    if not model.enabled:
        remarks.append("off")
    if not model.listed:
        remarks.append("not listed")
    return ", ".join(remarks)

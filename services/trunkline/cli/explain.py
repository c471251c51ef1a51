"""`trunkline explain`: where a request would go, and why."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from trunkline.cli.options import DEFAULT_ADDRESS, Address, AsJson
from trunkline.cli.output import name_value, note, print_json, print_table, say, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from trunkline.catalog.v1.route_pb2 import ExplainedCandidate, ExplainedStep


class Needed(StrEnum):
    """What a request may need of a model."""

    VISION = "vision"
    DOCUMENTS = "documents"
    TOOLS = "tools"
    STRUCTURED_OUTPUT = "structured-output"
    THINKING = "thinking"


def explain(
    model: Annotated[
        str, typer.Option(metavar="PROVIDER/MODEL", help="A request that names this model.")
    ] = "",
    fallback: Annotated[
        list[str] | None,
        typer.Option(metavar="PROVIDER/MODEL", help="And this one behind it; may be repeated."),
    ] = None,
    chain: Annotated[str, typer.Option(help="A request that names this chain.")] = "",
    needs: Annotated[
        list[Needed] | None, typer.Option(help="What it needs; may be repeated.")
    ] = None,
    input_tokens: Annotated[
        int, typer.Option(min=0, help="Tokens of its prompt.", show_default=False)
    ] = 0,
    address: Address = DEFAULT_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Tell where a request would go, and why; asks no provider."""
    from trunkline.catalog.v1 import route_pb2
    from trunkline.cli.client import open_client

    request = route_pb2.ExplainRouteRequest(
        model=model,
        fallbacks=fallback or (),
        chain=chain,
        needs=[route_pb2.Need.Value(f"NEED_{need.name}") for need in needs or ()],
        input_tokens=input_tokens,
    )
    with open_client(address) as client:
        explained = client.ask(client.catalog.ExplainRoute, request)
    if as_json:
        print_json(to_json(explained))
        return
    say(f"It goes to {explained.chosen}." if explained.chosen else "It goes nowhere.")
    say("")
    print_table(("STEP", "HOLDS", "WHY"), _step_rows(explained.steps))
    if explained.candidates:
        say("")
        print_table(("MODEL", "ASKED", "KEY", "WHY"), _candidate_rows(explained.candidates))
    for warning in explained.warnings:
        note(warning)


def _step_rows(steps: Iterable[ExplainedStep]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each step."""
    from trunkline.catalog.v1 import route_pb2

    for step in steps:
        name = name_value(route_pb2.RouteStep.Name(step.step), "ROUTE_STEP_")
        yield name, "yes" if step.chosen else "", step.detail


def _candidate_rows(candidates: Iterable[ExplainedCandidate]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each candidate, with its number among those who are asked."""
    from trunkline.inference.v1 import failure_pb2

    number = 0
    for candidate in candidates:
        key = ""
        if candidate.credential_scope:
            scope = failure_pb2.CredentialScope.Name(candidate.credential_scope)
            key = candidate.credential_id or name_value(scope, "CREDENTIAL_SCOPE_")
        if candidate.skip_reason:
            reason = failure_pb2.SkipReason.Name(candidate.skip_reason)
            asked = name_value(reason, "SKIP_REASON_")
        else:
            number += 1
            asked = str(number)
        yield candidate.model, asked, key, candidate.detail

"""`trunkline check`: probe a provider, or all of them, and show what is found."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from trunkline.cli.health import name_health, name_uptime
from trunkline.cli.options import DEFAULT_ADDRESS, Address, AsJson
from trunkline.cli.output import note, print_json, print_table, say, to_json

# Sixteen are probed at once, each for ten seconds at most.
_CHECK_ALL_S: Final = 600.0
# The contract's bound of what is answered when all are probed.
_MOST_ANSWERED: Final = 100

Provider = Annotated[
    str, typer.Argument(metavar="PROVIDER", help="Which one; all when it is left out.")
]


def check(
    provider: Provider = "", address: Address = DEFAULT_ADDRESS, as_json: AsJson = False
) -> None:
    """Probe a provider, or all, and show how they fare.

    It costs nothing, and is done each minute anyway; `trunkline status` shows what was found.
    """
    from trunkline.cli.client import PROVIDER_CALL_S, open_client
    from trunkline.health.v1 import health_service_pb2

    with open_client(address) as client:
        answer = client.ask(
            client.health.CheckNow,
            health_service_pb2.CheckNowRequest(provider=provider),
            timeout=PROVIDER_CALL_S if provider else _CHECK_ALL_S,
        )
    if as_json:
        print_json({"healths": [to_json(health) for health in answer.healths]})
        return
    if not answer.healths:
        say("No provider is connected.")
        note("Connect one: trunkline connect")
        return
    print_table(
        ("PROVIDER", "HEALTH", "UPTIME"),
        ((health.provider, name_health(health), name_uptime(health)) for health in answer.healths),
    )
    for health in answer.healths:
        if health.message:
            note(f"{health.provider}: {health.message}")
    if not provider and len(answer.healths) == _MOST_ANSWERED:
        note(f"These are the first {_MOST_ANSWERED}; `trunkline status` shows all.")

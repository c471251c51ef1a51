"""`trunkline ready`: whether processes serve, for health checks of containers and scripts."""

from __future__ import annotations

from typing import Annotated, Any, Final, cast

import typer

from trunkline.cli.failures import ExitCode, Failure
from trunkline.cli.options import DEFAULT_ADDRESS, Address, AsJson
from trunkline.cli.output import print_json, say

_TIMEOUT_S: Final = 4.0


def ready(
    address: Address = DEFAULT_ADDRESS,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=600, help="Longest wait for an answer, in seconds.")
    ] = _TIMEOUT_S,
    as_json: AsJson = False,
) -> None:
    """Tell whether Trunkline serves at an address. Needs no token.

    Exit code 0: it does; 3: it does not.
    """
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    from trunkline.cli.addresses import open_channel, parse_addresses

    places = sorted(set(parse_addresses(address).values()))
    for place in places:
        with open_channel(place) as channel:
            try:
                # The stub's type knows no methods.
                check: Any = health_pb2_grpc.HealthStub(channel)
                answer = check.Check(
                    health_pb2.HealthCheckRequest(), timeout=timeout, wait_for_ready=True
                )
            except grpc.RpcError as error:
                call = cast(grpc.Call, error)  # every error that a call raises is that call
                raise _not_ready(place, f"{call.code().name}: {call.details()}") from None
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            name = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
            raise _not_ready(place, name)
    if as_json:
        print_json({"ready": places})
    else:
        say(f"Trunkline is ready at {' and '.join(places)}.")


def _not_ready(place: str, why: str) -> Failure:
    """Return the failure of a process that does not serve."""
    return Failure(
        f"Trunkline does not serve at {place} ({why}).",
        "Look at its log; `trunkline doctor` looks at the others too.",
        exit_code=ExitCode.UNREACHABLE,
        reason="UNREACHABLE",
        code="UNAVAILABLE",
    )

"""`trunkline doctor`: what is wrong with a deployment, and what to do."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from trunkline.cli.failures import ExitCode, Failure
from trunkline.cli.options import DEFAULT_ADDRESS, Address, AsJson
from trunkline.cli.output import note, print_json, say, to_json

if TYPE_CHECKING:
    from trunkline.cli.client import Client
    from trunkline.cli.diagnosis import Finding, Providers, Visit

_CALL_S: Final = 10.0


def doctor(address: Address = DEFAULT_ADDRESS, as_json: AsJson = False) -> None:
    """Check a deployment: addresses, certificates, clocks, databases, views, providers.

    Needs an admin's token. Exit code 0: nothing is wrong; 1: something is.
    """
    import typer

    from trunkline.cli.client import open_client
    from trunkline.cli.diagnosis import Severity, diagnose

    with open_client(address) as client:
        visits = [
            _visit(
                client, place, tuple(name for name, at in client.addresses.items() if at == place)
            )
            for place in dict.fromkeys(client.addresses.values())
        ]
        reached = {visit.address for visit in visits if visit.process is not None}
        providers = _ask_providers(client, reached)
    findings = diagnose(visits, providers, datetime.now(UTC))
    wrong = [each for each in findings if each.severity is Severity.WRONG]
    if as_json:
        _print_json(visits, findings)
    else:
        _print(findings, len(wrong))
    if wrong:
        raise typer.Exit(ExitCode.FAILED)


def _visit(client: Client, place: str, expected: tuple[str, ...]) -> Visit:
    """Ask one process how it is."""
    from trunkline.cli.diagnosis import Visit
    from trunkline.process.v1 import process_pb2

    began, clock = time.time(), time.perf_counter()
    try:
        answer = client.ask(
            client.process(place).GetProcess,
            process_pb2.GetProcessRequest(),
            timeout=_CALL_S,
            address=place,
        )
    except Failure as failure:
        return Visit(place, expected, trouble=failure.what, advice=failure.advice)
    took = time.perf_counter() - clock
    skew = answer.process.time.ToNanoseconds() / 1e9 - (began + took / 2)
    return Visit(place, expected, answer.process, skew_s=skew, doubt_s=took / 2)


def _ask_providers(client: Client, reached: set[str]) -> Providers:
    """Ask how the providers fare, of services that answered at all."""
    from trunkline.catalog.v1 import provider_pb2
    from trunkline.cli.diagnosis import Providers
    from trunkline.health.v1 import health_service_pb2

    found = Providers()
    if client.addresses["catalog"] in reached:
        try:
            found.providers = client.list_all(
                client.catalog.ListProviders,
                provider_pb2.ListProvidersRequest(),
                lambda page: page.providers,
            )
        except Failure as failure:
            found.troubles.append((failure.what, failure.advice))
    if client.addresses["health"] in reached:
        try:
            found.healths = client.list_all(
                client.health.ListHealth,
                health_service_pb2.ListHealthRequest(),
                lambda page: page.healths,
            )
        except Failure as failure:
            found.troubles.append((failure.what, failure.advice))
    return found


def _print(findings: list[Finding], wrong: int) -> None:
    """Print the findings, a line each, and what to do below those that need it."""
    for each in findings:
        say(f"{each.severity.upper():<8}{each.message}")
        if each.advice:
            say(f"{'':<8}{each.advice}")
    if wrong:
        note(f"{wrong} of {len(findings)} checks found something wrong.")
    else:
        note(f"{len(findings)} checks found nothing wrong.")


def _print_json(visits: list[Visit], findings: list[Finding]) -> None:
    """Print findings and what they are drawn from as one document."""
    print_json(
        {
            "findings": [
                {
                    "severity": str(each.severity),
                    "subject": each.subject,
                    "message": each.message,
                    "advice": each.advice,
                }
                for each in findings
            ],
            "processes": [
                {
                    "address": visit.address,
                    "process": to_json(visit.process) if visit.process is not None else None,
                }
                for visit in visits
            ],
        }
    )

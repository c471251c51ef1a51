"""What is wrong with a deployment, from what its processes say. Pure: nothing is asked here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from trunkline.cli.addresses import SERVICES

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from trunkline.catalog.v1.provider_pb2 import Provider
    from trunkline.health.v1.health_pb2 import ProviderHealth
    from trunkline.process.v1.process_pb2 import Certificate, Database, Process, View

# A lease is 5 s long, and a token or a trial may be as short.
MAX_CLOCK_SKEW_S: Final = 2.0
# A heartbeat comes each second.
MAX_VIEW_AGE_S: Final = 5.0
MAX_DATABASE_LATENCY_S: Final = 0.5
_RENEW_BEFORE: Final = timedelta(days=14)
_VIEWS: Final = {"access": "access tokens", "credentials": "keys", "catalog": "the catalog"}


class Severity(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        severity: how much it matters.
        subject: what was looked at, such as `certificate`.
        message: one sentence: how it is.
        advice: one sentence: what to do; empty when all is well.
    """

    severity: Severity
    subject: str
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of asking one address.

    Attributes:
        address: that was asked.
        expected: services that should be there.
        process: what it said; None: nothing.
        skew_s: how far its clock is ahead of ours, in seconds, give or take `doubt_s`.
        doubt_s: half of how long the answer took.
        trouble, advice: why it said nothing, and what to do.
    """

    address: str
    expected: tuple[str, ...]
    process: Process | None = None
    skew_s: float = 0.0
    doubt_s: float = 0.0
    trouble: str = ""
    advice: str = ""


@dataclass(slots=True)
class Providers:
    """What catalog and health say of providers; None: they could not be asked."""

    providers: Sequence[Provider] | None = None
    healths: Sequence[ProviderHealth] | None = None
    troubles: list[tuple[str, str]] = field(default_factory=list)


def diagnose(visits: Sequence[Visit], providers: Providers, now: datetime) -> list[Finding]:
    """Return what was found, in the order in which it was looked at.

    Args:
        visits: one for each address.
        providers: of the deployment.
        now: our time.
    """
    reached = [(visit, visit.process) for visit in visits if visit.process is not None]
    findings = [_judge_visit(visit) for visit in visits]
    findings += _judge_services([process for _, process in reached])
    findings += [_judge_clock(visit) for visit, _ in reached]
    for visit, process in reached:
        findings += [_judge_certificate(visit, each, now) for each in process.certificates]
    for _, process in reached:
        for database in process.databases:
            findings += _judge_database(database, process)
    for visit, process in reached:
        findings += [_judge_view(visit, each) for each in process.views]
    findings += _judge_providers(providers)
    return findings


def _judge_visit(visit: Visit) -> Finding:
    """Tell whether an address is served, and by what it should be."""
    if visit.process is None:
        return Finding(Severity.WRONG, "address", visit.trouble, visit.advice)
    served = ", ".join(visit.process.services)
    missing = [name for name in visit.expected if name not in visit.process.services]
    if missing:
        return Finding(
            Severity.WRONG,
            "address",
            f"{visit.address} serves {served}, and not {' and '.join(missing)}.",
            "Correct TRUNKLINE_ADDRESS: SERVICE=HOST:PORT for each service.",
        )
    return Finding(Severity.OK, "address", f"{visit.address} serves {served}.")


def _judge_services(processes: Sequence[Process]) -> Iterator[Finding]:
    """Tell whether the processes are of one release, and run each service."""
    counted = Counter(name for process in processes for name in process.services)
    for name in SERVICES:
        if processes and not counted[name]:
            yield Finding(
                Severity.WRONG,
                "service",
                f"No process that answered runs the {name} service.",
                f"Start it with `trunkline serve {name}`.",
            )
    versions = sorted({process.version for process in processes})
    if len(versions) > 1:
        yield Finding(
            Severity.WARNING,
            "version",
            f"The processes are of different releases: {', '.join(versions)}.",
            "Bring all of them to the newest; no release promises more than its neighbours.",
        )
    elif versions:
        yield Finding(Severity.OK, "version", f"Every process is of release {versions[0]}.")


def _judge_clock(visit: Visit) -> Finding:
    """Tell whether a process's clock is right by ours."""
    apart = abs(visit.skew_s) - visit.doubt_s
    if apart <= MAX_CLOCK_SKEW_S:
        return Finding(Severity.OK, "clock", f"The clock of {visit.address} agrees with ours.")
    where = "ahead of" if visit.skew_s > 0 else "behind"
    return Finding(
        Severity.WRONG,
        "clock",
        f"The clock of {visit.address} is {abs(visit.skew_s):.1f} s {where} this machine's.",
        "Run a time service such as chrony on both; tokens, certificates and leases depend on it.",
    )


def _judge_certificate(visit: Visit, certificate: Certificate, now: datetime) -> Finding:
    """Tell whether a certificate still holds, and for how long."""
    end = _moment(certificate.end_time)
    what = f"The {certificate.purpose} certificate {certificate.file} of {visit.address}"
    if certificate.message:
        return Finding(
            Severity.WRONG,
            "certificate",
            f"{what} is not what stands in its file: {certificate.message}",
            "Mend the files; they are taken without a restart.",
        )
    if end <= now:
        severity, until = Severity.WRONG, f"ended on {end:%Y-%m-%d %H:%M} UTC"
    elif end - now < min(_RENEW_BEFORE, (end - _moment(certificate.start_time)) / 4):
        severity, until = Severity.WARNING, f"ends on {end:%Y-%m-%d %H:%M} UTC"
    else:
        return Finding(Severity.OK, "certificate", f"{what} holds until {end:%Y-%m-%d}.")
    return Finding(
        severity,
        "certificate",
        f"{what} {until}.",
        "Renew it (`trunkline pki init` where that made it); it is taken without a restart.",
    )


def _judge_database(database: Database, process: Process) -> Iterator[Finding]:
    """Tell whether a database answers, in time and with the right clock."""
    what = f"The {database.kind} database of {database.service} ({database.location})"
    if not database.HasField("latency"):
        yield Finding(
            Severity.WRONG,
            "database",
            f"{what} does not answer: {database.message or 'no reason was given.'}",
            "Start it, or correct TRUNKLINE_DATABASE_URL; the service takes it up by itself.",
        )
        return
    took = database.latency.ToTimedelta().total_seconds()
    if took > MAX_DATABASE_LATENCY_S:
        yield Finding(
            Severity.WARNING,
            "database",
            f"{what} takes {took:.1f} s to answer.",
            "Look at its load, and at the disk it is on.",
        )
    else:
        yield Finding(Severity.OK, "database", f"{what} answers in {took * 1000:.0f} ms.")
    if database.HasField("time"):
        apart = abs((_moment(database.time) - _moment(process.time)).total_seconds())
        if apart > MAX_CLOCK_SKEW_S + took:
            yield Finding(
                Severity.WRONG,
                "clock",
                f"The clock of the database of {database.service} is {apart:.1f} s off that of"
                " the service.",
                "Run a time service such as chrony on both; leases depend on it.",
            )


def _judge_view(visit: Visit, view: View) -> Finding:
    """Tell whether a service hears of what it needs from another."""
    who = visit.address if view.service == "process" else view.service
    what = f"What {who} knows of {_VIEWS.get(view.name, view.name)}"
    advice = (
        f"Look whether the {view.peer} service runs, and whether {who} reaches it:"
        f" TRUNKLINE_{view.peer.upper()}_ADDRESS and the certificates of both."
    )
    if not view.HasField("age"):
        return Finding(Severity.WRONG, "view", f"{what} never came from {view.peer}.", advice)
    age = view.age.ToTimedelta().total_seconds()
    if view.HasField("max_age") and age > view.max_age.ToTimedelta().total_seconds():
        return Finding(
            Severity.WRONG,
            "view",
            f"{what} is {age:.0f} s old, too old to be trusted: new calls are refused.",
            advice,
        )
    if age > MAX_VIEW_AGE_S:
        return Finding(Severity.WRONG, "view", f"{what} is {age:.0f} s old.", advice)
    return Finding(Severity.OK, "view", f"{what} is up to date.")


def _judge_providers(providers: Providers) -> Iterator[Finding]:
    """Tell how the providers fare."""
    from trunkline.catalog.v1 import provider_pb2
    from trunkline.health.v1 import health_pb2

    for trouble, advice in providers.troubles:
        yield Finding(Severity.WRONG, "provider", trouble, advice)
    if providers.providers is None:
        return
    if not providers.providers:
        yield Finding(
            Severity.WARNING,
            "provider",
            "No provider is connected.",
            "Connect one with `trunkline connect`.",
        )
    healths = {health.provider: health for health in providers.healths or ()}
    for provider in providers.providers:
        if not provider.enabled:
            yield Finding(Severity.OK, "provider", f"{provider.name} is switched off.")
            continue
        if provider.state == provider_pb2.CONNECTION_STATE_NOT_CONNECTED:
            yield Finding(
                Severity.WARNING,
                "provider",
                f"{provider.name} has no key.",
                f"Save one with `trunkline connect {provider.name}`, or remove it with"
                f" `trunkline disconnect {provider.name}`.",
            )
            continue
        health = healths.get(provider.name)
        if health is None or health.status == health_pb2.ENDPOINT_STATUS_UNSPECIFIED:
            yield Finding(Severity.OK, "provider", f"{provider.name} was not asked yet.")
        elif health.message:
            unreachable = health.status == health_pb2.ENDPOINT_STATUS_UNREACHABLE
            yield Finding(
                Severity.WRONG,
                "provider",
                f"{provider.name}: {health.message}",
                "Look at its status page, and at what stands between it and the inference service."
                if unreachable
                else f"`trunkline connect {provider.name}` saves another key.",
            )
        else:
            yield Finding(Severity.OK, "provider", f"{provider.name} answers.")


def _moment(time: Timestamp) -> datetime:
    """Return a contract's time."""
    return time.ToDatetime(tzinfo=UTC)

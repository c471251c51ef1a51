"""What `trunkline doctor` concludes from what processes say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from trunkline.catalog.v1 import provider_pb2
from trunkline.cli.diagnosis import Finding, Providers, Severity, Visit, diagnose
from trunkline.health.v1 import health_pb2
from trunkline.kernel.clock import duration
from trunkline.process.v1 import process_pb2

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PLACE = "127.0.0.1:50051"
ALL = ("credential", "catalog", "health", "inference")


def healthy() -> process_pb2.Process:
    """Return a process at which nothing is wrong."""
    process = process_pb2.Process(version="0.1.0", services=ALL)
    process.time.FromDatetime(NOW)
    certificate = process.certificates.add(purpose="internal", file="/pki/internal.pem")
    certificate.start_time.FromDatetime(NOW - timedelta(days=10))
    certificate.end_time.FromDatetime(NOW + timedelta(days=80))
    process.databases.add(
        service="catalog", kind="postgresql", location="db:5432/catalog", latency=duration(0.002)
    ).time.FromDatetime(NOW)
    process.views.add(
        service="inference",
        name="credentials",
        peer="credential",
        age=duration(0.4),
        max_age=duration(30),
    )
    return process


def connected() -> Providers:
    """Return one provider that answers."""
    provider = provider_pb2.Provider(
        name="acme", enabled=True, state=provider_pb2.CONNECTION_STATE_VERIFIED
    )
    health = health_pb2.ProviderHealth(provider="acme", status=health_pb2.ENDPOINT_STATUS_OK)
    return Providers([provider], [health])


def examine(
    process: process_pb2.Process | None = None,
    providers: Providers | None = None,
    skew_s: float = 0.0,
) -> list[Finding]:
    """Return what is not well with a deployment of one process."""
    visit = Visit(PLACE, ALL, process or healthy(), skew_s=skew_s, doubt_s=0.01)
    findings = diagnose([visit], providers or connected(), NOW)
    return [each for each in findings if each.severity is not Severity.OK]


def test_nothing_is_said_against_what_is_well() -> None:
    """A healthy deployment has findings, none of which is wrong or has advice."""
    findings = diagnose([Visit(PLACE, ALL, healthy())], connected(), NOW)
    assert {each.subject for each in findings} == {
        "address",
        "version",
        "clock",
        "certificate",
        "database",
        "view",
        "provider",
    }
    assert all(each.severity is Severity.OK and not each.advice for each in findings)


def _end(days: float) -> Callable[[process_pb2.Process], None]:
    """Return what lets the certificate end in so many days."""

    def change(process: process_pb2.Process) -> None:
        process.certificates[0].end_time.FromDatetime(NOW + timedelta(days=days))

    return change


def _spoil_certificate(process: process_pb2.Process) -> None:
    process.certificates[0].message = "The private key is not that of the certificate."


def _silence_database(process: process_pb2.Process) -> None:
    process.databases[0].ClearField("latency")
    process.databases[0].message = "No answer came within 3 s."


def _slow_database(process: process_pb2.Process) -> None:
    process.databases[0].latency.CopyFrom(duration(0.8))


def _skew_database(process: process_pb2.Process) -> None:
    process.databases[0].time.FromDatetime(NOW + timedelta(seconds=9))


def _age_view(seconds: float) -> Callable[[process_pb2.Process], None]:
    """Return what lets the view grow old."""

    def change(process: process_pb2.Process) -> None:
        process.views[0].age.CopyFrom(duration(seconds))

    return change


def _lose_view(process: process_pb2.Process) -> None:
    process.views[0].ClearField("age")


def _lose_service(process: process_pb2.Process) -> None:
    del process.services[3]


@pytest.mark.parametrize(
    ("change", "severity", "message", "advice"),
    [
        (_end(-1), "wrong", "ended on 2026-11-19 12:00 UTC", "without a restart"),
        (_end(1), "warning", "ends on 2026-11-21 12:00 UTC", "pki init"),
        (_spoil_certificate, "wrong", "not what stands in its file", "Mend the files"),
        (_silence_database, "wrong", "does not answer: No answer came", "TRUNKLINE_DATABASE_URL"),
        (_slow_database, "warning", "takes 0.8 s", "load"),
        (_skew_database, "wrong", "9.0 s off", "chrony"),
        (_age_view(8), "wrong", "keys is 8 s old.", "TRUNKLINE_CREDENTIAL_ADDRESS"),
        (_age_view(31), "wrong", "too old to be trusted", "TRUNKLINE_CREDENTIAL_ADDRESS"),
        (_lose_view, "wrong", "keys never came from credential", "credential service runs"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(
    change: Callable[[process_pb2.Process], None], severity: str, message: str, advice: str
) -> None:
    """Each trouble of a process gives one finding, in sentences."""
    process = healthy()
    change(process)
    (finding,) = examine(process)
    assert finding.severity == severity
    assert message in finding.message
    assert advice in finding.advice
    assert finding.message.endswith(".")
    assert finding.advice.endswith(".")


def test_a_missing_service_is_named() -> None:
    """A service that nobody runs is told, and that the address should have had it."""
    process = healthy()
    _lose_service(process)
    address, service = examine(process)
    assert "and not inference" in address.message
    assert "trunkline serve inference" in service.advice


@pytest.mark.parametrize(("skew_s", "where"), [(5.0, "ahead of"), (-5.0, "behind")])
def test_a_wrong_clock_is_told(skew_s: float, where: str) -> None:
    """A clock beyond what a lease can bear is wrong, one within it is not."""
    (finding,) = examine(skew_s=skew_s)
    assert f"5.0 s {where}" in finding.message
    assert not examine(skew_s=skew_s / 3)


def test_different_releases_are_a_warning() -> None:
    """Half of a fleet that was brought to a new release is no fault, and is told."""
    other = healthy()
    other.version = "0.2.0"
    visits = [Visit(PLACE, ALL, healthy()), Visit("127.0.0.1:50052", ALL, other)]
    findings = [each for each in diagnose(visits, connected(), NOW) if each.subject == "version"]
    assert [(each.severity, "0.1.0, 0.2.0" in each.message) for each in findings] == [
        (Severity.WARNING, True)
    ]


def test_an_address_that_does_not_answer_is_wrong() -> None:
    """What the call failed with is what is said; nothing is concluded from its silence."""
    visit = Visit(PLACE, ALL, trouble="Nothing answers there.", advice="Start it.")
    findings = diagnose([visit], Providers(), NOW)
    assert findings == [Finding(Severity.WRONG, "address", "Nothing answers there.", "Start it.")]


@pytest.mark.parametrize(
    ("provider", "health", "severity", "message"),
    [
        (None, None, "warning", "No provider is connected."),
        ({"state": provider_pb2.CONNECTION_STATE_NOT_CONNECTED}, None, "warning", "no key"),
        (
            {},
            {
                "status": health_pb2.ENDPOINT_STATUS_UNREACHABLE,
                "message": "The provider cannot be reached.",
            },
            "wrong",
            "acme: The provider cannot be reached.",
        ),
        (
            {},
            {
                "status": health_pb2.ENDPOINT_STATUS_OK,
                "message": "The provider does not accept the key.",
            },
            "wrong",
            "does not accept the key",
        ),
    ],
)
def test_providers_that_do_not_fare_well_are_told(
    provider: dict[str, int] | None,
    health: dict[str, object] | None,
    severity: str,
    message: str,
) -> None:
    """Each state of a provider that keeps chats from it is one finding."""
    found = connected()
    if provider is None:
        found = Providers([], [])
    else:
        assert found.providers is not None
        assert found.healths is not None
        for name, value in provider.items():
            setattr(found.providers[0], name, value)
        for name, told in (health or {}).items():
            setattr(found.healths[0], name, told)
    (finding,) = examine(providers=found)
    assert finding.severity == severity
    assert message in finding.message
    assert finding.advice.endswith(".")


def test_a_provider_that_is_off_is_no_trouble() -> None:
    """What an operator switched off is not asked, and not missed."""
    found = connected()
    assert found.providers is not None
    found.providers[0].enabled = False
    assert not examine(providers=found)

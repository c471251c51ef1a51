"""`trunkline check`: a probe now, and what it found."""

from __future__ import annotations

import pytest

from integration.cli.child import Cli
from support.fake_suite import DEVELOPER_TOKEN, FakeSuite
from trunkline.health.v1 import health_pb2
from trunkline.inference.v1 import provider_pb2
from trunkline.kernel.clock import duration, timestamp
from trunkline.kernel.errors import Unavailable


@pytest.fixture
def checked(suite: FakeSuite) -> FakeSuite:
    """Have a fast, a slow and a silent provider, and one whose key is refused."""
    revoked = provider_pb2.Verification(
        verdict=provider_pb2.VERDICT_REVOKED, message="Make a new one."
    )
    suite.health.healths = [
        health_pb2.ProviderHealth(
            provider="fast",
            status=health_pb2.ENDPOINT_STATUS_OK,
            latency=duration(0.0421),
            uptime=0.99999,
        ),
        health_pb2.ProviderHealth(
            provider="slow",
            status=health_pb2.ENDPOINT_STATUS_DEGRADED,
            latency=duration(4.21),
            message="The provider takes long.",
            uptime=1,
        ),
        health_pb2.ProviderHealth(
            provider="silent",
            status=health_pb2.ENDPOINT_STATUS_UNREACHABLE,
            message="It does not \x1b[2Janswer.",
        ),
        health_pb2.ProviderHealth(
            provider="unpaid",
            status=health_pb2.ENDPOINT_STATUS_OK,
            latency=duration(1),
            message="The provider does not know the key.",
            credentials=[health_pb2.CredentialHealth(credential_id="cred_1", verification=revoked)],
            uptime=0.5,
        ),
    ]
    return suite


def test_all_are_probed_and_shown(cli: Cli, checked: FakeSuite) -> None:
    """One line each, and what is wrong below; 100 % is said of no day with a gap."""
    result = cli.run("check")
    assert result.code == 0
    header, *lines = (line.split("  ") for line in result.out.splitlines())
    assert [cell.strip() for cell in header if cell] == ["PROVIDER", "HEALTH", "UPTIME"]
    assert [[cell.strip() for cell in line if cell.strip()] for line in lines] == [
        ["fast", "ok, 0.042 s", "99.9 %"],
        ["slow", "degraded, 4.2 s", "100 %"],
        ["silent", "unreachable", "-"],
        ["unpaid", "ok, 1 s, key: revoked", "50 %"],
    ]
    assert result.err.splitlines() == [
        "slow: The provider takes long.",
        "silent: It does not [2Janswer.",
        "unpaid: The provider does not know the key.",
    ]
    (seen,) = [seen for seen in checked.seen if seen.method == "CheckNow"]
    assert seen.request.provider == ""
    assert seen.seconds_left is not None
    assert seen.seconds_left > 300


def test_one_is_probed_by_its_name(cli: Cli, checked: FakeSuite) -> None:
    """And its state is one document for programs."""
    result = cli.run("check", "fast", "--json")
    (health,) = result.document["healths"]
    assert (health["provider"], health["status"]) == ("fast", "ENDPOINT_STATUS_OK")
    assert [request.provider for request in checked.requests("CheckNow")] == ["fast"]


def test_of_more_than_a_hundred_the_rest_is_pointed_to(cli: Cli, suite: FakeSuite) -> None:
    """They were probed as well."""
    suite.health.healths = [
        health_pb2.ProviderHealth(provider=f"p{number}", check_time=timestamp(1))
        for number in range(103)
    ]
    result = cli.run("check")
    assert len(result.out.splitlines()) == 101
    assert result.err == "These are the first 100; `trunkline status` shows all.\n"


def test_without_a_provider_it_is_said_what_to_do(cli: Cli) -> None:
    """That is no failure."""
    result = cli.run("check")
    assert (result.code, result.out) == (0, "No provider is connected.\n")
    assert "trunkline connect" in result.err
    assert cli.run("check", "--json").document == {"healths": []}


def test_what_cannot_be_probed_fails(cli: Cli, checked: FakeSuite) -> None:
    """With what is wrong and what to do."""
    checked.faults["CheckNow"].append(
        Unavailable("PROBE_UNAVAILABLE", "fast could not be probed. Nobody answers.")
    )
    result = cli.run("check", "fast")
    result.assert_reads_well()
    assert "fast could not be probed." in result.err
    assert "inference service runs" in result.err
    result = cli.run("check", "nobody")
    result.assert_reads_well()
    assert "There is no provider nobody." in result.err
    error = cli.run("check", "nobody", "--json").error
    assert error["reason"] == "PROVIDER_NOT_FOUND"
    result = cli.run("check", env={"TRUNKLINE_TOKEN": DEVELOPER_TOKEN})
    result.assert_reads_well()
    assert "admin" in result.err

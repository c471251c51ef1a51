"""How a provider fares, in a few words for a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trunkline.cli.output import name_value

if TYPE_CHECKING:
    from trunkline.health.v1.health_pb2 import CredentialHealth, ProviderHealth

_SPANS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def name_health(health: ProviderHealth | None) -> str:
    """Return how a provider fares: its address with its latency, then the keys it refuses."""
    from trunkline.health.v1 import health_pb2

    if health is None or health.status == health_pb2.ENDPOINT_STATUS_UNSPECIFIED:
        return "not known"
    words = [name_value(health_pb2.EndpointStatus.Name(health.status), "ENDPOINT_STATUS_")]
    if health.HasField("latency"):
        words.append(f"{health.latency.ToMilliseconds() / 1000:.2g} s")
    words += filter(None, map(_name_trouble, health.credentials))
    return ", ".join(words)


def name_check(health: ProviderHealth | None, now: float) -> str:
    """Return how long ago a provider was probed; empty: never.

    Args:
        health: of the provider; None: it is not known.
        now: seconds since 1970.
    """
    if health is None or not health.HasField("check_time"):
        return ""
    # The clock here need not agree with the server's.
    age = max(0, int(now - health.check_time.seconds))
    for length, unit in _SPANS:
        if age >= length:
            return f"{age // length} {unit} ago"
    return "now"


def name_uptime(health: ProviderHealth) -> str:
    """Return the share of a day's probes that were answered; empty: there were none."""
    # Cut, not rounded: 100 % is said of no day with a gap in it.
    return f"{int(health.uptime * 1000) / 10:g} %" if health.HasField("uptime") else ""


def _name_trouble(key: CredentialHealth) -> str:
    """Return what is wrong with a key; empty: nothing is.

    What its use shows goes before what the last probe does.
    """
    from trunkline.inference.v1 import failure_pb2, provider_pb2

    if key.kind != failure_pb2.ERROR_KIND_UNSPECIFIED:
        return f"key: {name_value(failure_pb2.ErrorKind.Name(key.kind), 'ERROR_KIND_')}"
    verdict = key.verification.verdict
    # A key that chats may not be let see the list.
    is_barred = verdict == provider_pb2.VERDICT_WRONG_SCOPE and not key.HasField("kind_time")
    if is_barred or verdict in (provider_pb2.VERDICT_REVOKED, provider_pb2.VERDICT_BILLING):
        return f"key: {name_value(provider_pb2.Verdict.Name(verdict), 'VERDICT_')}"
    return ""

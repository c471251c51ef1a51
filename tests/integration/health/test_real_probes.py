"""Probes of the whole suite: health asks inference, and inference the provider."""

from __future__ import annotations

from support.deployment import Deployment, eventually
from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.inference.v1 import provider_pb2

OK = health_pb2.ENDPOINT_STATUS_OK
UNREACHABLE = health_pb2.ENDPOINT_STATUS_UNREACHABLE


async def _get(deployment: Deployment) -> health_pb2.ProviderHealth:
    """Return the sandbox's state as an administrator sees it."""
    request = health_service_pb2.GetHealthRequest(provider="sandbox")
    return (await deployment.health.GetHealth(request, metadata=deployment.admin)).health


async def _check(deployment: Deployment) -> health_pb2.ProviderHealth:
    """Probe the sandbox now."""
    request = health_service_pb2.CheckNowRequest(provider="sandbox")
    return (await deployment.health.CheckNow(request, metadata=deployment.admin)).healths[0]


async def test_a_provider_is_watched_over_from_its_connection_on() -> None:
    """Its key goes bad, then it goes away: both show before a chat finds out (K28)."""
    async with Deployment() as deployment:

        async def is_proven() -> bool:
            keys = (await _get(deployment)).credentials
            return bool(keys) and keys[0].verification.verdict == provider_pb2.VERDICT_VALID

        # Nobody asks for it; a chat has said that the key is accepted, and nothing of the list.
        await eventually(is_proven, limit_s=10)
        seen = await _get(deployment)
        assert (seen.status, seen.message) == (OK, "")
        assert 0 < seen.latency.ToNanoseconds() < 3 * 10**9

        good, deployment.sandbox.api_key = deployment.sandbox.api_key, "another-key"
        seen = await _check(deployment)
        assert (seen.status, seen.uptime) == (OK, 1)
        assert seen.message == "The provider does not know the key, or no longer."
        (key,) = seen.credentials
        assert key.verification.reply.http_status == 401
        assert "Incorrect API key" in key.verification.reply.message
        assert good not in str(seen)

        await deployment.sandbox.stop()
        seen = await _check(deployment)
        assert seen.status == UNREACHABLE
        assert seen.message == "The server refuses the connection."
        assert not seen.HasField("latency")

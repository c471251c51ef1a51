"""The peers of a service as small fakes: they tell what they are told, and record what they saw."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from trunkline.catalog.v1 import catalog_service_pb2_grpc, provider_pb2, watch_pb2
from trunkline.credential.v1 import credential_pb2, credential_service_pb2_grpc, resolve_pb2
from trunkline.health.v1 import health_pb2, health_service_pb2, health_service_pb2_grpc
from trunkline.inference.v1 import failure_pb2
from trunkline.inference.v1 import provider_pb2 as inference_pb2
from trunkline.inference.v1 import provider_pb2_grpc as inference_grpc
from trunkline.kernel.clock import duration, timestamp
from trunkline.kernel.errors import TrunklineError
from trunkline.kernel.status import to_grpc, to_status

VERIFIED = credential_pb2.CREDENTIAL_STATE_VERIFIED
UNVERIFIED = credential_pb2.CREDENTIAL_STATE_UNVERIFIED


class _Watched:
    """Sends a whole view again whenever it changes."""

    def __init__(self) -> None:
        self._revision = 1
        self._changed = asyncio.Event()

    def tell(self) -> None:
        """Let the readers see what changed."""
        self._revision += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def follow(self, response: type[Any], make_page: Callable[[], Any]) -> AsyncIterator[Any]:
        """Yield the view, and again after every change."""
        while True:
            changed = self._changed
            yield response(revision=self._revision, snapshot_page=make_page())
            yield response(revision=self._revision, snapshot_complete={})
            await changed.wait()


class FakeCredentials(credential_service_pb2_grpc.CredentialServiceServicer):
    """Tells which credentials there are."""

    def __init__(self) -> None:
        self._entries: dict[str, credential_pb2.Credential] = {}
        self._watched = _Watched()

    def put(
        self,
        provider: str,
        *,
        state: credential_pb2.CredentialState.ValueType = VERIFIED,
        version: int = 1,
        owner: str = "",
        base_url: str = "",
        update_time_ns: int = 0,
        kind: credential_pb2.CredentialKind.ValueType = credential_pb2.CREDENTIAL_KIND_API_KEY,
        label: str = "",
        rank: int = 0,
    ) -> str:
        """Save a credential, or a new version of it; return its id."""
        credential_id = f"cred_{provider.replace('-', '')}{owner}{label}"
        self._entries[credential_id] = credential_pb2.Credential(
            id=credential_id,
            provider=provider,
            owner=owner,
            state=state,
            version=version,
            base_url=base_url,
            update_time=timestamp(update_time_ns),
            kind=kind,
            scope=failure_pb2.CREDENTIAL_SCOPE_PERSONAL
            if owner
            else failure_pb2.CREDENTIAL_SCOPE_CENTRAL,
            label=label,
            rank=rank,
        )
        self._watched.tell()
        return credential_id

    def delete(self, provider: str) -> None:
        """Delete the credentials of a provider."""
        kept = {key: entry for key, entry in self._entries.items() if entry.provider != provider}
        self._entries = kept
        self._watched.tell()

    async def WatchCredentials(
        self, request: resolve_pb2.WatchCredentialsRequest, context: Any
    ) -> AsyncIterator[Any]:
        """Send all credentials, again after every change."""
        async for message in self._watched.follow(
            resolve_pb2.WatchCredentialsResponse,
            lambda: resolve_pb2.CredentialPage(credentials=self._entries.values()),
        ):
            yield message


class FakeCatalog(catalog_service_pb2_grpc.CatalogServiceServicer):
    """Tells which providers there are."""

    def __init__(self) -> None:
        self._providers: dict[str, provider_pb2.Provider] = {}
        self._watched = _Watched()

    def put(
        self, *names: str, enabled: bool = True, base_url: str = "", refresh_time_ns: int = 0
    ) -> None:
        """Make providers, or change them."""
        for name in names:
            self._providers[name] = provider_pb2.Provider(
                name=name,
                enabled=enabled,
                endpoint=provider_pb2.ProviderEndpoint(base_url=base_url),
                refresh_time=timestamp(refresh_time_ns),
            )
        self._watched.tell()

    def delete(self, name: str) -> None:
        """Delete a provider."""
        self._providers.pop(name, None)
        self._watched.tell()

    async def WatchCatalog(
        self, request: watch_pb2.WatchCatalogRequest, context: Any
    ) -> AsyncIterator[Any]:
        """Send all providers, again after every change."""
        async for message in self._watched.follow(
            watch_pb2.WatchCatalogResponse,
            lambda: watch_pb2.CatalogPage(
                providers=[self._providers[name] for name in sorted(self._providers)]
            ),
        ):
            yield message


class FakeHealth(health_service_pb2_grpc.HealthServiceServicer):
    """Tells which routes cool."""

    def __init__(self) -> None:
        self._cooldowns: list[health_pb2.Cooldown] = []
        self._watched = _Watched()

    def cool(self, *cooldowns: health_pb2.Cooldown) -> None:
        """Have these cooldowns and no others."""
        self._cooldowns = list(cooldowns)
        self._watched.tell()

    async def WatchHealth(
        self, request: health_service_pb2.WatchHealthRequest, context: Any
    ) -> AsyncIterator[Any]:
        """Send all cooldowns, again after every change."""
        async for message in self._watched.follow(
            health_service_pb2.WatchHealthResponse,
            lambda: health_service_pb2.HealthPage(cooldowns=self._cooldowns),
        ):
            yield message


class FakeInference(inference_grpc.ProviderServiceServicer):
    """Answers probes as it is told, and records them.

    Attributes:
        requests: every probe, in order.
        lists: what is answered, one after the other; the last one again and again.
        verification: goes with every list.
        latency_s: goes with every list; None: none does.
        answers: by provider, what is answered instead of all that.
        failures: errors that it answers first, each once.
        gate: probes wait for it.
        most_at_once: how many probes were under way at one moment.
    """

    def __init__(self) -> None:
        self.requests: list[inference_pb2.ProbeProviderRequest] = []
        self.lists: list[list[inference_pb2.DiscoveredModel]] = [[]]
        self.verification = inference_pb2.Verification(verdict=inference_pb2.VERDICT_VALID)
        self.latency_s: float | None = None
        self.answers: dict[str, inference_pb2.ProbeProviderResponse] = {}
        self.failures: list[TrunklineError] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.most_at_once = 0
        self._at_once = 0

    def answer(self, *models: str | inference_pb2.DiscoveredModel) -> None:
        """List these models from now on."""
        self.verification = inference_pb2.Verification(verdict=inference_pb2.VERDICT_VALID)
        self.lists = [
            [
                inference_pb2.DiscoveredModel(id=model) if isinstance(model, str) else model
                for model in models
            ]
        ]

    def refuse(self, verdict: inference_pb2.Verdict.ValueType, message: str = "") -> None:
        """List nothing from now on, with this verdict."""
        self.verification = inference_pb2.Verification(verdict=verdict, message=message)
        self.lists = [[]]

    async def ProbeProvider(
        self, request: inference_pb2.ProbeProviderRequest, context: Any
    ) -> inference_pb2.ProbeProviderResponse:
        """Record the probe and answer."""
        self.requests.append(request)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await self.gate.wait()
        finally:
            self._at_once -= 1
        if self.failures:
            error = self.failures.pop(0)
            status = to_status(error, domain="trunkline.inference", request_id="req_fake")
            await context.abort_with_status(to_grpc(status))
        if request.name in self.answers:
            return self.answers[request.name]
        models = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        return inference_pb2.ProbeProviderResponse(
            verification=self.verification,
            latency=duration(self.latency_s) if self.latency_s is not None else None,
            models=models,
            model_count=len(models),
        )

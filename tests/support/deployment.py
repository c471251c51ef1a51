"""The whole suite for real: four services in this process, and the sandbox as their provider."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Self, TypeVar

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from support.canary import MARK, find_leaks
from support.chats import ask, duration, failure_of
from trunkline.catalog.v1 import catalog_service_pb2_grpc, model_pb2, provider_pb2
from trunkline.credential.v1 import (
    access_pb2,
    access_pb2_grpc,
    credential_service_pb2_grpc,
    save_pb2,
)
from trunkline.health.v1 import health_service_pb2_grpc
from trunkline.inference.v1 import inference_service_pb2_grpc, run_pb2
from trunkline.inference.v1.provider_pb2 import AwsKeys
from trunkline.kernel.settings import Source
from trunkline.options.v1 import options_pb2
from trunkline.sandbox.models import list_names
from trunkline.sandbox.server import Sandbox
from trunkline.sandbox.sightings import Sighting, Sightings
from trunkline.suite import SERVICES, Suite

ADMIN = options_pb2.CALLER_ROLE_ADMIN
DEVELOPER = options_pb2.CALLER_ROLE_DEVELOPER
PROVIDER = "sandbox"

T = TypeVar("T")
Metadata = tuple[tuple[str, str], ...]

_LIMIT_S = 10.0
_PRINCIPALS = itertools.count(1)


# What tests set of every deployment; they fail on purpose more often than providers do.
TESTED_WITH: dict[str, object] = {"os_keyring": "never", "retry_budget": 1_000}


@dataclass(frozen=True, slots=True)
class Token:
    """An access token that holds.

    Attributes:
        id: `tok_…`.
        principal: whose it is.
        metadata: of a call that is made with it.
    """

    id: str
    principal: str
    metadata: Metadata = field(repr=False)


class _Asked(Sightings):
    """The requests that somebody made, and not the lists that health reads by its timer."""

    def record(self, sighting: Sighting) -> None:
        """Keep a request, if it is not for a list."""
        if sighting.method != "GET":
            super().record(sighting)


class Stubs:
    """The public services, called over one channel.

    Args:
        address: of a public listener.
    """

    def __init__(self, address: str) -> None:
        # No options: a default client is what has to do.
        self.channel = grpc.aio.insecure_channel(address)
        self.inference = inference_service_pb2_grpc.InferenceServiceStub(self.channel)
        self.catalog = catalog_service_pb2_grpc.CatalogServiceStub(self.channel)
        self.credentials = credential_service_pb2_grpc.CredentialServiceStub(self.channel)
        self.access = access_pb2_grpc.AccessServiceStub(self.channel)
        self.health = health_service_pb2_grpc.HealthServiceStub(self.channel)

    async def close(self) -> None:
        """Close the channel."""
        await self.channel.close()


class Deployment:
    """A deployment in directories of its own, which outlive its restarts.

    Args:
        connected: whether the sandbox is connected as a provider before it is entered.
        models: models to have beside those that the sandbox lists, as it calls them.
        time_scale: factor of the sandbox's pauses.
        settings: of the services, over their defaults.

    Attributes:
        root: holds the directories `data` and `config`.
        sandbox: the provider; it outlives restarts of the suite.
        suite: the one that runs.
    """

    def __init__(
        self,
        *,
        connected: bool = True,
        models: Iterable[str] = (),
        time_scale: float = 0.1,
        **settings: object,
    ) -> None:
        # A unix socket's path is at most some 100 bytes long, which a test's directory may be.
        self.root = Path(tempfile.mkdtemp(prefix="tl-"))
        self.sandbox = Sandbox(time_scale=time_scale, api_key=f"{MARK}-sandbox")
        self.sandbox.seen = _Asked()
        self._connected = connected
        self._models = tuple(models)
        self._settings = settings
        self.suite: Suite
        self._stubs: Stubs

    async def __aenter__(self) -> Self:
        """Start, and connect the sandbox."""
        try:
            await self.sandbox.start()
            await self.start()
            if self._connected:
                await self.connect(self.sandbox.base_url, self.sandbox.api_key, self._models)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, and remove the directories."""
        await self.close()

    @property
    def source(self) -> Source:
        """The settings; the machine's own environment and files have no part in them."""
        overrides = {
            "data_dir": self.root / "data",
            "config_dir": self.root / "config",
            "listen": "127.0.0.1:0",
            **TESTED_WITH,
            **self._settings,
        }
        return Source(environment={}, file={}, file_path=None, overrides=overrides)

    @property
    def admin(self) -> Metadata:
        """The metadata of a call that is made with the first admin token."""
        return bearer((self.root / "config" / "admin-token").read_text().strip())

    @property
    def channel(self) -> grpc.aio.Channel:
        """The channel of a default client to the public listener."""
        return self._stubs.channel

    @property
    def inference(self) -> inference_service_pb2_grpc.InferenceServiceAsyncStub:
        """Runs, on the public listener."""
        return self._stubs.inference

    @property
    def catalog(self) -> catalog_service_pb2_grpc.CatalogServiceAsyncStub:
        """Providers and models, on the public listener."""
        return self._stubs.catalog

    @property
    def credentials(self) -> credential_service_pb2_grpc.CredentialServiceAsyncStub:
        """Keys, on the public listener."""
        return self._stubs.credentials

    @property
    def access(self) -> access_pb2_grpc.AccessServiceAsyncStub:
        """Access tokens, on the public listener."""
        return self._stubs.access

    @property
    def health(self) -> health_service_pb2_grpc.HealthServiceAsyncStub:
        """The state of providers, on the public listener."""
        return self._stubs.health

    def open_stubs(self) -> Stubs:
        """Return the services as another client calls them, on a connection of its own."""
        return Stubs(self.suite.address)

    async def start(self, *names: str) -> None:
        """Start the suite, or some of its services."""
        suite = Suite(self.source, names or tuple(SERVICES))
        await suite.start()
        self.suite = suite
        self._stubs = self.open_stubs()

    async def stop(self) -> None:
        """Stop the suite at once; the directories and the sandbox stay."""
        if hasattr(self, "_stubs"):
            await self._stubs.close()
            await self.suite.stop(0.0)
            del self._stubs

    async def close(self) -> None:
        """Stop everything, and remove the directories."""
        await self.stop()
        await self.sandbox.stop()
        leaks = list(find_leaks(self.root))
        shutil.rmtree(self.root)
        assert not leaks, leaks

    async def connect(
        self,
        base_url: str,
        api_key: str,
        models: Iterable[str] = (),
        *,
        name: str = PROVIDER,
        kind: str = "",
        wire_format: str = "",
        streaming: bool = True,
        headers: Mapping[str, str] = MappingProxyType({}),
        organization: str = "",
        project: str = "",
        aws_keys: AwsKeys | None = None,
    ) -> None:
        """Connect a provider as anybody would, and wait until chats can ask it.

        Args:
            base_url: where it is.
            api_key: its key; empty: it takes none.
            models: named by hand, as the provider calls them.
            name: of the provider.
            kind: its type; empty: `sandbox` when it is named so, else `openai-compatible`.
            wire_format: that it speaks; empty: its type's.
            streaming: whether it is asked for streams.
            headers: of every request to it.
            organization, project: what the key belongs to; empty: nothing.
            aws_keys: that sign, instead of a key.
        """
        kind = kind or ("sandbox" if name == PROVIDER else "openai-compatible")
        endpoint = provider_pb2.ProviderEndpoint(
            base_url=base_url, format=wire_format, streaming=streaming, headers=headers
        )
        provider = provider_pb2.Provider(name=name, type=kind, endpoint=endpoint)
        await self.catalog.CreateProvider(
            provider_pb2.CreateProviderRequest(provider=provider, models=models),
            metadata=self.admin,
        )

        def save() -> Awaitable[object]:
            if not api_key and aws_keys is None:
                local = save_pb2.SaveLocalEndpointRequest(provider=name)
                return self.credentials.SaveLocalEndpoint(local, metadata=self.admin)
            key = save_pb2.SaveApiKeyRequest(
                provider=name, organization=organization, project=project
            )
            if aws_keys is None:
                key.api_key = api_key
            else:
                key.aws_keys.CopyFrom(aws_keys)
            return self.credentials.SaveApiKey(key, metadata=self.admin)

        # Each service learns a moment later what another one owns.
        await patiently(save, "PROVIDER_NOT_FOUND")
        # A list is merged in the order of names: when the last one is known, all are.
        last = max(list_names() if kind.startswith("sandbox") else models)

        async def is_known() -> bool:
            try:
                await self.inference.Chat(ask(f"{name}/{last}"), metadata=self.admin)
            except grpc.aio.AioRpcError as error:
                return failure_of(error).reason not in ("MODEL_NOT_FOUND", "NO_CREDENTIAL")
            return True

        await eventually(is_known)
        self.sandbox.seen.clear()

    async def know_to_prefill(self, name: str) -> None:
        """Say of a model (`provider/model`) that it goes on from a partial answer."""
        model = model_pb2.Model(name=name)
        model.facts.prefill.value = True
        request = model_pb2.UpdateModelRequest(
            model=model, update_mask=FieldMask(paths=["facts.prefill"])
        )
        await self.catalog.UpdateModel(request, metadata=self.admin)

    async def issue(
        self,
        principal: str = "",
        role: options_pb2.CallerRole.ValueType = DEVELOPER,
        *,
        impersonate: bool = False,
        providers: Iterable[str] = (),
        models: Iterable[str] = (),
        lifetime_s: float = 0.0,
    ) -> Token:
        """Issue an access token, and wait until it holds.

        Args:
            principal: whose it is; empty: somebody new.
            role: of the principal.
            impersonate: it may name users in `on_behalf_of`.
            providers: that it reaches; none: all.
            models: that it reaches; none: all.
            lifetime_s: how long it holds; 0: until it is revoked.
        """
        request = access_pb2.IssueAccessTokenRequest(
            principal=principal or f"service-{next(_PRINCIPALS)}",
            role=role,
            scope=access_pb2.AccessScope(
                impersonate=impersonate, providers=providers, models=models
            ),
        )
        if lifetime_s:
            request.lifetime.CopyFrom(duration(lifetime_s))
        issued = await self.access.IssueAccessToken(request, metadata=self.admin)
        token = Token(issued.access_token.id, request.principal, bearer(issued.token))
        await patiently(
            lambda: self.inference.ListRuns(run_pb2.ListRunsRequest(), metadata=token.metadata),
            "TOKEN_INVALID",
        )
        return token

    async def revoke(self, token: Token) -> None:
        """Revoke an access token, and wait until it holds no more."""
        await self.access.RevokeAccessToken(
            access_pb2.RevokeAccessTokenRequest(id=token.id), metadata=self.admin
        )

        async def is_refused() -> bool:
            try:
                await self.inference.ListRuns(run_pb2.ListRunsRequest(), metadata=token.metadata)
            except grpc.aio.AioRpcError as error:
                return failure_of(error).reason == "TOKEN_INVALID"
            return False

        await eventually(is_refused)

    async def run(self, run_id: str) -> run_pb2.Run:
        """Return how a run stands, as an ADMIN sees it."""
        request = run_pb2.GetRunRequest(run_id=run_id)
        return (await self.inference.GetRun(request, metadata=self.admin)).run

    async def cancel(self, run_id: str) -> run_pb2.Run:
        """End a run as an ADMIN does, and return how it stands."""
        request = run_pb2.CancelChatRequest(run_id=run_id)
        return (await self.inference.CancelChat(request, metadata=self.admin)).run


def bearer(token: str) -> Metadata:
    """Return the metadata of a call that is made with an access token."""
    return (("authorization", f"Bearer {token}"),)


async def patiently(call: Callable[[], Awaitable[T]], *passing: str) -> T:
    """Call until it is refused no more for a reason that passes, and return the answer.

    Args:
        call: makes the call.
        passing: reasons that pass by themselves.

    Raises:
        TimeoutError: they did not in time.
        AioRpcError: it is refused for another reason.
    """
    async with asyncio.timeout(_LIMIT_S):
        while True:
            try:
                return await call()
            except grpc.aio.AioRpcError as error:
                if failure_of(error).reason not in passing:
                    raise
            await asyncio.sleep(0.005)


async def eventually(condition: Callable[[], bool | Awaitable[bool]], limit_s: float = 5.0) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: it did not come true in time.
    """
    async with asyncio.timeout(limit_s):
        while True:
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return
            # What is waited for lies behind a socket: nothing here could wake us.
            await asyncio.sleep(0.005)

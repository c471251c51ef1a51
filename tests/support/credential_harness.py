"""The credential service for real: its listeners on sockets, its peers as small fakes."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from support.stores import Store
from trunkline.catalog.v1 import catalog_service_pb2_grpc, watch_pb2
from trunkline.catalog.v1 import provider_pb2 as catalog_provider_pb2
from trunkline.credential.app import CredentialService
from trunkline.credential.v1 import (
    access_pb2,
    access_pb2_grpc,
    credential_pb2,
    credential_service_pb2_grpc,
    resolve_pb2,
    save_pb2,
)
from trunkline.inference.v1 import provider_pb2, provider_pb2_grpc
from trunkline.kernel.call import Caller
from trunkline.kernel.channel import connect
from trunkline.kernel.errors import TrunklineError, Unauthenticated
from trunkline.kernel.interceptor import Interceptor, known_as
from trunkline.kernel.server import Listener, prepare_socket, stop_all
from trunkline.kernel.service import Surroundings
from trunkline.kernel.settings import ProcessSettings, Source
from trunkline.kernel.status import find_detail, read_status, to_grpc, to_status
from trunkline.options.v1 import options_pb2
from trunkline.views.access import AccessView

BEDROCK = "https://bedrock-runtime.us-east-1.amazonaws.com"
KEY = "sk-canary-6hQ0+/tv?9"
PEERS = ("catalog", "health", "inference")
NO_OS_KEYRING = {"TRUNKLINE_OS_KEYRING": "never"}

Metadata = tuple[tuple[str, str], ...]


class TurnableClock:
    """The machine's clocks, with a wall that a test can turn forward."""

    def __init__(self) -> None:
        self._ahead_ns = 0

    def turn(self, seconds: float) -> None:
        """Let the wall's clock jump ahead."""
        self._ahead_ns += int(seconds * 1_000_000_000)

    def time_ns(self) -> int:
        """Return nanoseconds since 1970, as turned."""
        return time.time_ns() + self._ahead_ns

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        return time.monotonic()


class FakeCatalog(catalog_service_pb2_grpc.CatalogServiceServicer):
    """Tells which providers there are."""

    def __init__(self) -> None:
        # Address and format by name.
        self._providers: dict[str, tuple[str, str]] = {}
        self._revision = 1
        self._changed = asyncio.Event()

    def put(self, name: str, base_url: str, wire_format: str = "openai") -> None:
        """Make a provider, or give it another address."""
        self._providers[name] = (base_url, wire_format)
        self._revision += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def WatchCatalog(
        self, request: watch_pb2.WatchCatalogRequest, context: Any
    ) -> AsyncIterator[watch_pb2.WatchCatalogResponse]:
        """Send all providers, again after every change."""
        while True:
            changed = self._changed
            page = watch_pb2.CatalogPage(
                providers=[
                    catalog_provider_pb2.Provider(
                        name=name,
                        endpoint=catalog_provider_pb2.ProviderEndpoint(
                            base_url=base_url, format=wire_format
                        ),
                    )
                    for name, (base_url, wire_format) in self._providers.items()
                ]
            )
            yield watch_pb2.WatchCatalogResponse(revision=self._revision, snapshot_page=page)
            yield watch_pb2.WatchCatalogResponse(
                revision=self._revision, snapshot_complete=watch_pb2.SnapshotComplete()
            )
            await changed.wait()


class FakeInference(provider_pb2_grpc.ProviderServiceServicer):
    """Answers probes as it is told, and records them.

    Attributes:
        requests: every probe, in order.
        verification: what it answers.
        failures: errors that it answers first, each once.
        gate: probes wait for it.
    """

    def __init__(self) -> None:
        self.requests: list[provider_pb2.ProbeProviderRequest] = []
        self.verification = provider_pb2.Verification(verdict=provider_pb2.VERDICT_VALID)
        self.failures: list[TrunklineError] = []
        self.gate = asyncio.Event()
        self.gate.set()

    def answer(
        self, verdict: provider_pb2.Verdict.ValueType, http_status: int = 0, words: str = ""
    ) -> None:
        """Set the verdict of the next probes."""
        self.verification = provider_pb2.Verification(
            verdict=verdict, message="Look at the provider's console."
        )
        if http_status or words:
            self.verification.reply.http_status = http_status
            self.verification.reply.message = words

    async def ProbeProvider(
        self, request: provider_pb2.ProbeProviderRequest, context: Any
    ) -> provider_pb2.ProbeProviderResponse:
        """Record the probe and answer."""
        self.requests.append(request)
        await self.gate.wait()
        if self.failures:
            error = self.failures.pop(0)
            status = to_status(error, domain="trunkline.inference", request_id="req_fake")
            await context.abort_with_status(to_grpc(status))
        return provider_pb2.ProbeProviderResponse(verification=self.verification)


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a call failed.

    Attributes:
        code: its gRPC status.
        message: its sentence.
        reason: of its ErrorInfo.
        metadata: of its ErrorInfo, without the request id.
        status: the whole.
    """

    code: grpc.StatusCode
    message: str
    reason: str
    metadata: dict[str, str]
    status: status_pb2.Status

    def detail(self, into: Any) -> Any:
        """Return the first detail of a message's type; None: there is none."""
        return find_detail(self.status.details, into)


async def refused(call: Awaitable[Any]) -> Refusal:
    """Return how a call fails; it must."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status = read_status(caught.value)
    assert status is not None, f"no rich status: {caught.value!r}"
    info = find_detail(status.details, error_details_pb2.ErrorInfo())
    assert info is not None
    assert info.domain == "trunkline.credential"
    metadata = dict(info.metadata)
    assert metadata.pop("request_id")
    return Refusal(caught.value.code(), status.message, info.reason, metadata, status)


async def eventually(condition: Callable[[], bool], limit_s: float = 5.0) -> None:
    """Wait for a condition, and fail when it does not come true in time."""
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.005)


def bearer(token: str) -> Metadata:
    """Return the metadata of a call that is made with a token."""
    return (("authorization", f"Bearer {token}"),)


class CredentialHarness:
    """One credential service in directories of its own, which outlive its restarts.

    Args:
        root: an empty directory.
        environment: its settings.
        url: of its PostgreSQL database; empty: SQLite in the directory.

    Attributes:
        data_dir: holds the database, for SQLite.
        store: its database.
        config_dir: holds the keys and the first admin token.
        clock: of the service.
        catalog: the peer.
        inference: the peer.
        service: the one that runs.
        view: of access tokens, by which the public listener checks them.
        credentials: a stub on the public listener.
        access: a stub on the public listener.
        peer_credentials: by peer, a stub on its internal listener.
        peer_access: by peer, a stub on its internal listener.
    """

    def __init__(
        self, root: Path, environment: Mapping[str, str] = NO_OS_KEYRING, url: str = ""
    ) -> None:
        self.data_dir = root / "data"
        self.config_dir = root / "config"
        self.environment = dict(environment)
        self.store = Store("credential", self.data_dir, url)
        self.clock = TurnableClock()
        self.catalog = FakeCatalog()  # type: ignore[abstract] # abstract for the checker only
        self.catalog.put("openai", "https://api.openai.com/v1")
        self.catalog.put("groq", "https://api.groq.com/openai/v1")
        self.catalog.put("bedrock", BEDROCK, "bedrock")
        self.catalog.put("ollama", "http://localhost:11434/v1")
        self.inference = FakeInference()
        # A unix socket's path is at most some 100 bytes long, which a test's directory may be.
        self._sockets = Path(tempfile.mkdtemp(prefix="tl-"))
        self._stack = contextlib.AsyncExitStack()
        self._peers = contextlib.AsyncExitStack()

    @property
    def admin(self) -> Metadata:
        """The metadata of a call made with the first admin token."""
        return bearer((self.config_dir / "admin-token").read_text().strip())

    def surroundings(self) -> Surroundings:
        """Return what a process would give to the service."""
        return Surroundings(
            ProcessSettings(data_dir=self.data_dir, config_dir=self.config_dir),
            Source({**self.environment, **self.store.variables}, {}, None, {}),
            self.clock,
            self._channel,
            lambda principal: True,
        )

    async def start_peers(self, *names: str) -> None:
        """Start the fake peers; none named: both."""
        for name in names or ("catalog", "inference"):
            server = grpc.aio.server()
            if name == "catalog":
                catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server(self.catalog, server)
            else:
                provider_pb2_grpc.add_ProviderServiceServicer_to_server(self.inference, server)
            server.add_insecure_port(prepare_socket(self._sockets / name))
            await server.start()
            self._peers.push_async_callback(server.stop, None)

    async def start(self) -> None:
        """Start the service behind its listeners, and wait until its tokens are known."""
        stack = self._stack
        self.service = CredentialService(self.surroundings())
        await self.service.open()
        stack.push_async_callback(self.service.close)
        self.peer_credentials: dict[str, credential_service_pb2_grpc.CredentialServiceAsyncStub]
        self.peer_credentials = {}
        self.peer_access: dict[str, access_pb2_grpc.AccessServiceAsyncStub] = {}
        listeners = []
        for peer in PEERS:
            identity = Caller(options_pb2.CALLER_ROLE_SERVICE, peer)
            listener = await self._listen(
                Interceptor(identify=known_as(identity)),
                prepare_socket(self._sockets / f"from-{peer}"),
            )
            listeners.append(listener)
            channel = self._channel(f"from-{peer}")
            self.peer_credentials[peer] = credential_service_pb2_grpc.CredentialServiceStub(channel)
            self.peer_access[peer] = access_pb2_grpc.AccessServiceStub(channel)
        self.view = view = AccessView(self._channel("from-health"), self.clock, max_staleness_s=30)
        public = await self._listen(Interceptor(authenticator=view), "127.0.0.1:0")
        view.on_end(lambda token_id, _: public.interceptor.end_calls_of(token_id))
        stack.push_async_callback(stop_all, [*listeners, public], 0)
        for work in (self.service.run(), view.follower.run()):
            stack.push_async_callback(_cancel, asyncio.create_task(work))
        channel = grpc.aio.insecure_channel(public.address)
        stack.push_async_callback(channel.close)
        self.credentials = credential_service_pb2_grpc.CredentialServiceStub(channel)
        self.access = access_pb2_grpc.AccessServiceStub(channel)
        await view.follower.wait_ready()

    async def stop(self) -> None:
        """Stop the service; its directories stay."""
        await self._stack.aclose()

    async def restart(self) -> None:
        """Stop the service and start it again on the same directories."""
        await self.stop()
        await self.start()

    async def close(self) -> None:
        """Stop everything."""
        await self.stop()
        await self._peers.aclose()
        shutil.rmtree(self._sockets)

    async def save(
        self, provider: str = "openai", key: str = KEY, *, label: str = "", rank: int = 0
    ) -> credential_pb2.Credential:
        """Save a key by the public listener, as admin."""
        response = await self.credentials.SaveApiKey(
            save_pb2.SaveApiKeyRequest(provider=provider, api_key=key, label=label, rank=rank),
            metadata=self.admin,
        )
        return response.credential

    async def resolve(
        self, provider: str = "openai", origin: str = "https://api.openai.com:443", **fields: str
    ) -> resolve_pb2.ResolveCredentialResponse:
        """Resolve a credential as inference."""
        return await self.peer_credentials["inference"].ResolveCredential(
            resolve_pb2.ResolveCredentialRequest(provider=provider, origin=origin, **fields)
        )

    async def content_key(
        self, key_id: str = "", purpose: str = "journal"
    ) -> resolve_pb2.GetContentKeyResponse:
        """Ask for a content key as inference."""
        return await self.peer_credentials["inference"].GetContentKey(
            resolve_pb2.GetContentKeyRequest(purpose=purpose, key_id=key_id)
        )

    async def issue(
        self, principal: str, role: options_pb2.CallerRole.ValueType, **fields: Any
    ) -> access_pb2.IssueAccessTokenResponse:
        """Issue a token as admin, and wait until the public listener knows it."""
        response = await self.access.IssueAccessToken(
            access_pb2.IssueAccessTokenRequest(principal=principal, role=role, **fields),
            metadata=self.admin,
        )
        async with asyncio.timeout(5):
            while not await self.admits(response.token):
                await asyncio.sleep(0.002)
        return response

    async def revoke(
        self, token_id: str, metadata: Metadata | None = None
    ) -> access_pb2.AccessToken:
        """Revoke a token, as the first admin unless told otherwise."""
        response = await self.access.RevokeAccessToken(
            access_pb2.RevokeAccessTokenRequest(id=token_id), metadata=metadata or self.admin
        )
        return response.access_token

    async def tokens(
        self, metadata: Metadata | None = None, **fields: Any
    ) -> list[access_pb2.AccessToken]:
        """List tokens, as the first admin unless told otherwise."""
        response = await self.access.ListAccessTokens(
            access_pb2.ListAccessTokensRequest(**fields), metadata=metadata or self.admin
        )
        return list(response.access_tokens)

    async def admits(self, token: str) -> bool:
        """Tell whether the public listener lets a token in."""
        try:
            await self.view.authenticate(token)
        except Unauthenticated:
            return False
        return True

    async def saved(self) -> list[credential_pb2.Credential]:
        """List the credentials as admin."""
        response = await self.credentials.ListCredentials(
            save_pb2.ListCredentialsRequest(), metadata=self.admin
        )
        return list(response.credentials)

    async def _listen(self, interceptor: Interceptor, address: str) -> Listener:
        listener = Listener(
            interceptor, internal=address.startswith("unix:"), max_message_bytes=64 * 1024 * 1024
        )
        listener.add(self.service.registrations())
        await listener.start(address)
        return listener

    def _channel(self, name: str) -> grpc.aio.Channel:
        channel = connect(self._sockets / name)
        self._stack.push_async_callback(channel.close)
        return channel


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

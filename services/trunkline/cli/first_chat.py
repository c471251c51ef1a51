"""The sandbox provider of a fresh deployment: so that the first chat needs no key and no network.

It is connected as anybody would connect a provider, over public RPCs and with the admin
token, and leaves when the first real provider is verified.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any
from urllib.parse import urlsplit

import grpc

from trunkline.catalog.v1 import (
    catalog_service_pb2_grpc,
    provider_pb2,
    watch_pb2,
)
from trunkline.credential.v1 import credential_service_pb2_grpc, save_pb2
from trunkline.kernel.log import get_logger
from trunkline.sandbox.server import Sandbox

log = get_logger("trunkline.sandbox")

PROVIDER = "sandbox"
_TYPE = "sandbox"
_TIMEOUT_S = 10.0
_RETRY_S = 1.0


class FirstChat:
    """Hosts the sandbox and its provider for as long as they are needed.

    Args:
        channel: to the public listener.
        token: an ADMIN's.
    """

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self._catalog = catalog_service_pb2_grpc.CatalogServiceStub(channel)
        self._credentials = credential_service_pb2_grpc.CredentialServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._sandbox: Sandbox | None = None

    async def start(self, *, fresh: bool) -> None:
        """Serve the sandbox when its provider exists, or connect it on a fresh deployment."""
        provider = await self._provider()
        if provider is None and not fresh:
            return
        port = urlsplit(provider.endpoint.base_url).port or 0 if provider is not None else 0
        self._sandbox = await _listen(port)
        address = self._sandbox.base_url
        if provider is None:
            await self._call(
                self._catalog.CreateProvider,
                provider_pb2.CreateProviderRequest(
                    provider=provider_pb2.Provider(
                        name=PROVIDER,
                        type=_TYPE,
                        endpoint=provider_pb2.ProviderEndpoint(base_url=address),
                    )
                ),
            )
        elif provider.endpoint.base_url != address:
            await self._call(
                self._catalog.UpdateProvider,
                provider_pb2.UpdateProviderRequest(
                    provider=provider_pb2.Provider(
                        name=PROVIDER, endpoint=provider_pb2.ProviderEndpoint(base_url=address)
                    )
                ),
            )
        else:
            return
        await self._save_key()
        await self._await_connected()

    async def leave_when_real(self) -> None:
        """Remove the sandbox when the first real provider is verified; else wait for ever."""
        while self._sandbox is not None:
            try:
                await self._await_real_provider()
                await self._leave()
            except grpc.aio.AioRpcError as error:
                log.debug("sandbox_watch_broke", code=error.code().name)
                await asyncio.sleep(_RETRY_S)

    async def stop(self) -> None:
        """Stop serving; the provider stays for the next start."""
        sandbox, self._sandbox = self._sandbox, None
        if sandbox is not None:
            await sandbox.stop()

    async def _provider(self) -> provider_pb2.Provider | None:
        """Return the sandbox's provider; None: there is none."""
        try:
            answer = await self._call(
                self._catalog.GetProvider, provider_pb2.GetProviderRequest(name=PROVIDER)
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise
        provider: provider_pb2.Provider = answer.provider
        return provider if provider.type == _TYPE else None

    async def _save_key(self) -> None:
        """Save the sandbox's key as any other; the catalog view may need a moment to know."""
        if self._sandbox is None:
            return
        request = save_pb2.SaveApiKeyRequest(provider=PROVIDER, api_key=self._sandbox.api_key)
        deadline = asyncio.get_running_loop().time() + _TIMEOUT_S
        while True:
            try:
                await self._call(self._credentials.SaveApiKey, request)
            except grpc.aio.AioRpcError as error:
                unknown = error.code() is grpc.StatusCode.NOT_FOUND
                if not unknown or asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.02)
            else:
                return

    async def _await_connected(self) -> None:
        """Return when the catalog knows of the key and has read the list of models."""
        deadline = asyncio.get_running_loop().time() + _TIMEOUT_S
        while asyncio.get_running_loop().time() < deadline:
            provider = await self._provider()
            if provider is None or provider.model_count:
                return
            await asyncio.sleep(0.02)

    async def _await_real_provider(self) -> None:
        """Return when a provider that is no sandbox is verified."""
        call = self._catalog.WatchCatalog(watch_pb2.WatchCatalogRequest(), metadata=self._metadata)
        try:
            async for message in call:
                for provider in (message.provider, *message.snapshot_page.providers):
                    if provider.type != _TYPE and provider.state in (
                        provider_pb2.CONNECTION_STATE_VERIFIED,
                        provider_pb2.CONNECTION_STATE_DEFAULTS_SET,
                    ):
                        return
        finally:
            call.cancel()

    async def _leave(self) -> None:
        """Remove credential and provider, and stop serving."""
        listed = await self._call(
            self._credentials.ListCredentials, save_pb2.ListCredentialsRequest(provider=PROVIDER)
        )
        for credential in listed.credentials:
            await self._call(
                self._credentials.DeleteCredential,
                save_pb2.DeleteCredentialRequest(id=credential.id),
            )
        deadline = asyncio.get_running_loop().time() + _TIMEOUT_S
        while True:
            try:
                await self._call(
                    self._catalog.DeleteProvider, provider_pb2.DeleteProviderRequest(name=PROVIDER)
                )
            except grpc.aio.AioRpcError as error:
                # The catalog learns a moment later that the credential is gone.
                waits = error.code() is grpc.StatusCode.FAILED_PRECONDITION
                if not waits or asyncio.get_running_loop().time() > deadline:
                    if error.code() is grpc.StatusCode.NOT_FOUND:
                        break
                    raise
                await asyncio.sleep(0.05)
            else:
                break
        log.info("sandbox_left")
        await self.stop()

    async def _call(self, method: Any, request: Any) -> Any:
        """Call a method as the admin."""
        return await method(
            request, metadata=self._metadata, timeout=_TIMEOUT_S, wait_for_ready=True
        )


async def _listen(port: int) -> Sandbox:
    """Start the sandbox where it was before, else wherever there is a free port."""
    if port:
        sandbox = Sandbox(port=port)
        with contextlib.suppress(OSError):
            await sandbox.start()
            return sandbox
    sandbox = Sandbox()
    await sandbox.start()
    return sandbox

"""What is trusted of tokens and keys while the credential service cannot be reached."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import grpc
import pytest_asyncio

from support.chats import ask, failure_of
from support.cuttable_line import CuttableLine
from support.deployment import Deployment, Token, eventually
from support.fleet import FleetStubs
from support.ports import free_ports
from trunkline.credential.v1 import access_pb2, save_pb2
from trunkline.kernel.authority import Authority, certificate_pem, write_private, write_public
from trunkline.kernel.clock import SystemClock
from trunkline.kernel.mutual_tls import service_name, service_uri
from trunkline.kernel.settings import Source
from trunkline.suite import Suite

BOUND_S = 30.0


class SkippingClock(SystemClock):
    """The machine's clock, which a test can put forward."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        """Return seconds from an unknown start."""
        return super().monotonic() + self.ahead_s


class Divided(Deployment):
    """A deployment whose inference reaches its credential service by a line that can be cut.

    Attributes:
        line: between the two.
        clock: of the inference process.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = SkippingClock()
        self.line: CuttableLine
        self._suites: list[Suite] = []

    async def start(self, *names: str) -> None:
        """Start the services; inference on mutual TLS with credential, else on sockets."""
        del names
        (port,) = free_ports(1)
        listen = f"127.0.0.1:{port}"
        self.line = CuttableLine(listen).__enter__()
        credential = Suite(self._secured("credential", internal_listen=listen), ("credential",))
        others = Suite(self.source, ("catalog", "health"))
        inference = Suite(
            self._secured("inference", credential_address=self.line.address),
            ("inference",),
            self.clock,
        )
        self._suites = [credential, others, inference]
        for suite in self._suites:
            await suite.start()
        channels = {
            name: grpc.aio.insecure_channel(suite.address)
            for name, suite in {
                "credential": credential,
                "catalog": others,
                "health": others,
                "inference": inference,
            }.items()
        }
        self._stubs = FleetStubs(channels)

    async def stop(self) -> None:
        """Stop everything but the sandbox."""
        if self._suites:
            await self._stubs.close()
            for suite in reversed(self._suites):
                await suite.stop(0.0)
            self.line.__exit__(None, None, None)
            self._suites = []

    async def ask(self, token: Token) -> str:
        """Chat once; return the reason for which it failed, empty when it did not."""
        try:
            await self.inference.Chat(ask(), metadata=token.metadata, timeout=10)
        except grpc.aio.AioRpcError as error:
            return failure_of(error).reason
        return ""

    def _secured(self, service: str, **settings: object) -> Source:
        """Return the settings of a service that shows a certificate."""
        folder = self.root / "pki"
        folder.mkdir(exist_ok=True)
        authority_file, key_file = folder / "authority.pem", folder / "authority-key.pem"
        now = datetime.now(UTC)
        if not authority_file.exists():
            Authority.make(now).write(authority_file, key_file)
        authority = Authority.read(authority_file, key_file)
        chain, key = authority.issue(
            service,
            [service_name("trunkline", service)],
            [service_uri("trunkline", service)],
            now,
            timedelta(hours=1),
        )
        write_private(folder / f"{service}-key.pem", key)
        write_public(folder / f"{service}.pem", chain)
        write_public(folder / "ca.pem", certificate_pem(authority.certificate))
        overrides = {
            **self.source.overrides,
            "internal_certificate_file": folder / f"{service}.pem",
            "internal_key_file": folder / f"{service}-key.pem",
            "internal_ca_file": folder / "ca.pem",
            **settings,
        }
        return Source({}, {}, None, overrides)


@pytest_asyncio.fixture
async def divided() -> AsyncIterator[Divided]:
    """Yield a deployment whose line is whole."""
    async with Divided() as running:
        yield running


async def test_revocation_holds_within_a_second_while_the_line_is_whole(divided: Divided) -> None:
    """A token that is revoked, and a key that is deleted, are refused at once elsewhere."""
    token, other = await divided.issue(), await divided.issue()
    assert await divided.ask(token) == ""
    began = time.monotonic()
    await divided.access.RevokeAccessToken(
        access_pb2.RevokeAccessTokenRequest(id=token.id), metadata=divided.admin
    )

    async def is_refused() -> bool:
        return await divided.ask(token) == "TOKEN_INVALID"

    await eventually(is_refused, 1.0)
    assert await divided.ask(other) == ""
    await _delete_key(divided)

    async def has_no_key() -> bool:
        return await divided.ask(other) == "NO_CREDENTIAL"

    await eventually(has_no_key, 1.0)
    assert time.monotonic() - began < 3


async def test_revocation_holds_at_the_bound_when_the_line_is_cut(divided: Divided) -> None:
    """What was known serves on for 30 s, and then nobody is let in; health and catalog serve."""
    token, other = await divided.issue(), await divided.issue()
    # Each principal's key is fetched once, and kept for as long as the view may be trusted.
    assert await divided.ask(token) == ""
    assert await divided.ask(other) == ""
    divided.line.cut(stay_down=True)
    await divided.access.RevokeAccessToken(
        access_pb2.RevokeAccessTokenRequest(id=token.id), metadata=divided.admin
    )
    await _delete_key(divided)
    divided.clock.ahead_s = BOUND_S / 2
    assert await divided.ask(token) == ""
    assert await divided.ask(other) == ""
    divided.clock.ahead_s = BOUND_S + 1
    assert await divided.ask(token) == "SECURITY_VIEW_STALE"
    assert await divided.ask(other) == "SECURITY_VIEW_STALE"
    divided.line.mend()

    async def is_refused() -> bool:
        return await divided.ask(token) == "TOKEN_INVALID"

    await eventually(is_refused, 10)

    async def has_no_key() -> bool:
        return await divided.ask(other) == "NO_CREDENTIAL"

    await eventually(has_no_key, 10)


async def _delete_key(divided: Divided) -> None:
    """Delete the provider's key."""
    listed = await divided.credentials.ListCredentials(
        save_pb2.ListCredentialsRequest(), metadata=divided.admin
    )
    for credential in listed.credentials:
        await divided.credentials.DeleteCredential(
            save_pb2.DeleteCredentialRequest(id=credential.id), metadata=divided.admin
        )

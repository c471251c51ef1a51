"""A listener on mutual TLS, with a service behind it that knows what it was shown."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from integration.kernel.listening import LIMIT_S, MESSAGE_LIMIT, Failure, failure_of, read_all
from integration.kernel.watched import Owner
from support.certificates import TRUST_DOMAIN, Files, make_authority, write_service
from trunkline.catalog.v1 import catalog_service_pb2_grpc
from trunkline.credential.v1 import access_pb2, access_pb2_grpc
from trunkline.kernel.authority import Authority
from trunkline.kernel.call import current_caller
from trunkline.kernel.certificates import Certificates
from trunkline.kernel.interceptor import Interceptor
from trunkline.kernel.mutual_tls import (
    RENEWAL_GRACE_S,
    SecureChannel,
    read_peer,
    server_credentials,
    service_name,
)
from trunkline.kernel.server import Listener
from trunkline.suite import SERVICES

WATCH = access_pb2.WatchAccessRequest()


class Access(access_pb2_grpc.AccessServiceServicer):
    """Tells callers who they are.

    Attributes:
        shown: the certificate of each call, as PEM, in order.
    """

    def __init__(self) -> None:
        self.shown: list[bytes] = []

    async def WatchAccess(
        self, request: access_pb2.WatchAccessRequest, context: Any
    ) -> AsyncIterator[access_pb2.WatchAccessResponse]:
        """Answer with the caller's name in place of a token."""
        self.shown.append(context.auth_context()["x509_pem_cert"][0])
        yield access_pb2.WatchAccessResponse(ended_token_id=current_caller().principal)


@dataclass
class Bed:
    """A listener on mutual TLS.

    Attributes:
        folder: for certificates.
        authority: that the listener believes in.
        files: what it shows, as the catalog service.
        certificates: the same, as it was read.
        owner: what is watched there.
        access: tells who calls.
        address: where.
    """

    folder: Path
    authority: Authority
    files: Files
    certificates: Certificates
    owner: Owner
    access: Access
    address: str

    def client(self, service: str) -> Certificates:
        """Issue a certificate to a service, over the one that it has."""
        return write_service(self.authority, self.folder / service, service).read()

    def channel(
        self,
        certificates: Certificates,
        *,
        to: str = "catalog",
        address: str = "",
        renewal_grace_s: float = RENEWAL_GRACE_S,
    ) -> SecureChannel:
        """Return a channel that takes the listener for a service's."""
        return SecureChannel(
            address or self.address,
            service_name(TRUST_DOMAIN, to),
            certificates,
            renewal_grace_s=renewal_grace_s,
        )

    def renew(self, certificates: Certificates, service: str) -> None:
        """Issue another certificate to a service, and have it taken."""
        write_service(self.authority, self.folder / service, service)
        assert certificates.refresh()

    def connections(self) -> int:
        """Return how many connections there are to the listener."""
        port = int(self.address.rpartition(":")[2])
        return sum(
            each.raddr.port == port and each.status == psutil.CONN_ESTABLISHED
            for each in psutil.Process().net_connections("tcp")
            if each.raddr
        )


@contextlib.asynccontextmanager
async def secured(folder: Path) -> AsyncIterator[Bed]:
    """Run a listener on mutual TLS, as the catalog service's."""
    authority = make_authority()
    files = write_service(authority, folder / "server", "catalog")
    certificates = files.read()
    owner = Owner()  # type: ignore[abstract] # abstract for the checker only
    access = Access()  # type: ignore[abstract] # see above
    listener = Listener(
        Interceptor(identify=read_peer(TRUST_DOMAIN, SERVICES)),
        internal=True,
        max_message_bytes=MESSAGE_LIMIT,
    )
    listener.add(
        [
            (access, access_pb2_grpc.add_AccessServiceServicer_to_server),
            (owner, catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server),
        ]
    )
    await listener.start("127.0.0.1:0", credentials=server_credentials(certificates))
    try:
        yield Bed(folder, authority, files, certificates, owner, access, listener.address)
    finally:
        await listener.stop(0)


async def who(channel: grpc.aio.Channel) -> str:
    """Return who the other side takes us for."""
    stub = access_pb2_grpc.AccessServiceStub(channel)
    (message,) = await read_all(stub.WatchAccess(WATCH, timeout=LIMIT_S))
    name: str = message.ended_token_id
    return name


async def turned_away(channel: grpc.aio.Channel) -> Failure:
    """Return how a call is refused by a listener that was reached."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await who(channel)
    return failure_of(caught.value)


async def shut_out(channel: grpc.aio.Channel) -> None:
    """Check that no connection comes about."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await who(channel)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def handshake(address: str, files: Files) -> bytes:
    """Return the certificate that a listener shows now, as PEM, to who shows another one."""
    context = ssl.create_default_context(cafile=str(files.authority))
    context.check_hostname = False
    context.load_cert_chain(files.chain, files.key)
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")

    def connect() -> bytes:
        with (
            socket.create_connection((host, int(port)), timeout=LIMIT_S) as plain,
            context.wrap_socket(plain) as secure,
        ):
            shown = secure.getpeercert(binary_form=True)
            assert shown is not None
            return ssl.DER_cert_to_PEM_cert(shown).encode()

    return await asyncio.to_thread(connect)

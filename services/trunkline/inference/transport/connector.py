"""The making of connections: from an origin to a socket, by checked addresses only."""

from __future__ import annotations

import asyncio
import errno
import math
import socket
import ssl
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import httpx

from trunkline.inference.transport.connection import Connection, Home
from trunkline.inference.transport.faults import (
    AddressForbidden,
    Unreachable,
    UnreachableReason,
)
from trunkline.inference.transport.resolver import Resolver
from trunkline.kernel.address import (
    AddressRefused,
    BaseUrl,
    Scheme,
    check_resolved,
    check_url,
    parse_base_url,
)
from trunkline.kernel.reach import parse_ip

Origin: TypeAlias = tuple[bytes, bytes, int | None]
"""Scheme, host and port as an `httpx.URL` holds them. A bare tuple, since it is a key that every
request looks up."""

_Result = TypeVar("_Result")
_LEAST_SHARE_S: Final = 1.0
"""What an address gets of the time when there are many, or half of what is left."""


class Connector:
    """Makes connections.

    Args:
        extra_ca: file of certificates in PEM that are trusted besides certifi's.
        private_allowed: whether addresses of this machine and of private networks may be asked.
        resolve: turns names into addresses.

    Raises:
        OSError: `extra_ca` cannot be read (also as `ssl.SSLError`).
    """

    def __init__(self, *, extra_ca: Path | None, private_allowed: bool, resolve: Resolver) -> None:
        self._extra_ca = extra_ca
        self._private_allowed = private_allowed
        self._resolve = resolve
        self._tls: ssl.SSLContext | None = None
        self._tls_lock = asyncio.Lock()
        if extra_ca is not None:
            # Told when the process starts and not when the first request is made.
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=extra_ca)

    async def connect(self, origin: Origin, home: Home, until: float) -> Connection:
        """Make a connection.

        The address is checked, its name resolved, what that gave is checked, and just those
        addresses are tried, in their order. Each gets an equal part of the time that is left, but
        not less than a second while there is half as much.

        Args:
            origin: where to.
            home: who keeps account of the connection.
            until: loop time until which it may take; infinity is without limit.

        Raises:
            AddressForbidden: it may not be asked.
            Unreachable: nothing else came of it either; of several addresses, the first one's.
        """
        url = _read(origin)
        try:
            check_url(url, private_allowed=self._private_allowed)
            tls = None
            # D7's networks are of IPv4, and many a local server listens on nothing else.
            family = socket.AF_INET
            if url.scheme is Scheme.HTTPS:
                tls = await _bounded(self._open_tls(), until)
                family = socket.AF_UNSPEC
            found: Sequence[str] = (url.host,)
            if parse_ip(url.host) is None:
                found = await _bounded(self._resolve(url.host, url.port, family), until)
            addresses = check_resolved(url, found, private_allowed=self._private_allowed)
        except AddressRefused as refused:
            raise AddressForbidden(refused) from None
        loop = asyncio.get_running_loop()
        first: Unreachable | None = None
        for number, address in enumerate(addresses):
            now = loop.time()
            if first is not None and now >= until:
                break
            left = until - now
            share = max(left / (len(addresses) - number), min(left / 2, _LEAST_SHARE_S))
            try:
                return await _bounded(_dial(url, address, tls, home), min(until, now + share))
            except Unreachable as fault:
                first = first or fault
        assert first is not None, "check_resolved lets no empty answer through"
        raise first

    async def _open_tls(self) -> ssl.SSLContext:
        """Return the settings of TLS, made at first use."""
        async with self._tls_lock:
            if self._tls is None:
                # Reading certifi's certificates takes some 40 ms, in which the loop would stand.
                self._tls = await asyncio.to_thread(self._make_tls)
            return self._tls

    def _make_tls(self) -> ssl.SSLContext:
        # Not from the environment (SSL_CERT_FILE): whom we trust is a setting.
        context = httpx.create_ssl_context(trust_env=False)
        if self._extra_ca is not None:
            context.load_verify_locations(cafile=self._extra_ca)
        context.set_alpn_protocols(["http/1.1"])
        return context


def _read(origin: Origin) -> BaseUrl:
    """Return an origin as the address rules want it.

    Raises:
        AddressForbidden: it is no origin, or none of http.
    """
    scheme, host, port = origin
    name = host.decode("ascii", "replace")
    bracketed = f"[{name}]" if ":" in name else name
    end = "" if port is None else f":{port}"
    try:
        return parse_base_url(f"{scheme.decode('ascii', 'replace')}://{bracketed}{end}")
    except AddressRefused as refused:
        raise AddressForbidden(refused) from None


async def _dial(url: BaseUrl, address: str, tls: ssl.SSLContext | None, home: Home) -> Connection:
    """Connect to one address; with TLS, speak to it by the URL's host."""
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: Connection(home),
        address,
        url.port,
        ssl=tls,
        server_hostname=None if tls is None else url.host,
        # The address was checked; whatever it looks like, no name service is asked again.
        flags=socket.AI_NUMERICHOST,
    )
    # Not before it is complete: of one that is given up while it is made, uvloop tells no end.
    home.enter(connection)
    return connection


async def _bounded(step: Awaitable[_Result], until: float) -> _Result:
    """Bound a step in time, and say what it failed of.

    Raises:
        Unreachable: it failed, or the time has passed.
    """
    # None of these keeps its cause, whose text may hold addresses that DNS gave.
    try:
        async with asyncio.timeout_at(until if until < math.inf else None):
            return await step
    except socket.gaierror:
        raise Unreachable(UnreachableReason.NAME) from None
    except TimeoutError:
        raise Unreachable(UnreachableReason.TIMEOUT) from None
    except ssl.SSLCertVerificationError as error:
        refusal = f"The server's certificate is not accepted: {error.verify_message}."
        raise Unreachable(UnreachableReason.TLS, refusal) from None
    except ssl.SSLError:
        raise Unreachable(UnreachableReason.TLS) from None
    except ConnectionRefusedError:
        raise Unreachable(UnreachableReason.REFUSED) from None
    except ConnectionResetError:
        raise Unreachable(UnreachableReason.RESET) from None
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0)
        message = f"The connection could not be made ({name})." if name else None
        raise Unreachable(UnreachableReason.FAILED, message) from None

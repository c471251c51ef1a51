"""The making of connections: from an origin to a socket, by checked addresses only."""

from __future__ import annotations

import asyncio
import errno
import math
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from trunkline.inference.outgoing import Origin
from trunkline.inference.transport.authorities import check_authorities, make_tls
from trunkline.inference.transport.connection import Connection, Home
from trunkline.inference.transport.faults import (
    AddressForbidden,
    Unreachable,
    UnreachableReason,
)
from trunkline.inference.transport.proxy import Proxy, Route, of_proxy
from trunkline.inference.transport.resolver import Resolver, SharedResolver
from trunkline.inference.transport.tunnel import Digger
from trunkline.kernel.address import (
    AddressRefused,
    BaseUrl,
    Scheme,
    check_resolved,
    check_url,
    parse_base_url,
)
from trunkline.kernel.reach import Reach, classify_host, parse_ip

_Result = TypeVar("_Result")
_Speaker = TypeVar("_Speaker", bound=asyncio.Protocol)

_LEAST_SHARE_S: Final = 1.0
"""What an address gets of the time when there are many, or half of what is left."""
_GLANCE_S: Final = 1.0
"""How long a name is looked up that the proxy, and not this machine, has to know."""
_UNKNOWN_S: Final = 60.0
_MAX_UNKNOWN: Final = 1_000

_NEAR: Final = frozenset((Reach.LOOPBACK, Reach.LAN))
_FAR: Final = "The outbound proxy is beyond the local network, and plain http does not go there."


class Connector:
    """Makes connections.

    Args:
        extra_ca: file of certificates in PEM that are trusted besides certifi's.
        private_allowed: whether addresses of this machine and of private networks may be asked.
        resolve: turns names into addresses.
        proxy: by way of which servers are asked; None: directly.

    Raises:
        OSError: `extra_ca` cannot be read (also as `ssl.SSLError`).
    """

    def __init__(
        self,
        *,
        extra_ca: Path | None,
        private_allowed: bool,
        resolve: Resolver,
        proxy: Proxy | None,
    ) -> None:
        self._extra_ca = extra_ca
        self._private_allowed = private_allowed
        self._resolve = SharedResolver(resolve)
        self._proxy = proxy
        # Names that are not known here, and until when they are not looked up again.
        self._unknown: dict[str, float] = {}
        self._tls: ssl.SSLContext | None = None
        self._tls_lock = asyncio.Lock()
        if extra_ca is not None:
            # Told when the process starts and not when the first request is made.
            check_authorities(extra_ca)

    async def connect(self, origin: Origin, home: Home, until: float) -> Connection:
        """Make a connection.

        The address is checked, its name resolved, what that gave is checked, and just those
        addresses are tried, in their order. Each gets an equal part of the time that is left, but
        not less than a second while there is half as much. What is checked when a proxy stands
        between is in docs/decisions/0006-outbound-proxy.md.

        Args:
            origin: where to.
            home: who keeps account of the connection.
            until: loop time until which it may take; infinity is without limit.

        Raises:
            AddressForbidden: it may not be asked.
            Unreachable: nothing else came of it either; of several addresses, the first one's.
        """
        url = _read(origin)
        proxy = self._proxy
        try:
            check_url(url, private_allowed=self._private_allowed)
            if proxy is not None and proxy.covers(url.host):
                make = self._tunnel if url.scheme is Scheme.HTTPS else self._relay
                return await make(proxy, url, home, until)
            tls = None
            if url.scheme is Scheme.HTTPS:
                tls = await _bounded(self._open_tls(), until)
            found = await self._find(url, until)
        except AddressRefused as refused:
            raise AddressForbidden(refused) from None
        return await _try_each(
            found, until, lambda address: _dial_home(home, None, address, url.port, tls, url.host)
        )

    async def _tunnel(self, proxy: Proxy, url: BaseUrl, home: Home, until: float) -> Connection:
        """Connect to a server by TLS, through a tunnel.

        Raises:
            AddressRefused, Unreachable: as for `connect`.
        """
        await self._glance(url, until)
        tls = await _bounded(self._open_tls(), until)
        try:
            found = await self._find_proxy(proxy, until)
            digger = await _try_each(
                found, until, lambda address: _dial(Digger, address, proxy.url.port)
            )
        except Unreachable as fault:
            raise of_proxy(fault) from None
        try:
            try:
                await _bounded(digger.dig(proxy, url), until)
            except Unreachable as fault:
                raise of_proxy(fault) from None
            connection = await _bounded(digger.secure(url, tls, home), until)
        except BaseException:
            digger.abort()
            raise
        home.enter(connection)
        return connection

    async def _relay(self, proxy: Proxy, url: BaseUrl, home: Home, until: float) -> Connection:
        """Connect to the proxy for requests in plain http, which it passes on.

        Raises:
            AddressRefused, Unreachable: as for `connect`.
        """
        server = (await self._find(url, until))[0]
        route = Route(proxy, replace(url, host=server).origin.encode())
        try:
            found = await self._find_proxy(proxy, until)
            if any(classify_host(address) not in _NEAR for address in found):
                raise Unreachable(UnreachableReason.PROXY, _FAR)
            return await _try_each(
                found, until, lambda address: _dial_home(home, route, address, proxy.url.port)
            )
        except Unreachable as fault:
            raise of_proxy(fault) from None

    async def _find(self, url: BaseUrl, until: float) -> Sequence[str]:
        """Return the addresses of a URL's host, checked; there is at least one.

        Raises:
            AddressRefused, Unreachable: as for `connect`.
        """
        found: Sequence[str] = (url.host,)
        if parse_ip(url.host) is None:
            # D7's networks are of IPv4, and many a local server listens on nothing else.
            family = socket.AF_INET if url.scheme is Scheme.HTTP else socket.AF_UNSPEC
            found = await _bounded(self._resolve(url.host, url.port, family), until)
        return check_resolved(url, found, private_allowed=self._private_allowed)

    async def _find_proxy(self, proxy: Proxy, until: float) -> Sequence[str]:
        """Return the addresses of the proxy, which its operator chose.

        Raises:
            Unreachable: there are none.
        """
        host, port = proxy.url.host, proxy.url.port
        if parse_ip(host) is not None:
            return (host,)
        return await _bounded(self._resolve(host, port, socket.AF_UNSPEC), until)

    async def _glance(self, url: BaseUrl, until: float) -> None:
        """Check what is known here of a server that the proxy looks up for itself.

        Raises:
            AddressRefused: as for `connect`.
        """
        now = asyncio.get_running_loop().time()
        if self._unknown.get(url.host, 0.0) > now:
            return
        try:
            await self._find(url, min(until, now + _GLANCE_S))
        except Unreachable:
            # Where only the proxy knows the world's names, not every connection is to wait.
            if len(self._unknown) >= _MAX_UNKNOWN:
                self._unknown.clear()
            self._unknown[url.host] = now + _UNKNOWN_S

    async def _open_tls(self) -> ssl.SSLContext:
        """Return the settings of TLS, made at first use."""
        async with self._tls_lock:
            if self._tls is None:
                # Reading certifi's certificates takes some 40 ms, in which the loop would stand.
                self._tls = await asyncio.to_thread(make_tls, self._extra_ca)
            return self._tls

    def close(self) -> None:
        """End what is still looked up."""
        self._resolve.close()


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


async def _try_each(
    addresses: Sequence[str], until: float, dial: Callable[[str], Awaitable[_Result]]
) -> _Result:
    """Return what comes of the first address that something comes of.

    Raises:
        Unreachable: nothing does; the first one's.
    """
    loop = asyncio.get_running_loop()
    first: Unreachable | None = None
    for number, address in enumerate(addresses):
        now = loop.time()
        if first is not None and now >= until:
            break
        left = until - now
        share = max(left / (len(addresses) - number), min(left / 2, _LEAST_SHARE_S))
        try:
            return await _bounded(dial(address), min(until, now + share))
        except Unreachable as fault:
            first = first or fault
    raise first or Unreachable(UnreachableReason.NAME)


async def _dial(
    make: Callable[[], _Speaker],
    address: str,
    port: int,
    tls: ssl.SSLContext | None = None,
    name: str | None = None,
) -> _Speaker:
    """Connect to one address; with TLS, speak to it by a name."""
    _, speaker = await asyncio.get_running_loop().create_connection(
        make,
        address,
        port,
        ssl=tls,
        server_hostname=None if tls is None else name,
        # The address was checked; whatever it looks like, no name service is asked again.
        flags=socket.AI_NUMERICHOST,
    )
    return speaker


async def _dial_home(
    home: Home,
    route: Route | None,
    address: str,
    port: int,
    tls: ssl.SSLContext | None = None,
    name: str | None = None,
) -> Connection:
    """Connect to one address as `_dial` does, and take note of the connection."""
    connection = await _dial(lambda: Connection(home, route), address, port, tls, name)
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

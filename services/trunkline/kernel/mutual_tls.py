"""Mutual TLS between services: each side shows a certificate and reads the other's.

A service's certificate is for the URI `spiffe://{trust domain}/{service}`, by which those
it calls know it, and for the DNS name `{service}.{trust domain}`, by which those who call
know it, wherever it listens. The addresses in between prove nothing and may be anything.

Source: the SPIFFE ID and X.509-SVID specifications (https://spiffe.io/docs/latest/).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Final

import grpc

from trunkline.kernel.call import Caller
from trunkline.kernel.certificates import Certificates
from trunkline.kernel.channel import CHANNEL_OPTIONS
from trunkline.kernel.errors import Unauthenticated
from trunkline.kernel.interceptor import Context
from trunkline.options.v1 import options_pb2

# A call that was begun with the old certificate ends with it: none to a peer takes longer,
# but for streams of views, which are then followed anew.
RENEWAL_GRACE_S: Final = 90.0


def service_uri(trust_domain: str, service: str) -> str:
    """Return the URI that a service's certificate is for."""
    return f"spiffe://{trust_domain}/{service}"


def service_name(trust_domain: str, service: str) -> str:
    """Return the DNS name that a service's certificate is for."""
    return f"{service}.{trust_domain}"


def server_credentials(certificates: Certificates) -> grpc.ServerCredentials:
    """Return what a listener shows: at each handshake the certificate that holds then.

    With an authority, clients have to show a certificate of it.
    """

    lock = threading.Lock()
    given = certificates.version

    def configure() -> Any:
        """Return the configuration that holds now."""
        bundle = certificates.bundle
        return grpc.ssl_server_certificate_configuration(
            [(bundle.key, bundle.chain)], bundle.authority
        )

    def configure_anew() -> Any:
        """Return what has changed, once; None: nothing. Called in gRPC's own threads.

        gRPC frees what it had when it is given another, though a handshake of another
        thread may be about to use it (https://github.com/grpc/grpc/issues/36693): so it is
        given one for each renewal, and not for each handshake.
        """
        nonlocal given
        with lock:
            version = certificates.version
            if version == given:
                return None
            given = version
        return configure()

    return grpc.dynamic_ssl_server_credentials(
        configure(),
        configure_anew,
        require_client_authentication=certificates.bundle.authority is not None,
    )


def read_peer(trust_domain: str, services: Iterable[str]) -> Callable[[Context], Caller]:
    """Return what tells the calling service by the URI of its certificate.

    Args:
        trust_domain: the one whose URIs are believed.
        services: names of those that may call at all.
    """
    callers = {
        service_uri(trust_domain, service).encode(): Caller(
            options_pb2.CALLER_ROLE_SERVICE, service
        )
        for service in services
    }

    def identify(context: Context) -> Caller:
        """Return who calls.

        Raises:
            Unauthenticated: TOKEN_INVALID: the certificate is none of the suite's.
        """
        shown = tuple(context.auth_context().get("peer_uri", ()))
        # A certificate with two URIs is for nobody (X.509-SVID, section 2).
        caller = callers.get(shown[0]) if len(shown) == 1 else None
        if caller is None:
            raise Unauthenticated(
                "TOKEN_INVALID",
                "The caller's certificate is not for one of the services of this deployment.",
            )
        return caller

    return identify


class SecureChannel(grpc.aio.Channel):
    """A lazy channel to one service on mutual TLS, opened anew when its certificate changes.

    Args:
        address: `host:port` of its internal listener.
        server_name: the DNS name that its certificate is for.
        certificates: what is shown to it, with the authority that it is checked by.
        renewal_grace_s: how long, in seconds, calls go on that were begun with a certificate
            which holds no more.
    """

    def __init__(
        self,
        address: str,
        server_name: str,
        certificates: Certificates,
        *,
        renewal_grace_s: float = RENEWAL_GRACE_S,
    ) -> None:
        self._address = address
        self._server_name = server_name
        self._certificates = certificates
        self._renewal_grace_s = renewal_grace_s
        self._line: Line | None = None
        self._former: dict[Line, asyncio.Task[None]] = {}
        self._is_closed = False

    def current(self) -> Line:
        """Return the line that holds now.

        Raises:
            grpc.aio.UsageError: the channel is closed.
        """
        if self._is_closed:
            raise grpc.aio.UsageError("The channel is closed.")
        version = self._certificates.version
        if self._line is None or version != self._line.version:
            former, self._line = self._line, Line(self._open(), version)
            if former is not None:
                ending = asyncio.create_task(former.end(self._renewal_grace_s))
                self._former[former] = ending
                ending.add_done_callback(lambda _: self._former.pop(former, None))
        return self._line

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        """Return what calls a method."""
        return _Method(self, "unary_unary", args, kwargs)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        """Return what calls a method that answers with a stream."""
        return _Method(self, "unary_stream", args, kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        """Return what calls a method that is asked with a stream."""
        return _Method(self, "stream_unary", args, kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        """Return what calls a method with streams both ways."""
        return _Method(self, "stream_stream", args, kwargs)

    async def close(self, grace: float | None = None) -> None:
        """Close it, and the lines that it had before, when their calls end or after a grace.

        Args:
            grace: in seconds; None: none.
        """
        self._is_closed = True
        lines, endings = [*self._former], [*self._former.values()]
        if self._line is not None:
            lines.append(self._line)
            self._line = None
        for ending in endings:
            ending.cancel()
        await asyncio.gather(*endings, return_exceptions=True)
        # A line whose ending was cut short is still open.
        await asyncio.gather(*(line.channel.close(grace) for line in lines))

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Return how the connection stands."""
        return self.current().channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait until it stands otherwise."""
        await self.current().channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until it is connected."""
        await self.current().channel.channel_ready()

    async def __aenter__(self) -> SecureChannel:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _open(self) -> grpc.aio.Channel:
        """Return a channel that shows the certificate that holds now."""
        bundle = self._certificates.bundle
        return grpc.aio.secure_channel(
            self._address,
            grpc.ssl_channel_credentials(bundle.authority, bundle.key, bundle.chain),
            options=[*CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", self._server_name)],
        )


class Line:
    """A channel with one certificate, and the calls on it.

    Args:
        channel: to the peer.
        version: of what it shows.
    """

    def __init__(self, channel: grpc.aio.Channel, version: int) -> None:
        self.channel = channel
        self.version = version
        # Weakly: a call that is dropped ends, and must not be held by us.
        self._calls: weakref.WeakSet[Any] = weakref.WeakSet()

    def add(self, call: Any) -> None:
        """Take a call that was begun on it."""
        self._calls.add(call)

    async def end(self, grace: float) -> None:
        """Close it when its calls have ended, at most `grace` seconds from now.

        gRPC's own closing with a grace cannot be cut short: the channel would stay open.
        """
        left = {call for call in self._calls if not call.done()}
        ended = asyncio.Event()

        def forget(call: Any) -> None:
            left.discard(call)
            if not left:
                ended.set()

        for call in list(left):
            call.add_done_callback(forget)
        if left:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await ended.wait()
        await self.channel.close()


class _Method:
    """A method of a stub, bound to whichever line holds when it is called."""

    __slots__ = ("_args", "_bound", "_channel", "_kind", "_kwargs", "_line")

    def __init__(
        self, channel: SecureChannel, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._channel = channel
        self._kind = kind
        self._args = args
        self._kwargs = kwargs
        self._line: Line | None = None
        self._bound: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        line = self._channel.current()
        if self._line is not line:
            self._bound = getattr(line.channel, self._kind)(*self._args, **self._kwargs)
            self._line = line
        call = self._bound(*args, **kwargs)
        line.add(call)
        return call

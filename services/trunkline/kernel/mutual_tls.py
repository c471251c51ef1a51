"""Mutual TLS between services: each side shows a certificate and reads the other's.

A service's certificate is for the URI `spiffe://{trust domain}/{service}`, by which those
it calls know it, and for the DNS name `{service}.{trust domain}`, by which those who call
know it, wherever it listens. The addresses in between prove nothing and may be anything.

Source: the SPIFFE ID and X.509-SVID specifications (https://spiffe.io/docs/latest/).
"""

from __future__ import annotations

import asyncio
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
_RENEWAL_GRACE_S: Final = 90.0


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

    def configure() -> Any:
        """Return the configuration of one handshake; called in gRPC's own threads."""
        bundle = certificates.bundle
        return grpc.ssl_server_certificate_configuration(
            [(bundle.key, bundle.chain)], bundle.authority
        )

    return grpc.dynamic_ssl_server_credentials(
        configure(),
        configure,
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
        shown = context.auth_context().get("peer_uri", ())
        known = [callers[uri] for uri in shown if uri in callers]
        # Two identities in one certificate are none: which one would be logged?
        if len(known) != 1:
            raise Unauthenticated(
                "TOKEN_INVALID",
                "The caller's certificate is not for one of the services of this deployment.",
            )
        return known[0]

    return identify


class SecureChannel(grpc.aio.Channel):
    """A lazy channel to one service on mutual TLS, opened anew when its certificate changes.

    Args:
        address: `host:port` of its internal listener.
        server_name: the DNS name that its certificate is for.
        certificates: what is shown to it, with the authority that it is checked by.
    """

    def __init__(self, address: str, server_name: str, certificates: Certificates) -> None:
        self._address = address
        self._server_name = server_name
        self._certificates = certificates
        self._version = 0
        self._channel: grpc.aio.Channel | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def current(self) -> tuple[int, grpc.aio.Channel]:
        """Return the channel that holds now, with the version of what it shows."""
        version = self._certificates.version
        if self._channel is None or version != self._version:
            self._leave(_RENEWAL_GRACE_S)
            self._channel, self._version = self._open(), version
        return self._version, self._channel

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
        """Close it, and those it was before."""
        self._leave(grace)
        for task in self._closing:
            if grace is None:
                task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Return how the connection stands."""
        return self.current()[1].get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait until it stands otherwise."""
        await self.current()[1].wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until it is connected."""
        await self.current()[1].channel_ready()

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

    def _leave(self, grace: float | None) -> None:
        """Close the channel that holds, once its calls have ended or the grace is over."""
        if self._channel is None:
            return
        task = asyncio.create_task(self._channel.close(grace))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        self._channel = None


class _Method:
    """A method of a stub, bound to whichever channel holds when it is called."""

    __slots__ = ("_args", "_bound", "_channel", "_kind", "_kwargs", "_version")

    def __init__(
        self, channel: SecureChannel, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._channel = channel
        self._kind = kind
        self._args = args
        self._kwargs = kwargs
        self._version = 0
        self._bound: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        version, channel = self._channel.current()
        if version != self._version or self._bound is None:
            self._bound = getattr(channel, self._kind)(*self._args, **self._kwargs)
            self._version = version
        return self._bound(*args, **kwargs)

"""Listeners: what stands where, and how it stops.

The public listener has the methods for ADMIN and DEVELOPER, health, reflection and
channelz; an internal one has those for SERVICE. A method that is not for a listener is
not registered there, so that gRPC itself answers UNIMPLEMENTED.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import ipaddress
import os
import socket
import stat
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from grpc_channelz.v1 import _async as channelz
from grpc_channelz.v1 import channelz_pb2_grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import _async as reflection
from grpc_reflection.v1alpha import reflection_pb2_grpc

from trunkline.kernel import keepalive
from trunkline.kernel.channel import socket_address
from trunkline.kernel.interceptor import Interceptor
from trunkline.kernel.keepalive import KeepAlive
from trunkline.kernel.policy import MethodPolicy, foreign_policy, read_policy
from trunkline.kernel.readiness import Readiness
from trunkline.options.v1 import options_pb2

# A servicer and the generated function that registers it.
Registration = tuple[Any, Callable[[Any, Any], None]]

_Roles = frozenset[options_pb2.CallerRole.ValueType]
# Gives the policies of a service's methods by their names.
_Policies = Callable[[str, Iterable[str]], Mapping[str, MethodPolicy]]

_ADMIN: _Roles = frozenset({options_pb2.CALLER_ROLE_ADMIN})
_TOKEN_HOLDERS = _ADMIN | {options_pb2.CALLER_ROLE_DEVELOPER}


class AddressInUse(Exception):
    """The address is taken, or may not be taken by us.

    Args:
        address: `host:port` or a socket's path.
    """

    def __init__(self, address: str) -> None:
        super().__init__(f"cannot listen on {address}")
        self.address = address


class Listener:
    """One grpc server with our steps around every call.

    Args:
        interceptor: the steps.
        internal: it serves services of the suite, and only the methods for them.
        max_message_bytes: the largest request that is read.
        keep_alive: how soon it is noticed that a client has vanished.
        shares_port: further processes listen on the same address, and each gets its part.

    Attributes:
        is_internal: as above.
        is_secure: it speaks TLS, but for its sockets.
        addresses: where it listens, with the port that was picked in place of 0.
    """

    def __init__(
        self,
        interceptor: Interceptor,
        *,
        internal: bool,
        max_message_bytes: int,
        keep_alive: KeepAlive = keepalive.SERVER,
        shares_port: bool = False,
    ) -> None:
        self.interceptor = interceptor
        self._shares_port = shares_port
        self.is_internal = internal
        self.is_secure = False
        self._services: list[str] = []
        self._server = grpc.aio.server(
            options=[
                # Two processes that do not know of each other would each get half of the calls.
                ("grpc.so_reuseport", int(shares_port)),
                ("grpc.max_receive_message_length", max_message_bytes),
                ("grpc.max_send_message_length", -1),
                *keep_alive.options,
            ]
        )
        # One for all services: gRPC asks one handler after the other, on every call.
        self._methods = _Methods()
        self._server.add_generic_rpc_handlers((self._methods,))
        self.health = Readiness()
        self.addresses: list[str] = []

    def add(self, registrations: Iterable[Registration]) -> None:
        """Register servicers, each with the methods that belong on this listener."""
        for servicer, register in registrations:
            # It imports the messages, and not the file that declares the service: without
            # that one the service's options are not known.
            import_module(register.__module__.removesuffix("_grpc"))
            register(servicer, _Collector(self, _declared))

    def add_public_tools(self, address: str) -> None:
        """Register health, open to all; reflection, open on loopback; channelz, for ADMIN."""
        callers = None if is_loopback(address) else _TOKEN_HOLDERS
        names = [*self._services, health.SERVICE_NAME, "grpc.channelz.v1.Channelz"]
        names.append("grpc.reflection.v1alpha.ServerReflection")
        tools: list[tuple[Any, Any, _Roles | None]] = [
            (health_pb2_grpc.add_HealthServicer_to_server, self.health, None),
            (
                reflection_pb2_grpc.add_ServerReflectionServicer_to_server,
                reflection.ReflectionServicer(names, pool=descriptor_pool.Default()),
                callers,
            ),
            (
                channelz_pb2_grpc.add_ChannelzServicer_to_server,
                channelz.ChannelzServicer(),
                _ADMIN,
            ),
        ]
        for register, servicer, allowed in tools:
            register(servicer, _Collector(self, functools.partial(_foreign, allowed)))

    @property
    def address(self) -> str:
        """Return the first address, once it listens."""
        return self.addresses[0] if self.addresses else ""

    async def start(
        self, *addresses: str, credentials: grpc.ServerCredentials | None = None
    ) -> None:
        """Listen on `host:port`, or on unix sockets given as `unix:` and their paths.

        Args:
            addresses: where.
            credentials: of TLS on `host:port`; None: in the clear, as sockets always are.

        Raises:
            AddressInUse: an address is taken or not ours to take.
        """
        listening = []
        for address in addresses:
            is_socket = address.startswith("unix:")
            if not (is_socket or self._shares_port):
                await _check_free(address)
            try:
                if credentials is None or is_socket:
                    port = self._server.add_insecure_port(address)
                else:
                    port = self._server.add_secure_port(address, credentials)
            except RuntimeError as error:
                raise AddressInUse(address) from error
            listening.append(address if is_socket else f"{address.rpartition(':')[0]}:{port}")
        await self._server.start()
        self.addresses = listening
        self.is_secure = credentials is not None

    async def serving(self) -> None:
        """Tell health that every service of this listener is serving."""
        self.health.serve("", *self._services)

    async def drain(self) -> None:
        """Refuse new calls; health says so."""
        self.interceptor.drain()
        self.health.stop()

    async def stop(self, grace: float) -> None:
        """Stop listening, and end the calls that are left after `grace` seconds."""
        await self._server.stop(grace)

    def register(
        self,
        service: str,
        handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]],
        policies: Mapping[str, MethodPolicy],
    ) -> None:
        """Register the wrapped handlers of one service."""
        wrapped = {}
        for name, handler in handlers.items():
            policy = policies[name]
            if not (policy.is_internal if self.is_internal else policy.is_public):
                continue
            wrapped[name] = _wrap(self.interceptor, policy, handler)
        if wrapped:
            self._services.append(service)
            self._methods.add(service, wrapped)


class _Methods(grpc.GenericRpcHandler):
    """The methods of a listener."""

    def __init__(self) -> None:
        self._handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    def add(self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]) -> None:
        """Add the methods of one service."""
        self._handlers.update((f"/{service}/{name}", handlers[name]) for name in handlers)

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return what serves a call; None: it is not for this listener."""
        return self._handlers.get(handler_call_details.method)


class _Collector:
    """What a generated `add_…_to_server` takes for a server: it hands the methods on."""

    def __init__(self, listener: Listener, policies: _Policies) -> None:
        self._listener = listener
        self._policies = policies

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Take nothing: the same methods come again by name."""

    def add_registered_method_handlers(
        self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """Take a service's methods."""
        self._listener.register(service, handlers, self._policies(service, handlers))


def _declared(service: str, methods: Iterable[str]) -> dict[str, MethodPolicy]:
    """Return the policies that the contract declares for a service's methods."""
    described = descriptor_pool.Default().FindServiceByName(service).methods_by_name
    return {name: read_policy(described[name]) for name in methods}


def _foreign(
    callers: _Roles | None, service: str, methods: Iterable[str]
) -> dict[str, MethodPolicy]:
    """Return the policies of methods that are not of the contract."""
    return {name: foreign_policy(f"{service}/{name}", callers) for name in methods}


def _wrap(
    interceptor: Interceptor, policy: MethodPolicy, handler: grpc.RpcMethodHandler[Any, Any]
) -> grpc.RpcMethodHandler[Any, Any]:
    """Return a handler with the steps around it, which reads and writes bytes."""
    # The stubs know the handlers of threads; these are the aio kind.
    made: Any = handler
    parse = made.request_deserializer
    if not made.response_streaming:
        unary: Any = interceptor.wrap_unary(policy, made.unary_unary, parse)
        return grpc.unary_unary_rpc_method_handler(unary)
    if not made.request_streaming:
        stream: Any = interceptor.wrap_stream(policy, made.unary_stream, parse)
        return grpc.unary_stream_rpc_method_handler(stream)
    stream = interceptor.wrap_stream(policy, made.stream_stream, parse, many_requests=True)
    return grpc.stream_stream_rpc_method_handler(stream)


async def _check_free(address: str) -> None:
    """Refuse `host:port` when one of the host's addresses is taken.

    gRPC is content when it gets one of them: `localhost` would be ours in IPv6, and
    another's, with all the tokens sent to it, in IPv4.

    Raises:
        AddressInUse: one is taken.
    """
    host, _, port = address.rpartition(":")
    try:
        resolved = await asyncio.get_running_loop().getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM
        )
    except socket.gaierror as error:
        raise AddressInUse(address) from error
    for family, kind, protocol, _, where in resolved:
        with contextlib.suppress(OSError), socket.socket(family, kind, protocol) as probe:
            # What a listener left behind that has ended is not in the way.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(where)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise AddressInUse(address) from error


def is_loopback(address: str) -> bool:
    """Tell whether `host:port` can only be reached from this machine."""
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def prepare_directory(path: Path) -> None:
    """Make a directory that only this user can enter.

    Raises:
        OSError: it is another's, or no directory.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = path.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid():
        raise OSError(errno.EPERM, f"{path} is not a directory of ours")
    path.chmod(0o700)


def prepare_socket(path: Path) -> str:
    """Remove a socket left by a dead process; return its address for `Listener.start`.

    The caller holds the lock of the service that listens there.
    """
    path.unlink(missing_ok=True)
    return socket_address(path)


async def stop_all(listeners: Iterable[Listener], grace: float) -> None:
    """Stop several listeners at once."""
    await asyncio.gather(*(listener.stop(grace) for listener in listeners))

"""How the services of one process are reached by others, and reach them.

On one machine by sockets in a directory that only this user can enter, one for each pair:
`{data_dir}/run/{callee}.{caller}.sock`, so that the socket tells who calls. Between
machines on mutual TLS, where the certificate tells.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import IO, Final

import grpc

from trunkline.kernel.call import Caller
from trunkline.kernel.certificates import Bundle, CertificateError, Certificates
from trunkline.kernel.channel import connect
from trunkline.kernel.clock import Clock
from trunkline.kernel.interceptor import Interceptor, known_as
from trunkline.kernel.mutual_tls import (
    SecureChannel,
    read_peer,
    server_credentials,
    service_name,
    service_uri,
)
from trunkline.kernel.network import NetworkSettings
from trunkline.kernel.server import (
    AddressInUse,
    Listener,
    Registration,
    is_loopback,
    prepare_directory,
    prepare_socket,
)
from trunkline.kernel.service import StartupError
from trunkline.kernel.settings import ProcessSettings
from trunkline.options.v1 import options_pb2

# A unix socket's path is limited to 107 bytes; longer data directories get a short one.
_MAX_SOCKET_PATH: Final = 100


class Wiring:
    """The lines between the services of this process and all others.

    Args:
        process: settings of the process.
        network: settings of what is not on this machine.
        names: of the services in this process.
        everybody: names of all services that there are.
        clock: the time.

    Attributes:
        listeners: those for the other services, once they listen.
        certificates: in use.

    Raises:
        StartupError: settings lack or contradict each other, or certificates cannot be used.
    """

    def __init__(
        self,
        process: ProcessSettings,
        network: NetworkSettings,
        names: Sequence[str],
        everybody: Collection[str],
        clock: Clock,
    ) -> None:
        self._process = process
        self._network = network
        self._names = names
        self._everybody = everybody
        self._sockets = _socket_directory(process.data_dir)
        self._own_socket = self._sockets / f"{self._own(names[0])}.public.sock"
        self._channels: dict[tuple[str, str], grpc.aio.Channel] = {}
        self._locks: dict[str, IO[bytes]] = {}
        self.listeners: list[Listener] = []
        self._internal = self._read_internal(clock)
        self._public = self._read_public(clock)
        self.certificates = [each for each in (self._public, self._internal) if each is not None]

    def opener(self, caller: str) -> Callable[[str], grpc.aio.Channel]:
        """Return what opens channels in a service's name."""
        return lambda peer: self.channel(caller, peer)

    def channel(self, caller: str, peer: str) -> grpc.aio.Channel:
        """Return the lazy channel from one service of this process to any other."""
        key = (caller, peer)
        if key not in self._channels:
            address = self._network.address_of(peer)
            if peer in self._names or not address:
                self._channels[key] = connect(self._sockets / f"{peer}.{caller}.sock")
            else:
                assert self._internal is not None
                name = service_name(self._network.trust_domain, peer)
                self._channels[key] = SecureChannel(address, name, self._internal)
        return self._channels[key]

    def lock(self) -> None:
        """Make sure that nobody else serves the same services from this data directory.

        Raises:
            StartupError: somebody does, or the directory cannot be written.
        """
        directory = self._process.data_dir
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            prepare_directory(self._sockets)
            for name in self._names:
                lock = (self._sockets / f"{self._own(name)}.lock").open("ab")
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    lock.close()
                    raise
                self._locks[name] = lock
        except BlockingIOError:
            raise StartupError(
                f"The data directory {directory} is in use by another Trunkline.",
                "Stop that one, or choose another directory with --data-dir.",
            ) from None
        except OSError as error:
            raise StartupError(
                f"The data directory {directory} cannot be used: {error.strerror or error}.",
                "Choose another one with --data-dir or TRUNKLINE_DATA_DIR, or mend its rights.",
            ) from None

    def unlock(self) -> None:
        """Remove the sockets and give the services free."""
        if self._locks:
            self._own_socket.unlink(missing_ok=True)
        for name, lock in self._locks.items():
            for caller in () if self._process.worker else self._everybody:
                (self._sockets / f"{name}.{caller}.sock").unlink(missing_ok=True)
            lock.close()
        self._locks.clear()

    async def listen(self, registrations: Iterable[Registration]) -> None:
        """Listen for the other services.

        Raises:
            StartupError: the address is taken.
        """
        if self._process.worker:
            # The others call the first of them, for whom it makes no difference.
            return
        registered = list(registrations)
        for caller in self._everybody:
            identity = Caller(options_pb2.CALLER_ROLE_SERVICE, caller)
            sockets = (self._sockets / f"{name}.{caller}.sock" for name in self._names)
            await self._listen(
                Interceptor(identify=known_as(identity)),
                registered,
                *(prepare_socket(socket) for socket in sockets),
            )
        address = self._network.internal_listen
        if address and self._internal is not None:
            identify = read_peer(self._network.trust_domain, self._everybody)
            try:
                await self._listen(
                    Interceptor(identify=identify),
                    registered,
                    address,
                    credentials=server_credentials(self._internal),
                )
            except AddressInUse:
                raise address_taken(address, "TRUNKLINE_INTERNAL_LISTEN") from None

    def public_credentials(self) -> grpc.ServerCredentials | None:
        """Return what the public listener shows; None: it speaks in the clear, and may.

        Raises:
            StartupError: it may not.
        """
        if self._public is not None:
            return server_credentials(self._public)
        if not is_loopback(self._process.listen):
            raise StartupError(
                f"The address {self._process.listen} can be reached from other machines, and"
                " tokens and keys would travel there in the clear.",
                "Listen on 127.0.0.1, or give the listener a certificate with"
                " TRUNKLINE_PUBLIC_CERTIFICATE_FILE and TRUNKLINE_PUBLIC_KEY_FILE (`trunkline"
                " pki init` makes one).",
            )
        return None

    def own_socket(self) -> str:
        """Return the address of a socket of the public listener, for this process alone."""
        return prepare_socket(self._own_socket)

    def refresh(self) -> None:
        """Take certificates anew whose files have changed."""
        for each in self.certificates:
            each.refresh()

    async def close(self) -> None:
        """Close the channels."""
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))

    def _own(self, name: str) -> str:
        """Return what a service's process here is called among those that serve the same."""
        return f"{name}.{self._process.worker}" if self._process.worker else name

    async def _listen(
        self,
        interceptor: Interceptor,
        registrations: Iterable[Registration],
        *addresses: str,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        """Open one listener."""
        listener = Listener(
            interceptor, internal=True, max_message_bytes=self._process.max_message_bytes
        )
        listener.add(registrations)
        await listener.start(*addresses, credentials=credentials)
        self.listeners.append(listener)

    def _read_internal(self, clock: Clock) -> Certificates | None:
        """Return what this process shows to services of other machines; None: there are none.

        Raises:
            StartupError: it has none to show, or one for another service.
        """
        network = self._network
        elsewhere = [
            f"{name}_address"
            for name in self._everybody
            if name not in self._names and network.address_of(name)
        ]
        needed_by = ["internal_listen"] if network.internal_listen else elsewhere
        if not needed_by:
            return None
        if len(self._names) != 1:
            raise StartupError(
                f"The setting {needed_by[0]} is for one service in a process, which a certificate"
                f" names, and this process runs {', '.join(self._names)}.",
                "Run each of them by `trunkline serve` alone, or leave the setting out.",
            )
        certificate, key = network.internal_certificate_file, network.internal_key_file
        authority = network.internal_ca_file
        if certificate is None or key is None or authority is None:
            given = {"certificate": certificate, "key": key, "ca": authority}
            missing = [f"internal_{name}_file" for name, path in given.items() if path is None]
            raise StartupError(
                f"The setting {needed_by[0]} needs mutual TLS, and {' and '.join(missing)}"
                f" {'is' if len(missing) == 1 else 'are'} not set.",
                "Make certificates with `trunkline pki init`, and name the files.",
            )
        (service,) = self._names
        uri = service_uri(network.trust_domain, service)
        name = service_name(network.trust_domain, service)

        def check(bundle: Bundle) -> None:
            if bundle.uris != (uri,) or name not in bundle.names:
                raise CertificateError(
                    f"The certificate {certificate} is not for the {service} service: it must be"
                    f" for the DNS name {name} and the URI {uri}, and for no other URI.",
                    "Name the right file, or set trust_domain to what the certificates are for.",
                )

        return Certificates("internal", certificate, key, authority, clock, check=check)

    def _read_public(self, clock: Clock) -> Certificates | None:
        """Return what the public listener shows; None: nothing.

        Raises:
            StartupError: there is a certificate without a key, or the other way round.
        """
        certificate = self._network.public_certificate_file
        key = self._network.public_key_file
        if certificate is None and key is None:
            return None
        if certificate is None or key is None:
            there, missing = "certificate", "key"
            if certificate is None:
                there, missing = missing, there
            raise StartupError(
                f"The setting public_{there}_file is set, and public_{missing}_file is not.",
                "Set both, or neither.",
            )
        return Certificates("public", certificate, key, None, clock)


def address_taken(address: str, variable: str) -> StartupError:
    """Return the error for an address that is not ours to listen on."""
    return StartupError(
        f"The address {address} cannot be listened on: it is taken, or not this machine's.",
        f"Stop what uses it, or choose another one with {variable}.",
    )


def _socket_directory(data_dir: Path) -> Path:
    """Return the directory of the internal sockets."""
    directory = data_dir / "run"
    if len(str(directory / "credential.credential.sock")) <= _MAX_SOCKET_PATH:
        return directory

    digest = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:16]
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", "/tmp"))  # noqa: S108 - a 0700 directory of ours below it
    return runtime / f"trunkline-{os.getuid()}-{digest}"

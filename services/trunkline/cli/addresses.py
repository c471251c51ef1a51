"""Where a deployment's services are called: one address for all, or one for each."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import grpc

from trunkline.cli.failures import wrong_usage

CA_VARIABLE: Final = "TRUNKLINE_CA_FILE"
SERVICES: Final = ("credential", "catalog", "health", "inference")

_ADDRESS: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
_MAX_CA_BYTES: Final = 1024 * 1024
# A page of models with long descriptions is larger than the 4 MiB of grpc's default.
_MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024

_OPTIONS: Final[Sequence[tuple[str, int]]] = (
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    # A proxy of the environment would read the token.
    ("grpc.enable_http_proxy", 0),
    # `min_reconnect_backoff_ms` is not among them: it is the time a connection may
    # take to come about, and a busy machine needs more than a tenth of a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


def parse_addresses(text: str) -> dict[str, str]:
    """Return each service's address.

    Args:
        text: `host:port` of a process, or an edge, that serves all of them; or for each
            `service=host:port`, with commas between.

    Raises:
        Failure: it is neither, or leaves a service out.
    """
    if "=" not in text:
        return dict.fromkeys(SERVICES, _check(text))
    addresses: dict[str, str] = {}
    for part in text.split(","):
        name, _, address = part.strip().partition("=")
        if name not in SERVICES or name in addresses:
            raise wrong_usage(
                f"{part.strip()!r} names no service, or one that is named already.",
                f"Write SERVICE=HOST:PORT once for each of {', '.join(SERVICES)}.",
            )
        addresses[name] = _check(address)
    missing = [name for name in SERVICES if name not in addresses]
    if missing:
        raise wrong_usage(
            f"The address of {' and '.join(missing)} is missing.",
            "Name all four services, or give one address that serves them all.",
        )
    return addresses


def open_channel(address: str) -> grpc.Channel:
    """Return a lazy channel: on this machine in the clear, else on TLS.

    With the variable TRUNKLINE_CA_FILE it is TLS everywhere, checked by that file's
    authorities; without it other machines are checked by the authorities that everybody
    trusts.

    Raises:
        Failure: the file cannot be read.
    """
    authority = _read_authority()
    if authority is None and _is_loopback(address):
        return grpc.insecure_channel(address, options=_OPTIONS)
    credentials = grpc.ssl_channel_credentials(authority)
    return grpc.secure_channel(address, credentials, options=_OPTIONS)


def _check(address: str) -> str:
    """Return an address that is one.

    Raises:
        Failure: it is none.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match[2]) < 65536:
        raise wrong_usage(
            f"{address!r} is no address.", "Write it as host:port, such as 127.0.0.1:50051."
        )
    return address


def _is_loopback(address: str) -> bool:
    """Tell whether an address is on this machine."""
    host = address.rpartition(":")[0].strip("[]").lower()
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_authority() -> bytes | None:
    """Return the certificates that servers are checked by; None: those of everybody.

    Raises:
        Failure: the file that is named holds none.
    """
    named = os.environ.get(CA_VARIABLE, "").strip()
    if not named:
        return None
    advice = "Name the file `ca.pem` that `trunkline pki init` wrote, or that of your authority."
    try:
        path = Path(named).expanduser()
        with path.open("rb") as file:
            content = file.read(_MAX_CA_BYTES + 1)
    except (OSError, RuntimeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no path"
        raise wrong_usage(
            f"The file {named}, which {CA_VARIABLE} names, cannot be read: {why}.", advice
        ) from None
    if len(content) > _MAX_CA_BYTES:
        raise wrong_usage(f"The file {path}, which {CA_VARIABLE} names, is over 1 MiB.", advice)
    if b"-----BEGIN CERTIFICATE-----" not in content:
        raise wrong_usage(
            f"The file {path}, which {CA_VARIABLE} names, holds no certificate in PEM.", advice
        )
    return content

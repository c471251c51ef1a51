"""Where a deployment is called, and the options of the channels that lead there."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import grpc

ADDRESS_VARIABLE: Final = "TRUNKLINE_ADDRESS"
CA_VARIABLE: Final = "TRUNKLINE_CA_FILE"
DEFAULT: Final = "127.0.0.1:50051"

_ADDRESS: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
_MAX_CA_BYTES: Final = 1024 * 1024

OPTIONS: Final[Sequence[tuple[str, int]]] = (
    # A proxy of the environment would read the token.
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A peer that vanished without a word is noticed, so that the run can be resumed elsewhere.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
)


def find_addresses(address: str | None, addresses: Sequence[str]) -> tuple[str, ...]:
    """Return the replicas to call, the first one first.

    Args:
        address: `host:port`; None: what `TRUNKLINE_ADDRESS` says, else this machine's
            default. An empty one is refused.
        addresses: further replicas, or all of them when `address` is None.

    Raises:
        ValueError: one of them is no address.
    """
    if address is not None:
        named = [address]
    elif addresses:
        named = []
    else:
        named = [_of_inference(os.environ.get(ADDRESS_VARIABLE, "").strip() or DEFAULT)]
    return tuple(dict.fromkeys(_check(each) for each in (*named, *addresses)))


def is_loopback(address: str) -> bool:
    """Tell whether an address is on this machine."""
    host = address.rpartition(":")[0].strip("[]").lower()
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def find_authority(ca_file: str | Path | None) -> bytes | None:
    """Return the certificates that servers are checked by; None: those of everybody.

    Args:
        ca_file: PEM; None: what `TRUNKLINE_CA_FILE` names.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds no certificate.
    """
    named = ca_file or os.environ.get(CA_VARIABLE, "").strip()
    if not named:
        return None
    with Path(named).expanduser().open("rb") as file:
        content = file.read(_MAX_CA_BYTES + 1)
    if len(content) > _MAX_CA_BYTES or b"-----BEGIN CERTIFICATE-----" not in content:
        raise ValueError(f"the file {named} holds no certificate in PEM, or is over 1 MiB")
    return content


def find_credentials(address: str, authority: bytes | None) -> grpc.ChannelCredentials | None:
    """Return what a channel is secured by; None: nothing, since it stays on this machine.

    A token never crosses a network in the clear.
    """
    if authority is None and is_loopback(address):
        return None
    return grpc.ssl_channel_credentials(authority)


def _of_inference(text: str) -> str:
    """Return the address of inference where each service has one of its own."""
    if "=" not in text:
        return text
    pairs = (part.strip().partition("=") for part in text.split(","))
    return next((address for name, _, address in pairs if name == "inference"), text)


def _check(address: str) -> str:
    """Return an address that is one.

    Raises:
        ValueError: it is none.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match[2]) < 65536:
        raise ValueError(f"{address!r} is no address; write it as host:port")
    return address

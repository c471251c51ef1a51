"""The outbound proxy of a deployment: its address, its credentials, and what does not go by it.

Source: RFC 9110 §9.3.6 (CONNECT), §11.7 (credentials of a proxy); RFC 9112 §3.2.2 (the absolute
form); RFC 7617 (Basic).
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes

from trunkline.inference.transport.faults import Unreachable, UnreachableReason
from trunkline.kernel.address import AddressRefused, BaseUrl, parse_base_url
from trunkline.kernel.reach import Reach, classify_host, parse_ip

_Network: TypeAlias = IPv4Network | IPv6Network

_SHAPE: Final = re.compile(r"http://(?:([^/@]*)@)?([^/@?#]*:[0-9]+)/?", re.ASCII)
_FORM: Final = "http://host:port or http://user:password@host:port"
# RFC 3986 §3.2.1; whatever else a password holds is escaped.
_USERINFO: Final = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")
_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Exceptions:
    """The hosts that are asked without the proxy.

    Attributes:
        names: each with all names below it.
        networks: counted for hosts that are IP addresses.
    """

    names: frozenset[str] = frozenset()
    networks: tuple[_Network, ...] = ()

    def hold(self, host: str) -> bool:
        """Tell whether a host, in its normal form, is one of them."""
        address = parse_ip(host)
        if address is not None:
            return any(address in network for network in self.networks)
        labels = host.split(".")
        return any(".".join(labels[start:]) in self.names for start in range(len(labels)))


@dataclass(frozen=True, slots=True)
class Proxy:
    """An outbound proxy.

    Attributes:
        url: where it listens; of its own it says nothing about TLS to providers.
        authorization: value of `Proxy-Authorization`; empty: it asks for none.
        exceptions: who is asked without it.
    """

    url: BaseUrl
    authorization: bytes = field(default=b"", repr=False)
    exceptions: Exceptions = Exceptions()

    def covers(self, host: str) -> bool:
        """Tell whether a host, in its normal form, is asked by way of the proxy.

        This machine never is: to the proxy its names mean another one.
        """
        own = classify_host(host) is Reach.LOOPBACK or host.endswith(".localhost")
        return not (own or self.exceptions.hold(host))

    def ask_for(self, url: BaseUrl) -> bytes:
        """Return the request for a tunnel to a URL's host and port."""
        place = url.origin.partition("://")[2].encode()
        lines = [b"CONNECT %b HTTP/1.1" % place, b"Host: %b" % place]
        if self.authorization:
            lines.append(b"Proxy-Authorization: %b" % self.authorization)
        return b"\r\n".join((*lines, b"", b""))

    def refusal(self, status: int) -> Unreachable:
        """Return what it means that the proxy answers a request for a tunnel with a status."""
        match status:
            case 407 if self.authorization:
                sentence = "The outbound proxy does not accept its user and password (407)."
            case 407:
                sentence = "The outbound proxy asks for a user and a password (407)."
            case 403:
                sentence = "The outbound proxy forbids the way to the server (403)."
            case 502 | 503 | 504:
                sentence = f"The outbound proxy cannot reach the server ({status})."
            case _:
                sentence = f"The outbound proxy refuses the way to the server ({status})."
        return Unreachable(UnreachableReason.PROXY, sentence)


_FAULTS: Final = {
    UnreachableReason.NAME: "The outbound proxy's name resolves to no address.",
    UnreachableReason.REFUSED: "The outbound proxy refuses the connection.",
    UnreachableReason.TIMEOUT: "The outbound proxy did not answer in time.",
    UnreachableReason.RESET: "The outbound proxy closed the connection before it answered.",
}


def of_proxy(fault: Unreachable) -> Unreachable:
    """Return a fault of a connection to the proxy as one that names the proxy."""
    if fault.reason is UnreachableReason.PROXY:
        return fault
    sentence = _FAULTS.get(fault.reason, "The connection to the outbound proxy could not be made.")
    # A time limit stays one: whose it was is told by when it passed.
    is_late = fault.reason is UnreachableReason.TIMEOUT
    return Unreachable(fault.reason if is_late else UnreachableReason.PROXY, sentence)


@dataclass(frozen=True, slots=True)
class Route:
    """How requests are written on a connection that ends at the proxy and not at the server.

    Attributes:
        proxy: at the other end.
        origin: the server, by the address that was checked: `http://10.0.0.7:11434`.
    """

    proxy: Proxy
    origin: bytes

    def rewrite(self, message: bytes) -> bytes:
        """Return a request as the proxy is to read it, its target in the absolute form."""
        method, _, rest = message.partition(b" ")
        line, _, rest = rest.partition(b"\r\n")
        authorization = self.proxy.authorization
        more = b"Proxy-Authorization: %b\r\n" % authorization if authorization else b""
        return b"%b %b%b\r\n%b%b" % (method, self.origin, line, more, rest)


def parse_proxy(address: str, exceptions: str = "") -> Proxy:
    """Read the settings of an outbound proxy.

    Args:
        address: `http://[user:password@]host:port`, user and password escaped as in URLs.
        exceptions: see `parse_exceptions`.

    Raises:
        ValueError: one of them cannot be read; the text says why, and repeats no part of it.
    """
    shape = _SHAPE.fullmatch(address)
    if shape is None:
        raise ValueError(f"it is not of the form {_FORM}")
    try:
        url = parse_base_url(f"http://{shape[2]}")
    except AddressRefused as refused:
        raise ValueError(f"{refused.message[0].lower()}{refused.message[1:]}") from None
    return Proxy(url, _authorize(shape[1] or ""), parse_exceptions(exceptions))


def parse_exceptions(text: str) -> Exceptions:
    """Read the hosts that are asked without the proxy.

    Args:
        text: separated by commas: names, which stand for the names below them too, IP addresses,
            and networks such as `192.168.0.0/16`.

    Raises:
        ValueError: an entry is none of these; the text tells which by its number.
    """
    names: set[str] = set()
    networks: list[_Network] = []
    for number, entry in enumerate(map(str.strip, text.split(",")), start=1):
        if not entry:
            continue  # a comma at the end
        try:
            networks.append(ip_network(entry.strip("[]")))
            continue
        except ValueError:
            pass  # a name, or wrong
        name = entry.removeprefix(".")
        try:
            url = parse_base_url(f"https://{name}")
        except AddressRefused:
            url = None
        if url is None or url.path or url.port != url.scheme.default_port or ":" in name:
            raise ValueError(f"entry {number} of the list is no name, IP address or network")
        names.add(url.host)
    return Exceptions(frozenset(names), tuple(networks))


def _authorize(userinfo: str) -> bytes:
    """Return the value of `Proxy-Authorization` for a user and password.

    Raises:
        ValueError: they cannot be read.
    """
    if not userinfo:
        return b""
    user, colon, password = userinfo.partition(":")
    if not (colon and user and _USERINFO.fullmatch(user) and _USERINFO.fullmatch(password)):
        raise ValueError("user and password are not of the form user:password, escaped as in a URL")
    pair = unquote_to_bytes(user), unquote_to_bytes(password)
    # RFC 7617 §2: neither may hold control characters, and a user no colon.
    if b":" in pair[0] or any(_CONTROL.search(part) for part in pair):
        raise ValueError("user or password holds a character that they may not hold")
    return b"Basic " + base64.b64encode(b":".join(pair))

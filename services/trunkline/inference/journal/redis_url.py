"""Read the URL of a Redis server, as its clients spell it.

https://www.iana.org/assignments/uri-schemes/prov/redis

No sentence here repeats a part of the URL: where it is misspelt, any part may be a piece
of its password.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

DEFAULT_PORT: Final = 6379

_PLAIN, _TLS, _SOCKET = "redis", "rediss", "unix"
_PARAMETERS: Final = ("db", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


@dataclass(frozen=True, slots=True)
class RedisTarget:
    """Where a Redis server is, and as whom to enter it.

    Attributes:
        host: a name or an address; empty: a unix socket.
        port: of the server; 0: a unix socket.
        path: of a unix socket; empty: TCP.
        database: its number.
        user: empty: the default one.
        password: None: the URL has none.
        is_protected: by TLS, with a certificate for that host.
        roots: file of the certificates that vouch for the server; empty: this machine's.
        certificate: file of the client's own certificate; empty: it has none.
        key: file of that one's private key; empty: it lies with the certificate.
    """

    host: str
    port: int
    path: str
    database: int
    user: str
    password: str | None = field(repr=False)
    is_protected: bool
    roots: str = ""
    certificate: str = ""
    key: str = ""

    @property
    def place(self) -> str:
        """Return where the server is, for people."""
        if self.path:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_redis_url(text: str) -> RedisTarget:
    """Read a URL such as `rediss://user:password@host:6379/0?ssl_ca_certs=/etc/ca.pem`.

    Args:
        text: `rediss://` is TLS, `redis://` this machine alone, and `unix:///path?db=0` a
            socket.

    Raises:
        ValueError: it is no such URL, or what is secret would travel in the clear; says
            why, and never repeats any of it.
    """
    text = text.strip()
    # An unwritten one would cut a password in two, and name half of it elsewhere.
    if "#" in text:
        raise ValueError("it has a `#`; special characters of a password are written with %")
    try:
        parts = urlsplit(text)
        given = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        port = parts.port
    except ValueError:
        raise ValueError(
            "it is not a URL with a port up to 65535 and a query like `name=value`;"
            " special characters of a password are written with %"
        ) from None
    if parts.scheme not in (_PLAIN, _TLS, _SOCKET):
        raise ValueError("it does not begin with rediss://, redis:// or unix://")
    if not given.keys() <= set(_PARAMETERS):
        raise ValueError(f"its query holds something else than {', '.join(_PARAMETERS)}")
    is_socket = parts.scheme == _SOCKET
    is_protected = parts.scheme == _TLS
    if not is_protected and given.keys() - {"db"}:
        raise ValueError("certificates need rediss://")
    host = unquote(parts.hostname or "")
    if is_socket == bool(host):
        raise ValueError("it names a host where a socket should be, or none where one should be")
    if not is_socket and not is_protected and not _is_local(host):
        raise ValueError(
            "it is on another machine, and its password would travel there in the clear:"
            " begin with rediss://"
        )
    return RedisTarget(
        host=host,
        port=0 if is_socket else port or DEFAULT_PORT,
        path=unquote(parts.path) if is_socket else "",
        database=_read_database(given.get("db") or ("" if is_socket else parts.path[1:])),
        user=unquote(parts.username or ""),
        password=unquote(parts.password) if parts.password else None,
        is_protected=is_protected,
        roots=given.get("ssl_ca_certs", ""),
        certificate=given.get("ssl_certfile", ""),
        key=given.get("ssl_keyfile", ""),
    )


def _read_database(text: str) -> int:
    """Return the number of a database; 0 unless it is given.

    Raises:
        ValueError: it is none.
    """
    if text and not (text.isascii() and text.isdigit() and len(text) < 6):
        raise ValueError("its database is not a number")
    return int(text or 0)


def _is_local(host: str) -> bool:
    """Tell whether what is sent to a host stays on this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

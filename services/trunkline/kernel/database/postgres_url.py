"""Read the URL of a PostgreSQL database, as libpq spells it.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS

No sentence here repeats a part of the URL: where it is misspelt, any part may be a piece
of its password.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

DEFAULT_PORT: Final = 5432
SYSTEM_ROOTS: Final = "system"

_SCHEMES: Final = ("postgresql", "postgres")
_PARAMETERS: Final = (
    "dbname",
    "host",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
)
_MAX_PORT: Final = 65_535


class TlsMode(IntEnum):
    """How a connection is protected; more protects better. Named as `sslmode` is."""

    DISABLE = 0
    ALLOW = 1
    PREFER = 2
    REQUIRE = 3
    VERIFY_CA = 4
    VERIFY_FULL = 5

    @property
    def spelling(self) -> str:
        """Return the value of `sslmode`."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class PostgresTarget:
    """Where a PostgreSQL database is, and as whom to enter it.

    Attributes:
        host: a name, an address, or the directory of a unix socket.
        port: of the server; part of a socket's name too.
        user: the role.
        database: its name.
        password: None: the URL has none.
        tls: how the connection is protected; it means nothing for a unix socket.
        roots: file of the certificates that vouch for the server; `system`: this
            machine's; empty: none are given.
        certificate: file of the client's own certificate; empty: it has none.
        key: file of that one's private key; empty: it lies with the certificate.
    """

    host: str
    port: int
    user: str
    database: str
    password: str | None = field(repr=False)
    tls: TlsMode
    roots: str = ""
    certificate: str = ""
    key: str = ""

    @property
    def is_socket(self) -> bool:
        """Tell whether the server is reached by a unix socket."""
        return self.host.startswith("/")

    @property
    def is_local(self) -> bool:
        """Tell whether what is sent stays on this machine."""
        if self.is_socket or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def place(self) -> str:
        """Return where the server is, for people."""
        if self.is_socket:
            return f"{self.host}/.s.PGSQL.{self.port}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_postgres_url(text: str) -> PostgresTarget:
    """Read a URL such as `postgresql://user:password@host:5432/database?sslmode=require`.

    Args:
        text: the URL. Parameters may stand in its query instead, which wins; the host
            there may be the directory of a unix socket.

    Raises:
        ValueError: it is no such URL; says why, and never repeats any of it.
    """
    parts = _split(text.strip())
    try:
        given = dict(
            # Only in forms does a plus sign mean a space.
            parse_qsl(parts.query.replace("+", "%2B"), keep_blank_values=True, strict_parsing=True)
            if parts.query
            else ()
        )
    except ValueError:
        raise ValueError("its query is not written as `name=value&name=value`") from None
    if not given.keys() <= set(_PARAMETERS):
        raise ValueError(
            f"its query holds something else than {', '.join(_PARAMETERS)};"
            " special characters of a password are written with %"
        )
    user = given.get("user") or unquote(parts.username or "")
    if not user:
        raise ValueError("it names no user")
    host = given.get("host") or unquote(_host(parts))
    if not host:
        raise ValueError("it names no host")
    if "," in host:
        raise ValueError("it names several hosts, and one is used")
    password = given.get("password", parts.password and unquote(parts.password))
    database = given.get("dbname") or unquote(parts.path.removeprefix("/")) or user
    if any("\0" in value for value in (user, host, database, password or "")):
        raise ValueError("it holds the character U+0000")
    tls = _read_tls(given)
    return PostgresTarget(
        host=host,
        port=_read_port(given, parts),
        user=user,
        database=database,
        password=password or None,
        tls=tls,
        roots=given.get("sslrootcert", ""),
        certificate=given.get("sslcert", ""),
        key=given.get("sslkey", ""),
    )


def _split(text: str) -> SplitResult:
    """Split a URL into its parts, which must be those of a database's.

    Raises:
        ValueError: it is none.
    """
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("it is not a URL") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError("it does not begin with postgresql://")
    # An unwritten `#` or `/` would cut a password in two, and name half of it elsewhere.
    if "#" in text or "/" in parts.path.removeprefix("/"):
        raise ValueError(
            "it has a `#` or more than one `/` after the host;"
            " special characters of a password are written with %"
        )
    return parts


def _host(parts: SplitResult) -> str:
    """Return the host as it is written; the standard library's is in small letters."""
    written = parts.netloc.rpartition("@")[2]
    if written.startswith("["):
        return written[1:].partition("]")[0]
    return written.partition(":")[0]


def _read_port(given: dict[str, str], parts: SplitResult) -> int:
    """Return the port.

    Raises:
        ValueError: it is none.
    """
    try:
        port = int(given["port"]) if "port" in given else parts.port
    except ValueError:
        raise ValueError("its port is not a number up to 65535") from None
    if port is None:
        return DEFAULT_PORT
    if not 0 < port <= _MAX_PORT:
        raise ValueError("its port is not a number from 1 to 65535")
    return port


def _read_tls(given: dict[str, str]) -> TlsMode:
    """Return how the connection is to be protected.

    Raises:
        ValueError: there is no such mode, or it cannot do what it says.
    """
    roots = given.get("sslrootcert", "")
    spelling = given.get("sslmode", "")
    modes = {mode.spelling: mode for mode in TlsMode}
    if spelling and spelling not in modes:
        raise ValueError(f"its sslmode is none of {', '.join(modes)}")
    if given.get("sslkey") and not given.get("sslcert"):
        raise ValueError("sslkey needs sslcert")
    if roots == SYSTEM_ROOTS:
        # As libpq has it: a certificate that anybody can get proves nothing but its name.
        if spelling not in ("", TlsMode.VERIFY_FULL.spelling):
            raise ValueError("sslrootcert=system needs sslmode=verify-full")
        return TlsMode.VERIFY_FULL
    tls = modes[spelling] if spelling else TlsMode.PREFER
    if tls is TlsMode.REQUIRE and roots:
        return TlsMode.VERIFY_CA
    if tls is TlsMode.VERIFY_CA and not roots:
        raise ValueError("sslmode=verify-ca needs sslrootcert")
    return tls

"""Connect to a PostgreSQL server, and say in sentences why that cannot be done."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

import asyncpg  # type: ignore[import-untyped] # it ships no types

from trunkline.kernel.database.failure import DatabaseError
from trunkline.kernel.database.postgres_url import SYSTEM_ROOTS, PostgresTarget, TlsMode

CONNECT_TIMEOUT_S: Final = 5.0
_LOOK_S: Final = 0.25

Connection: TypeAlias = asyncpg.Connection

# What passes by itself while a server starts, restarts or is overrun.
_PASSING: Final = (
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresConnectionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)


class PostgresServer:
    """Where a service's database is, and how to enter it.

    Args:
        target: as the URL tells.
        password_file: holds the password; None: the target has it, or none is needed.
        service: the service's name, which its connections go by.
        settings: of the server, for each connection.

    Raises:
        DatabaseError: the connection would not be safe, or a certificate cannot be read.
    """

    def __init__(
        self,
        target: PostgresTarget,
        password_file: Path | None,
        service: str,
        settings: Mapping[str, str],
    ) -> None:
        self._target = target
        self._password_file = password_file
        self._service = service
        self._settings = {"application_name": f"trunkline-{service}", **settings}
        self._ssl = _protect(target)

    def __str__(self) -> str:
        """Return which database it is, for people."""
        return f"{self._target.database} on {self._target.place}"

    @property
    def user(self) -> str:
        """Return the role that enters."""
        return self._target.user

    async def connect(self, settings: Mapping[str, str] | None = None) -> Connection:
        """Open a connection.

        Args:
            settings: of the server, over those of all connections.

        Raises:
            OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError: it fails.
            DatabaseError: the password cannot be read.
        """
        target = self._target
        password = target.password
        if self._password_file is not None:
            password = await asyncio.to_thread(_read_password, self._password_file)
        return await asyncpg.connect(
            host=target.host,
            port=target.port,
            user=target.user,
            database=target.database,
            password=password,
            ssl=self._ssl,
            timeout=CONNECT_TIMEOUT_S,
            server_settings={**self._settings, **(settings or {})},
        )

    async def reach(self, wait_s: float) -> Connection:
        """Open the first connection.

        Args:
            wait_s: how long, in seconds, a server is waited for that is not there yet.

        Raises:
            DatabaseError: it stays away, or does not let us in.
        """
        deadline = time.monotonic() + wait_s
        while True:
            try:
                connection = await self.connect()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if not _passes(error) or time.monotonic() + _LOOK_S > deadline:
                    raise self._refusal(error, wait_s) from error
                await asyncio.sleep(_LOOK_S)
                continue
            encoding = connection.get_settings().server_encoding
            if encoding != "UTF8":
                await connection.close(timeout=CONNECT_TIMEOUT_S)
                raise DatabaseError(
                    f"The database {self} keeps its text in {encoding}, and must in UTF8.",
                    "Make it anew with `CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`.",
                )
            return connection

    def _refusal(self, error: BaseException, wait_s: float) -> DatabaseError:
        """Return the error for a server that cannot be entered."""
        if isinstance(error, ssl.SSLError | ssl.CertificateError) or _is_without_tls(error):
            reason = getattr(error, "verify_message", "") or getattr(error, "reason", "")
            return DatabaseError(
                f"The connection to the database {self} cannot be protected:"
                f" {reason or 'the server does not speak TLS'}.",
                "Give PostgreSQL a certificate that sslrootcert vouches for, for that host.",
            )
        if isinstance(error, asyncpg.PostgresError) and not isinstance(error, _PASSING):
            return DatabaseError(
                f"The database {self} does not let {self.user} in: {first_line(error)}.",
                "Mend TRUNKLINE_DATABASE_URL or the password, or make the role and the database.",
            )
        waited = f" within {wait_s:g} s" if wait_s else ""
        return DatabaseError(
            f"The database {self} cannot be reached{waited}: {_reason(error)}.",
            "Start PostgreSQL there, or mend TRUNKLINE_DATABASE_URL.",
        )


def first_line(error: BaseException) -> str:
    """Return what PostgreSQL says of an error, without its details."""
    said = str(error.args[0]) if error.args else type(error).__name__
    return said.partition("\n")[0].rstrip(".") or type(error).__name__


def _protect(target: PostgresTarget) -> ssl.SSLContext | str | bool:
    """Return how the connection is protected, as the driver takes it.

    Raises:
        DatabaseError: secrets would travel in the clear; or a certificate cannot be read.
    """
    if target.is_socket:
        return False
    if target.tls < TlsMode.REQUIRE:
        if not target.is_local:
            raise DatabaseError(
                f"The database on {target.place} is on another machine, and keys would travel"
                f" there in the clear: sslmode is {target.tls.spelling}.",
                "Write `?sslmode=verify-full` at the end of TRUNKLINE_DATABASE_URL, or at least"
                " `?sslmode=require`.",
            )
        return False if target.tls is TlsMode.DISABLE else target.tls.spelling
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = target.tls is TlsMode.VERIFY_FULL
    if target.tls is TlsMode.REQUIRE:
        context.verify_mode = ssl.CERT_NONE
    elif target.roots in ("", SYSTEM_ROOTS):
        context.load_default_certs()
    else:
        with _reading("sslrootcert", target.roots):
            context.load_verify_locations(cafile=target.roots)
    if target.certificate:
        with _reading("sslcert", target.certificate):
            # Without a password: nobody could be asked for it here.
            context.load_cert_chain(target.certificate, target.key or None, password=_no_password)
    return context


@contextlib.contextmanager
def _reading(name: str, path: str) -> Iterator[None]:
    """Turn what goes wrong with a certificate's file into a sentence.

    Raises:
        DatabaseError: it cannot be read.
    """
    try:
        yield
    except OSError as error:
        # An SSLError's text is a number and a place in OpenSSL's source.
        why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise DatabaseError(
            f"The file {path} of {name} cannot be used: {why or 'it is not PEM'}.",
            "Mend the file, or its name in TRUNKLINE_DATABASE_URL.",
        ) from None


def _no_password() -> str:
    """Return no password for a key that is locked with one, so that it is refused."""
    return ""


def _read_password(path: Path) -> str:
    """Read a password; blocking.

    Raises:
        DatabaseError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise DatabaseError(
            f"The password of the database cannot be read from {path}: {why}.",
            "Mend the file, or its name in TRUNKLINE_DATABASE_PASSWORD_FILE.",
        ) from None


def _passes(error: BaseException) -> bool:
    """Tell whether a failure to connect can pass by itself."""
    if isinstance(error, ssl.SSLError | ssl.CertificateError) or _is_without_tls(error):
        return False
    return isinstance(error, (OSError, TimeoutError, *_PASSING))


def _is_without_tls(error: BaseException) -> bool:
    """Tell whether a server refused to speak TLS; the driver has no type for that."""
    return type(error) is ConnectionError and "SSL" in str(error)


def _reason(error: BaseException) -> str:
    """Return why a server cannot be reached, in a few words."""
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, asyncpg.PostgresError):
        return first_line(error)
    strerror = getattr(error, "strerror", None)
    return str(strerror or type(error).__name__)

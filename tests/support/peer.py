"""Programs of others as processes, which stand on the other side of Trunkline.

`make peers` installs them into `.tools/peers`, each with what it needs apart from all else.
One is started on a port of loopback, says when it is ready, and is ended by its id.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

import httpx
import pytest

from support.launcher import LAUNCHER
from support.ports import free_ports

_PEERS: Final = Path(__file__).resolve().parents[2] / ".tools" / "peers"
_ASK_S: Final = 2.0
_PAUSE_S: Final = 0.05
_STOP_LIMIT_S: Final = 10.0
_TOLD_BYTES: Final = 4_000


def find_peer(path: str, *, optional: bool = False) -> Path:
    """Return a file of a program that `make peers` installs.

    Args:
        path: below `.tools/peers`.
        optional: the test may be skipped without it.
    """
    found = _PEERS / path
    if not found.exists():
        message = f"{path.partition('/')[0]} is missing: `make peers` installs it"
        if optional and os.environ.get("TRUNKLINE_REQUIRE_ALL") != "1":
            pytest.skip(message)
        pytest.fail(message)
    return found


class Peer:
    """A program of others that serves HTTP on loopback.

    Args:
        command: the program and its arguments; `{port}` in them stands for its port, and
            `{root}` for `root`.
        ready: path that is answered with 200 when it serves.
        limit_s: most seconds until then.
        env: its variables beside the few that every program has.
        directory: where it starts; None: `root`.

    Attributes:
        root: a directory of its own, its home, which goes when it ends.
        url: where it serves, without a path.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        ready: str,
        limit_s: float,
        env: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="tl-peer-"))
        (self._port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self._port}"
        self._command = command
        self._ready = ready
        self._limit_s = limit_s
        self._env = env or {}
        self._directory = directory or self.root
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        """Start it, and wait until it serves."""
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """End it."""
        await self.close()

    async def close(self) -> None:
        """End it by its id, and remove its directory."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(_STOP_LIMIT_S):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        shutil.rmtree(self.root)

    async def _start(self) -> None:
        """Start it, and wait until it serves.

        Raises:
            AssertionError: it ended, or does not serve in time; with the last it said.
        """
        names = {"port": str(self._port), "root": str(self.root)}
        # Nothing of the user's own settings: only what a program cannot run without.
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.root),
            "LANG": "C.UTF-8",
            **self._env,
        }
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *LAUNCHER,
                *(part.format_map(names) for part in self._command),
                cwd=self._directory,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            async with asyncio.timeout(self._limit_s), httpx.AsyncClient(timeout=_ASK_S) as client:
                while not await self._serves(client):
                    ended = self._process.returncode
                    assert ended is None, f"it ended with {ended}:\n{self._said()}"
                    await asyncio.sleep(_PAUSE_S)
        except TimeoutError:
            raise AssertionError(f"it does not serve in time:\n{self._said()}") from None

    async def _serves(self, client: httpx.AsyncClient) -> bool:
        """Tell whether it serves."""
        try:
            return (await client.get(self.url + self._ready)).is_success
        except httpx.TransportError:
            return False

    @property
    def _log(self) -> Path:
        """The file that takes what it says."""
        return self.root / "output"

    def _said(self) -> str:
        """Return the last it said."""
        return self._log.read_bytes()[-_TOLD_BYTES:].decode(errors="replace")

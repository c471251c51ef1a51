"""An interpreter that has read the program, and forks itself to run it.

Most of what a short command costs is reading its modules, and a test run has hundreds of
commands. Each fork is a process as any other: it has arguments, variables, a directory and
the three standard files of its own, runs `python -m trunkline`, and ends as an interpreter
ends. What it does not do is read the modules again; `make test-full` starts every command
from nothing.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
import warnings
from typing import Any, Final

import trunkline

MAX_REQUEST_BYTES: Final = 160_000
# Standard input, output, error, and where to tell the process's id and how it ended.
FILES: Final = 4
_OF_ITS_OWN: Final = ("trunkline.__main__",)
_SOONER_OR_LATER: Final = (
    "alembic.command",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.sqlite.aiosqlite",
)
_MAX_DESCRIPTOR: Final = 65_536


def read_modules() -> None:
    """Import what commands import."""
    for module in pkgutil.walk_packages(trunkline.__path__, "trunkline."):
        if module.name not in _OF_ITS_OWN and ".migrations" not in module.name:
            importlib.import_module(module.name)
    for name in _SOONER_OR_LATER:
        importlib.import_module(name)
    tasks = len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 1
    assert tasks == 1, "a process with threads cannot be forked"
    gc.collect()
    gc.freeze()


def serve(control: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Fork for each request, until nobody can send one.

    Returns:
        In a fork: its request, and its three files. None: the end.
    """
    telling: dict[int, int] = {}
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(ended, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not control:
                    os.read(ended, 4096)
                    _tell_ends(telling)
                    continue
                data, files, *_ = socket.recv_fds(control, MAX_REQUEST_BYTES, FILES)
                if not data:
                    return None
                child = os.fork()
                if not child:
                    return json.loads(data), files[:3]
                telling[child] = files.pop()
                os.write(telling[child], str(child).encode())
                for file in files:
                    os.close(file)


def _tell_ends(telling: dict[int, int]) -> None:
    """Tell of each process that has ended how it did."""
    while telling:
        child, status = os.waitpid(-1, os.WNOHANG)
        if not child:
            return
        file = telling.pop(child)
        with contextlib.suppress(BrokenPipeError):  # nobody wants to know
            os.write(file, str(os.waitstatus_to_exitcode(status)).encode())
        os.close(file)


def become(request: dict[str, Any], files: list[int]) -> None:
    """Make this fork the process that was asked for."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for place, file in enumerate(files):
        os.dup2(file, place)
    os.closerange(len(files), _MAX_DESCRIPTOR)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", closefd=False)
    if os.environ.get("PYTHONWARNINGS") == "error":
        warnings.simplefilter("error")
    sys.argv = ["trunkline", *request["arguments"]]


if __name__ == "__main__":
    read_modules()
    requests = socket.socket(fileno=0)
    if (asked := serve(requests)) is not None:
        # Its number is another file's from now on.
        requests.detach()
        become(*asked)
        runpy.run_module("trunkline", run_name="__main__", alter_sys=True)

"""Ports for servers of the tests that have to listen on the same one again."""

from __future__ import annotations

import contextlib
import random
import socket

# Below those that the kernel gives to whoever asks for any: nobody else gets one of these
# while its server is away.
_RANGE = range(20_000, 32_000)
_TRIES = 1000


def free_ports(count: int) -> list[int]:
    """Return different ports of 127.0.0.1 that nothing listened on a moment ago."""
    choose = random.SystemRandom().choice
    with contextlib.ExitStack() as stack:
        ports: list[int] = []
        for _ in range(_TRIES):
            if len(ports) == count:
                return ports
            probe = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", choose(_RANGE)))
                ports.append(int(probe.getsockname()[1]))
    raise OSError("no port is free")

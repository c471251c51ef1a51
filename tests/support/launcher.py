"""How the tests start programs of others, so that none is left when a test run is killed."""

from __future__ import annotations

import sys
from typing import Final

# In a process of its own, because to do so in a child of one that has gRPC's threads is not safe.
_PROGRAM: Final = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
os.execv(sys.argv[1], sys.argv[1:])
"""

LAUNCHER: Final = (sys.executable, "-ISc", _PROGRAM)
"""Stands before a program and its arguments: the kernel ends it when its parent is killed."""

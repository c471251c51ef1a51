"""The grain of the event loop's time."""

from __future__ import annotations

from typing import Final

TICK_S: Final = 0.001
"""uvloop's clock and timers are whole milliseconds, so that a timer may be early by one."""

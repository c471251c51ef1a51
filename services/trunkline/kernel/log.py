"""Logging: one canonical line per call and per run; never a message, prompt, key or header.

Events are constants in snake_case, facts are keywords. JSON lines go to standard
error, or colours when it is a terminal. A line that cannot be written is lost: what it
tells of goes on.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import logging
import sys
import time
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, Literal

import msgspec
import structlog

Facts = MutableMapping[str, Any]
Render = Callable[[str, Facts], bytes]

_DELAY_S = 0.02

Logger = structlog.typing.FilteringBoundLogger


def configure(level: str, style: Literal["auto", "json", "console"]) -> None:
    """Set up logging for the process.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        style: `auto` means console on a terminal, else JSON.
    """
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    render = _console() if console else _json
    lines = _Lines(sys.stderr.buffer, render)
    structlog.configure(
        processors=[_stamp],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    # Libraries log requests and responses; only what went wrong in them is of interest.
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(name)s: %(message)s")


def get_logger(name: str) -> Logger:
    """Return the logger of a module, such as `trunkline.inference`."""
    logger: Logger = structlog.get_logger(source=name)
    return logger


class _Lines:
    """Writes lines, and fails nobody when their reader is gone.

    Lines of a running loop are made and written together, at most `_DELAY_S` late: one
    write costs as much as a line, and lines made one after the other cost a third of
    lines made among other work. What tells of trouble is written at once, after what
    waits; the end of the process writes the rest.

    Args:
        file: unbuffered, or flushed here.
        render: makes a line of the level and the facts.
    """

    def __init__(self, file: BinaryIO, render: Render) -> None:
        self._file = file
        self._render = render
        self._waiting: list[tuple[str, Facts]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        atexit.register(self._flush)

    def debug(self, **facts: Any) -> None:
        """Write a line of level debug soon."""
        self._add("debug", facts)

    def info(self, **facts: Any) -> None:
        """Write a line of level info soon."""
        self._add("info", facts)

    def warning(self, **facts: Any) -> None:
        """Write a line of level warning now."""
        self._waiting.append(("warning", facts))
        self._flush()

    def error(self, **facts: Any) -> None:
        """Write a line of level error now."""
        self._waiting.append(("error", facts))
        self._flush()

    def critical(self, **facts: Any) -> None:
        """Write a line of level critical now."""
        self._waiting.append(("critical", facts))
        self._flush()

    def _add(self, level: str, facts: Facts) -> None:
        """Let a line wait for the next write."""
        self._waiting.append((level, facts))
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._flush()
            return
        # A loop that ended took its timer with it.
        if len(self._waiting) == 1 or loop is not self._loop:
            self._loop = loop
            loop.call_later(_DELAY_S, self._flush)

    def _flush(self) -> None:
        """Write the lines that wait."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        lines = [self._render(level, facts) for level, facts in waiting]
        # A closed file is a ValueError.
        with contextlib.suppress(OSError, ValueError):
            self._file.write(b"\n".join(lines) + b"\n")
            self._file.flush()


def _stamp(logger: Any, method: str, facts: Facts) -> Facts:
    """Note when it happened, and what a traceback says, while both are known."""
    if "exc_info" in facts:
        facts = structlog.processors.format_exc_info(logger, method, facts)
    facts["timestamp"] = time.time()
    return facts


def _json(level: str, facts: Facts) -> bytes:
    """Write the facts as JSON."""
    facts["level"] = level
    moment = datetime.fromtimestamp(facts["timestamp"], UTC)
    facts["timestamp"] = moment.isoformat(timespec="microseconds")
    try:
        return _ENCODER.encode(facts)
    except (TypeError, ValueError):
        # Such as half of a surrogate pair, which file names can hold.
        return json.dumps(facts, default=_name_type).encode()


def _console() -> Render:
    """Return what makes a line for people."""
    write = structlog.dev.ConsoleRenderer(
        # Its own choice would show the values of local variables, and secrets are among them.
        exception_formatter=structlog.dev.plain_traceback
    )

    def render(level: str, facts: Facts) -> bytes:
        facts["level"] = level
        facts["timestamp"] = datetime.fromtimestamp(facts["timestamp"]).strftime("%H:%M:%S")
        return str(write(None, level, facts)).encode("utf-8", "backslashreplace")

    return render


def _name_type(value: Any) -> str:
    """Stand in for a value that is no plain fact: what it holds is not ours to log."""
    return f"<{type(value).__name__}>"


_ENCODER = msgspec.json.Encoder(enc_hook=_name_type)

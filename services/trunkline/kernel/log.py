"""Logging: one canonical line per call and per run; never a message, prompt, key or header.

Events are constants in snake_case, facts are keywords. JSON lines go to standard
error, or colours when it is a terminal. A line that cannot be written is lost: what it
tells of goes on.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, Literal

import msgspec
import structlog

Logger = structlog.typing.FilteringBoundLogger


def configure(level: str, style: Literal["auto", "json", "console"]) -> None:
    """Set up logging for the process.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        style: `auto` means console on a terminal, else JSON.
    """
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    structlog.configure(
        processors=_console() if console else _json(),
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=lambda *_: _Lines(sys.stderr.buffer),
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

    Args:
        file: unbuffered, or flushed here.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, line: bytes) -> None:
        """Write one line."""
        # A closed file is a ValueError.
        with contextlib.suppress(OSError, ValueError):
            self._file.write(line + b"\n")
            self._file.flush()

    debug = info = warning = error = critical = write


def _json() -> list[structlog.typing.Processor]:
    """Return the steps to a JSON line; few, since each call takes them."""
    return [
        structlog.processors.add_log_level,
        _stamp,
        structlog.processors.format_exc_info,
        _encode,
    ]


def _console() -> list[structlog.typing.Processor]:
    """Return the steps to a line for people."""
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        # Its own choice would show the values of local variables, and secrets are among them.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        lambda _logger, _method, line: str(line).encode("utf-8", "backslashreplace"),
    ]


def _stamp(_logger: Any, _method: str, facts: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the time of day."""
    facts["timestamp"] = datetime.now(UTC).isoformat(timespec="microseconds")
    return facts


def _encode(_logger: Any, _method: str, facts: MutableMapping[str, Any]) -> bytes:
    """Write the facts as JSON."""
    try:
        return _ENCODER.encode(facts)
    except (TypeError, ValueError):
        # Such as half of a surrogate pair, which file names can hold.
        return json.dumps(facts, default=_name_type).encode()


def _name_type(value: Any) -> str:
    """Stand in for a value that is no plain fact: what it holds is not ours to log."""
    return f"<{type(value).__name__}>"


_ENCODER = msgspec.json.Encoder(enc_hook=_name_type)

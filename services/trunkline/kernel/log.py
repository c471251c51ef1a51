"""Logging: one canonical line per call and per run; never a message, prompt, key or header.

Events are constants in snake_case, facts are keywords. JSON lines go to standard
error, or colours when it is a terminal.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal

import structlog

Logger = structlog.typing.FilteringBoundLogger


def configure(level: str, style: Literal["auto", "json", "console"]) -> None:
    """Set up logging for the process.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        style: `auto` means console on a terminal, else JSON.
    """
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries log requests and responses; only what went wrong in them is of interest.
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(name)s: %(message)s")


def get_logger(name: str) -> Logger:
    """Return the logger of a module, such as `trunkline.inference`."""
    logger: Logger = structlog.get_logger(source=name)
    return logger

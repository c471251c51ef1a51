"""Options and arguments that several commands have."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Final

import typer

DEFAULT_ADDRESS: Final = "127.0.0.1:50051"

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION: Final = re.compile(r"(?:\d{1,9}[smhdw])+")
_MAX_DURATION: Final = timedelta(days=36_500)

Address = Annotated[
    str,
    typer.Option(
        "--address",
        envvar="TRUNKLINE_ADDRESS",
        metavar="HOST:PORT",
        help="Where Trunkline serves; for processes apart, SERVICE=HOST:PORT,… of all four.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def parse_duration(text: str) -> timedelta:
    """Read a duration such as `90s`, `30d` or `1d12h`.

    Raises:
        typer.BadParameter: it is none, is zero, or is over 100 years.
    """
    if not _DURATION.fullmatch(text):
        raise typer.BadParameter(f"{text!r} is no duration; write 90s, 15m, 12h, 30d or 1d12h.")
    parts = re.findall(r"(\d+)([smhdw])", text)
    try:
        duration = sum((timedelta(**{_UNITS[unit]: int(n)}) for n, unit in parts), timedelta())
    except OverflowError:
        duration = timedelta.max
    if not timedelta() < duration <= _MAX_DURATION:
        raise typer.BadParameter(f"{text!r} is not above zero and at most 100 years.")
    return duration

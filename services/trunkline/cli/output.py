"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from trunkline.cli.text import clean, clean_line

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp

# Where no terminal gives a width, nothing is cut or wrapped: `grep` and `awk` read it.
_UNBOUNDED: Final = 10_000


def say(line: str) -> None:
    """Print a line of the result."""
    sys.stdout.write(f"{clean(line)}\n")
    sys.stdout.flush()


def note(line: str) -> None:
    """Print a line that is not part of the result, on standard error."""
    sys.stdout.flush()
    sys.stderr.write(f"{clean(line)}\n")
    sys.stderr.flush()


def print_json(document: object) -> None:
    """Print one JSON document, in ASCII, so that no terminal can be led astray by it."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    sys.stdout.flush()


def to_json(message: Message) -> dict[str, Any]:
    """Return a message as protobuf's JSON has it, with the names of the contract."""
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(message, preserving_proto_field_name=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows below the names of their columns.

    Args:
        columns: names, such as `PROVIDER`.
        rows: a text for each column; an empty one shows as `-`.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    is_terminal = sys.stdout.isatty()
    console = Console(highlight=False, width=None if is_terminal else _UNBOUNDED)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=not is_terminal)
    for row in rows:
        table.add_row(*(Text(clean_line(cell) or "-") for cell in row))
    with console.capture() as captured:
        console.print(table)
    # A table pads its last column up to the width of the widest cell.
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())
    sys.stdout.flush()


def name_value(value: str, prefix: str) -> str:
    """Return an enum value's name for people: without its prefix, in lower case."""
    return value.removeprefix(prefix).lower().replace("_", " ")


def name_time(time: Timestamp) -> str:
    """Return a time in UTC, to the minute."""
    moment = datetime.fromtimestamp(time.seconds, tz=UTC)
    return moment.strftime("%Y-%m-%d %H:%M UTC")

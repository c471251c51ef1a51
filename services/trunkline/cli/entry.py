"""What a person enters: keys without echo, a choice, a yes.

A key comes from a prompt or from standard input and never from an argument, since every
user of a machine can read the arguments of its processes.
"""

from __future__ import annotations

import getpass
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from trunkline.cli.failures import Failure, wrong_usage
from trunkline.cli.text import clean_line

_KEY: Final = re.compile(r"[\x21-\x7e]*")
_HEADER: Final = re.compile(r"[\t\x20-\x7e]*")
# The contract's bound of a key, and lines for 16 headers.
_MAX_SECRET_CHARACTERS: Final = 8192
_MAX_INPUT_BYTES: Final = 17 * (_MAX_SECRET_CHARACTERS + 2)


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret to be entered.

    Attributes:
        name: what it is, for the prompt.
        is_header: it is the value of a header, which may hold spaces.
    """

    name: str
    is_header: bool = False

    def holds(self, text: str) -> bool:
        """Tell whether a text can be it."""
        shape = _HEADER if self.is_header else _KEY
        return len(text) <= _MAX_SECRET_CHARACTERS and shape.fullmatch(text) is not None


def is_terminal() -> bool:
    """Tell whether a person sits at standard input."""
    return sys.stdin is not None and sys.stdin.isatty()


def read_secrets(secrets: Sequence[Secret]) -> list[str]:
    """Return secrets: on a terminal asked for one by one without echo, else from standard input.

    Args:
        secrets: what is wanted; standard input has a line for each, in this order, and lines
            left out at its end are empty.

    Returns:
        The secrets, without white space around them; an empty one was left out.

    Raises:
        Failure: one holds characters that no secret has, or there are too many lines.
    """
    names = [secret.name for secret in secrets]
    if is_terminal():
        entered = [getpass.getpass(f"{clean_line(name)}: ") for name in names]
    else:
        entered = _read_lines(names)
    texts = [text.strip() for text in entered]
    for secret, text in zip(secrets, texts, strict=True):
        if not secret.holds(text):
            raise wrong_usage(
                f"What was entered as {secret.name} is none: it has spaces or characters beyond"
                f" ASCII, or more than {_MAX_SECRET_CHARACTERS:,} characters.",
                "Copy it again, whole and alone.",
            )
    return texts


def read_document() -> str:
    """Return standard input whole, without white space around it; for what is no list of lines.

    Raises:
        Failure: it is longer than any secrets are.
    """
    content = sys.stdin.buffer.read(_MAX_INPUT_BYTES + 1) if sys.stdin is not None else b""
    if len(content) > _MAX_INPUT_BYTES:
        raise wrong_usage("Standard input has more than was asked for.", "Pipe in the keys alone.")
    return content.decode("utf-8", "replace").strip()


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is done that cannot be undone.

    Args:
        question: for a yes or no.
        yes: `--yes` was given: do not ask.

    Raises:
        Failure: the answer was no, or there is nobody to ask.
    """
    if yes:
        return
    if not is_terminal():
        raise wrong_usage(
            "This must be confirmed, and nobody is at a terminal to ask.",
            "Add --yes to do it without being asked.",
        )
    if ask(f"{question} [y/N]").lower() not in ("y", "yes"):
        raise Failure("Nothing was changed.", "Answer `y` to do it.", reason="DECLINED")


def ask(question: str, default: str = "") -> str:
    """Ask for a line on the terminal.

    Args:
        question: without a colon.
        default: what an empty answer means.
    """
    hint = f" [{default}]" if default else ""
    sys.stdout.flush()
    sys.stderr.write(f"{clean_line(question)}{hint}: ")
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.strip() or default


def pick(question: str, choices: Sequence[tuple[str, str]]) -> str:
    """Let a person pick one of several.

    Args:
        question: above the list.
        choices: names, each with what is to be known of it.

    Returns:
        The picked name.

    Raises:
        Failure: three answers named none of them.
    """
    from rich.console import Console
    from rich.prompt import InvalidResponse, PromptBase
    from rich.table import Table
    from rich.text import Text

    names = [name for name, _ in choices]

    class Pick(PromptBase[str]):
        """Takes a number or a name."""

        left = 3

        def process_response(self, value: str) -> str:
            """Return the name that an answer means."""
            answer = value.strip()
            if answer in names:
                return answer
            if answer.isdecimal() and 0 < int(answer[:9]) <= len(names):
                return names[int(answer[:9]) - 1]
            self.left -= 1
            if not self.left:
                raise wrong_usage(
                    "None of the choices was picked.", "Run it again, or name one as an argument."
                )
            raise InvalidResponse(f"Enter a number from 1 to {len(names)}, or a name.")

    console = Console(stderr=True, highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for number, (name, about) in enumerate(choices, start=1):
        table.add_row(str(number), Text(clean_line(name)), Text(clean_line(about)))
    console.print(question)
    console.print(table)
    return Pick.ask("Number or name", console=console)


def _read_lines(names: Sequence[str]) -> list[str]:
    """Return a line of standard input for each name."""
    content = sys.stdin.buffer.read(_MAX_INPUT_BYTES + 1) if sys.stdin is not None else b""
    lines = content.decode("utf-8", "replace").rstrip().splitlines() if content.strip() else []
    if len(lines) > len(names) or len(content) > _MAX_INPUT_BYTES:
        raise wrong_usage(
            f"Standard input has more than was asked for: one line each for {', '.join(names)}.",
            "Pipe in the key alone, such as `trunkline connect openai < key.txt`.",
        )
    return [*lines, *[""] * (len(names) - len(lines))]

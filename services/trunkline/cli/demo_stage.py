"""Where the demonstration is seen: chats as they come, on a terminal in place and in colour."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.text import Text

from trunkline.cli.demo_evidence import name_kind, name_strategy
from trunkline.cli.output import say
from trunkline.cli.text import clean, clean_line

if TYPE_CHECKING:
    from trunkline.inference.v1 import event_pb2

# Where no terminal gives a width, nothing is wrapped.
_UNBOUNDED: Final = 10_000
_VOICES: Final = ("cyan", "green", "magenta", "blue")
_VOID: Final = "dim strike"
_INDENT: Final = "  "


class Scene(Protocol):
    """One chat as it is seen."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End."""

    def show(self, event: event_pb2.ChatEvent) -> None:
        """Show what an event says."""

    def remark(self, line: str) -> None:
        """Show what is done to the chat from outside."""


class Stage(Protocol):
    """Where all of it is seen."""

    def say(self, line: str) -> None:
        """Show a line of what is about to happen."""

    def head(self, line: str) -> None:
        """Show the title of an act."""

    def open_scene(self) -> Scene:
        """Return where a chat is seen."""


class DarkStage:
    """Shows nothing, for programs, which get the facts at the end."""

    def say(self, line: str) -> None:
        """Show nothing."""

    def head(self, line: str) -> None:
        """Show nothing."""

    def open_scene(self) -> Scene:
        """Return a scene that shows nothing."""
        return _DarkScene()


class LitStage:
    """Shows all of it on standard output."""

    def __init__(self) -> None:
        is_terminal = sys.stdout.isatty()
        self._console = Console(highlight=False, width=None if is_terminal else _UNBOUNDED)

    def say(self, line: str) -> None:
        """Show a line of what is about to happen."""
        self._console.print(Text(clean_line(line), style="dim"))

    def head(self, line: str) -> None:
        """Show the title of an act."""
        self._console.print(Text(f"\n{clean_line(line)}", style="bold"))

    def open_scene(self) -> Scene:
        """Return where a chat is seen."""
        return _LitScene(self._console)


class _DarkScene:
    """Shows nothing."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End."""

    def show(self, event: event_pb2.ChatEvent) -> None:
        """Show nothing."""

    def remark(self, line: str) -> None:
        """Show nothing."""


class _LitScene:
    """Shows a chat: each attempt's words in a colour of its own, void ones struck out.

    On a terminal it is drawn anew in place with each event, elsewhere once at its end.

    Args:
        console: where.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        # Each piece with its style, and the event that it came with; 0: it is no content.
        self._pieces: list[tuple[str, str, int]] = []

    def __enter__(self) -> Self:
        """Begin."""
        if self._console.is_terminal:
            self._live = Live(
                console=self._console, auto_refresh=False, vertical_overflow="visible"
            )
            self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End, with the last view left standing."""
        if self._live is not None:
            self._live.__exit__(kind, error, traceback)
            return
        for line in self._text().plain.split("\n"):
            say(f"{_INDENT}{line}")

    def show(self, event: event_pb2.ChatEvent) -> None:
        """Show what an event says."""
        match event.WhichOneof("kind"):
            case "text_delta":
                voice = _VOICES[(event.attempt - 1) % len(_VOICES)]
                self._pieces.append((clean(event.text_delta.text), voice, event.sequence))
            case "attempt_started":
                self._tell(
                    f"attempt {event.attempt} asks {event.attempt_started.model}", "dim", event
                )
            case "attempt_failed":
                failure = event.attempt_failed.failure
                words = f"attempt {event.attempt} broke: {name_kind(failure.kind)}."
                self._tell(f"{words} {failure.message}", "red", event)
            case "continuation_started":
                self._continue(event)
            case "completed":
                self._tell(f"whole after {event.sequence} events", "bold green", event)
            case _:
                return
        self._draw()

    def remark(self, line: str) -> None:
        """Show what is done to the chat from outside."""
        self._break_line()
        self._pieces.append((f"{clean_line(line)}\n", "bold yellow", 0))
        self._draw()

    def _continue(self, event: event_pb2.ChatEvent) -> None:
        """Show a seam, and strike out what it makes void."""
        seam = event.continuation_started
        strategy = name_strategy(seam.strategy).upper()
        if seam.void_from_sequence:
            self._pieces = [
                (text, _VOID if number >= seam.void_from_sequence else style, number)
                for text, style, number in self._pieces
            ]
            words = f"{strategy}: what stands above is void; {seam.to_model} answers anew"
        else:
            words = f"{strategy}: {seam.to_model} goes on after the last word"
        self._tell(words, "bold yellow", event)

    def _tell(self, words: str, style: str, event: event_pb2.ChatEvent) -> None:
        """Add a line about the run, with the number of its event."""
        self._break_line()
        self._pieces.append((f"#{event.sequence} {clean_line(words)}\n", style, 0))

    def _break_line(self) -> None:
        """End the line of the answer that is open."""
        if self._pieces and not self._pieces[-1][0].endswith("\n"):
            self._pieces.append(("\n", "", 0))

    def _text(self) -> Text:
        """Return all of it as it stands."""
        text = Text().join(Text(piece, style=style) for piece, style, _ in self._pieces)
        text.rstrip()
        return text

    def _draw(self) -> None:
        """Draw it as it stands, where it is drawn in place."""
        if self._live is not None:
            self._live.update(Padding(self._text(), (0, 0, 0, len(_INDENT))), refresh=True)

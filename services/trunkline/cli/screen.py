"""Show a chat as it comes: the answer on standard output, what is said about it beside."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Final, TextIO

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from trunkline.cli.output import name_value
from trunkline.cli.shown import Shown
from trunkline.cli.text import clean, clean_line
from trunkline.inference.v1 import event_pb2, message_pb2, result_pb2

_MAX_SHOWN_ARGUMENTS: Final = 4000
_DIM: Final = "\x1b[2m"
_RESET: Final = "\x1b[0m"


class Screen:
    """Shows one answer to a person.

    Text, refusals and tool calls go to standard output, since they are the answer;
    thoughts and remarks go to standard error. On a terminal, what becomes void is struck out.
    """

    def __init__(self) -> None:
        self._kind = ""
        self._block = -1
        self._stream: TextIO = sys.stdout
        self._is_open = False
        self._calls: dict[int, list[str]] = {}
        self._dims = sys.stderr.isatty()
        self._shown = Shown()
        self._sequence = 0

    def show(self, event: event_pb2.ChatEvent) -> None:
        """Show what an event says."""
        self._sequence = event.sequence
        match event.WhichOneof("kind"):
            case "text_delta":
                delta = event.text_delta
                self._add_text(delta.block, delta.text, refusal=delta.refusal)
            case "reasoning_delta":
                self._add_thought(event.reasoning_delta.block, event.reasoning_delta.text)
            case "tool_call_delta":
                pieces = self._calls.setdefault(event.tool_call_delta.block, [])
                pieces.append(event.tool_call_delta.arguments)
            case "tool_call_completed":
                call = event.tool_call_completed
                arguments = "".join(self._calls.pop(call.block, []))
                self._add_call(call.name, arguments, call.call_id)
            case "tool_call_aborted":
                self._calls.pop(event.tool_call_aborted.block, None)
            case "attempt_failed" if event.attempt_failed.will_retry:
                self.remark(f"{event.attempt_failed.failure.message} Trying again.")
            case "continuation_started":
                self._continue(event.continuation_started)
            case "citation_added":
                self._cite(event.citation_added.citation)
            case _:
                pass

    def show_message(self, message: message_pb2.Message) -> None:
        """Show an answer that came in one piece."""
        for block, part in enumerate(message.content):
            match part.WhichOneof("kind"):
                case "text":
                    self._add_text(block, part.text, refusal=False)
                case "refusal":
                    self._add_text(block, part.refusal, refusal=True)
                case "reasoning":
                    self._add_thought(block, part.reasoning.text)
                case "tool_call":
                    call = part.tool_call
                    self._add_call(call.name, call.arguments, call.id)
                case _:
                    pass
            for citation in part.citations:
                self._cite(citation)

    def show_failures(self, completed: result_pb2.Completed) -> None:
        """Show what broke before an answer that came in one piece."""
        for attempt in completed.attempts:
            if attempt.outcome == result_pb2.ATTEMPT_OUTCOME_FAILED:
                self.remark(f"{attempt.model}: {attempt.failure.message}")

    def end(self, completed: result_pb2.Completed, run_id: str) -> None:
        """Show what an answer took, and what was lost on the way."""
        self.close()
        for loss in completed.losses:
            action = name_value(result_pb2.Loss.Action.Name(loss.action), "ACTION_")
            self.remark(f"{loss.path} was {action}: {loss.reason}")
        if completed.turn_ended_early:
            self.remark("The provider broke off after its tool calls, which are whole.")
        self.remark(summarise(completed, run_id))

    def close(self) -> None:
        """End the answer, whole or not."""
        self._end_line()

    def remark(self, text: str) -> None:
        """Show a line that is not part of the answer."""
        # An answer that goes elsewhere is not broken up by what is said about it.
        if self._stream is sys.stderr or _go_together():
            self._end_line()
        self._put(sys.stderr, f"{self._dim(clean_line(text))}\n", 0)

    def _end_line(self) -> None:
        """End the line that is under way."""
        if self._is_open:
            self._put(self._stream, "\n", 0)
            self._is_open = False
        self._kind = ""

    def _cite(self, citation: message_pb2.Citation) -> None:
        """Show a source."""
        self.remark(f"source: {citation.title or citation.quote} {citation.url}".rstrip())

    def _add_text(self, block: int, text: str, *, refusal: bool) -> None:
        """Show more of the answer."""
        kind = "refusal" if refusal else "text"
        begins = self._turn_to(kind, block, sys.stdout)
        self._write(("refused: " if refusal and begins else "") + clean(text))

    def _add_thought(self, block: int, text: str) -> None:
        """Show more of what the model thinks."""
        if text:
            begins = self._turn_to("thought", block, sys.stderr)
            self._write(self._dim(("thinks: " if begins else "") + clean(text)))

    def _add_call(self, name: str, arguments: str, call_id: str) -> None:
        """Show a tool call that is whole."""
        self._end_line()
        shown = clean_line(arguments or "{}")
        if len(shown) > _MAX_SHOWN_ARGUMENTS:
            shown = f"{shown[:_MAX_SHOWN_ARGUMENTS]}… ({len(arguments):,} characters)"
        line = f"calls {clean_line(name)} {shown} ({clean_line(call_id)})\n"
        self._put(sys.stdout, line, self._sequence)

    def _continue(self, seam: event_pb2.ContinuationStarted) -> None:
        """Tell that another attempt carries on, or begins anew."""
        who = seam.to_model
        if seam.from_model != seam.to_model:
            who = f"{seam.from_model} broke off; {seam.to_model}"
        if not seam.void_from_sequence:
            self.remark(f"{who} goes on:")
            return
        self._calls.clear()
        self._end_line()
        is_struck = self._strike(seam.void_from_sequence)
        void = "what is struck out" if is_struck else "what came before"
        self.remark(f"{who} answers anew, and {void} is void:")

    def _strike(self, start: int) -> bool:
        """Strike out what is void from an event on; tell whether that could be done."""
        if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
            return False
        struck = self._shown.strike(start, *shutil.get_terminal_size())
        sys.stdout.write(struck)
        sys.stdout.flush()
        return bool(struck)

    def _turn_to(self, kind: str, block: int, stream: TextIO) -> bool:
        """Begin a new line where another block begins; tell whether one does."""
        if (kind, block) == (self._kind, self._block):
            return False
        self._end_line()
        self._kind, self._block, self._stream = kind, block, stream
        return True

    def _write(self, text: str) -> None:
        """Write at once, and remember whether the line is open."""
        self._put(self._stream, text, self._sequence)
        if text:
            self._is_open = not text.removesuffix(_RESET).endswith("\n")

    def _put(self, stream: TextIO, text: str, sequence: int) -> None:
        """Write at once, and remember what stands on the terminal.

        Args:
            stream: that is written to.
            text: made safe to print.
            sequence: of the event that it came with; 0: it is no part of the answer.
        """
        stream.write(text)
        stream.flush()
        if stream.isatty():
            self._shown.add(text, sequence)

    def _dim(self, text: str) -> str:
        """Return a text dimmed, where there is a terminal to dim it."""
        return f"{_DIM}{text}{_RESET}" if self._dims else text


class PatientScreen(Screen):
    """Shows an answer when nothing of it can become void any more: at its end, whole or not.

    Of a tool loop that is the end of each turn.
    """

    def __init__(self) -> None:
        super().__init__()
        # Only where it is needed, since it imports the client library.
        from trunkline_client.fold import Fold

        self._fold: Fold | None = Fold()

    def show(self, event: event_pb2.ChatEvent) -> None:
        """Keep content, and show what else the event says."""
        if self._fold is None:
            return
        if event.HasField("turn_completed"):
            self.show_message(self._fold.message())
        self._fold.feed(event)
        if event.WhichOneof("kind") in ("attempt_failed", "continuation_started"):
            super().show(event)

    def close(self) -> None:
        """Show what counts of the answer."""
        fold, self._fold = self._fold, None
        if fold is not None:
            self.show_message(fold.message())
        super().close()


class JsonScreen(Screen):
    """Shows an answer to a program: each event as a line of JSON, in ASCII."""

    def show(self, event: event_pb2.ChatEvent) -> None:
        """Print the event."""
        print_line(event)

    def end(self, completed: result_pb2.Completed, run_id: str) -> None:
        """Print nothing: the last event has it all."""


def _go_together() -> bool:
    """Tell whether the answer and what is said about it are seen at one place."""
    if sys.stdout.isatty():
        return True
    try:
        return os.path.sameopenfile(sys.stdout.fileno(), sys.stderr.fileno())
    except (OSError, ValueError):
        return False


def print_line(message: Message) -> None:
    """Print a message as a line of JSON."""
    sys.stdout.write(MessageToJson(message, preserving_proto_field_name=True, indent=None) + "\n")
    sys.stdout.flush()


def summarise(completed: result_pb2.Completed, run_id: str) -> str:
    """Return in one line who answered, how it ended, and what it took."""
    usage = completed.usage
    tokens_in = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    about_input = [
        f"{number:,} {word} cache"
        for number, word in ((usage.cache_read_tokens, "from"), (usage.cache_write_tokens, "to"))
        if number
    ]
    reasoning = f"{usage.reasoning_tokens:,} reasoning"
    about_output = [reasoning] if usage.reasoning_tokens else []
    words = [
        completed.model,
        f"{tokens_in:,} tokens in{_in_brackets(about_input)}",
        f"{usage.output_tokens:,} out{_in_brackets(about_output)}",
    ]
    if usage.source != result_pb2.USAGE_SOURCE_REPORTED:
        words[-1] += f" ({name_value(result_pb2.UsageSource.Name(usage.source), 'USAGE_SOURCE_')})"
    answered = [each for each in completed.attempts if each.HasField("time_to_first_token")]
    if answered:
        first = answered[-1].time_to_first_token.ToNanoseconds() / 1e9
        words.append(f"first token after {first:.2f} s")
    finish = name_value(result_pb2.FinishReason.Name(completed.finish_reason), "FINISH_REASON_")
    if completed.finish_reason == result_pb2.FINISH_REASON_UNSPECIFIED:
        finish = completed.raw_finish_reason or finish
    return ", ".join([*words, f"finish: {finish}", run_id])


def _in_brackets(words: list[str]) -> str:
    """Return words in brackets; empty: there are none."""
    return f" ({', '.join(words)})" if words else ""

"""Show a chat as it comes: the answer on standard output, what is said about it beside."""

from __future__ import annotations

import sys
from typing import Final, TextIO

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from trunkline.cli.output import name_value
from trunkline.cli.text import clean, clean_line
from trunkline.inference.v1 import event_pb2, message_pb2, result_pb2

_MAX_SHOWN_ARGUMENTS: Final = 4000
_DIM: Final = "\x1b[2m"
_RESET: Final = "\x1b[0m"


class Screen:
    """Shows one answer to a person.

    Text, refusals and tool calls go to standard output, since they are the answer;
    thoughts and remarks go to standard error.
    """

    def __init__(self) -> None:
        self._kind = ""
        self._block = -1
        self._stream: TextIO = sys.stdout
        self._is_open = False
        self._calls: dict[int, list[str]] = {}
        self._dims = sys.stderr.isatty()

    def show(self, event: event_pb2.ChatEvent) -> None:
        """Show what an event says."""
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
                citation = event.citation_added.citation
                self.remark(f"source: {citation.title or citation.quote} {citation.url}".rstrip())
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
        """End the line that is under way."""
        if self._is_open:
            self._stream.write("\n")
            self._stream.flush()
            self._is_open = False
        self._kind = ""

    def remark(self, text: str) -> None:
        """Show a line that is not part of the answer."""
        self.close()
        sys.stderr.write(f"{self._dim(clean_line(text))}\n")
        sys.stderr.flush()

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
        self.close()
        shown = clean_line(arguments or "{}")
        if len(shown) > _MAX_SHOWN_ARGUMENTS:
            shown = f"{shown[:_MAX_SHOWN_ARGUMENTS]}… ({len(arguments):,} characters)"
        sys.stdout.write(f"calls {clean_line(name)} {shown} ({clean_line(call_id)})\n")
        sys.stdout.flush()

    def _continue(self, seam: event_pb2.ContinuationStarted) -> None:
        """Tell that another model carries on, or begins anew."""
        if seam.void_from_sequence:
            self._calls.clear()
            self.remark(f"{seam.from_model} broke off; {seam.to_model} answers anew:")
        else:
            self.remark(f"{seam.from_model} broke off; {seam.to_model} goes on:")

    def _turn_to(self, kind: str, block: int, stream: TextIO) -> bool:
        """Begin a new line where another block begins; tell whether one does."""
        if (kind, block) == (self._kind, self._block):
            return False
        self.close()
        self._kind, self._block, self._stream = kind, block, stream
        return True

    def _write(self, text: str) -> None:
        """Write at once, and remember whether the line is open."""
        self._stream.write(text)
        self._stream.flush()
        if text:
            self._is_open = not text.removesuffix(_RESET).endswith("\n")

    def _dim(self, text: str) -> str:
        """Return a text dimmed, where there is a terminal to dim it."""
        return f"{_DIM}{text}{_RESET}" if self._dims else text


class JsonScreen(Screen):
    """Shows an answer to a program: each event as a line of JSON, in ASCII."""

    def show(self, event: event_pb2.ChatEvent) -> None:
        """Print the event."""
        print_line(event)

    def end(self, completed: result_pb2.Completed, run_id: str) -> None:
        """Print nothing: the last event has it all."""


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

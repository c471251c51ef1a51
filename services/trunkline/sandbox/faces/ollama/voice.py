"""Answers of Ollama's chat: lines of JSON, or one document.

Source: the server's API documentation. Its JSON is Go's, which escapes `<`, `>`, `&` and the two
line separators of Unicode (the documentation of `encoding/json`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, assert_never

import msgspec

from trunkline.sandbox.answer import fold, read_arguments
from trunkline.sandbox.faces.ollama.errors import describe
from trunkline.sandbox.faults import Refusal
from trunkline.sandbox.prompt import Prompt, Thoughts
from trunkline.sandbox.speech import (
    CallArguments,
    CallOpened,
    Finish,
    FinishReason,
    Reasoning,
    Refusing,
    Text,
    Usage,
    Utterance,
)

CREATED: Final = "2026-11-06T00:00:00Z"
"""The `created_at` of every answer."""

_NANOSECONDS_A_TOKEN: Final = 10_000_000

_ESCAPES: Final = {
    ord(character): f"\\u{ord(character):04x}" for character in "<>&\N{LINE SEPARATOR}\u2029"
}


def encode(document: dict[str, Any]) -> bytes:
    """Write JSON as Go does."""
    return msgspec.json.encode(document).decode().translate(_ESCAPES).encode()


class ChatVoice:
    """Put one answer on the wire as lines, or as one document."""

    stream_type = "application/x-ndjson"
    comment = b""

    def __init__(self, prompt: Prompt) -> None:
        self._base = {"model": prompt.model, "created_at": CREATED}
        self._shows = prompt.thoughts is Thoughts.SHOWN
        self._opened: CallOpened | None = None
        self._reason: str | None = None
        self._usage: Usage | None = None

    def open(self) -> bytes:
        """Give nothing: the format begins with content."""
        return b""

    def say(self, utterance: Utterance) -> bytes:
        """Give the line of one piece of content; a call comes when it is whole."""
        match utterance:
            case Text(text) | Refusing(text):
                return self._line({"content": text})
            case Reasoning(text):
                return self._line({"content": "", "thinking": text}) if self._shows else b""
            case CallOpened():
                self._opened = utterance
                return b""
            case CallArguments(index, fragment):
                opened = self._opened or CallOpened(index, "", "")
                arguments = read_arguments(fragment) or {}
                call = _call(opened.call_id, index, opened.name, arguments)
                return self._line({"content": "", "tool_calls": [call]})
            case _:
                assert_never(utterance)

    def finish(self, finish: Finish) -> bytes:
        """Keep the reason for the last line."""
        self._reason = _reason(finish)
        return b""

    def count(self, usage: Usage) -> bytes:
        """Keep the usage for the last line."""
        self._usage = usage
        return b""

    def close(self) -> bytes:
        """Give the last line, with the reason and the usage."""
        message = {"role": "assistant", "content": ""}
        return encode({**self._base, "message": message, "done": True, **self._end()}) + b"\n"

    def garble(self) -> bytes:
        """Give a line that breaks off inside its JSON."""
        return encode(self._base)[:-1] + b',"message":{"role":"assistant","content":\n'

    def fail(self, refusal: Refusal) -> bytes:
        """Give a line that holds an error."""
        return encode(describe(refusal, str(self._base["model"]))) + b"\n"

    def whole(self, utterances: Iterable[Utterance], finish: Finish | None) -> bytes:
        """Give one document; without `finish` it is not done and says no reason."""
        answer = fold(utterances)
        message: dict[str, Any] = {"role": "assistant", "content": answer.text + answer.refusal}
        if answer.reasoning and self._shows:
            message["thinking"] = answer.reasoning
        calls = []
        for index, call in enumerate(answer.calls):
            arguments = read_arguments(call.arguments)
            # A call that broke off is left out, as in the stream.
            if call.arguments and arguments is not None:
                calls.append(_call(call.call_id, index, call.name, arguments))
        if calls:
            message["tool_calls"] = calls
        if finish:
            self._reason, self._usage = _reason(finish), finish.usage
        done = finish is not None
        return encode({**self._base, "message": message, "done": done, **self._end()})

    def _line(self, said: dict[str, Any]) -> bytes:
        message = {"role": "assistant", **said}
        return encode({**self._base, "message": message, "done": False}) + b"\n"

    def _end(self) -> dict[str, Any]:
        """Write the fields of the end; what the server leaves out when it is empty is left out."""
        end: dict[str, Any] = {"done_reason": self._reason} if self._reason else {}
        if self._usage is None:
            return end
        prompt, said = self._usage.prompt_tokens, self._usage.completion_tokens
        counts = {
            "total_duration": (prompt + said) * _NANOSECONDS_A_TOKEN,
            "load_duration": _NANOSECONDS_A_TOKEN,
            "prompt_eval_count": prompt,
            "prompt_eval_duration": prompt * _NANOSECONDS_A_TOKEN,
            "eval_count": said,
            "eval_duration": said * _NANOSECONDS_A_TOKEN,
        }
        return {**end, **{name: count for name, count in counts.items() if count}}


def _reason(finish: Finish) -> str:
    """Name the reason: the format knows no other than these, calls and refusals included."""
    return "length" if finish.reason is FinishReason.LENGTH else "stop"


def _call(call_id: str, index: int, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    function = {"index": index, "name": name, "arguments": arguments}
    return {"id": call_id, "function": function}

"""Answers of the Gemini API: events, a list, or one document.

Source: the GenerateContent reference, and the pages on thinking and thought signatures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final, assert_never

import msgspec

from trunkline.sandbox.answer import fold, read_arguments
from trunkline.sandbox.faces.google.contents import VENDOR
from trunkline.sandbox.faces.google.errors import JSON, describe, write
from trunkline.sandbox.faults import Refusal
from trunkline.sandbox.prompt import Prompt, Thoughts
from trunkline.sandbox.signatures import sign
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

_FINISH_REASONS: Final = {
    FinishReason.STOP: "STOP",
    FinishReason.LENGTH: "MAX_TOKENS",
    # A call ends as a text does: this vendor has no reason of its own for it.
    FinishReason.TOOL_CALLS: "STOP",
    FinishReason.REFUSED: "SAFETY",
}


class ContentVoice:
    """Put one answer on the wire.

    Args:
        prompt: what was asked.
        form: `sse` for events, `array` for a list that comes piece by piece, `whole` for neither.
    """

    comment = b""

    def __init__(self, prompt: Prompt, form: str) -> None:
        self.stream_type = "text/event-stream" if form == "sse" else JSON
        self._events = form == "sse"
        self._prompt = prompt
        self._shows = prompt.thoughts is Thoughts.SHOWN
        digest = hashlib.blake2b(prompt.model.encode(), digest_size=12).hexdigest()
        self._base = {"modelVersion": prompt.model, "responseId": digest}
        self._begun = False
        self._thought = False
        self._called = False
        self._finished = False
        self._name = ""
        """The function of the call whose arguments come next."""

    def open(self) -> bytes:
        """Give nothing: the format begins with content."""
        return b""

    def say(self, utterance: Utterance) -> bytes:
        """Give the response with one part; a call comes when it is whole."""
        match utterance:
            case Text(text) | Refusing(text):
                return self._respond({"text": text})
            case Reasoning(text):
                self._thought = True
                return self._respond({"text": text, "thought": True}) if self._shows else b""
            case CallOpened(_, _, name):
                self._name = name
                return b""
            case CallArguments(_, fragment):
                return self._respond(self._call(self._name, read_arguments(fragment) or {}))
            case _:
                assert_never(utterance)

    def finish(self, finish: Finish) -> bytes:
        """Give the last response, with the finish reason and the usage."""
        self._finished = True
        return self._respond(self._last_part(), finish.usage, _FINISH_REASONS[finish.reason])

    def count(self, usage: Usage) -> bytes:
        """Give a last response without a reason, where the reason was not said."""
        return b"" if self._finished else self._respond(self._last_part(), usage)

    def close(self) -> bytes:
        """Give the end of the list; events have none."""
        if self._events:
            return b""
        return b"]" if self._begun else b"[]"

    def garble(self) -> bytes:
        """Give a response that breaks off inside its JSON."""
        return self._frame(b'{"candidates": [{"content": {"parts": [{"text": ')

    def fail(self, refusal: Refusal) -> bytes:
        """Give an error as the vendor appends it: a document that is no event."""
        return write(describe(refusal, self._prompt.model))

    def whole(self, utterances: Iterable[Utterance], finish: Finish | None) -> bytes:
        """Give one response; without `finish` it has no finish reason and no usage."""
        answer = fold(utterances)
        parts: list[dict[str, Any]] = []
        if answer.reasoning:
            self._thought = True
            if self._shows:
                parts.append({"text": answer.reasoning, "thought": True})
        text = answer.text + answer.refusal
        if text:
            parts.append({"text": text})
        for call in answer.calls:
            arguments = read_arguments(call.arguments)
            # A call that broke off is left out, as in the stream.
            if call.arguments and arguments is not None:
                parts.append(self._call(call.name, arguments))
        if text and self._thought:
            parts[-1]["thoughtSignature"] = self._sign("")
        candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
        if finish:
            candidate["finishReason"] = _FINISH_REASONS[finish.reason]
        counts = {"usageMetadata": self._counts(finish.usage)} if finish else {}
        return write({"candidates": [candidate], **counts, **self._base})

    def _call(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Give a call; the first of an answer is signed, and none has an id."""
        part: dict[str, Any] = {"functionCall": {"name": name, "args": arguments}}
        if not self._called:
            part["thoughtSignature"] = self._sign(name)
        self._called = True
        return part

    def _last_part(self) -> dict[str, Any]:
        """Give an empty text, which holds the signature of what was thought before the text."""
        signs = self._thought and not self._called
        return {"text": "", **({"thoughtSignature": self._sign("")} if signs else {})}

    def _sign(self, content: str) -> str:
        return sign(VENDOR, self._prompt.model, content)

    def _respond(
        self, part: dict[str, Any], usage: Usage | None = None, reason: str | None = None
    ) -> bytes:
        candidate: dict[str, Any] = {"content": {"parts": [part], "role": "model"}, "index": 0}
        if reason is not None:
            candidate["finishReason"] = reason
        counts = self._counts(usage or Usage(self._prompt.prompt_tokens, 0, 0))
        response = {"candidates": [candidate], "usageMetadata": counts, **self._base}
        return self._frame(msgspec.json.encode(response))

    def _frame(self, response: bytes) -> bytes:
        if self._events:
            return b"data: " + response + b"\r\n\r\n"
        begun, self._begun = self._begun, True
        return (b",\r\n" if begun else b"[") + response

    def _counts(self, usage: Usage) -> dict[str, Any]:
        """Write the usage; as in all proto JSON, zeros are left out."""
        prompt, thoughts = usage.prompt_tokens, usage.reasoning_tokens
        said = usage.completion_tokens - thoughts
        counts: dict[str, Any] = {
            "promptTokenCount": prompt,
            "candidatesTokenCount": said,
            "totalTokenCount": prompt + said + thoughts,
            "thoughtsTokenCount": thoughts,
        }
        details = [{"modality": "TEXT", "tokenCount": prompt}]
        return {**{name: n for name, n in counts.items() if n}, "promptTokensDetails": details}

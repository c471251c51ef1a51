"""Answers of Anthropic Messages, streamed as events or whole.

Source: the Messages API reference and its page on streaming.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final, assert_never

import msgspec

from trunkline.sandbox.answer import fold, read_arguments
from trunkline.sandbox.faces.anthropic.blocks import VENDOR
from trunkline.sandbox.faces.anthropic.errors import describe
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

_STOP_REASONS: Final = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.REFUSED: "refusal",
}


class MessageVoice:
    """Put one answer on the wire as events, or as a whole message."""

    stream_type = "text/event-stream; charset=utf-8"
    comment = b""

    def __init__(self, prompt: Prompt, request_id: str) -> None:
        self._prompt = prompt
        self._request_id = request_id
        digest = hashlib.blake2b(prompt.model.encode(), digest_size=12).hexdigest()
        self._message: dict[str, Any] = {
            "id": f"msg_{digest}",
            "type": "message",
            "role": "assistant",
            "model": prompt.model,
        }
        self._shows = prompt.thoughts is Thoughts.SHOWN
        self._thoughts: list[str] = []
        self._open = ""
        """The type of the open block; empty when none is."""
        self._index = -1
        self._finished = False

    def open(self) -> bytes:
        """Give `message_start` and a ping."""
        usage = _usage(Usage(self._prompt.prompt_tokens, 1, 0))
        del usage["output_tokens_details"]
        message = {**self._message, "content": [], **_reason(None), "usage": usage}
        return _event({"type": "message_start", "message": message}) + _event({"type": "ping"})

    def say(self, utterance: Utterance) -> bytes:
        """Give the delta of one piece of content, and the ends and starts of blocks before it."""
        match utterance:
            case Text(text) | Refusing(text):
                start = self._turn_to("text", {"type": "text", "text": ""})
                return start + self._delta("text_delta", "text", text)
            case Reasoning(text):
                block = {"type": "thinking", "thinking": "", "signature": ""}
                start = self._turn_to("thinking", block)
                if not self._shows:
                    return start
                self._thoughts.append(text)
                return start + self._delta("thinking_delta", "thinking", text)
            case CallOpened(_, call_id, name):
                call = {"type": "tool_use", "id": _call_id(call_id), "name": name, "input": {}}
                start = self._end_block() + self._turn_to("tool_use", call)
                return start + self._delta("input_json_delta", "partial_json", "")
            case CallArguments(_, fragment):
                return self._delta("input_json_delta", "partial_json", fragment)
            case _:
                assert_never(utterance)

    def finish(self, finish: Finish) -> bytes:
        """Give `message_delta` with the stop reason and the usage."""
        self._finished = True
        delta = {"type": "message_delta", "delta": _reason(finish), "usage": _usage(finish.usage)}
        return self._end_block() + _event(delta)

    def count(self, usage: Usage) -> bytes:
        """Give `message_delta` without a reason, where the reason was not said."""
        if self._finished:
            return b""
        delta = {"type": "message_delta", "delta": _reason(None), "usage": _usage(usage)}
        return self._end_block() + _event(delta)

    def close(self) -> bytes:
        """Give `message_stop`."""
        return _event({"type": "message_stop"})

    def garble(self) -> bytes:
        """Give a delta that breaks off inside its JSON."""
        return (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
            b'"delta":{"type":"text_delta","text":\n\n' % max(self._index, 0)
        )

    def fail(self, refusal: Refusal) -> bytes:
        """Give the event `error`."""
        return _event(describe(refusal, self._request_id, self._prompt.model))

    def whole(self, utterances: Iterable[Utterance], finish: Finish | None) -> bytes:
        """Give a message; without `finish` its stop reason is null and it has no usage."""
        answer = fold(utterances)
        content: list[dict[str, Any]] = []
        if answer.reasoning:
            thought = answer.reasoning if self._shows else ""
            content.append(
                {"type": "thinking", "thinking": thought, "signature": self._sign(thought)}
            )
        text = answer.text + answer.refusal
        if text:
            content.append({"type": "text", "text": text})
        content.extend(
            {
                "type": "tool_use",
                "id": _call_id(call.call_id),
                "name": call.name,
                "input": read_arguments(call.arguments) or {},
            }
            for call in answer.calls
        )
        message = {**self._message, "content": content, **_reason(finish)}
        if finish:
            message["usage"] = _usage(finish.usage)
        return msgspec.json.encode(message)

    def _turn_to(self, kind: str, block: dict[str, Any]) -> bytes:
        """Open a block unless one of its type is open; only one is open at a time."""
        if self._open == kind:
            return b""
        ended = self._end_block()
        self._open = kind
        self._index += 1
        start = {"type": "content_block_start", "index": self._index, "content_block": block}
        return ended + _event(start)

    def _end_block(self) -> bytes:
        """End the open block, a thinking one with its signature."""
        if not self._open:
            return b""
        signed = b""
        if self._open == "thinking":
            signature = self._sign("".join(self._thoughts))
            signed = self._delta("signature_delta", "signature", signature)
        self._open = ""
        return signed + _event({"type": "content_block_stop", "index": self._index})

    def _delta(self, kind: str, field: str, text: str) -> bytes:
        delta = {"type": kind, field: text}
        return _event({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _sign(self, thought: str) -> str:
        return sign(VENDOR, self._prompt.model, thought)


def _event(data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (data["type"].encode(), msgspec.json.encode(data))


def _call_id(call_id: str) -> str:
    """Give a neutral id the vendor's prefix."""
    return "toolu_" + call_id.removeprefix("call_")


def _reason(finish: Finish | None) -> dict[str, Any]:
    """Return the fields that say why an answer ended."""
    reason = finish and _STOP_REASONS[finish.reason]
    stop = finish and finish.stop_sequence
    refused = {"type": "refusal", "category": None, "explanation": None}
    return {
        "stop_reason": "stop_sequence" if stop else reason,
        "stop_sequence": stop,
        "stop_details": refused if reason == "refusal" else None,
    }


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }

"""Answers of OpenAI Responses, streamed as events or whole.

Source: the Responses API reference and its page on streaming.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final, assert_never

import msgspec

from trunkline.sandbox.answer import fold
from trunkline.sandbox.faces.openai.errors import describe
from trunkline.sandbox.faces.openai.items import VENDOR
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

_CREATED: Final = 1_794_000_000
_MESSAGE: Final = "message"
_THOUGHT: Final = "reasoning"
_CALL: Final = "function_call"


class ResponseVoice:
    """Put one answer on the wire as events, or as a whole response.

    The last event says the reason and the usage at once, and is the terminator.
    """

    stream_type = "text/event-stream; charset=utf-8"
    comment = b""

    def __init__(self, prompt: Prompt) -> None:
        digest = hashlib.blake2b(prompt.model.encode(), digest_size=12).hexdigest()
        self._digest = digest
        self._response: dict[str, Any] = {
            "id": f"resp_{digest}",
            "object": "response",
            "created_at": _CREATED,
            "model": prompt.model,
            "error": None,
            "incomplete_details": None,
            "parallel_tool_calls": prompt.parallel_calls,
            "tool_choice": "auto",
            "tools": [],
            "store": False,
        }
        self._shows = prompt.thoughts is Thoughts.SHOWN
        self._proof = sign(VENDOR, prompt.model, "")
        self._number = -1
        self._output: list[dict[str, Any]] = []
        self._open: dict[str, Any] | None = None

    def open(self) -> bytes:
        """Give the events that begin an answer."""
        begun = {**self._response, "status": "in_progress", "output": [], "usage": None}
        return self._event("created", response=begun) + self._event("in_progress", response=begun)

    def say(self, utterance: Utterance) -> bytes:
        """Give the event of one piece of content, and the ends and starts of items before it."""
        match utterance:
            case Text(text):
                start, part = self._part("output_text", "text")
                part["text"] += text
                return start + self._more("output_text.delta", delta=text, logprobs=[])
            case Refusing(text):
                start, part = self._part("refusal", "refusal")
                part["refusal"] += text
                return start + self._more("refusal.delta", delta=text)
            case Reasoning(text):
                return self._think(text)
            case CallOpened(_, call_id, name):
                return self._turn_to(_call(call_id, name, "", "in_progress"), anew=True)
            case CallArguments(_, fragment):
                assert self._open is not None
                self._open["arguments"] += fragment
                return self._more("function_call_arguments.delta", delta=fragment)
            case _:
                assert_never(utterance)

    def finish(self, finish: Finish) -> bytes:
        """Give the last event, with the whole answer in it."""
        cut = finish.reason is FinishReason.LENGTH
        ended = self._end_item("incomplete" if cut else "completed")
        response = self._ended(self._output, finish)
        return ended + self._event(str(response["status"]), response=response)

    def count(self, usage: Usage) -> bytes:
        """Give nothing: the usage stands in the last event."""
        del usage
        return b""

    def close(self) -> bytes:
        """Give nothing: the last event is the terminator."""
        return b""

    def garble(self) -> bytes:
        """Give an event that breaks off inside its JSON."""
        return (
            b"event: response.output_text.delta\n"
            b'data: {"type":"response.output_text.delta","delta":\n\n'
        )

    def fail(self, refusal: Refusal) -> bytes:
        """Give the event `error`."""
        error = describe(refusal)[1]["error"]
        self._number += 1
        said = {"code": error["code"] or error["type"], "message": error["message"]}
        return _frame(
            {"type": "error", **said, "param": error["param"], "sequence_number": self._number}
        )

    def whole(self, utterances: Iterable[Utterance], finish: Finish | None) -> bytes:
        """Give a response; without `finish` it is in progress and has no usage."""
        answer = fold(utterances)
        output: list[dict[str, Any]] = []
        if answer.reasoning:
            output.append(self._thought(answer.reasoning if self._shows else ""))
        parts = []
        if answer.text:
            parts.append({"type": "output_text", "text": answer.text, "annotations": []})
        if answer.refusal:
            parts.append({"type": "refusal", "refusal": answer.refusal})
        if parts:
            output.append(_message(parts, "completed"))
        cut = finish is not None and finish.reason is FinishReason.LENGTH
        status = "incomplete" if cut else "completed"
        output.extend(
            _call(call.call_id, call.name, call.arguments, status) for call in answer.calls
        )
        items = [{"id": self._item_id(place), **item} for place, item in enumerate(output)]
        return msgspec.json.encode(self._ended(items, finish))

    def _think(self, thought: str) -> bytes:
        """Give more of a thought, whose summary is shown to who asked for it."""
        start = self._turn_to(self._thought(""))
        if not self._shows:
            return start
        item = self._open
        assert item is not None
        if not item["summary"]:
            item["summary"].append({"type": "summary_text", "text": ""})
            part = {"type": "summary_text", "text": ""}
            start += self._more("reasoning_summary_part.added", summary_index=0, part=part)
        item["summary"][0]["text"] += thought
        return start + self._more("reasoning_summary_text.delta", summary_index=0, delta=thought)

    def _part(self, kind: str, field: str) -> tuple[bytes, dict[str, Any]]:
        """Return the part of a message that is open, and what had to be said to open it."""
        start = self._turn_to(_message([], "in_progress"))
        assert self._open is not None
        parts = self._open["content"]
        if not parts or parts[-1]["type"] != kind:
            parts.append({"type": kind, field: ""})
            if kind == "output_text":
                parts[-1]["annotations"] = []
            start += self._more("content_part.added", part=parts[-1])
        return start, parts[-1]

    def _turn_to(self, item: dict[str, Any], *, anew: bool = False) -> bytes:
        """Open an item, unless one of its type is open already and none is wanted anew."""
        if self._open is not None and self._open["type"] == item["type"] and not anew:
            return b""
        ended = self._end_item()
        self._open = {"id": self._item_id(len(self._output)), **item}
        shown = {**self._open, "encrypted_content": ""} if item["type"] == _THOUGHT else self._open
        return ended + self._event("output_item.added", output_index=len(self._output), item=shown)

    def _end_item(self, status: str = "completed") -> bytes:
        """End the open item, with all of it."""
        item, self._open = self._open, None
        if item is None:
            return b""
        if item["type"] != _THOUGHT:
            item["status"] = status
        place = len(self._output)
        self._output.append(item)
        return self._event("output_item.done", output_index=place, item=item)

    def _more(self, kind: str, **said: Any) -> bytes:
        """Give an event of the open item."""
        item = self._open
        assert item is not None
        place = {"item_id": item["id"], "output_index": len(self._output)}
        if item["type"] == _MESSAGE:
            place["content_index"] = len(item["content"]) - 1
        return self._event(kind, **place, **said)

    def _event(self, kind: str, **said: Any) -> bytes:
        """Give one event."""
        self._number += 1
        return _frame({"type": f"response.{kind}", "sequence_number": self._number, **said})

    def _thought(self, summary: str) -> dict[str, Any]:
        parts = [{"type": "summary_text", "text": summary}] if summary else []
        return {"type": _THOUGHT, "summary": parts, "encrypted_content": self._proof}

    def _item_id(self, place: int) -> str:
        return f"item_{self._digest}_{place}"

    def _ended(self, output: list[dict[str, Any]], finish: Finish | None) -> dict[str, Any]:
        """Return the answer as it ended."""
        response = {**self._response, "status": "in_progress", "output": output, "usage": None}
        if finish is not None:
            cut = finish.reason is FinishReason.LENGTH
            response["status"] = "incomplete" if cut else "completed"
            response["incomplete_details"] = {"reason": "max_output_tokens"} if cut else None
            response["usage"] = _usage(finish.usage)
        return response


def _frame(data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (data["type"].encode(), msgspec.json.encode(data))


def _message(parts: list[dict[str, Any]], status: str) -> dict[str, Any]:
    return {"type": _MESSAGE, "role": "assistant", "status": status, "content": parts}


def _call(call_id: str, name: str, arguments: str, status: str) -> dict[str, Any]:
    return {
        "type": _CALL,
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        "status": status,
    }


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }

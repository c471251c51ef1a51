"""The face of OpenAI: Chat Completions, and Responses beside it at the same address.

Source: the API reference of both, their pages on streaming, and the list of error codes.
Everything that the real service draws at random or from its clock is derived from the model's
name or fixed, so that the same request always gets the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, assert_never
from urllib.parse import unquote

import msgspec

from trunkline.sandbox.answer import Call, fold
from trunkline.sandbox.face import Document, Head, ModelCard, Occasion, Operation, Route, Voice
from trunkline.sandbox.faces.openai.errors import describe
from trunkline.sandbox.faces.openai.request import read_prompt
from trunkline.sandbox.faces.openai.responses import read_inquiry
from trunkline.sandbox.faces.openai.responses_voice import ResponseVoice
from trunkline.sandbox.faces.openai.vectors import EmbeddingList
from trunkline.sandbox.faults import Refusal
from trunkline.sandbox.prompt import Prompt
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
from trunkline.sandbox.vectors import VectorForm

CREATED: Final = 1_794_000_000
"""The `created` of every model and answer, in seconds since 1970."""

_JSON = "application/json"

# A page of OpenRouter's, where a key counts though the list of models is public.
_KEY: Final = Document(
    200,
    _JSON,
    msgspec.json.encode(
        {"data": {"label": "sandbox", "limit": None, "limit_remaining": None, "usage": 0}}
    ),
)

_RESPONSES: Final = "responses"
"""The form of a route that asks by Responses."""

_FINISH_REASONS = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.REFUSED: "stop",
}


class ChatCompletions:
    """Speak OpenAI Chat Completions, and Responses."""

    name = "openai"
    prefix = ""
    base_path = "/v1"
    request_id_header: str | None = "x-request-id"
    vectors: VectorForm | None = EmbeddingList()
    keyless = False

    def route(self, head: Head) -> Route | None:
        """Tell what a request line asks for; None when there is no such path."""
        match head.method, head.path.split("/")[1:]:
            case "POST", ["v1", "chat", "completions"]:
                return Route(Operation.CHAT)
            case "POST", ["v1", "embeddings"]:
                return Route(Operation.EMBED)
            case "POST", ["v1", "responses"]:
                return Route(Operation.CHAT, form=_RESPONSES)
            case "GET", ["v1", "models"]:
                return Route(Operation.LIST_MODELS)
            case "GET", ["v1", "key"]:
                return Route(Operation.SHOW_KEY, document=_KEY)
            case "GET", ["v1", "models", name] if name:
                return Route(Operation.SHOW_MODEL, unquote(name))
        return None

    def key(self, head: Head) -> str:
        """Return the bearer token; empty when there is none."""
        return head.bearer()

    def model(self, route: Route, body: object) -> str | None:
        """Return the model that a request names, before it is checked."""
        named = body.get("model") if isinstance(body, Mapping) else None
        return route.model or (named if isinstance(named, str) else None)

    def check(self, head: Head) -> None:
        """Take any headers."""

    def read(self, head: Head, route: Route, body: object) -> Prompt:
        """Check a chat request.

        Raises:
            Refusal: the request is not what the format demands.
        """
        return read_inquiry(body) if route.form == _RESPONSES else read_prompt(body)

    def list_models(self, head: Head, models: Sequence[ModelCard]) -> Document:
        """List models; the format has no paging."""
        listing = {"object": "list", "data": [_model(model) for model in models]}
        return Document(200, _JSON, msgspec.json.encode(listing))

    def show_model(self, model: ModelCard) -> Document:
        """Describe one model."""
        return Document(200, _JSON, msgspec.json.encode(_model(model)))

    def refuse(self, refusal: Refusal, occasion: Occasion) -> Document:
        """Put a refusal on the wire, with `retry-after` in seconds where it asks for a wait."""
        status, error = describe(refusal)
        wait = refusal.retry_after_seconds
        headers = () if wait is None else (("retry-after", f"{wait:g}"),)
        return Document(status, _JSON, msgspec.json.encode(error), headers)

    def voice(self, prompt: Prompt, occasion: Occasion) -> Voice:
        """Make the voice of one answer."""
        route = occasion.route
        is_response = route is not None and route.form == _RESPONSES
        return ResponseVoice(prompt) if is_response else ChatVoice(prompt)


class ChatVoice:
    """Put one answer on the wire as chunks, or as a whole completion."""

    stream_type = "text/event-stream; charset=utf-8"
    comment = b": PROCESSING\n\n"

    def __init__(self, prompt: Prompt) -> None:
        self._counts = prompt.include_usage
        self._base: dict[str, Any] = {
            "id": "chatcmpl-" + hashlib.blake2b(prompt.model.encode(), digest_size=12).hexdigest(),
            "created": CREATED,
            "model": prompt.model,
            "service_tier": "default",
            "system_fingerprint": "fp_sandbox",
        }
        # Only the delta differs between chunks: the rest is encoded once for the whole stream.
        shared = msgspec.json.encode({**self._base, "object": "chat.completion.chunk"})
        self._head = b"data: " + shared[:-1] + b',"choices":['
        self._tail = b',"usage":null}\n\n' if self._counts else b"}\n\n"

    def open(self) -> bytes:
        """Give the first chunk, which holds the role and no content."""
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def say(self, utterance: Utterance) -> bytes:
        """Give the chunk of one piece of content."""
        return self._chunk(_delta(utterance))

    def finish(self, finish: Finish) -> bytes:
        """Give the chunk with the finish reason."""
        return self._chunk({}, _FINISH_REASONS[finish.reason])

    def count(self, usage: Usage) -> bytes:
        """Give the chunk without choices that holds the usage, where it was asked for."""
        if not self._counts:
            return b""
        return self._head + b'],"usage":' + msgspec.json.encode(_usage(usage)) + b"}\n\n"

    def close(self) -> bytes:
        """Give the terminator."""
        return b"data: [DONE]\n\n"

    def garble(self) -> bytes:
        """Give a chunk that breaks off inside its JSON."""
        return self._head + b'{"index":0,"delta":{"content":\n\n'

    def fail(self, refusal: Refusal) -> bytes:
        """Give an error in place of a chunk; it has no `choices`."""
        return b"data: " + msgspec.json.encode(describe(refusal)[1]) + b"\n\n"

    def whole(self, utterances: Iterable[Utterance], finish: Finish | None) -> bytes:
        """Give a completion; without `finish` its finish reason is null and it has no usage."""
        choice = {
            "index": 0,
            "message": _message(utterances),
            "logprobs": None,
            "finish_reason": finish and _FINISH_REASONS[finish.reason],
        }
        completion = {**self._base, "object": "chat.completion", "choices": [choice]}
        if finish:
            completion["usage"] = _usage(finish.usage)
        return msgspec.json.encode(completion)

    def _chunk(self, delta: Mapping[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return self._head + msgspec.json.encode(choice) + b"]" + self._tail


def _delta(utterance: Utterance) -> dict[str, Any]:
    match utterance:
        case Text(text):
            return {"content": text}
        case Reasoning(text):
            # The look-alikes' field: the original service never shows reasoning.
            return {"reasoning_content": text}
        case Refusing(text):
            return {"refusal": text}
        case CallOpened():
            return {"tool_calls": [{"index": utterance.index, **_call(utterance, "")}]}
        case CallArguments(index, fragment):
            return {"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}
        case _:
            assert_never(utterance)


def _message(utterances: Iterable[Utterance]) -> dict[str, Any]:
    """Write an answer as one message."""
    answer = fold(utterances)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": answer.text or (None if answer.calls or answer.refusal else ""),
        "refusal": answer.refusal or None,
        "annotations": [],
    }
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.calls:
        message["tool_calls"] = [_call(call, call.arguments) for call in answer.calls]
    return message


def _call(call: Call | CallOpened, arguments: str) -> dict[str, Any]:
    function = {"name": call.name, "arguments": arguments}
    return {"id": call.call_id, "type": "function", "function": function}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _model(model: ModelCard) -> dict[str, Any]:
    return {
        "id": model.name,
        "object": "model",
        "created": CREATED,
        "owned_by": "trunkline-sandbox",
    }

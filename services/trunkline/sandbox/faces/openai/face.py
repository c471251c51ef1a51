"""The face of OpenAI Chat Completions.

Source: the Chat Completions API reference, its page on streaming, and the list of error codes.
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
from trunkline.sandbox.face import Document, Head, ModelCard, Occasion, Operation, Route
from trunkline.sandbox.faces.openai.request import read_prompt
from trunkline.sandbox.faces.openai.vectors import EmbeddingList
from trunkline.sandbox.faults import Refusal, Trouble
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

_ERRORS: dict[Trouble, tuple[int, str, str | None]] = {
    Trouble.INVALID_REQUEST: (400, "invalid_request_error", None),
    Trouble.UNSUPPORTED_VALUE: (400, "invalid_request_error", "unsupported_value"),
    Trouble.UNKNOWN_PARAMETER: (400, "invalid_request_error", "unknown_parameter"),
    Trouble.NO_THINKING: (400, "invalid_request_error", "unsupported_parameter"),
    Trouble.CONTEXT_TOO_LONG: (400, "invalid_request_error", "context_length_exceeded"),
    Trouble.CONTENT_REFUSED: (400, "invalid_request_error", "content_policy_violation"),
    Trouble.NO_KEY: (401, "invalid_request_error", "invalid_api_key"),
    Trouble.UNAUTHENTICATED: (401, "invalid_request_error", "invalid_api_key"),
    Trouble.KEY_REVOKED: (401, "invalid_request_error", "invalid_api_key"),
    Trouble.MISSING_SCOPE: (403, "invalid_request_error", "missing_scope"),
    Trouble.FORBIDDEN: (403, "request_forbidden", "unsupported_country_region_territory"),
    Trouble.MODEL_NOT_FOUND: (404, "invalid_request_error", "model_not_found"),
    Trouble.NO_SUCH_ROUTE: (404, "invalid_request_error", "unknown_url"),
    Trouble.BODY_TOO_LARGE: (413, "invalid_request_error", "request_too_large"),
    Trouble.HEAD_TOO_LARGE: (431, "invalid_request_error", "request_head_too_large"),
    Trouble.RATE_LIMITED: (429, "requests", "rate_limit_exceeded"),
    Trouble.NO_QUOTA: (429, "insufficient_quota", "insufficient_quota"),
    Trouble.NO_CREDIT: (429, "insufficient_quota", "insufficient_quota"),
    Trouble.SERVER_ERROR: (500, "server_error", None),
    Trouble.OVERLOADED: (503, "server_error", "server_is_overloaded"),
}
"""Status, type and code of each refusal."""

_FINISH_REASONS = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.REFUSED: "stop",
}


class ChatCompletions:
    """Speak OpenAI Chat Completions."""

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
        return read_prompt(body)

    def list_models(self, head: Head, models: Sequence[ModelCard]) -> Document:
        """List models; the format has no paging."""
        listing = {"object": "list", "data": [_model(model) for model in models]}
        return Document(200, _JSON, msgspec.json.encode(listing))

    def show_model(self, model: ModelCard) -> Document:
        """Describe one model."""
        return Document(200, _JSON, msgspec.json.encode(_model(model)))

    def refuse(self, refusal: Refusal, occasion: Occasion) -> Document:
        """Put a refusal on the wire, with `retry-after` in seconds where it asks for a wait."""
        status, error = _error(refusal)
        wait = refusal.retry_after_seconds
        headers = () if wait is None else (("retry-after", f"{wait:g}"),)
        return Document(status, _JSON, msgspec.json.encode(error), headers)

    def voice(self, prompt: Prompt, occasion: Occasion) -> ChatVoice:
        """Make the voice of one answer."""
        return ChatVoice(prompt)


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
        return b"data: " + msgspec.json.encode(_error(refusal)[1]) + b"\n\n"

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


def _error(refusal: Refusal) -> tuple[int, dict[str, Any]]:
    """Return the status and the body of a refusal."""
    status, kind, code = _ERRORS[refusal.trouble]
    error = {"message": refusal.message, "type": kind, "param": refusal.param, "code": code}
    return status, {"error": error}

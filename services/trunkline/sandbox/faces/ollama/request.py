"""Requests of Ollama's chat, checked as the server checks them: types, and little else.

Source: the server's API documentation, and its source for the sentences. A field that the server
does not know is passed over, as the server does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import msgspec

from trunkline.sandbox.faults import Refusal, Trouble
from trunkline.sandbox.history import History, Message, Speaker, read_history
from trunkline.sandbox.images import decode_base64, recognise
from trunkline.sandbox.prompt import CallStyle, JsonObject, Prompt, Thoughts, Tool, ToolChoice

IMAGE_TYPES: Final = ("image/png", "image/jpeg", "image/webp")

DEFAULT_TAG: Final = ":latest"

_LEVELS: Final = ("low", "medium", "high", "max")
_INTEGERS: Final = (
    *("num_ctx", "num_predict", "num_keep", "num_batch", "num_gpu", "main_gpu", "num_thread"),
    *("seed", "top_k", "repeat_last_n", "mirostat"),
)
_FLOATS: Final = (
    *("temperature", "top_p", "min_p", "typical_p", "repeat_penalty", "presence_penalty"),
    *("frequency_penalty", "mirostat_tau", "mirostat_eta"),
)
_SPEAKERS: Final = {
    "user": Speaker.USER,
    "assistant": Speaker.ASSISTANT,
    "tool": Speaker.TOOL,
}
_FLAGS: Final = ("use_mmap", "penalize_newline", "numa")


@dataclass(frozen=True, slots=True)
class Loading:
    """Ask to load a model, or to unload it; a request without messages does."""

    model: str
    unloads: bool


@dataclass(frozen=True, slots=True)
class _Transcript:
    """Hold what the sandbox needs of the messages; the fields are those of `Prompt`."""

    history: History
    word_count: int


def name_of(body: object) -> str | None:
    """Return the model that a body names, without the tag that stands for none."""
    named = body.get("model") if isinstance(body, Mapping) else None
    return named.removesuffix(DEFAULT_TAG) if isinstance(named, str) else None


def read_prompt(body: object) -> Prompt | Loading:
    """Check a decoded request body and say what it asks.

    Args:
        body: the decoded JSON; None when the body was not JSON.

    Raises:
        Refusal: a field is of the wrong type.
    """
    if not isinstance(body, Mapping):
        _refuse("invalid character: the request body is no JSON object")
    model = name_of(body)
    if not model:
        _refuse("model is required")
    messages = _list(body, "messages", "ChatRequest.messages of type []api.Message")
    if not messages:
        return Loading(model, body.get("keep_alive") in (0, "0", "0s"))
    transcript = _read_messages(messages)
    options = body.get("options")
    limit, stops = _read_options({} if options is None else options)
    thoughts, demands = _read_think(body.get("think"))
    stream = body.get("stream")
    if not isinstance(stream, bool | None):
        _refuse_type(stream, "ChatRequest.stream of type bool")
    return Prompt(
        model=model,
        stream=stream is not False,
        include_usage=True,
        message_count=len(messages),
        history=transcript.history,
        tools=_read_tools(_list(body, "tools", "ChatRequest.tools of type api.Tools")),
        tool_choice=ToolChoice.AUTO,
        parallel_calls=True,
        max_tokens=limit,
        stops=stops,
        schema=_read_format(body.get("format")),
        prompt_tokens=transcript.word_count,
        thoughts=thoughts,
        demands_thinking=demands,
        call_style=CallStyle.WHOLE,
    )


def _refuse(message: str) -> NoReturn:
    raise Refusal(Trouble.INVALID_REQUEST, message)


def _refuse_type(value: object, target: str) -> NoReturn:
    """Refuse a value as Go's JSON decoder does."""
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "bool"),
        (str, "string"),
        (list, "array"),
        (dict, "object"),
    )
    kind = next((word for held, word in kinds if isinstance(value, held)), "number")
    _refuse(f"json: cannot unmarshal {kind} into Go struct field {target}")


def _list(holder: JsonObject, name: str, target: str) -> list[Any]:
    value = holder.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        _refuse_type(value, target)
    return value


def _read_messages(messages: Iterable[object]) -> _Transcript:
    said: list[Message] = []
    word_count = 0
    for message in messages:
        if not isinstance(message, Mapping):
            _refuse_type(message, "ChatRequest.messages of type api.Message")
        for name in ("role", "content", "thinking", "tool_name", "tool_call_id"):
            if not isinstance(message.get(name), str | None):
                _refuse_type(message[name], f"ChatRequest.messages.{name} of type string")
        text = message.get("content") or ""
        role = (message.get("role") or "").lower()
        _check_images(_list(message, "images", "ChatRequest.messages.images of type []uint8"))
        calls = _list(message, "tool_calls", "ChatRequest.messages.tool_calls")
        _check_calls(calls)
        word_count += len(text.split())
        if role in _SPEAKERS:
            said.append(Message(_SPEAKERS[role], text, calls=bool(calls)))
    return _Transcript(read_history(said), word_count)


def _check_images(images: Iterable[object]) -> None:
    for image in images:
        if not isinstance(image, str):
            _refuse_type(image, "ChatRequest.messages.images of type []uint8")
        data = decode_base64(image)
        if data is None:
            _refuse("illegal base64 data at input byte 0")
        if recognise(data) not in IMAGE_TYPES:
            _refuse("Failed to load image or audio file: unknown format")


def _check_calls(calls: Iterable[object]) -> None:
    for call in calls:
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping):
            _refuse_type(call, "ChatRequest.messages.tool_calls.function")
        if not isinstance(function.get("name"), str):
            _refuse_type(function.get("name"), "ToolCallFunction.name of type string")
        if not isinstance(function.get("arguments", {}), Mapping):
            _refuse_type(
                function["arguments"],
                "ToolCallFunction.arguments of type api.ToolCallFunctionArguments",
            )


def _read_tools(tools: Iterable[object]) -> tuple[Tool, ...]:
    read = []
    for tool in tools:
        function = tool.get("function") if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping):
            _refuse_type(function, "ChatRequest.tools of type api.ToolFunction")
        name, schema = function.get("name"), function.get("parameters")
        if not isinstance(name, str):
            _refuse_type(name, "ToolFunction.name of type string")
        if schema is not None and not isinstance(schema, Mapping):
            _refuse_type(schema, "ToolFunction.parameters of type api.ToolFunctionParameters")
        read.append(Tool(name, schema or {}))
    return tuple(read)


def _read_options(options: object) -> tuple[int | None, tuple[str, ...]]:
    """Return the token limit and the stop sequences."""
    if not isinstance(options, Mapping):
        _refuse_type(options, "ChatRequest.options of type map[string]interface {}")
    for names, kinds, word in (
        (_INTEGERS, int, "integer"),
        (_FLOATS, int | float, "float32"),
        (_FLAGS, bool, "boolean"),
    ):
        for name in names:
            value = options.get(name)
            # A boolean is an integer to Python, and none to the server.
            odd = isinstance(value, bool) and word != "boolean"
            if value is not None and (odd or not isinstance(value, kinds)):
                _refuse(f'option "{name}" must be of type {word}')
    stops = options.get("stop") or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        _refuse('option "stop" must be of type array')
    limit = options.get("num_predict")
    # -1 is without end, -2 as much as the context holds.
    most = limit if limit is not None and limit >= 0 else None
    return most, tuple(stop for stop in stops if stop)


def _read_format(asked: object) -> JsonObject | None:
    if asked is None or asked == "":
        return None
    if asked == "json":
        return {}
    if not isinstance(asked, Mapping):
        shown = msgspec.json.encode(asked).decode()[:64]
        _refuse(f'invalid format: {shown}; expected "json" or a valid JSON Schema object')
    return asked


def _read_think(asked: object) -> tuple[Thoughts, bool]:
    """Return what becomes of the reasoning, and whether it is demanded."""
    if asked is None:
        return Thoughts.SHOWN, False
    if not isinstance(asked, bool) and asked not in _LEVELS:
        _refuse(
            f'invalid think value: "{str(asked)[:64]}" (must be "high", "medium", "low", "max",'
            " true, or false)"
        )
    return (Thoughts.SHOWN, True) if asked else (Thoughts.OFF, False)

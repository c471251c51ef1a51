"""Requests of OpenAI Chat Completions, checked as the real service checks them.

Source: the Chat Completions API reference. What the sandbox does not play (several choices, log
probabilities, audio, custom tools) is refused, never ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from trunkline.sandbox.faces.openai.messages import Transcript, read_messages
from trunkline.sandbox.faults import Refusal, Trouble
from trunkline.sandbox.prompt import JsonObject, Prompt, Tool, ToolChoice

MAX_TOOLS = 128
MAX_STOPS = 4

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_PASSED_OVER = frozenset(
    {
        "logit_bias",
        "metadata",
        "modalities",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "seed",
        "service_tier",
        "store",
        "user",
        "verbosity",
    }
)
_RANGES = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "frequency_penalty": (-2.0, 2.0),
    "presence_penalty": (-2.0, 2.0),
}
_READ = frozenset(
    {
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "model",
        "n",
        "parallel_tool_calls",
        "reasoning_effort",
        "response_format",
        "stop",
        "stream",
        "stream_options",
        "tool_choice",
        "tools",
    }
)
_KNOWN = _PASSED_OVER | _RANGES.keys() | _READ


def read_prompt(body: object) -> Prompt:
    """Check a decoded request body and say what it asks.

    Args:
        body: the decoded JSON; None when the body was not JSON.

    Raises:
        Refusal: with the field that is at fault, in dots and brackets (`messages[1].role`).
    """
    if not isinstance(body, Mapping):
        refuse("The JSON body of your request could not be parsed as an object.", None)
    for name in body:
        if name not in _KNOWN:
            raise Refusal(
                Trouble.UNKNOWN_PARAMETER,
                f"Unrecognized request argument: {name[:64]}.",
                param=name[:64],
            )
    model = body.get("model")
    if not isinstance(model, str) or not model:
        refuse("You must provide a model parameter.", "model")
    transcript = read_messages(body.get("messages"))
    stream = read_flag(body, "stream", otherwise=False)
    tools = read_tools(body.get("tools"))
    tool_choice, tools = read_tool_choice(body.get("tool_choice"), tools)
    check_ranges(body)
    _check_choices(body)
    return Prompt(
        model=model,
        stream=stream,
        include_usage=_read_include_usage(body.get("stream_options"), stream=stream),
        message_count=transcript.message_count,
        history=transcript.history,
        tools=tools,
        tool_choice=tool_choice,
        parallel_calls=read_flag(body, "parallel_tool_calls", otherwise=True),
        max_tokens=_read_max_tokens(body),
        stops=_read_stops(body.get("stop")),
        schema=read_schema(body.get("response_format"), transcript),
        prompt_tokens=transcript.word_count,
    )


def refuse(message: str, param: str | None) -> NoReturn:
    """Refuse a request as invalid.

    Raises:
        Refusal: always.
    """
    raise Refusal(Trouble.INVALID_REQUEST, message, param=param)


def read_flag(body: JsonObject, name: str, *, otherwise: bool) -> bool:
    """Return a yes or no of a request; `otherwise` where it has none."""
    value = body.get(name)
    if value is None:
        return otherwise
    if not isinstance(value, bool):
        refuse(f"Invalid type for '{name}': expected a boolean.", name)
    return value


def _read_include_usage(options: object, *, stream: bool) -> bool:
    if options is None:
        return False
    if not stream:
        refuse("'stream_options' is only allowed when 'stream' is enabled.", "stream_options")
    if not isinstance(options, Mapping):
        refuse("Invalid type for 'stream_options': expected an object.", "stream_options")
    for name in options:
        if name not in ("include_usage", "include_obfuscation"):
            refuse(f"Unknown parameter: 'stream_options.{name}'.", f"stream_options.{name}")
    return read_flag(options, "include_usage", otherwise=False)


def _read_max_tokens(body: JsonObject) -> int | None:
    limits = []
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            refuse(f"Invalid '{name}': expected an integer of at least 1.", name)
        limits.append(value)
    if len(limits) > 1:
        refuse("'max_tokens' and 'max_completion_tokens' exclude each other.", "max_tokens")
    return limits[0] if limits else None


def _read_stops(stop: object) -> tuple[str, ...]:
    if stop is None:
        return ()
    stops = [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list) or not all(isinstance(entry, str) and entry for entry in stops):
        refuse(
            "Invalid 'stop': expected a string or a list of strings, none of them empty.", "stop"
        )
    if len(stops) > MAX_STOPS:
        refuse(f"Invalid 'stop': at most {MAX_STOPS} sequences.", "stop")
    return tuple(stops)


def read_tools(tools: object) -> tuple[Tool, ...]:
    """Check the tools of a request."""
    if tools is None:
        return ()
    if not isinstance(tools, list) or not 1 <= len(tools) <= MAX_TOOLS:
        refuse(f"Invalid 'tools': expected a list of 1 to {MAX_TOOLS} tools.", "tools")
    return tuple(_read_tool(tool, f"tools[{index}]") for index, tool in enumerate(tools))


def _read_tool(tool: object, param: str) -> Tool:
    if not isinstance(tool, Mapping) or tool.get("type") != "function":
        refuse(f"Invalid '{param}.type': only 'function' is supported.", f"{param}.type")
    function = tool.get("function")
    if not isinstance(function, Mapping):
        refuse(f"Missing required parameter: '{param}.function'.", f"{param}.function")
    name = function.get("name")
    if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
        refuse(
            f"Invalid '{param}.function.name': expected 1 to 64 letters, digits, '_' or '-'.",
            f"{param}.function.name",
        )
    schema = function.get("parameters")
    if schema is not None and not isinstance(schema, Mapping):
        refuse(
            f"Invalid schema for function '{name}': expected an object.",
            f"{param}.function.parameters",
        )
    return Tool(name, schema or {})


def read_tool_choice(choice: object, tools: Sequence[Tool]) -> tuple[ToolChoice, tuple[Tool, ...]]:
    """Return the choice and the tools that it leaves."""
    tools = tuple(tools)
    if choice is None:
        return ToolChoice.AUTO, tools
    if not tools:
        refuse("'tool_choice' is only allowed when 'tools' are specified.", "tool_choice")
    if isinstance(choice, Mapping) and choice.get("type") == "function":
        function = choice.get("function")
        name = function.get("name") if isinstance(function, Mapping) else None
        chosen = tuple(tool for tool in tools if tool.name == name)
        if not chosen:
            refuse("'tool_choice' names a function that is not in 'tools'.", "tool_choice")
        return ToolChoice.REQUIRED, chosen[:1]
    words = {
        "auto": ToolChoice.AUTO,
        "none": ToolChoice.NONE,
        "required": ToolChoice.REQUIRED,
    }
    if not isinstance(choice, str) or choice not in words:
        refuse(
            "Invalid 'tool_choice': expected 'none', 'auto', 'required' or a function.",
            "tool_choice",
        )
    return words[choice], tools


def read_schema(response_format: object, transcript: Transcript) -> JsonObject | None:
    """Check the shape that an answer must have, and return its schema; None for free text."""
    if response_format is None:
        return None
    kind = response_format.get("type") if isinstance(response_format, Mapping) else None
    if kind == "text":
        return None
    if kind == "json_object":
        if not transcript.says_json:
            refuse(
                "'messages' must contain the word 'json' to use 'response_format' of type"
                " 'json_object'.",
                "messages",
            )
        return {}
    if not isinstance(response_format, Mapping) or kind != "json_schema":
        refuse(
            "Invalid 'response_format.type': expected 'text', 'json_object' or 'json_schema'.",
            "response_format.type",
        )
    return _read_json_schema(response_format.get("json_schema"))


def _read_json_schema(named: Any) -> JsonObject:
    param = "response_format.json_schema"
    if not isinstance(named, Mapping):
        refuse(f"Missing required parameter: '{param}'.", param)
    name, schema = named.get("name"), named.get("schema", {})
    if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
        refuse(f"Invalid '{param}.name': expected 1 to 64 letters, digits, '_' or '-'.", param)
    if not isinstance(schema, Mapping):
        refuse(f"Invalid '{param}.schema': expected an object.", f"{param}.schema")
    return schema


def check_ranges(body: JsonObject) -> None:
    """Check how tokens are to be drawn."""
    for name, (low, high) in _RANGES.items():
        value = body.get(name)
        if value is None:
            continue
        if (
            not isinstance(value, int | float)
            or isinstance(value, bool)
            or not low <= value <= high
        ):
            refuse(f"Invalid '{name}': expected a number from {low:g} to {high:g}.", name)


def check_effort(effort: object, param: str) -> None:
    """Check how much a model is to think; None is its own setting."""
    if effort is not None and effort not in _EFFORTS:
        raise Refusal(
            Trouble.UNSUPPORTED_VALUE,
            f"Unsupported value for '{param}': expected one of {', '.join(_EFFORTS)}.",
            param=param,
        )


def _check_choices(body: JsonObject) -> None:
    """Refuse what a whole service has and this one does not."""
    if body.get("n") not in (None, 1):
        raise Refusal(Trouble.UNSUPPORTED_VALUE, "Only one choice is supported: n = 1.", param="n")
    check_effort(body.get("reasoning_effort"), "reasoning_effort")

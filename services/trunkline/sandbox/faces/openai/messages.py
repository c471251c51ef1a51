"""Transcripts of OpenAI Chat Completions: roles, parts, and tool calls with their results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from trunkline.sandbox.faults import Refusal, Trouble
from trunkline.sandbox.history import History, Message, Speaker, read_history

_PARTS = {
    "developer": {"text"},
    "system": {"text"},
    "user": {"text", "image_url", "input_audio", "file"},
    "assistant": {"text", "refusal"},
    "tool": {"text"},
}
"""The roles, and the kinds of parts that each may hold."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """Hold what the sandbox needs of the messages; the fields are those of `Prompt`."""

    message_count: int
    history: History
    word_count: int
    says_json: bool


def read_messages(messages: object) -> Transcript:
    """Check the messages of a request.

    Args:
        messages: the decoded field `messages`.

    Raises:
        Refusal: the list is empty, a message is malformed, a tool result answers no call, or a
            call has no result.
    """
    if not isinstance(messages, list) or not messages:
        _refuse("Invalid 'messages': expected a list of at least one message.", "messages")
    said: list[Message] = []
    unanswered: set[str] = set()
    word_count = 0
    says_json = False
    for index, message in enumerate(messages):
        param = f"messages[{index}]"
        role, text = _read_message(message, param)
        word_count += len(text.split())
        says_json = says_json or "json" in text.lower()
        if role == "tool":
            _answer(unanswered, message, param)
            said.append(Message(Speaker.TOOL, text))
            continue
        _check_answered(unanswered, param)
        if role == "user":
            said.append(Message(Speaker.USER, text))
        elif role == "assistant":
            unanswered = _read_calls(message, param)
            said.append(Message(Speaker.ASSISTANT, text, calls=bool(unanswered)))
    _check_answered(unanswered, f"messages[{len(messages)}]")
    return Transcript(len(messages), read_history(said), word_count, says_json)


def _refuse(message: str, param: str) -> NoReturn:
    raise Refusal(Trouble.INVALID_REQUEST, message, param=param)


def _read_message(message: object, param: str) -> tuple[str, str]:
    """Return a message's role and its text, parts of other kinds left out."""
    if not isinstance(message, Mapping):
        _refuse(f"Invalid type for '{param}': expected an object.", param)
    role = message.get("role")
    if not isinstance(role, str) or role not in _PARTS:
        _refuse(
            f"Invalid '{param}.role': expected one of {', '.join(_PARTS)}.",
            f"{param}.role",
        )
    content = message.get("content")
    if isinstance(content, str):
        return role, content
    if isinstance(content, list) and content:
        return role, _read_parts(content, role, f"{param}.content")
    says_otherwise = message.get("tool_calls") or message.get("refusal")
    if role == "assistant" and content is None and says_otherwise:
        return role, ""
    _refuse(
        f"Invalid '{param}.content': expected a string or a list of at least one part.",
        f"{param}.content",
    )


def _read_parts(parts: list[object], role: str, param: str) -> str:
    texts = []
    for index, part in enumerate(parts):
        kind = part.get("type") if isinstance(part, Mapping) else None
        if not isinstance(part, Mapping) or kind not in _PARTS[role]:
            _refuse(
                f"Invalid '{param}[{index}].type': a message of role '{role}' takes"
                f" {', '.join(sorted(_PARTS[role]))}.",
                f"{param}[{index}].type",
            )
        value = part.get(kind)
        if not isinstance(value, str if kind in ("text", "refusal") else Mapping):
            _refuse(f"Invalid '{param}[{index}].{kind}'.", f"{param}[{index}].{kind}")
        if isinstance(value, str):
            texts.append(value)
    return "".join(texts)


def _read_calls(message: Mapping[str, object], param: str) -> set[str]:
    """Return the ids of an assistant's tool calls."""
    calls = message.get("tool_calls")
    if calls is None:
        return set()
    if not isinstance(calls, list) or not calls:
        _refuse(f"Invalid '{param}.tool_calls': expected a list of calls.", f"{param}.tool_calls")
    ids = set()
    for index, call in enumerate(calls):
        place = f"{param}.tool_calls[{index}]"
        call_id = call.get("id") if isinstance(call, Mapping) else None
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(call_id, str) or not call_id or call.get("type") != "function":
            _refuse(f"Invalid '{place}': expected an id and the type 'function'.", place)
        if not isinstance(function, Mapping) or not all(
            isinstance(function.get(name), str) for name in ("name", "arguments")
        ):
            _refuse(f"Invalid '{place}.function': expected a name and arguments.", place)
        if call_id in ids:
            _refuse(f"Duplicate '{place}.id'.", place)
        ids.add(call_id)
    return ids


def _answer(unanswered: set[str], message: Mapping[str, object], param: str) -> None:
    """Take a tool result for one of the calls before it."""
    call_id = message.get("tool_call_id")
    if not isinstance(call_id, str) or call_id not in unanswered:
        _refuse(
            f"Invalid '{param}': a message of role 'tool' must answer one of the 'tool_calls' of"
            " the assistant message before it, each once.",
            f"{param}.tool_call_id",
        )
    unanswered.remove(call_id)


def _check_answered(unanswered: set[str], param: str) -> None:
    if unanswered:
        _refuse(
            "An assistant message with 'tool_calls' must be followed by tool messages that answer"
            f" each of them. Without an answer: {', '.join(sorted(unanswered))}.",
            param,
        )

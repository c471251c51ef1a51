"""Requests, written with the words of the language instead of the contract's messages."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct

from trunkline.inference.v1 import chat_pb2, message_pb2
from trunkline_client.tool import describe

Content: TypeAlias = str | Sequence[str | message_pb2.Part]
MessageLike: TypeAlias = message_pb2.Message | Mapping[str, Any]
ToolLike: TypeAlias = message_pb2.Tool | Callable[..., object]

_SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "stop",
)
_PLAIN = (
    "max_output_tokens",
    "fallbacks",
    "role",
    "agent",
    "chain",
    "idempotency_key",
    "session",
    "strict",
    "on_behalf_of",
)


class ChatFields(TypedDict, total=False):
    """What a chat may ask for, beside model, text and tools; see the contract's ChatRequest.

    Messages may be given as the contract has them, or as
    `{"role": "user", "content": "Hello"}`, whose content is a text or a list of texts and parts.
    """

    messages: Sequence[MessageLike]
    system: str
    """Instructions, put before the messages."""
    fallbacks: Sequence[str]
    role: str
    agent: str
    chain: str
    max_output_tokens: int
    temperature: float
    top_p: float
    top_k: int
    presence_penalty: float
    frequency_penalty: float
    seed: int
    stop: Sequence[str]
    reasoning: str | chat_pb2.ReasoningOptions
    """An effort, such as `high`, or all options."""
    tool_choice: str | message_pb2.ToolChoice
    """`auto`, `none`, `required`, or the name of the one tool that must be called."""
    response_format: Mapping[str, Any] | chat_pb2.ResponseFormat
    """A JSON Schema that the answer follows, or the contract's message."""
    idempotency_key: str
    """Empty: one is made, since every request has one."""
    session: str
    limits: Mapping[str, float] | chat_pb2.TimeLimits
    """By name in seconds, such as `{"total": 60, "first_token": 5}`."""
    provider_options: Mapping[str, Any] | Struct
    disconnect: str | chat_pb2.DisconnectPolicy
    """`cancel` or `continue`, or with a grace as the contract's message."""
    continuation: str
    """`prefill_or_restart`, `instruct`, `prefill_only` or `fail`."""
    durability: str
    """`memory` or `durable`."""
    strict: bool
    on_behalf_of: str


def build_request(
    model: str, text: str | None, tools: Sequence[ToolLike], fields: ChatFields
) -> chat_pb2.ChatRequest:
    """Return the request for a chat; it always has an idempotency key.

    Args:
        model: `provider/model`; empty: another field names who answers, or the deployment does.
        text: what the user says last; None: the messages say all.
        tools: that the model may call: functions, or the contract's messages.
        fields: the rest.

    Raises:
        TypeError: there is no such field, or a value is of no use for it.
        ValueError: a name is none of those that a field takes.
    """
    unknown = fields.keys() - ChatFields.__annotations__.keys()
    if unknown:
        raise TypeError(f"a chat has no field {', '.join(sorted(unknown))}")
    request = chat_pb2.ChatRequest(model=model)
    if system := fields.get("system"):
        request.messages.append(_message({"role": "system", "content": system}))
    request.messages.extend(_message(each) for each in fields.get("messages", ()))
    if text is not None:
        request.messages.append(_message({"role": "user", "content": text}))
    request.tools.extend(
        each if isinstance(each, message_pb2.Tool) else describe(each) for each in tools
    )
    given: Mapping[str, Any] = fields
    plain = {name: given[name] for name in _PLAIN if name in given}
    request.MergeFrom(chat_pb2.ChatRequest(**plain))
    sampling = {name: given[name] for name in _SAMPLING if name in given}
    if sampling:
        request.sampling.MergeFrom(chat_pb2.Sampling(**sampling))
    _set_options(request, fields)
    if not request.idempotency_key:
        request.idempotency_key = make_key()
    return request


def make_key() -> str:
    """Return an idempotency key that no other request has."""
    return f"key_{secrets.token_hex(16)}"


def build_limits(given: Mapping[str, float] | chat_pb2.TimeLimits) -> chat_pb2.TimeLimits:
    """Return limits, given as the contract has them or in seconds by name."""
    if isinstance(given, chat_pb2.TimeLimits):
        return given
    return chat_pb2.TimeLimits(**{name: _duration(seconds) for name, seconds in given.items()})


def _set_options(request: chat_pb2.ChatRequest, fields: ChatFields) -> None:
    """Set the fields that have a message or an enum of their own."""
    if reasoning := fields.get("reasoning"):
        if isinstance(reasoning, str):
            reasoning = chat_pb2.ReasoningOptions(effort=reasoning)
        request.reasoning.CopyFrom(reasoning)
    if choice := fields.get("tool_choice"):
        request.tool_choice.CopyFrom(_choice(choice))
    if shape := fields.get("response_format"):
        if isinstance(shape, Mapping):
            schema = chat_pb2.JsonSchema(name="answer", schema_json=json.dumps(shape))
            shape = chat_pb2.ResponseFormat(json_schema=schema)
        request.response_format.CopyFrom(shape)
    if limits := fields.get("limits"):
        request.limits.CopyFrom(build_limits(limits))
    if options := fields.get("provider_options"):
        if not isinstance(options, Struct):  # which is a mapping, too
            options = ParseDict(dict(options), Struct())
        request.provider_options.CopyFrom(options)
    if disconnect := fields.get("disconnect"):
        if isinstance(disconnect, str):
            action = enum_value(chat_pb2.DisconnectPolicy.Action.DESCRIPTOR, "ACTION_", disconnect)
            disconnect = chat_pb2.DisconnectPolicy(action=action)
        request.disconnect.CopyFrom(disconnect)
    if policy := fields.get("continuation"):
        request.continuation = enum_value(
            chat_pb2.ContinuationPolicy.DESCRIPTOR, "CONTINUATION_POLICY_", policy
        )
    if durability := fields.get("durability"):
        request.durability = enum_value(chat_pb2.Durability.DESCRIPTOR, "DURABILITY_", durability)


def _message(given: MessageLike) -> message_pb2.Message:
    """Return a message as the contract has it.

    Raises:
        TypeError: it is not made of a role and a content.
        ValueError: there is no such role.
    """
    if isinstance(given, message_pb2.Message):
        return given
    if given.keys() != {"role", "content"}:
        raise TypeError("a message is the contract's, or a mapping with `role` and `content`")
    content: Content = given["content"]
    parts = [content] if isinstance(content, str) else content
    return message_pb2.Message(
        role=enum_value(message_pb2.Role.DESCRIPTOR, "ROLE_", given["role"]),
        content=[message_pb2.Part(text=each) if isinstance(each, str) else each for each in parts],
    )


def _choice(given: str | message_pb2.ToolChoice) -> message_pb2.ToolChoice:
    """Return whether and which tools may be called."""
    if not isinstance(given, str):
        return given
    modes = message_pb2.ToolChoice.Mode.DESCRIPTOR
    if f"MODE_{given.upper()}" in modes.values_by_name:
        return message_pb2.ToolChoice(mode=enum_value(modes, "MODE_", given))
    return message_pb2.ToolChoice(mode=message_pb2.ToolChoice.MODE_REQUIRED, allowed=[given])


def enum_value(enum: EnumDescriptor, prefix: str, name: str) -> Any:
    """Return the value that a name without prefix stands for.

    Raises:
        ValueError: there is none.
    """
    value = enum.values_by_name.get(f"{prefix}{name.upper()}")
    if value is None or value.number == 0:
        known = [each.name.removeprefix(prefix).lower() for each in enum.values if each.number]
        raise ValueError(f"{name!r} is none of {', '.join(known)}")
    return value.number


def _duration(seconds: float) -> Duration:
    """Return seconds as the contract has them."""
    return Duration(seconds=int(seconds), nanos=round((seconds - int(seconds)) * 1e9))

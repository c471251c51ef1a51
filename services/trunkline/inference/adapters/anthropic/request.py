"""Build the requests of Anthropic Messages.

Source: https://platform.claude.com/docs/en/api/messages, in the version of 2023-06-01, which takes
the most; a provider's own headers may name another.
"""

from __future__ import annotations

from itertools import chain
from typing import Final

import msgspec

from trunkline.inference.adapters.adapter import BuiltChat, Target
from trunkline.inference.adapters.anthropic.abilities import Abilities, Sampling, abilities_of
from trunkline.inference.adapters.anthropic.marks import Marks
from trunkline.inference.adapters.anthropic.messages import Conversation, translate, written
from trunkline.inference.adapters.anthropic.shapes import fit
from trunkline.inference.adapters.anthropic.thinking import Thinking, settle_thinking
from trunkline.inference.adapters.anthropic.tools import (
    is_forced,
    tools_called,
    translate_choice,
    translate_tools,
)
from trunkline.inference.adapters.anthropic.turns import lacks_thoughts
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.requests import JSON, STREAM, build_request
from trunkline.inference.adapters.schemas import schema_of
from trunkline.inference.adapters.values import Json
from trunkline.inference.outgoing import Request
from trunkline.inference.v1 import chat_pb2, provider_pb2

VERSION: Final = "2023-06-01"
"""The version of the contract that is asked for."""

MAX_PAGE: Final = 1000
"""How many models a page holds at most; by default it is 20."""

_VERSION: Final = "anthropic-version"

_NO_SUCH_SETTING: Final = "The provider has no such setting."
_NO_SAMPLING: Final = "The model takes no settings of sampling."
_NOT_BOTH: Final = "The model takes no top_p beside a temperature."
_NOT_THINKING: Final = "The provider takes no settings of sampling when the model thinks."
_TOO_HOT: Final = "The provider takes temperatures up to 1."
_BLANK_STOP: Final = "The provider takes no blank stop sequences."
_NOT_FORCED: Final = "The model does not think when a tool is forced."
_NOT_PREFILLED: Final = "The model does not think when it continues a text."
_NOT_IN_LOOP: Final = "The model does not think over calls that were made without thoughts of it."
_SHAPE_IN_WORDS: Final = "The provider cannot hold the model to this; it is asked for in words."
_WIDENED: Final = "The provider does not take all constraints of the schema; some are left out."

_ANY_OBJECT: Final = "Answer with one JSON object and with nothing else."
_BY_SCHEMA: Final = (
    "Answer with one JSON document that follows this JSON Schema, and with nothing else:\n"
)

_encode = msgspec.json.Encoder().encode


def build_chat(target: Target, request: chat_pb2.ChatRequest, *, stream: bool) -> BuiltChat:
    """Build the request for one answer; see `Adapter.build_chat`."""
    losses = Losses()
    marks = Marks(losses)
    abilities = abilities_of(target.model)
    max_tokens = request.max_output_tokens or abilities.max_output
    conversation = translate(request.messages[:], target, abilities, marks, losses)
    forced = is_forced(request, abilities)
    body: Json = {"model": target.model, "max_tokens": max_tokens}
    output: Json = {}
    thinking = Thinking()
    if request.HasField("reasoning"):
        thinking = settle_thinking(
            request.reasoning,
            abilities,
            losses,
            max_tokens=max_tokens,
            obstacle=_obstacle(conversation, forced=forced),
        )
    if thinking.thinking is not None:
        body["thinking"] = thinking.thinking
    if thinking.effort:
        output["effort"] = thinking.effort
    if request.HasField("response_format"):
        _add_shape(output, conversation, request.response_format, abilities, losses)
    if output:
        body["output_config"] = output
    _add_tools(body, request, conversation, abilities, marks, losses, forced=forced)
    if request.HasField("sampling"):
        new_contract = _headers(target)[_VERSION] != VERSION
        sampling = Sampling.NONE if new_contract else abilities.sampling
        _add_sampling(body, request.sampling, sampling, losses, thinks=thinking.is_on)
    marks.put_usual(body.get("tools", ()), conversation.system)
    marks.settle(
        chain(
            body.get("tools", ()),
            conversation.system,
            (b for _, blocks in conversation.turns for b in blocks if isinstance(b, dict)),
        )
    )
    if conversation.system:
        body["system"] = _system(conversation.system)
    body["messages"] = written(conversation.turns)
    if stream:
        body["stream"] = True
    return BuiltChat(
        request=build_request(
            "POST",
            target,
            "/messages",
            accept=STREAM if stream else JSON,
            own=_headers(target),
            content=_encode(body),
        ),
        losses=losses.collected(),
    )


def build_probe(target: Target, purpose: provider_pb2.ProbePurpose.ValueType) -> Request:
    """Build the request for the list of models, of which a proof needs but one."""
    proves = purpose == provider_pb2.PROBE_PURPOSE_PROVE_KEY
    path = f"/models?limit={1 if proves else MAX_PAGE}"
    return build_request("GET", target, path, accept=JSON, own=_headers(target))


def _headers(target: Target) -> dict[str, str]:
    """Return the format's own headers, with what authenticates."""
    named = (value for name, value in target.headers.items() if name.lower() == _VERSION)
    headers = {_VERSION: next(named, VERSION)}
    if target.secret.api_key:
        headers["x-api-key"] = target.secret.api_key
    elif target.secret.bearer_token.token:
        headers["authorization"] = f"Bearer {target.secret.bearer_token.token}"
    if target.secret.project:
        headers["anthropic-workspace-id"] = target.secret.project
    return headers


def _system(blocks: list[Json]) -> str | list[Json]:
    """Return the system prompt; a lone text as the string that it is."""
    match blocks:
        case [{"type": "text", "text": str(text), **more}] if not more:
            return text
    return blocks


def _obstacle(conversation: Conversation, *, forced: bool) -> str:
    """Say why a model that counts tokens cannot think in a request; "" when it can."""
    if forced:
        return _NOT_FORCED
    if conversation.prefilled:
        return _NOT_PREFILLED
    return _NOT_IN_LOOP if lacks_thoughts(conversation.turns) else ""


def _add_tools(
    body: Json,
    request: chat_pb2.ChatRequest,
    conversation: Conversation,
    abilities: Abilities,
    marks: Marks,
    losses: Losses,
    *,
    forced: bool,
) -> None:
    """Add the tools and the choice among them to a body."""
    if request.tools:
        body["tools"] = translate_tools(request, abilities, marks, losses, forced=forced)
        choice = translate_choice(request.tool_choice, forced=forced, losses=losses)
        if choice is not None:
            body["tool_choice"] = choice
    elif conversation.called:
        body["tools"] = tools_called(conversation.called, losses)
        body["tool_choice"] = {"type": "none"}


def _add_shape(
    output: Json,
    conversation: Conversation,
    form: chat_pb2.ResponseFormat,
    abilities: Abilities,
    losses: Losses,
) -> None:
    """Ask for the shape that the answer must have, by a schema or in words.

    A text that is continued cannot be held to a schema.
    """
    if not form.HasField("json_schema"):
        losses.translated("response_format.json_object", _SHAPE_IN_WORDS)
        conversation.system.append({"type": "text", "text": _ANY_OBJECT})
        return
    asked = form.json_schema
    schema = schema_of(asked.schema_json, asked.schema)
    fitted = fit(schema) if abilities.schemas and not conversation.prefilled else None
    if fitted is None:
        losses.translated("response_format.json_schema", _SHAPE_IN_WORDS)
        words = _BY_SCHEMA + _encode(schema).decode()
        conversation.system.append({"type": "text", "text": words})
        return
    if fitted.widened:
        losses.translated("response_format.json_schema", _WIDENED)
    output["format"] = {"type": "json_schema", "schema": fitted.schema}


def _add_sampling(
    body: Json, asked: chat_pb2.Sampling, taken: Sampling, losses: Losses, *, thinks: bool
) -> None:
    """Add how tokens are drawn, as far as the model takes it."""
    for name in ("presence_penalty", "frequency_penalty", "seed"):
        if asked.HasField(name):
            losses.dropped(f"sampling.{name}", _NO_SUCH_SETTING)
    for setting in ("temperature", "top_p", "top_k"):
        if not asked.HasField(setting):
            continue
        if taken is Sampling.NONE or thinks:
            losses.dropped(f"sampling.{setting}", _NOT_THINKING if thinks else _NO_SAMPLING)
        elif setting == "top_p" and "temperature" in body and taken is Sampling.ONE:
            losses.dropped("sampling.top_p", _NOT_BOTH)
        else:
            body[setting] = getattr(asked, setting)
    if body.get("temperature", 0) > 1:
        body["temperature"] = 1
        losses.translated("sampling.temperature", _TOO_HOT)
    stops = []
    for index, stop in enumerate(asked.stop[:]):
        if stop.isspace():
            losses.dropped(f"sampling.stop[{index}]", _BLANK_STOP)
        else:
            stops.append(stop)
    if stops:
        body["stop_sequences"] = stops

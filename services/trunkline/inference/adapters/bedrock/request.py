"""Build the requests of Bedrock's Converse.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from trunkline.inference.adapters.adapter import BuiltChat, Target
from trunkline.inference.adapters.anthropic.abilities import Sampling
from trunkline.inference.adapters.anthropic.shapes import fit
from trunkline.inference.adapters.bedrock.address import model_path, region_of
from trunkline.inference.adapters.bedrock.families import SYSTEM, Family, family_of
from trunkline.inference.adapters.bedrock.marks import Marks
from trunkline.inference.adapters.bedrock.messages import Conversation, lacks_thoughts, translate
from trunkline.inference.adapters.bedrock.signature import sign
from trunkline.inference.adapters.bedrock.thinking import add_thinking, put_at
from trunkline.inference.adapters.bedrock.tools import bans_calls, forced_tools, tool_config
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.requests import JSON, build_request
from trunkline.inference.adapters.schemas import schema_of
from trunkline.inference.adapters.values import Json
from trunkline.inference.outgoing import Request
from trunkline.inference.v1 import chat_pb2

STREAM: Final = "application/vnd.amazon.eventstream"
"""The media type of a stream."""

PROBED_MODEL: Final = "amazon.nova-pro-v1:0"
"""Whom a probe asks. No answer is ever made, so that it matters little which model it is."""

_NO_SUCH_SETTING: Final = "The provider has no such setting."
_NO_SAMPLING: Final = "The model takes no settings of sampling."
_NOT_BOTH: Final = "The model takes no top_p beside a temperature."
_NOT_THINKING: Final = "The model takes no settings of sampling when it thinks."
_TOO_HOT: Final = "The provider takes temperatures up to 1."
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
    family = family_of(target.model)
    marks = Marks(family, losses)
    conversation = translate(request.messages[:], target, family, marks, losses)
    forced = forced_tools(request, family)
    config: Json = {}
    fields: Json = {}
    body: Json = {"messages": conversation.messages}
    # What is not said is the model's own limit, which of a Claude is small and counts thoughts.
    max_tokens = request.max_output_tokens or (family.claude.max_output if family.claude else 0)
    if max_tokens:
        config["maxTokens"] = max_tokens
    thinks = False
    if request.HasField("reasoning"):
        thinks = add_thinking(
            fields,
            request.reasoning,
            family,
            losses,
            max_tokens=max_tokens,
            obstacle=_obstacle(conversation, forced=forced is not None),
        )
    if request.HasField("response_format"):
        _add_shape(body, conversation, request.response_format, family, losses)
    tools = tool_config(request, conversation.called, family, marks, losses, forced=forced)
    if tools is not None:
        body["toolConfig"] = tools
        if family.claude is not None and bans_calls(request, conversation.called):
            fields["tool_choice"] = {"type": "none"}
    if request.HasField("sampling"):
        _add_sampling(config, fields, request.sampling, family, losses, thinks=thinks)
    marks.put_by_default(conversation.system, SYSTEM)
    marks.settle()
    if conversation.system:
        body["system"] = conversation.system
    if config:
        body["inferenceConfig"] = config
    if fields:
        body["additionalModelRequestFields"] = fields
    path = model_path(target.model) + ("/converse-stream" if stream else "/converse")
    return BuiltChat(
        request=build_post(target, path, body, accept=STREAM if stream else JSON),
        losses=losses.collected(),
    )


def build_probe(target: Target) -> Request:
    """Build a request that is refused for what it says, once its key has been accepted.

    The runtime has no request that is free and proves a key. One without a message is never
    answered, and who is not known, or not allowed to, hears that first.
    """
    return build_post(target, f"{model_path(PROBED_MODEL)}/converse", {"messages": []}, accept=JSON)


def build_post(target: Target, path: str, body: Json, *, accept: str) -> Request:
    """Build a request with what authenticates: a key as a bearer, or a signature.

    Args:
        target: who is asked.
        path: what follows the base URL, percent-encoded.
        body: that is sent.
        accept: the media type that is wanted.
    """
    content = _encode(body)
    secret = target.secret
    own: dict[str, str] = {}
    if secret.api_key:
        own["authorization"] = f"Bearer {secret.api_key}"
    elif secret.HasField("aws_keys"):
        keys = secret.aws_keys
        region = region_of(target.base_url, keys.region)
        own = sign("POST", target.base_url + path, content, keys, region, target.time_ns)
    return build_request("POST", target, path, accept=accept, own=own, content=content)


def _obstacle(conversation: Conversation, *, forced: bool) -> str:
    """Say why a Claude that counts tokens cannot think in a request; "" when it can."""
    if forced:
        return _NOT_FORCED
    if conversation.prefilled:
        return _NOT_PREFILLED
    return _NOT_IN_LOOP if lacks_thoughts(conversation.messages) else ""


def _add_shape(
    body: Json,
    conversation: Conversation,
    form: chat_pb2.ResponseFormat,
    family: Family,
    losses: Losses,
) -> None:
    """Ask for the shape that the answer must have, by a schema or in words.

    A text that is continued cannot be held to a schema.
    """
    if not form.HasField("json_schema"):
        losses.translated("response_format.json_object", _SHAPE_IN_WORDS)
        conversation.system.append({"text": _ANY_OBJECT})
        return
    asked = form.json_schema
    schema = schema_of(asked.schema_json, asked.schema)
    fitted = fit(schema) if family.schemas and not conversation.prefilled else None
    if fitted is None:
        losses.translated("response_format.json_schema", _SHAPE_IN_WORDS)
        conversation.system.append({"text": _BY_SCHEMA + _encode(schema).decode()})
        return
    if fitted.widened:
        losses.translated("response_format.json_schema", _WIDENED)
    # The schema goes as a text.
    shape = {"name": asked.name, "schema": bytes(fitted.schema).decode()}
    body["outputConfig"] = {
        "textFormat": {"type": "json_schema", "structure": {"jsonSchema": shape}}
    }


def _add_sampling(
    config: Json,
    fields: Json,
    asked: chat_pb2.Sampling,
    family: Family,
    losses: Losses,
    *,
    thinks: bool,
) -> None:
    """Add how tokens are drawn, as far as the model takes it."""
    for name in ("presence_penalty", "frequency_penalty", "seed"):
        if asked.HasField(name):
            losses.dropped(f"sampling.{name}", _NO_SUCH_SETTING)
    taken = family.claude.sampling if family.claude else Sampling.ALL
    samples = family.samples and taken is not Sampling.NONE
    wanted: dict[str, Any] = {}
    for setting in ("temperature", "top_p", "top_k"):
        if not asked.HasField(setting):
            continue
        if not samples or thinks:
            losses.dropped(f"sampling.{setting}", _NOT_THINKING if thinks else _NO_SAMPLING)
        elif setting == "top_p" and "temperature" in wanted and taken is Sampling.ONE:
            losses.dropped("sampling.top_p", _NOT_BOTH)
        else:
            wanted[setting] = getattr(asked, setting)
    if "temperature" in wanted:
        config["temperature"] = min(wanted["temperature"], 1)
        if wanted["temperature"] > 1:
            losses.translated("sampling.temperature", _TOO_HOT)
    if "top_p" in wanted:
        config["topP"] = wanted["top_p"]
    if "top_k" in wanted and family.top_k:
        put_at(fields, family.top_k, wanted["top_k"])
    elif "top_k" in wanted:
        losses.dropped("sampling.top_k", _NO_SUCH_SETTING)
    _add_stops(config, asked.stop[:], family, losses)


def _add_stops(config: Json, stops: list[str], family: Family, losses: Losses) -> None:
    """Add where the answer ends, as often as the model takes it."""
    taken: list[str] = []
    for index, stop in enumerate(stops):
        if stop.isspace():
            losses.dropped(f"sampling.stop[{index}]", "The provider takes no blank stop sequences.")
        elif len(taken) >= family.stops:
            losses.dropped(
                f"sampling.stop[{index}]", f"The model takes {family.stops} stop sequences."
            )
        else:
            taken.append(stop)
    if taken:
        config["stopSequences"] = taken

"""Build the requests of Responses.

Source: https://platform.openai.com/docs/api-reference/responses/create. Nothing is stored at the
provider: every request brings its whole transcript, and any account can go on with it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from trunkline.inference.adapters.adapter import BuiltChat, Target
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.openai.request import own_headers
from trunkline.inference.adapters.requests import JSON, STREAM, build_request
from trunkline.inference.adapters.responses.abilities import Abilities, abilities_of
from trunkline.inference.adapters.responses.items import translate
from trunkline.inference.adapters.responses.reasoning import add_reasoning
from trunkline.inference.adapters.responses.tools import add_tools
from trunkline.inference.adapters.schemas import schema_of
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import chat_pb2

MIN_OUTPUT: Final = 16
"""The lowest token limit that the format takes (https://github.com/earendil-works/pi/issues/6265)."""

_NO_SUCH_SETTING: Final = "Responses has no such setting."
_NOT_THINKING: Final = "The model takes no settings of sampling when it thinks."
_TOO_FEW: Final = f"Responses takes a limit of {MIN_OUTPUT} tokens at least."

_encode = msgspec.json.Encoder().encode


def build_chat(target: Target, request: chat_pb2.ChatRequest, *, stream: bool) -> BuiltChat:
    """Build the request for one answer; see `Adapter.build_chat`."""
    losses = Losses()
    abilities = abilities_of(target.model)
    body: Json = {
        "model": target.model,
        "input": translate(request.messages[:], target, losses),
        "store": False,
    }
    if request.tools:
        add_tools(body, request, losses)
    if request.max_output_tokens:
        body["max_output_tokens"] = max(request.max_output_tokens, MIN_OUTPUT)
        if request.max_output_tokens < MIN_OUTPUT:
            losses.translated("max_output_tokens", _TOO_FEW)
    thinks = add_reasoning(body, request.reasoning, abilities, losses)
    if request.HasField("sampling"):
        _add_sampling(body, request.sampling, abilities, losses, thinks=thinks)
    if request.HasField("response_format"):
        body["text"] = {"format": _format(request.response_format)}
    if stream:
        body["stream"] = True
    return BuiltChat(
        request=build_request(
            "POST",
            target,
            "/responses",
            accept=STREAM if stream else JSON,
            own=own_headers(target),
            content=_encode(body),
        ),
        losses=losses.collected(),
    )


def _add_sampling(
    body: Json, asked: chat_pb2.Sampling, abilities: Abilities, losses: Losses, *, thinks: bool
) -> None:
    """Add how tokens are drawn, as far as the model takes it."""
    for name in ("temperature", "top_p"):
        if not asked.HasField(name):
            continue
        if abilities.thinks and (thinks or not abilities.sampling):
            losses.dropped(f"sampling.{name}", _NOT_THINKING)
        else:
            body[name] = getattr(asked, name)
    for other in ("top_k", "presence_penalty", "frequency_penalty", "seed"):
        if asked.HasField(other):
            losses.dropped(f"sampling.{other}", _NO_SUCH_SETTING)
    for index in range(len(asked.stop)):
        losses.dropped(f"sampling.stop[{index}]", _NO_SUCH_SETTING)


def _format(form: chat_pb2.ResponseFormat) -> Json:
    """Translate the shape that the answer must have."""
    if not form.HasField("json_schema"):
        return {"type": "json_object"}
    asked = form.json_schema
    shape: Json = {
        "type": "json_schema",
        "name": asked.name,
        "schema": schema_of(asked.schema_json, asked.schema),
    }
    if asked.strict:
        shape["strict"] = True
    return shape

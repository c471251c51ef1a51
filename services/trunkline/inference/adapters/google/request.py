"""Build the requests of the Gemini API.

Source: https://ai.google.dev/api/generate-content. The key goes into a header and never into
the address, which ends up in logs.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import msgspec

from trunkline.inference.adapters.adapter import BuiltChat, Target
from trunkline.inference.adapters.google.contents import translate
from trunkline.inference.adapters.google.families import Family, bare_id, family_of
from trunkline.inference.adapters.google.thinking import thinking_config
from trunkline.inference.adapters.google.tools import add_tools
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.requests import JSON, STREAM, build_request
from trunkline.inference.adapters.schemas import schema_of
from trunkline.inference.adapters.stops import first_stops
from trunkline.inference.adapters.values import Json
from trunkline.inference.outgoing import Request
from trunkline.inference.v1 import chat_pb2

MAX_STOP: Final = 5
"""How many stop sequences the format takes."""

MAX_PAGE: Final = 1000
"""The largest page of the list of models; without being asked a page has 50."""

_MAX_SEED: Final = 2**31 - 1

_TUNED: Final = "tunedModels/"

# Contract and format name them differently; the first three some models do not know.
_SAMPLING: Final = {"temperature": "temperature", "top_p": "topP", "top_k": "topK"}
_PENALTIES: Final = {"presence_penalty": "presencePenalty", "frequency_penalty": "frequencyPenalty"}

_NO_SAMPLING: Final = "The model draws its tokens as it will; the setting is ignored or refused."
_SEED: Final = "Gemini takes seeds of 31 bits; the lowest of them are sent."
_NO_JSON: Final = "The model cannot be bound to JSON while there are tools."

_encode = msgspec.json.Encoder().encode


def build_chat(target: Target, request: chat_pb2.ChatRequest, *, stream: bool) -> BuiltChat:
    """Build the request for one answer; see `Adapter.build_chat`."""
    losses = Losses()
    family = family_of(bare_id(target.model))
    contents = translate(target, family, request.messages[:], losses)
    body: Json = {"contents": contents.turns}
    if contents.system:
        body["systemInstruction"] = {"parts": contents.system}
    if request.tools:
        add_tools(body, request, losses)
    config = _generation_config(family, request, losses)
    if config:
        body["generationConfig"] = config
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return BuiltChat(
        request=build_request(
            "POST",
            target,
            f"/{resource(target.model)}:{method}",
            accept=STREAM if stream else JSON,
            own=own_headers(target),
            content=_encode(body),
        ),
        losses=losses.collected(),
    )


def build_probe(target: Target) -> Request:
    """Build the request for the list of models, which is also where a key counts."""
    path = f"/models?pageSize={MAX_PAGE}"
    return build_request("GET", target, path, accept=JSON, own=own_headers(target))


def resource(model: str) -> str:
    """Return the path of a model, which may be named with or without its collection."""
    if model.startswith(_TUNED):
        return _TUNED + quote(model.removeprefix(_TUNED), safe="")
    return "models/" + quote(bare_id(model), safe="")


def own_headers(target: Target) -> dict[str, str]:
    """Return the format's own headers, with what authenticates."""
    headers: dict[str, str] = {}
    if target.secret.api_key:
        headers["x-goog-api-key"] = target.secret.api_key
    elif target.secret.bearer_token.token:
        headers["authorization"] = f"Bearer {target.secret.bearer_token.token}"
    if target.secret.project:
        headers["x-goog-user-project"] = target.secret.project
    return headers


def _generation_config(family: Family, request: chat_pb2.ChatRequest, losses: Losses) -> Json:
    """Return how the answer is made."""
    config: Json = {}
    if request.max_output_tokens:
        config["maxOutputTokens"] = request.max_output_tokens
    if request.HasField("sampling"):
        _add_sampling(config, family, request.sampling, losses)
    if request.HasField("response_format"):
        if request.tools and not family.schema_with_tools:
            losses.dropped("response_format", _NO_JSON)
        else:
            _add_format(config, request.response_format)
    thinking = thinking_config(family, request.reasoning, losses)
    if thinking:
        config["thinkingConfig"] = thinking
    return config


def _add_sampling(
    config: Json, family: Family, sampling: chat_pb2.Sampling, losses: Losses
) -> None:
    """Add how tokens are drawn."""
    for name, named in _SAMPLING.items():
        if sampling.HasField(name):  # type: ignore[arg-type] # one of the message's fields
            if family.samples:
                config[named] = getattr(sampling, name)
            else:
                losses.dropped(f"sampling.{name}", _NO_SAMPLING)
    for name, named in _PENALTIES.items():
        if sampling.HasField(name):  # type: ignore[arg-type] # as above
            config[named] = getattr(sampling, name)
    if sampling.HasField("seed"):
        config["seed"] = sampling.seed & _MAX_SEED
        if config["seed"] != sampling.seed:
            losses.translated("sampling.seed", _SEED)
    if sampling.stop:
        config["stopSequences"] = first_stops(sampling.stop, MAX_STOP, losses)


def _add_format(config: Json, form: chat_pb2.ResponseFormat) -> None:
    """Add the shape that the answer must have; a schema has no name here, and always binds."""
    config["responseMimeType"] = JSON
    if form.HasField("json_schema"):
        asked = form.json_schema
        config["responseJsonSchema"] = schema_of(asked.schema_json, asked.schema)

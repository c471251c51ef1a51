"""Build the requests of Chat Completions.

Source: https://platform.openai.com/docs/api-reference/chat/create. How services that imitate it
differ is in the table of `services`.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from trunkline.inference.adapters.adapter import BuiltChat, Target
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.openai.messages import translate
from trunkline.inference.adapters.openai.service import Service
from trunkline.inference.adapters.openai.services import OTHERS, find_service
from trunkline.inference.adapters.openai.thinking import add_thinking, merge
from trunkline.inference.adapters.openai.tools import add_tools
from trunkline.inference.adapters.requests import JSON, STREAM, build_request
from trunkline.inference.adapters.schemas import schema_of
from trunkline.inference.adapters.stops import first_stops
from trunkline.inference.adapters.values import Json
from trunkline.inference.outgoing import Request
from trunkline.inference.v1 import chat_pb2, provider_pb2

MAX_STOP: Final = 4
"""How many stop sequences the format takes."""

_LIST: Final = "/models"

_SAMPLING: Final = (
    "temperature",
    "top_p",
    "top_k",
    "presence_penalty",
    "frequency_penalty",
    "seed",
)

_NO_SUCH_SETTING: Final = "The service takes no such setting, or not for this model."
_NO_SHAPE: Final = "The service cannot hold the model to this."
_NO_SHAPE_WITH_TOOLS: Final = "The service does not hold the model to it beside tools."
_DONE_THINKING: Final = "The model does not think when it goes on with a text."

_encode = msgspec.json.Encoder().encode


def build_chat(target: Target, request: chat_pb2.ChatRequest, *, stream: bool) -> BuiltChat:
    """Build the request for one answer; see `Adapter.build_chat`."""
    losses = Losses()
    service = find_service(target.type, target.model)
    content, version = encode_chat(target, request, service, losses, stream=stream)
    return BuiltChat(
        request=build_request(
            "POST",
            _at_version(target, version) if version else target,
            "/chat/completions",
            accept=STREAM if stream else JSON,
            own=own_headers(target, service),
            content=content,
        ),
        losses=losses.collected(),
    )


def encode_chat(
    target: Target,
    request: chat_pb2.ChatRequest,
    service: Service,
    losses: Losses,
    *,
    stream: bool,
) -> tuple[bytes, str]:
    """Return the body of the request for one answer, and the version of the address that takes it.

    The version is empty where any does.

    Args:
        target: who is asked.
        request: that has passed its checks.
        service: how who is asked differs.
        losses: takes what is left out or carried in another form.
        stream: whether a stream is asked for.
    """
    messages = translate(request.messages[:], losses, service)
    body: Json = {"model": target.model, "messages": messages, **service.body}
    if request.tools:
        add_tools(body, request, losses, service)
    if request.max_output_tokens:
        body[service.limit_key] = request.max_output_tokens
    if request.HasField("sampling"):
        _add_sampling(body, request.sampling, losses, service)
    prefill = service.prefill if _goes_on(messages) else None
    if prefill is not None:
        merge(body, prefill.body)
    if prefill is not None and prefill.off:
        merge(body, prefill.off)
        if request.reasoning.effort not in ("", "none") or request.reasoning.budget_tokens:
            losses.dropped("reasoning", _DONE_THINKING)
    elif request.HasField("reasoning"):
        add_thinking(body, request.reasoning, service.thinking, target.modes, losses)
    if request.HasField("response_format"):
        _add_shape(body, request.response_format, losses, service)
    if stream:
        body["stream"] = True
        if service.counts_in_streams:
            body["stream_options"] = {"include_usage": True}
    return _encode(body), prefill.version if prefill is not None else ""


def build_probe(
    target: Target,
    purpose: provider_pb2.ProbePurpose.ValueType = provider_pb2.PROBE_PURPOSE_LIST_MODELS,
) -> Request:
    """Build the request for the list of models, or for where a key counts.

    Where a service has a list of its own that tells more, `/models` is asked otherwise: behind
    the same address there may be an older server, or another one.
    """
    service = find_service(target.type, "")
    if purpose == provider_pb2.PROBE_PURPOSE_PROVE_KEY:
        return _get(target, service, service.proof or _LIST)
    request = _get(target, service, _LIST)
    bare = _at_version(target, "")
    for path in reversed(service.lists):
        request = replace(_get(bare, service, path), otherwise=request)
    return request


def _goes_on(messages: list[Json]) -> bool:
    """Tell whether messages end with words of the model, which it is to go on from."""
    return bool(messages) and messages[-1]["role"] == "assistant"


def _get(target: Target, service: Service, path: str) -> Request:
    """Build a request without a body."""
    return build_request("GET", target, path, accept=JSON, own=own_headers(target, service))


def _at_version(target: Target, version: str) -> Target:
    """Return a target whose address ends with another version than `/v1`, or with none."""
    if version and target.base_url.endswith(version):
        return target
    return replace(target, base_url=target.base_url.removesuffix("/v1") + version)


def own_headers(target: Target, service: Service = OTHERS) -> dict[str, str]:
    """Return the format's own headers, with what authenticates."""
    secret = target.secret
    headers: dict[str, str] = {}
    if service.headers:
        given = {name.lower() for name in target.headers}
        headers = {name: said for name, said in service.headers.items() if name not in given}
    key = secret.api_key or secret.bearer_token.token
    if key:
        headers["authorization"] = f"Bearer {key}"
    if secret.organization:
        headers["openai-organization"] = secret.organization
    if secret.project:
        headers["openai-project"] = secret.project
    return headers


def _add_sampling(
    body: Json, sampling: chat_pb2.Sampling, losses: Losses, service: Service
) -> None:
    """Add how tokens are drawn."""
    refused = service.refused
    for name in _SAMPLING:
        if not sampling.HasField(name):
            continue
        path = f"sampling.{name}"
        if path in refused or (name == "top_k" and name not in service.extra):
            losses.dropped(path, _NO_SUCH_SETTING)
        else:
            body[service.keys.get(name, name)] = getattr(sampling, name)
    least, most = service.temperatures
    if "temperature" in body and not least <= body["temperature"] <= most:
        body["temperature"] = min(max(body["temperature"], least), most)
        losses.translated(
            "sampling.temperature", f"The service takes temperatures from {least} to {most}."
        )
    if sampling.stop and "sampling.stop" in refused:
        losses.dropped("sampling.stop", _NO_SUCH_SETTING)
    elif sampling.stop:
        body["stop"] = first_stops(sampling.stop, MAX_STOP, losses)


def _add_shape(body: Json, form: chat_pb2.ResponseFormat, losses: Losses, service: Service) -> None:
    """Add the shape that the answer must have."""
    path = f"response_format.{form.WhichOneof('kind')}"
    if not service.refused.isdisjoint(("response_format", path)):
        losses.dropped(path, _NO_SHAPE)
    elif "tools" in body and not service.shapes_with_tools:
        losses.dropped(path, _NO_SHAPE_WITH_TOOLS)
    else:
        body["response_format"] = _response_format(form)


def _response_format(form: chat_pb2.ResponseFormat) -> Json:
    """Translate the shape that the answer must have."""
    if not form.HasField("json_schema"):
        return {"type": "json_object"}
    asked = form.json_schema
    schema: Json = {
        "name": asked.name,
        "schema": schema_of(asked.schema_json, asked.schema),
    }
    if asked.strict:
        schema["strict"] = True
    return {"type": "json_schema", "json_schema": schema}

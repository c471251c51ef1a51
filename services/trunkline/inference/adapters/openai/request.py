"""Build the requests of Chat Completions.

Source: https://platform.openai.com/docs/api-reference/chat/create. What services that imitate
it refuse is left out for them (`Target.first_party`).
"""

from __future__ import annotations

from typing import Final

import msgspec

from trunkline.inference.adapters.adapter import BuiltChat, Target
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.openai.messages import translate
from trunkline.inference.adapters.openai.tools import add_tools
from trunkline.inference.adapters.requests import JSON, STREAM, build_request
from trunkline.inference.adapters.schemas import schema_of
from trunkline.inference.adapters.stops import first_stops
from trunkline.inference.adapters.values import Json
from trunkline.inference.outgoing import Request
from trunkline.inference.v1 import chat_pb2

MAX_STOP: Final = 4
"""How many stop sequences the format takes."""

_encode = msgspec.json.Encoder().encode


def build_chat(target: Target, request: chat_pb2.ChatRequest, *, stream: bool) -> BuiltChat:
    """Build the request for one answer; see `Adapter.build_chat`."""
    losses = Losses()
    content = encode_chat(target, request, losses, stream=stream)
    return BuiltChat(
        request=build_request(
            "POST",
            target,
            "/chat/completions",
            accept=STREAM if stream else JSON,
            own=own_headers(target),
            content=content,
        ),
        losses=losses.collected(),
    )


def encode_chat(
    target: Target,
    request: chat_pb2.ChatRequest,
    losses: Losses,
    *,
    stream: bool,
    documents: bool = True,
) -> bytes:
    """Return the body of the request for one answer.

    Args:
        target: who is asked.
        request: that has passed its checks.
        losses: takes what is left out or carried in another form.
        stream: whether a stream is asked for.
        documents: whether they are taken.
    """
    body: Json = {
        "model": target.model,
        "messages": translate(
            request.messages[:], losses, first_party=target.first_party, documents=documents
        ),
    }
    if request.tools:
        add_tools(body, request, losses, first_party=target.first_party)
    if request.max_output_tokens:
        # Reasoning models refuse the old name; most others know no other.
        name = "max_completion_tokens" if target.first_party else "max_tokens"
        body[name] = request.max_output_tokens
    if request.HasField("sampling"):
        _add_sampling(body, request.sampling, losses)
    if request.HasField("reasoning"):
        _add_reasoning(body, request.reasoning, losses)
    if request.HasField("response_format"):
        body["response_format"] = _response_format(request.response_format)
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return _encode(body)


def build_probe(target: Target) -> Request:
    """Build the request for the list of models, which is also where a key counts."""
    return build_request("GET", target, "/models", accept=JSON, own=own_headers(target))


def own_headers(target: Target) -> dict[str, str]:
    """Return the format's own headers, with what authenticates."""
    secret = target.secret
    headers: dict[str, str] = {}
    key = secret.api_key or secret.bearer_token.token
    if key:
        headers["authorization"] = f"Bearer {key}"
    if secret.organization:
        headers["openai-organization"] = secret.organization
    if secret.project:
        headers["openai-project"] = secret.project
    return headers


def _add_sampling(body: Json, sampling: chat_pb2.Sampling, losses: Losses) -> None:
    """Add how tokens are drawn."""
    for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed"):
        if sampling.HasField(name):
            body[name] = getattr(sampling, name)
    if sampling.HasField("top_k"):
        losses.dropped("sampling.top_k", "Chat Completions has no such setting.")
    if sampling.stop:
        body["stop"] = first_stops(sampling.stop, MAX_STOP, losses)


def _add_reasoning(body: Json, reasoning: chat_pb2.ReasoningOptions, losses: Losses) -> None:
    """Add how much to think."""
    if reasoning.effort:
        body["reasoning_effort"] = reasoning.effort
    if reasoning.budget_tokens:
        losses.dropped(
            "reasoning.budget_tokens", "Chat Completions takes an effort and no number of tokens."
        )


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

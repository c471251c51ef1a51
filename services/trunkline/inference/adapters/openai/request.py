"""Build the requests of Chat Completions.

Source: https://platform.openai.com/docs/api-reference/chat/create. What services that imitate
it refuse is left out for them (`Target.first_party`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import httpx
import msgspec

from trunkline.inference.adapters.adapter import BuiltChat, Target
from trunkline.inference.adapters.openai.losses import Losses
from trunkline.inference.adapters.openai.messages import Json, translate
from trunkline.inference.adapters.openai.tools import add_tools, schema_of
from trunkline.inference.v1 import chat_pb2

MAX_STOP: Final = 4
"""How many stop sequences the format takes."""

_STREAM: Final = "text/event-stream"
_JSON: Final = "application/json"

_encode = msgspec.json.Encoder().encode


def build_chat(target: Target, request: chat_pb2.ChatRequest, *, stream: bool) -> BuiltChat:
    """Build the request for one answer; see `Adapter.build_chat`."""
    losses = Losses()
    body: Json = {
        "model": target.model,
        "messages": translate(request.messages[:], losses, first_party=target.first_party),
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
    content = _encode(body)
    return BuiltChat(
        request=_request(
            "POST", target, "/chat/completions", _STREAM if stream else _JSON, content
        ),
        losses=losses.collected(),
    )


def build_probe(target: Target) -> httpx.Request:
    """Build the request for the list of models, which is also where a key counts."""
    return _request("GET", target, "/models", _JSON, None)


def _request(
    method: str, target: Target, path: str, accept: str, content: bytes | None
) -> httpx.Request:
    """Build a request with everything in it.

    httpx parses the URL and completes the headers of every request it is given otherwise,
    which takes eight times as long; this stands before each first token.
    """
    url, host = _endpoint(target.base_url, path)
    headers: dict[str, str] = {"user-agent": "trunkline"}
    for name, value in target.headers.items():
        headers[name.lower()] = value
    secret = target.secret
    if secret.api_key:
        headers["authorization"] = f"Bearer {secret.api_key}"
    if secret.organization:
        headers["openai-organization"] = secret.organization
    if secret.project:
        headers["openai-project"] = secret.project
    for name, value in secret.headers.items():
        headers[name.lower()] = value
    # Last: what frames the messages is not up to anybody else.
    headers["host"] = host
    headers["accept"] = accept
    headers["accept-encoding"] = "identity"
    if content is not None:
        headers["content-type"] = _JSON
        headers["content-length"] = str(len(content))
    request = httpx.Request(
        method,
        url,
        headers=[(name.encode(), value.encode()) for name, value in headers.items()],
        stream=httpx.ByteStream(content or b""),
    )
    request.read()
    return request


@lru_cache(maxsize=256)
def _endpoint(base_url: str, path: str) -> tuple[httpx.URL, str]:
    """Return the parsed URL and what the `Host` header says; neither holds a secret."""
    url = httpx.URL(base_url + path)
    return url, url.netloc.decode()


def _add_sampling(body: Json, sampling: chat_pb2.Sampling, losses: Losses) -> None:
    """Add how tokens are drawn."""
    for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed"):
        if sampling.HasField(name):
            body[name] = getattr(sampling, name)
    if sampling.HasField("top_k"):
        losses.dropped("sampling.top_k", "Chat Completions has no such setting.")
    if sampling.stop:
        body["stop"] = sampling.stop[:MAX_STOP]
        if len(sampling.stop) > MAX_STOP:
            losses.dropped(
                f"sampling.stop[{MAX_STOP}]",
                f"Chat Completions takes {MAX_STOP} stop sequences; the first are sent.",
            )


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

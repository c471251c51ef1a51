"""Build the requests of Ollama.

Source: https://docs.ollama.com/api/chat, and for `options`
https://docs.ollama.com/modelfile#valid-parameters-and-values.
"""

from __future__ import annotations

from typing import Final

import msgspec

from trunkline.inference.adapters.adapter import BuiltChat, Target
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.ollama.cloud import answers_from_cloud
from trunkline.inference.adapters.ollama.messages import translate
from trunkline.inference.adapters.ollama.tools import add_tools
from trunkline.inference.adapters.ollama.verification import proves_key
from trunkline.inference.adapters.requests import JSON, build_request
from trunkline.inference.adapters.schemas import schema_of
from trunkline.inference.adapters.values import Json
from trunkline.inference.outgoing import Request
from trunkline.inference.v1 import chat_pb2, provider_pb2

_STREAM: Final = "application/x-ndjson"
_CHAT: Final = "/api/chat"
_MODELS: Final = "/api/tags"

_SAMPLING: Final = (
    "temperature",
    "top_p",
    "top_k",
    "presence_penalty",
    "frequency_penalty",
    "seed",
)

# What the server has of our efforts is on, off and four levels; its own translation of other
# formats treats those that it does not have in the same way (`openai/openai.go`).
_EFFORTS: Final[dict[str, bool | str]] = {"none": False, "minimal": "low", "xhigh": "max"}

_NO_BUDGET: Final = "Ollama takes an effort and no number of tokens."
_OTHER_EFFORT: Final = "Ollama has no such effort; the nearest is asked for."
_NOT_HELD: Final = "Ollama's cloud does not hold a model to a schema."

_encode = msgspec.json.Encoder().encode


def build_chat(target: Target, request: chat_pb2.ChatRequest, *, stream: bool) -> BuiltChat:
    """Build the request for one answer; see `Adapter.build_chat`."""
    losses = Losses()
    body: Json = {
        "model": target.model,
        "messages": translate(request.messages[:], losses),
        # Left out, it would be a stream.
        "stream": stream,
        # Left out, a long prompt would lose its oldest messages in silence, and a long answer
        # what came before it.
        "truncate": False,
        "shift": False,
    }
    if request.tools:
        add_tools(body, request, losses)
    options = _options(request)
    if options:
        body["options"] = options
    if request.HasField("reasoning"):
        _add_reasoning(body, request.reasoning, losses)
    if request.HasField("response_format"):
        body["format"] = _format(target, request.response_format, losses)
    return BuiltChat(
        request=build_request(
            "POST",
            target,
            _CHAT,
            accept=_STREAM if stream else JSON,
            own=own_headers(target),
            content=_encode(body),
        ),
        losses=losses.collected(),
    )


def build_probe(target: Target, purpose: provider_pb2.ProbePurpose.ValueType) -> Request:
    """Build the request that lists models, or one that is refused by how good the key is."""
    own = own_headers(target)
    if proves_key(target, purpose):
        return build_request("POST", target, _CHAT, accept=JSON, own=own, content=b"{}")
    return build_request("GET", target, _MODELS, accept=JSON, own=own)


def own_headers(target: Target) -> dict[str, str]:
    """Return what authenticates; a server of one's own takes no notice of it."""
    key = target.secret.api_key or target.secret.bearer_token.token
    return {"authorization": f"Bearer {key}"} if key else {}


def _options(request: chat_pb2.ChatRequest) -> Json:
    """Return the limit of the answer and how tokens are drawn."""
    sampling = request.sampling
    options: Json = {name: getattr(sampling, name) for name in _SAMPLING if sampling.HasField(name)}
    if sampling.stop:
        options["stop"] = sampling.stop[:]
    if request.max_output_tokens:
        options["num_predict"] = request.max_output_tokens
    return options


def _add_reasoning(body: Json, reasoning: chat_pb2.ReasoningOptions, losses: Losses) -> None:
    """Add how much to think; left out, a model that can think does."""
    effort = reasoning.effort
    if effort:
        think = body["think"] = _EFFORTS.get(effort, effort)
        if think not in (False, effort):
            losses.translated("reasoning.effort", _OTHER_EFFORT)
    if reasoning.budget_tokens:
        losses.dropped("reasoning.budget_tokens", _NO_BUDGET)


def _format(
    target: Target, form: chat_pb2.ResponseFormat, losses: Losses
) -> str | Json | msgspec.Raw:
    """Translate the shape that the answer must have."""
    if not form.HasField("json_schema"):
        return "json"
    asked = form.json_schema
    if asked.strict and answers_from_cloud(target):
        # https://github.com/ollama/ollama/issues/12362
        losses.dropped("response_format.json_schema.strict", _NOT_HELD)
    return schema_of(asked.schema_json, asked.schema)

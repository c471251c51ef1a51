"""Build the requests of Azure OpenAI: those of Chat Completions, elsewhere and with another key.

Source: https://learn.microsoft.com/azure/ai-foundry/openai/reference.
"""

from __future__ import annotations

from trunkline.inference.adapters.adapter import BuiltChat, Target
from trunkline.inference.adapters.azure.addresses import list_place, model_place
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.openai.request import encode_chat
from trunkline.inference.adapters.openai.services import AZURE
from trunkline.inference.adapters.requests import JSON, STREAM, build_request
from trunkline.inference.outgoing import Request
from trunkline.inference.v1 import chat_pb2


def build_chat(target: Target, request: chat_pb2.ChatRequest, *, stream: bool) -> BuiltChat:
    """Build the request for one answer; see `Adapter.build_chat`."""
    losses = Losses()
    content, _ = encode_chat(target, request, AZURE, losses, stream=stream)
    place, path = model_place(target, "/chat/completions")
    built = build_request(
        "POST",
        place,
        path,
        accept=STREAM if stream else JSON,
        own=own_headers(target),
        content=content,
    )
    return BuiltChat(request=built, losses=losses.collected())


def build_probe(target: Target) -> Request:
    """Build the request for the list of models, which is also where a key counts."""
    place, path = list_place(target)
    return build_request("GET", place, path, accept=JSON, own=own_headers(target))


def own_headers(target: Target) -> dict[str, str]:
    """Return what authenticates: the key of a resource, or a token of Entra, never both."""
    secret = target.secret
    if secret.bearer_token.token:
        return {"authorization": f"Bearer {secret.bearer_token.token}"}
    return {"api-key": secret.api_key} if secret.api_key else {}

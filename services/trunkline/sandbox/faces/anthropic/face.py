"""The face of Anthropic Messages.

Source: the Messages and Models API references, and the pages on errors and versions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from trunkline.sandbox.face import Document, Head, ModelCard, Occasion, Operation, Route
from trunkline.sandbox.faces.anthropic import errors
from trunkline.sandbox.faces.anthropic.blocks import VENDOR
from trunkline.sandbox.faces.anthropic.fields import refuse
from trunkline.sandbox.faces.anthropic.request import EFFORTS, MAX_OUTPUT, VERSIONS, read_prompt
from trunkline.sandbox.faces.anthropic.voice import MessageVoice
from trunkline.sandbox.faults import Refusal
from trunkline.sandbox.prompt import Prompt
from trunkline.sandbox.vectors import VectorForm

MAX_INPUT: Final = 1_000_000
"""The context window of every model, in tokens; nothing is measured against it."""

DEFAULT_PAGE: Final = 20
MAX_PAGE: Final = 1_000

_JSON: Final = "application/json"
_CREATED: Final = "2026-11-06T00:00:00Z"


class Messages:
    """Speak Anthropic Messages."""

    name = VENDOR
    prefix = "/anthropic"
    base_path = "/anthropic/v1"
    request_id_header: str | None = "request-id"
    vectors: VectorForm | None = None
    keyless = False

    def route(self, head: Head) -> Route | None:
        """Tell what a request line asks for; None when there is no such path."""
        match head.method, head.path.split("/")[1:]:
            case "POST", ["v1", "messages"]:
                return Route(Operation.CHAT)
            case "GET", ["v1", "models"]:
                return Route(Operation.LIST_MODELS)
            case "GET", ["v1", "models", name] if name:
                return Route(Operation.SHOW_MODEL, unquote(name))
        return None

    def key(self, head: Head) -> str:
        """Return `x-api-key`, which goes before a bearer token; empty when there is neither."""
        return head.header("x-api-key") or head.bearer()

    def model(self, route: Route, body: object) -> str | None:
        """Return the model that a request names, before it is checked."""
        named = body.get("model") if isinstance(body, Mapping) else None
        return route.model or (named if isinstance(named, str) else None)

    def check(self, head: Head) -> None:
        """Demand the version of the API.

        Raises:
            Refusal: the header `anthropic-version` is missing, or names no version.
        """
        version = head.header("anthropic-version")
        if not version:
            refuse("anthropic-version", "header is required")
        if version not in VERSIONS:
            refuse("anthropic-version", f'"{version[:32]}" is not a valid version')

    def read(self, head: Head, route: Route, body: object) -> Prompt:
        """Check a chat request.

        Raises:
            Refusal: the request is not what the format demands.
        """
        betas = [beta.strip() for beta in head.header("anthropic-beta").split(",")]
        return read_prompt(body, version=head.header("anthropic-version"), betas=betas)

    def list_models(self, head: Head, models: Sequence[ModelCard]) -> Document:
        """List a page of models: 20 unless `limit` says otherwise.

        Raises:
            Refusal: the page asked for cannot be.
        """
        limit = _read_limit(head.query)
        after, before = head.query.get("after_id"), head.query.get("before_id")
        if after and before:
            refuse("", "`after_id` and `before_id` cannot both be specified.")
        if before:
            end = _find(models, before, "before_id")
            begin = max(0, end - limit)
            more = begin > 0
        else:
            begin = _find(models, after, "after_id") + 1 if after else 0
            end = begin + limit
            more = end < len(models)
        page = [_describe(model) for model in models[begin:end]]
        listing = {
            "data": page,
            "has_more": more,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
        }
        return Document(200, _JSON, msgspec.json.encode(listing))

    def show_model(self, model: ModelCard) -> Document:
        """Describe one model."""
        return Document(200, _JSON, msgspec.json.encode(_describe(model)))

    def refuse(self, refusal: Refusal, occasion: Occasion) -> Document:
        """Put a refusal on the wire."""
        return errors.refuse(refusal, occasion.request_id, occasion.model)

    def voice(self, prompt: Prompt, occasion: Occasion) -> MessageVoice:
        """Make the voice of one answer."""
        return MessageVoice(prompt, occasion.request_id)


def _read_limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(DEFAULT_PAGE))
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        refuse("limit", "Input should be a valid integer")
    if not 1 <= int(text) <= MAX_PAGE:
        refuse("limit", f"Input should be between 1 and {MAX_PAGE}")
    return int(text)


def _find(models: Sequence[ModelCard], name: str, field: str) -> int:
    index = next((at for at, model in enumerate(models) if model.name == name), None)
    if index is None:
        refuse(field, "is not the id of a model")
    return index


def _describe(model: ModelCard) -> dict[str, Any]:
    yes, no = {"supported": True}, {"supported": False}
    thinks = yes if model.thinks else no
    kinds = {"adaptive": thinks, "enabled": thinks, "disabled": yes, "between_tools": no}
    return {
        "type": "model",
        "id": model.name,
        "display_name": f"Sandbox {model.name}",
        "created_at": _CREATED,
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "line": None,
        "max_input_tokens": model.room(MAX_INPUT),
        "max_tokens": MAX_OUTPUT,
        "capabilities": {
            "batch": no,
            "citations": no,
            "code_execution": no,
            "context_management": {
                "supported": False,
                "clear_thinking_20251015": no,
                "clear_tool_uses_20250919": no,
                "compact_20260112": no,
            },
            "effort": {**thinks, **dict.fromkeys(EFFORTS, thinks)},
            "image_input": yes,
            "pdf_input": yes,
            "server_tools": {"supported": False, "code_execution": no, "web_search": no},
            "structured_outputs": yes,
            "thinking": {**thinks, "types": kinds},
        },
    }

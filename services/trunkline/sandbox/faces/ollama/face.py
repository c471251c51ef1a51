"""The face of Ollama's own API.

Source: the server's API documentation. Models are listed without a tag, so that a model has one
name through every face; `NAME:latest` is the same model, as on the server.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from trunkline.sandbox.face import Document, Head, ModelCard, Occasion, Operation, Route
from trunkline.sandbox.faces.ollama import errors
from trunkline.sandbox.faces.ollama.errors import JSON
from trunkline.sandbox.faces.ollama.request import Loading, name_of, read_prompt
from trunkline.sandbox.faces.ollama.vectors import EmbedAnswer
from trunkline.sandbox.faces.ollama.voice import CREATED, ChatVoice, encode
from trunkline.sandbox.faults import Refusal
from trunkline.sandbox.prompt import Prompt
from trunkline.sandbox.vectors import VectorForm

VERSION: Final = "0.32.9"

CONTEXT: Final = 131_072
"""The context window of every model, in tokens; nothing is measured against it."""

_SIZE_BYTES: Final = 4_000_000_000


class Ollama:
    """Speak Ollama's own API."""

    name = "ollama"
    prefix = "/ollama"
    base_path = "/ollama"
    request_id_header: str | None = None
    vectors: VectorForm | None = EmbedAnswer()
    keyless = True

    def route(self, head: Head) -> Route | None:
        """Tell what a request line asks for; None when there is no such path."""
        match head.method, head.path:
            case "GET" | "HEAD", "" | "/":
                running = Document(200, "text/plain; charset=utf-8", b"Ollama is running")
                return Route(Operation.GREET, document=running)
            case "GET", "/api/version":
                version = Document(200, JSON, encode({"version": VERSION}))
                return Route(Operation.GREET, document=version)
            case "GET", "/api/tags":
                return Route(Operation.LIST_MODELS)
            case "POST", "/api/show":
                return Route(Operation.SHOW_MODEL)
            case "POST", "/api/chat":
                return Route(Operation.CHAT)
            case "POST", "/api/embed":
                return Route(Operation.EMBED)
        return None

    def key(self, head: Head) -> str:
        """Return the bearer token; empty when there is none."""
        return head.bearer()

    def model(self, route: Route, body: object) -> str | None:
        """Return the model that a request names, before it is checked."""
        return name_of(body)

    def check(self, head: Head) -> None:
        """Take any headers."""

    def read(self, head: Head, route: Route, body: object) -> Prompt | Document:
        """Check a chat request; one without messages only loads the model.

        Raises:
            Refusal: the request is not what the format demands.
        """
        asked = read_prompt(body)
        if not isinstance(asked, Loading):
            return asked
        loaded = {
            "model": asked.model,
            "created_at": CREATED,
            "message": {"role": "assistant", "content": ""},
            "done_reason": "unload" if asked.unloads else "load",
            "done": True,
        }
        return Document(200, JSON, encode(loaded))

    def list_models(self, head: Head, models: Sequence[ModelCard]) -> Document:
        """List models; the format has no paging."""
        return Document(200, JSON, encode({"models": [_describe(model) for model in models]}))

    def show_model(self, model: ModelCard) -> Document:
        """Describe one model."""
        shown = {
            "modelfile": f"FROM {model.name}",
            "parameters": f"num_ctx {model.room(CONTEXT)}",
            "template": "{{ .Prompt }}",
            "details": _details(),
            "model_info": {
                "general.architecture": "sandbox",
                "sandbox.context_length": model.room(CONTEXT),
                "sandbox.embedding_length": 1_024,
            },
            "capabilities": _capabilities(model),
            "modified_at": CREATED,
        }
        return Document(200, JSON, encode(shown))

    def refuse(self, refusal: Refusal, occasion: Occasion) -> Document:
        """Put a refusal on the wire."""
        return errors.refuse(refusal, occasion.model)

    def voice(self, prompt: Prompt, occasion: Occasion) -> ChatVoice:
        """Make the voice of one answer."""
        return ChatVoice(prompt)


def _describe(model: ModelCard) -> dict[str, Any]:
    return {
        "name": model.name,
        "model": model.name,
        "modified_at": CREATED,
        "size": _SIZE_BYTES,
        "digest": hashlib.sha256(model.name.encode()).hexdigest(),
        "details": {**_details(), "context_length": model.room(CONTEXT)},
        "capabilities": _capabilities(model),
    }


def _details() -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": "gguf",
        "family": "sandbox",
        "families": ["sandbox"],
        "parameter_size": "8B",
        "quantization_level": "Q4_K_M",
    }


def _capabilities(model: ModelCard) -> list[str]:
    if model.embeds:
        return ["embedding"]
    thinking = ["thinking"] if model.thinks else []
    return ["completion", "tools", "vision", *thinking]

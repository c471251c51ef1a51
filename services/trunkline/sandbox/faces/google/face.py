"""The face of Google's Gemini API.

Source: the references of GenerateContent and Models, and the page on API keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote

from trunkline.sandbox.face import Document, Head, ModelCard, Occasion, Operation, Route
from trunkline.sandbox.faces.google import errors
from trunkline.sandbox.faces.google.contents import VENDOR
from trunkline.sandbox.faces.google.errors import JSON, write
from trunkline.sandbox.faces.google.fields import refuse
from trunkline.sandbox.faces.google.request import MAX_OUTPUT, read_prompt
from trunkline.sandbox.faces.google.vectors import BatchedEmbeddings
from trunkline.sandbox.faces.google.voice import ContentVoice
from trunkline.sandbox.faults import Refusal
from trunkline.sandbox.prompt import Prompt
from trunkline.sandbox.vectors import VectorForm

MAX_INPUT: Final = 1_048_576
"""The context window of every model, in tokens; nothing is measured against it."""

_EMBEDS: Final = ["embedContent", "batchEmbedContents"]

DEFAULT_PAGE: Final = 50
MAX_PAGE: Final = 1_000


class Gemini:
    """Speak the Gemini API, in both of its versions."""

    name = VENDOR
    prefix = "/google"
    base_path = "/google/v1beta"
    request_id_header: str | None = None
    vectors: VectorForm | None = BatchedEmbeddings()
    keyless = False

    def route(self, head: Head) -> Route | None:
        """Tell what a request line asks for; None when there is no such path."""
        match head.method, head.path.split("/")[1:]:
            case "GET", ["v1" | "v1beta", "models"]:
                return Route(Operation.LIST_MODELS)
            case "GET", ["v1" | "v1beta", "models", name] if name:
                return Route(Operation.SHOW_MODEL, unquote(name))
            case "POST", ["v1" | "v1beta", "models", called]:
                name, _, method = unquote(called).rpartition(":")
                if method == "batchEmbedContents":
                    return Route(Operation.EMBED, name)
                if method == "generateContent":
                    return Route(Operation.CHAT, name, "whole")
                if method == "streamGenerateContent":
                    sse = head.query.get("alt") == "sse"
                    return Route(Operation.CHAT, name, "sse" if sse else "array")
        return None

    def key(self, head: Head) -> str:
        """Return the key of the header, else that of the query; empty when there is neither."""
        return head.header("x-goog-api-key") or head.query.get("key", "")

    def model(self, route: Route, body: object) -> str | None:
        """Return the model of the path."""
        return route.model

    def check(self, head: Head) -> None:
        """Take any headers."""

    def read(self, head: Head, route: Route, body: object) -> Prompt:
        """Check a chat request.

        Raises:
            Refusal: the request is not what the format demands.
        """
        return read_prompt(body, model=route.model or "", stream=route.form != "whole")

    def list_models(self, head: Head, models: Sequence[ModelCard]) -> Document:
        """List a page of models: 50 unless `pageSize` says otherwise.

        Raises:
            Refusal: the page asked for cannot be.
        """
        size = min(_read_number(head, "pageSize", DEFAULT_PAGE), MAX_PAGE) or DEFAULT_PAGE
        begin = _read_number(head, "pageToken", 0)
        listing: dict[str, Any] = {"models": [_describe(m) for m in models[begin : begin + size]]}
        if begin + size < len(models):
            listing["nextPageToken"] = str(begin + size)
        return Document(200, JSON, write(listing))

    def show_model(self, model: ModelCard) -> Document:
        """Describe one model."""
        return Document(200, JSON, write(_describe(model)))

    def refuse(self, refusal: Refusal, occasion: Occasion) -> Document:
        """Put a refusal on the wire."""
        return errors.refuse(refusal, occasion)

    def voice(self, prompt: Prompt, occasion: Occasion) -> ContentVoice:
        """Make the voice of one answer."""
        return ContentVoice(prompt, occasion.route.form if occasion.route else "whole")


def _read_number(head: Head, name: str, otherwise: int) -> int:
    text = head.query.get(name) or str(otherwise)
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        refuse(f"Invalid value at '{name}' (TYPE_INT32), \"{text[:64]}\"", name)
    return int(text)


def _describe(model: ModelCard) -> dict[str, Any]:
    return {
        "name": f"models/{model.name}",
        "version": "001",
        "displayName": f"Sandbox {model.name}",
        "description": "A model of the sandbox.",
        "inputTokenLimit": model.room(MAX_INPUT),
        "outputTokenLimit": MAX_OUTPUT,
        "supportedGenerationMethods": _EMBEDS if model.embeds else ["generateContent"],
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2,
        **({"thinking": True} if model.thinks else {}),
    }

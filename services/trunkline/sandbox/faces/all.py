"""Every face of the sandbox, and which of them a request is for."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from trunkline.sandbox.face import Face, Head
from trunkline.sandbox.faces.anthropic.face import Messages
from trunkline.sandbox.faces.google.face import Gemini
from trunkline.sandbox.faces.ollama.face import Ollama
from trunkline.sandbox.faces.openai.face import ChatCompletions
from trunkline.sandbox.request import Request

OPENAI: Final = ChatCompletions()

FACES: Final[tuple[Face, ...]] = (OPENAI, Messages(), Gemini(), Ollama())
"""The faces in the order in which people want to see them."""

_PREFIXED: Final = {face.prefix: face for face in FACES if face.prefix}


def place(request: Request) -> tuple[Face, Head]:
    """Return the face that a request is for, and its head with the path below the face's prefix."""
    path, _, query = request.target.partition("?")
    face: Face = OPENAI
    first, slash, rest = path.removeprefix("/").partition("/")
    if f"/{first}" in _PREFIXED:
        face, path = _PREFIXED[f"/{first}"], slash + rest
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    return face, Head(request.method, path, pairs, request.headers)

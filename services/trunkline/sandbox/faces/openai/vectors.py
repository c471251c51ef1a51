"""Embeddings of the OpenAI face.

Source: the reference of embeddings: https://platform.openai.com/docs/api-reference/embeddings.
"""

from __future__ import annotations

import base64
import json
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Final

from trunkline.sandbox.faces.openai.request import refuse
from trunkline.sandbox.faults import Refusal, Trouble
from trunkline.sandbox.vectors import MAX_DIMENSIONS, Texts

MAX_TEXTS: Final = 2048

_KNOWN: Final = frozenset({"dimensions", "encoding_format", "input", "model", "user"})


class EmbeddingList:
    """Read `/embeddings` and answer it."""

    def read(self, body: object, model: str) -> Texts:
        """Check a request; see `VectorForm.read`."""
        del model
        if not isinstance(body, Mapping):
            refuse("The JSON body of your request could not be parsed as an object.", None)
        unknown = next((name for name in body if name not in _KNOWN), None)
        if unknown is not None:
            raise Refusal(
                Trouble.UNKNOWN_PARAMETER,
                f"Unrecognized request argument: {unknown[:64]}.",
                param=unknown[:64],
            )
        named = body.get("model")
        if not isinstance(named, str) or not named:
            refuse("You must provide a model parameter.", "model")
        return Texts(
            model=named,
            texts=_read_texts(body.get("input")),
            dimensions=_read_dimensions(body.get("dimensions")),
            base64=_read_format(body.get("encoding_format")),
        )

    def write(self, asked: Texts, vectors: Sequence[Sequence[float]]) -> bytes:
        """Give the list of embeddings; see `VectorForm.write`."""
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": _encode(vector) if asked.base64 else vector,
            }
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": asked.word_count, "total_tokens": asked.word_count}
        answer = {"object": "list", "data": data, "model": asked.model, "usage": usage}
        # NaN goes out as servers in Python write it.
        return json.dumps(answer).encode()


def _read_texts(given: Any) -> tuple[str, ...]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        refuse("'$.input' is invalid: a string or a list of strings, none of them empty.", "input")
    if not 1 <= len(texts) <= MAX_TEXTS:
        refuse(f"'$.input' is invalid: 1 to {MAX_TEXTS} texts.", "input")
    return tuple(texts)


def _read_dimensions(given: Any) -> int | None:
    if given is None:
        return None
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= MAX_DIMENSIONS:
        refuse("Invalid value for 'dimensions'.", "dimensions")
    return given


def _read_format(given: Any) -> bool:
    if given not in (None, "float", "base64"):
        refuse("'$.encoding_format' is one of 'float' and 'base64'.", "encoding_format")
    return bool(given == "base64")


def _encode(vector: Sequence[float]) -> str:
    return base64.b64encode(array("f", vector).tobytes()).decode()

"""Embeddings of the Ollama face.

Source: the server's API documentation: https://docs.ollama.com/api/embed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from trunkline.sandbox.faces.ollama.request import name_of
from trunkline.sandbox.faults import Refusal, Trouble
from trunkline.sandbox.vectors import MAX_DIMENSIONS, Texts


class EmbedAnswer:
    """Read `/api/embed` and answer it."""

    def read(self, body: object, model: str) -> Texts:
        """Check a request; see `VectorForm.read`."""
        del model
        if not isinstance(body, Mapping):
            raise Refusal(Trouble.INVALID_REQUEST, "invalid character: no JSON object")
        named = name_of(body)
        if not named:
            raise Refusal(Trouble.INVALID_REQUEST, "model is required")
        given = body.get("input")
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise Refusal(Trouble.INVALID_REQUEST, "invalid input type")
        dimensions = body.get("dimensions")
        if dimensions is not None and (
            not isinstance(dimensions, int) or not 1 <= dimensions <= MAX_DIMENSIONS
        ):
            raise Refusal(Trouble.INVALID_REQUEST, "invalid dimensions")
        return Texts(named, tuple(texts), dimensions=dimensions)

    def write(self, asked: Texts, vectors: Sequence[Sequence[float]]) -> bytes:
        """Give the embeddings; see `VectorForm.write`."""
        answer = {
            "model": asked.model,
            "embeddings": vectors,
            "total_duration": 1,
            "load_duration": 1,
            "prompt_eval_count": asked.word_count,
        }
        # NaN goes out as servers in Python write it.
        return json.dumps(answer).encode()

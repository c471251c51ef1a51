"""Embeddings of the Gemini face.

Source: the reference of batchEmbedContents: https://ai.google.dev/api/embeddings.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from trunkline.sandbox.faces.google.fields import read_list, read_object, refuse
from trunkline.sandbox.vectors import MAX_DIMENSIONS, Texts

MAX_TEXTS: Final = 100

_TASKS: Final = frozenset(
    {
        "RETRIEVAL_QUERY",
        "RETRIEVAL_DOCUMENT",
        "SEMANTIC_SIMILARITY",
        "CLASSIFICATION",
        "CLUSTERING",
        "QUESTION_ANSWERING",
        "FACT_VERIFICATION",
        "CODE_RETRIEVAL_QUERY",
    }
)


class BatchedEmbeddings:
    """Read `batchEmbedContents` and answer it."""

    def read(self, body: object, model: str) -> Texts:
        """Check a request; see `VectorForm.read`."""
        held = read_object(body, "", ("requests",))
        requests = read_list(held, "requests", "requests")
        if not 1 <= len(requests) <= MAX_TEXTS:
            refuse(
                "* BatchEmbedContentsRequest.requests: at most"
                f" {MAX_TEXTS} requests can be in one batch",
                "requests",
            )
        asked = [
            _read_one(each, f"requests[{index}]", model) for index, each in enumerate(requests)
        ]
        return Texts(model, tuple(text for text, _ in asked), dimensions=asked[0][1])

    def write(self, asked: Texts, vectors: Sequence[Sequence[float]]) -> bytes:
        """Give the embeddings; see `VectorForm.write`."""
        return json.dumps({"embeddings": [{"values": vector} for vector in vectors]}).encode()


def _read_one(given: Any, path: str, model: str) -> tuple[str, int | None]:
    """Return the text and the length that one request of a batch asks for."""
    known = ("model", "content", "taskType", "title", "outputDimensionality")
    held = read_object(given, path, known)
    if held.get("model") != f"models/{model}":
        refuse(f"Model '{held.get('model')}' of a batch is not the one that is called.", path)
    task = held.get("taskType")
    if task is not None and task not in _TASKS:
        refuse(f"Invalid value at '{path}.task_type', \"{task}\"", f"{path}.taskType")
    content = read_object(held.get("content"), f"{path}.content", ("parts", "role"))
    parts = read_list(content, "parts", f"{path}.content.parts")
    texts = [part.get("text") if isinstance(part, dict) else None for part in parts]
    # Several parts of one content would be one vector.
    if len(texts) != 1 or not isinstance(texts[0], str) or not texts[0]:
        refuse(f"{path}.content must have one part with a text.", f"{path}.content")
    dimensions = held.get("outputDimensionality")
    if dimensions is not None and (
        not isinstance(dimensions, int) or not 1 <= dimensions <= MAX_DIMENSIONS
    ):
        refuse(f"Invalid value at '{path}.output_dimensionality'.", path)
    return texts[0], dimensions

"""What the stand-in provider answers to a request for embeddings: one reply, made once.

`vectors-N` gives N numbers for each text, in base64 where that is asked for, else as JSON with as
many digits as services write (https://platform.openai.com/docs/api-reference/embeddings).
"""

from __future__ import annotations

import base64
import hashlib
import re
from array import array
from functools import lru_cache
from typing import Final

import msgspec

from bench.answers import compose_reply

EMBEDDER: Final = "vectors-1536"
DIMENSIONS: Final = 1_536
TEXTS: Final = tuple(f"text number {number}" for number in range(256))

_NAME: Final = re.compile(r"vectors-(?P<count>[1-9][0-9]{0,3})")


class EmbeddingsAsked(msgspec.Struct):
    """A request for embeddings, as far as the stand-in reads it."""

    model: str
    input: tuple[str, ...]
    encoding_format: str = "float"


@lru_cache(maxsize=4)
def find_embeddings(model: str, texts: tuple[str, ...], encoding: str) -> bytes | None:
    """Return the reply with the vectors of texts, head included; None: there is no such model."""
    match = _NAME.fullmatch(model)
    if match is None:
        return None
    vectors = [make_vector(text, int(match["count"])) for text in texts]
    data = [
        {
            "object": "embedding",
            "index": row,
            "embedding": base64.b64encode(vector.tobytes()).decode()
            if encoding == "base64"
            else vector.tolist(),
        }
        for row, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
    listed = {"object": "list", "data": data, "model": model, "usage": usage}
    return compose_reply(200, msgspec.json.encode(listed))


def make_vector(text: str, dimensions: int) -> array[float]:
    """Return the vector of a text: numbers that are as long as real ones."""
    drawn = hashlib.shake_128(text.encode()).digest(4 * dimensions)
    # Fractions of 2**31 round to a float32, whose shortest decimal as a double is a long one.
    return array("f", [value / 2**31 for value in memoryview(drawn).cast("i")])

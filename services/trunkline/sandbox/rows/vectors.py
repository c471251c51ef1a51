"""Rows of vectors: how long they are, and what is wrong with them."""

from __future__ import annotations

from typing import Final

from trunkline.sandbox.behaviours import Kind, Row, make_vectors
from trunkline.sandbox.vectors import MAX_DIMENSIONS, Flaw, Style


def _flawed(name: str, sentence: str, flaw: Flaw) -> Row:
    """Make the row of a model whose last vector is wrong."""
    return Row(Kind.VECTORS, name, name, sentence, make_vectors(lambda _: Style(flaw=flaw)))


VECTORS: Final[tuple[Row, ...]] = (
    Row(
        Kind.VECTORS,
        "vectors-N",
        "vectors-16",
        "Embeddings of N numbers.",
        make_vectors(lambda n: Style(dimensions=n)),
        range(1, MAX_DIMENSIONS + 1),
    ),
    _flawed("vectors-nan", "Embeddings whose last number is NaN.", Flaw.NAN),
    _flawed("vectors-empty", "Embeddings, the last one empty.", Flaw.EMPTY),
    _flawed("vectors-short", "Embeddings, the last one a number too short.", Flaw.SHORT),
    _flawed("vectors-few", "Embeddings, one too few.", Flaw.FEW),
)
"""What embeddings are made."""

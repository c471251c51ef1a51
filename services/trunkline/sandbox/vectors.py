"""Vectors: what the sandbox makes of texts, and the seam to the formats that carry them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol

from trunkline.sandbox.faults import Refusal
from trunkline.sandbox.speech import Finish, Usage, Utterance

DIMENSIONS: Final = 8
"""Length of a vector where neither the model's name nor the request says another."""

MAX_DIMENSIONS: Final = 65_536

_SCALE: Final = 2**15


class Flaw(Enum):
    """Name what is wrong with the vectors of an answer."""

    NAN = auto()
    """The last one holds a number that is none."""
    EMPTY = auto()
    """The last one is empty."""
    SHORT = auto()
    """The last one has a number too few."""
    FEW = auto()
    """The last one is missing."""


@dataclass(frozen=True, slots=True)
class Style:
    """Say what vectors a model makes."""

    dimensions: int = DIMENSIONS
    flaw: Flaw | None = None


PLAIN: Final = Style()
"""What vectors models make whose names say nothing of them."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Hold one checked request for vectors.

    Args:
        model: the name that chooses the behaviour.
        texts: at least one.
        dimensions: length that is asked for; None where none is.
        base64: whether vectors are asked for in base64.
    """

    model: str
    texts: tuple[str, ...]
    dimensions: int | None = None
    base64: bool = False

    @property
    def word_count(self) -> int:
        """Return how many words the texts have, which are their tokens."""
        return sum(len(text.split()) for text in self.texts)


class VectorForm(Protocol):
    """How a format asks for vectors and carries them."""

    def read(self, body: object, model: str) -> Texts:
        """Check a request as the real provider does.

        Args:
            body: the decoded JSON body; None when it is not JSON.
            model: of the path; empty where it names none.

        Raises:
            Refusal: the request is not what the format demands.
        """
        ...

    def write(self, asked: Texts, vectors: Sequence[Sequence[float]]) -> bytes:
        """Give the body of the answer."""
        ...


class VectorVoice:
    """Give vectors as a voice gives an answer, whose faults they so share; it has no stream."""

    stream_type = "application/json"
    comment = b""

    def __init__(self, form: VectorForm, asked: Texts, style: Style) -> None:
        self._form = form
        self._asked = asked
        self._style = style

    def open(self) -> bytes:
        """Give nothing."""
        return b""

    def say(self, utterance: Utterance) -> bytes:
        """Give nothing."""
        return b""

    def finish(self, finish: Finish) -> bytes:
        """Give nothing."""
        return b""

    def count(self, usage: Usage) -> bytes:
        """Give nothing."""
        return b""

    def close(self) -> bytes:
        """Give nothing."""
        return b""

    def garble(self) -> bytes:
        """Give nothing."""
        return b""

    def fail(self, refusal: Refusal) -> bytes:
        """Give nothing."""
        return b""

    def whole(self, utterances: Iterable[Utterance], finish: Finish | None) -> bytes:
        """Give the vectors."""
        return self._form.write(self._asked, make_vectors(self._asked, self._style))


def make_vectors(asked: Texts, style: Style) -> list[list[float]]:
    """Make the vectors of texts; the same text always has the same one.

    Args:
        asked: what is asked for; its dimensions come before the style's.
        style: what vectors the model makes.
    """
    dimensions = asked.dimensions or style.dimensions
    vectors = [make_vector(text, dimensions) for text in asked.texts]
    match style.flaw:
        case Flaw.NAN:
            vectors[-1][-1] = float("nan")
        case Flaw.EMPTY:
            vectors[-1] = []
        case Flaw.SHORT:
            vectors[-1].pop()
        case Flaw.FEW:
            vectors.pop()
        case None:
            pass
    return vectors


def make_vector(text: str, dimensions: int) -> list[float]:
    """Make the vector of a text: numbers from -1 to below 1, each of which float32 holds."""
    drawn = hashlib.shake_128(text.encode()).digest(2 * dimensions)
    return [value / _SCALE for value in memoryview(drawn).cast("h")]

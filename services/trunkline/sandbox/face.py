"""The seam between the server and a wire format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol, TypeAlias

from trunkline.sandbox.faults import Refusal
from trunkline.sandbox.prompt import Prompt
from trunkline.sandbox.speech import Finish, Usage, Utterance

Headers: TypeAlias = Sequence[tuple[str, str]]
"""Header names in lower case and their values, in the order of the wire."""


class Operation(Enum):
    """What a request asks for."""

    LIST_MODELS = auto()
    SHOW_MODEL = auto()
    CHAT = auto()


@dataclass(frozen=True, slots=True)
class Route:
    """Tell what a path means: the operation, and the model where the path names one."""

    operation: Operation
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """Hold a whole reply that is no chat answer."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Voice(Protocol):
    """Put one answer on the wire. Each method gives the bytes of one step of a stream.

    A step that the format or the request does not have gives no bytes.
    """

    def open(self) -> bytes:
        """Begin the answer, before any content."""
        ...

    def say(self, utterance: Utterance) -> bytes:
        """Say one piece of content."""
        ...

    def finish(self, finish: Finish) -> bytes:
        """Say why the answer ended."""
        ...

    def count(self, usage: Usage) -> bytes:
        """Say the usage, where the request asked for it."""
        ...

    def close(self) -> bytes:
        """Say the terminator."""
        ...

    def garble(self) -> bytes:
        """Say a frame that holds invalid JSON."""
        ...

    def fail(self, refusal: Refusal) -> bytes:
        """Say an error inside the stream."""
        ...

    def whole(self, utterances: Iterable[Utterance], finish: Finish | None) -> bytes:
        """Give the body of an answer that is not streamed; without `finish` it says no reason."""
        ...


class Face(Protocol):
    """Speak one wire format."""

    stream_type: str
    """Content type of a stream."""

    def route(self, method: str, path: str) -> Route | None:
        """Tell what a request line asks for; None when the format has no such path."""
        ...

    def key(self, headers: Headers) -> str:
        """Return the API key of a request; empty when it has none."""
        ...

    def model(self, route: Route, body: object) -> str | None:
        """Return the model that a request names, before it is checked; None when it names none."""
        ...

    def read(self, route: Route, body: object) -> Prompt:
        """Check a chat request as the real provider does.

        Args:
            route: what the path means.
            body: the decoded JSON body; None when it is not JSON.

        Raises:
            Refusal: the request is not what the format demands.
        """
        ...

    def list_models(self, names: Sequence[str]) -> Document:
        """List models."""
        ...

    def show_model(self, name: str) -> Document:
        """Describe one model."""
        ...

    def refuse(self, refusal: Refusal) -> Document:
        """Put a refusal on the wire."""
        ...

    def voice(self, prompt: Prompt) -> Voice:
        """Make the voice of one answer."""
        ...

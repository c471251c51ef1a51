"""The seam between the server and a wire format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol, TypeAlias

from trunkline.sandbox.faults import Refusal
from trunkline.sandbox.prompt import Prompt
from trunkline.sandbox.speech import Finish, Usage, Utterance
from trunkline.sandbox.vectors import VectorForm

Headers: TypeAlias = Sequence[tuple[str, str]]
"""Header names in lower case and their values, in the order of the wire."""


class Operation(Enum):
    """What a request asks for."""

    GREET = auto()
    LIST_MODELS = auto()
    SHOW_MODEL = auto()
    SHOW_KEY = auto()
    CHAT = auto()
    EMBED = auto()


@dataclass(frozen=True, slots=True, repr=False)
class Head:
    """Hold what stands before a request's body; it has no repr, because it may hold a key.

    Args:
        method: in capitals.
        path: without the face's prefix and without the query.
        query: the query's names and values, decoded; of a name that comes twice the last value.
        headers: as received.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Headers

    def header(self, name: str) -> str:
        """Return the first value of a header, named in lower case; empty when there is none."""
        return next((value for held, value in self.headers if held == name), "")

    def bearer(self) -> str:
        """Return the bearer token; empty when there is none."""
        scheme, _, key = self.header("authorization").partition(" ")
        return key.strip() if scheme.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True)
class Document:
    """Hold a whole reply that is no chat answer."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """Tell what a request line means.

    Args:
        operation: what is asked for.
        model: the model, where the path names one.
        form: what else the path says; only the face itself reads it.
        document: the answer to `GREET`, which needs no key, or to `SHOW_KEY`.
    """

    operation: Operation
    model: str | None = None
    form: str = ""
    document: Document | None = None


SMALL_ROOM: Final = 8_192
"""Tokens that a model holds which finds prompts too long."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Describe a model for a list.

    Args:
        name: its name.
        thinks: whether it reasons before it answers.
        is_cramped: whether it finds prompts too long, and says that it has little room.
        embeds: whether it says that it makes embeddings and does not chat.
    """

    name: str
    thinks: bool
    is_cramped: bool = False
    embeds: bool = False

    def room(self, tokens: int) -> int:
        """Return how much it says it holds, where others hold so many tokens."""
        return min(tokens, SMALL_ROOM) if self.is_cramped else tokens


@dataclass(frozen=True, slots=True)
class Occasion:
    """Tell what an answer is for.

    Args:
        request_id: the id under which the reply goes out.
        route: what the request line meant; None when it meant nothing.
        model: the model that the request named; None when it named none.
    """

    request_id: str
    route: Route | None = None
    model: str | None = None


class Voice(Protocol):
    """Put one answer on the wire. Each method gives the bytes of one step of a stream.

    A step that the format or the request does not have gives no bytes. The server may leave steps
    out, and never changes their order.
    """

    stream_type: str
    """Content type of the stream."""

    comment: bytes
    """What keeps a stream alive and says nothing; empty where clients of the format know none."""

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
        """Say the usage, where it was not said with the reason."""
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

    name: str
    """The format's name."""

    prefix: str
    """What the paths of this face begin with; empty for the face of all other paths."""

    base_path: str
    """What a client's base address ends with, the prefix included."""

    request_id_header: str | None
    """The header that holds the request id; None where the vendor sends none."""

    vectors: VectorForm | None
    """How it carries vectors; None where the format has no embeddings."""

    keyless: bool
    """Whether a request without a key, or with an unknown one, is served."""

    def route(self, head: Head) -> Route | None:
        """Tell what a request line asks for; None when the format has no such path."""
        ...

    def key(self, head: Head) -> str:
        """Return the API key of a request; empty when it has none."""
        ...

    def model(self, route: Route, body: object) -> str | None:
        """Return the model that a request names, before it is checked; None when it names none."""
        ...

    def check(self, head: Head) -> None:
        """Check the headers that the format demands, once the key is accepted.

        Raises:
            Refusal: one is missing or wrong.
        """
        ...

    def read(self, head: Head, route: Route, body: object) -> Prompt | Document:
        """Check a chat request as the real provider does.

        Args:
            head: what stands before the body.
            route: what the path means.
            body: the decoded JSON body; None when it is not JSON.

        Returns:
            What is asked; or the whole reply, for a request that asks the model nothing.

        Raises:
            Refusal: the request is not what the format demands.
        """
        ...

    def list_models(self, head: Head, models: Sequence[ModelCard]) -> Document:
        """List models, or a page of them.

        Raises:
            Refusal: the page asked for cannot be.
        """
        ...

    def show_model(self, model: ModelCard) -> Document:
        """Describe one model."""
        ...

    def refuse(self, refusal: Refusal, occasion: Occasion) -> Document:
        """Put a refusal on the wire."""
        ...

    def voice(self, prompt: Prompt, occasion: Occasion) -> Voice:
        """Make the voice of one answer."""
        ...

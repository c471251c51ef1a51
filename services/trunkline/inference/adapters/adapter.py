"""What an adapter is: one provider's wire format, without any I/O.

An adapter builds requests, decodes the bytes of one reply, and says what a failure
means. `transport` sends; `runner` decides what follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import httpx
import msgspec

from trunkline.inference.drafts import Drafts
from trunkline.inference.outgoing import Request
from trunkline.inference.v1 import chat_pb2, failure_pb2, provider_pb2, result_pb2


class Target(msgspec.Struct, frozen=True):
    """Where one request goes.

    Attributes:
        provider: the provider's name in the catalog.
        model: the model exactly as the provider calls it; empty for a probe.
        base_url: address without trailing slash, such as `https://api.openai.com/v1`.
        headers: further headers for every request, none of them secret.
        secret: what authenticates; an empty message for a provider without a key.
        credential_id: the key's, `cred_…`; empty for a provider without one, and for a probe.
        type: the provider's type in the catalog, such as `openrouter`, by which an adapter knows
            how the service departs from its format; empty for one that is not saved yet.
        modes: the modes of thinking that the model's own list names, in its order.
        time_ns: when the request is built, in nanoseconds since 1970: a signature bears it, and
            adapters know no clock.
    """

    provider: str
    model: str
    base_url: str
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    secret: provider_pb2.ProviderSecret = msgspec.field(default_factory=provider_pb2.ProviderSecret)
    credential_id: str = ""
    type: str = ""
    modes: tuple[str, ...] = ()
    time_ns: int = 0

    def __repr__(self) -> str:
        """Show where it goes, and nothing secret."""
        return f"Target({self.provider!r}, {self.model!r}, {self.base_url!r})"


class BuiltChat(msgspec.Struct, frozen=True):
    """A chat request on its way out, and what of the question it cannot carry.

    Attributes:
        request: ready to send, the secret in its headers.
        losses: what was dropped or translated; `attempt` is left 0.
    """

    request: Request
    losses: tuple[result_pb2.Loss, ...] = ()

    def __repr__(self) -> str:
        """Show what is lost, and nothing of the request, in whose headers the secret is."""
        return f"BuiltChat(losses={self.losses!r})"


@dataclass(frozen=True, slots=True)
class Reply:
    """A provider's refusal as it came: status line, headers and the start of the body.

    Attributes:
        status: HTTP status.
        headers: response headers.
        body: at most 64 KiB of the body.
    """

    status: int
    headers: httpx.Headers
    body: bytes


class ProviderFailed(Exception):
    """An attempt failed by what the provider said or did.

    Args:
        failure: kind, the provider's words with the key masked, our sentence.
    """

    def __init__(self, failure: failure_pb2.AttemptFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Ending(msgspec.Struct, frozen=True):
    """How a whole answer ended, by the provider's own words.

    Attributes:
        finish_reason: neutral.
        raw: the provider's word, such as `end_turn`.
        stop_sequence: the one that was met, where the provider tells; else empty.
        usage: None when the provider reported none.
        losses: what of the answer could not be carried, such as a passed-over frame.
        nanodollars: what the provider says that the answer cost; None: it says nothing.
    """

    finish_reason: result_pb2.FinishReason.ValueType
    raw: str
    stop_sequence: str = ""
    usage: result_pb2.Usage | None = None
    losses: tuple[result_pb2.Loss, ...] = ()
    nanodollars: int | None = None


class Decoder(Protocol):
    """The reading of one reply; an object with a life, one per attempt.

    Attributes:
        finished: the provider's terminator was seen: the answer is whole.
        complete: finished, and nothing more is worth waiting for (usage was seen,
            or the end marker): the body need not be read to its end.
    """

    finished: bool
    complete: bool

    def feed(self, data: bytes, drafts: Drafts) -> None:
        """Decode the next bytes, cut anywhere; write what they say into `drafts`.

        Raises:
            ProviderFailed: an error event in the stream, or a stream that is broken
                (ERROR_KIND_BROKEN_STREAM).
        """

    def end(self, drafts: Drafts) -> Ending:
        """Say how the answer ended, when the body has ended or `complete` is set.

        Raises:
            ProviderFailed: the body ended without the terminator (BROKEN_STREAM).
        """


class Adapter(Protocol):
    """One wire format."""

    format: str

    def build_chat(
        self, target: Target, request: chat_pb2.ChatRequest, *, stream: bool
    ) -> BuiltChat:
        """Build the request for one answer. `request` has passed its checks."""

    def decoder(self, target: Target, request: chat_pb2.ChatRequest, *, stream: bool) -> Decoder:
        """Return a fresh decoder for the reply with status 200 to such a request."""

    def build_probe(self, target: Target, purpose: provider_pb2.ProbePurpose.ValueType) -> Request:
        """Build the request that lists models or proves a key."""

    def read_models(self, body: bytes) -> list[provider_pb2.DiscoveredModel]:
        """Read a list of models.

        Raises:
            ValueError: the body is no such list.
        """

    def classify(self, target: Target, reply: Reply) -> failure_pb2.AttemptFailure:
        """Say what a refusal means; the target's secret is masked in its words."""

    def verify(
        self, target: Target, purpose: provider_pb2.ProbePurpose.ValueType, reply: Reply
    ) -> provider_pb2.Verification:
        """Say what the reply to a probe shows about the key, whatever its status."""

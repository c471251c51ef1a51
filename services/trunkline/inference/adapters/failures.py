"""Say what a provider's failure means, by tables that each format brings.

By its code where it has one, else by a phrase where one status means several things, else by
the status. Phrases are data, each with its source; they tell kinds of one status apart and do
no more, and a phrase that is not known leaves the status's default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, TypeAlias

from google.protobuf import duration_pb2

from trunkline.inference.adapters.adapter import ProviderFailed, Reply, Target
from trunkline.inference.adapters.words import Words
from trunkline.inference.masking import mask, secrets_of
from trunkline.inference.v1 import failure_pb2

Kind: TypeAlias = failure_pb2.ErrorKind.ValueType

MAX_SHOWN: Final = 2048
"""How much of a provider's own words is kept, in bytes: message and body together."""

MAX_READ: Final = 64 * 1024
"""How much of a body is searched for phrases and secrets, in bytes."""

MAX_NAME: Final = 128
"""The longest code and request id that is kept, in bytes."""

RATE_LIMITED: Final = failure_pb2.ERROR_KIND_RATE_LIMITED
SERVER_ERROR: Final = failure_pb2.ERROR_KIND_SERVER_ERROR
BROKEN_STREAM: Final = failure_pb2.ERROR_KIND_BROKEN_STREAM
QUOTA: Final = failure_pb2.ERROR_KIND_QUOTA
NOT_AUTHORIZED: Final = failure_pb2.ERROR_KIND_NOT_AUTHORIZED
CONTEXT_TOO_LONG: Final = failure_pb2.ERROR_KIND_CONTEXT_TOO_LONG
CONTENT_FILTERED: Final = failure_pb2.ERROR_KIND_CONTENT_FILTERED
INVALID_REQUEST: Final = failure_pb2.ERROR_KIND_INVALID_REQUEST
MODEL_NOT_FOUND: Final = failure_pb2.ERROR_KIND_MODEL_NOT_FOUND

_STATUSES: Final[dict[int, Kind]] = {
    401: NOT_AUTHORIZED,
    402: QUOTA,
    403: NOT_AUTHORIZED,
    404: MODEL_NOT_FOUND,
    408: SERVER_ERROR,
    410: MODEL_NOT_FOUND,
    413: CONTEXT_TOO_LONG,
    425: SERVER_ERROR,
    429: RATE_LIMITED,
}

_SENTENCES: Final[dict[Kind, str]] = {
    RATE_LIMITED: "has too many requests from this key at the moment",
    SERVER_ERROR: "is overloaded or has failed",
    QUOTA: "refuses: the quota is used up or an invoice is open",
    NOT_AUTHORIZED: "does not accept the key, or not for this",
    CONTEXT_TOO_LONG: "refuses: the prompt is longer than the model's window",
    CONTENT_FILTERED: "refuses: its filter objects to the content",
    INVALID_REQUEST: "calls the request wrong",
    MODEL_NOT_FOUND: "has no such model at this address",
    BROKEN_STREAM: "answered with something that is no answer",
}

# Tabs and ends of lines become blanks, other control characters (C0, DEL, C1) a mark: they
# could drive the terminal of whoever reads them.
_BLANK: Final = re.compile(r"[\t\n\r]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class FailureTable:
    """What a format's codes, phrases and statuses mean.

    Attributes:
        codes: codes in small letters that say the same under every status.
        phrases: status, phrase in small letters, kind; the first that fits counts.
        statuses: where the format departs from what statuses mean everywhere.
    """

    codes: Mapping[str, Kind]
    phrases: tuple[tuple[int, str, Kind], ...] = ()
    statuses: Mapping[int, Kind] = field(default_factory=dict)

    def kind(self, words: Words, status: int, text: str) -> Kind:
        """Classify: by code, by phrase, by status.

        Args:
            words: of the provider.
            status: of HTTP; 0, of an error inside of a stream that names none, is a server's.
            text: what is searched for phrases, in its first `MAX_READ` characters.
        """
        for code in words.codes:
            kind = self.codes.get(code.lower())
            if kind is not None:
                return kind
        text = text[:MAX_READ].lower()
        for when, phrase, kind in self.phrases:
            if status in (when, 0) and phrase in text:
                return kind
        for statuses in (self.statuses, _STATUSES):
            if status in statuses:
                return statuses[status]
        if status >= 500 or status == 0:
            return SERVER_ERROR
        return INVALID_REQUEST if status >= 300 else BROKEN_STREAM

    def refused(self, reply: Reply, words: Words) -> Kind:
        """Classify a refusal; without a message its whole body is searched for phrases."""
        text = words.message or reply.body[:MAX_READ].decode("utf-8", "replace")
        return self.kind(words, reply.status, text)


def refusal(
    target: Target,
    reply: Reply,
    words: Words,
    kind: Kind,
    *,
    wait: timedelta | None = None,
    request_id: str = "",
) -> failure_pb2.AttemptFailure:
    """Return the failure of a refusal.

    Args:
        target: who was asked; its secret is masked in the provider's words.
        reply: what came.
        words: as read from its body.
        kind: its class.
        wait: what the provider asks for; None when it asks for none.
        request_id: the provider's, as it came; empty when it gave none.
    """
    shown = _reply(target, words, status=reply.status, body=reply.body)
    if wait is not None:
        shown.retry_after.CopyFrom(_duration(wait.total_seconds()))
    shown.request_id = show(request_id, secrets_of(target.secret), MAX_NAME)
    return failure_pb2.AttemptFailure(kind=kind, reply=shown, message=_sentence(target, kind))


def stream_failure(target: Target, words: Words, kind: Kind, frame: bytes) -> ProviderFailed:
    """Return the failure for an error inside of a reply with status 200.

    Args:
        target: who was asked.
        words: as read from the frame.
        kind: its class.
        frame: what holds the error.
    """
    return ProviderFailed(
        failure_pb2.AttemptFailure(
            kind=kind,
            reply=_reply(target, words, status=200, body=frame),
            message=_sentence(target, kind),
        )
    )


def broken(target: Target, what: str, body: bytes = b"") -> ProviderFailed:
    """Return the failure for a reply that is no whole answer.

    Args:
        target: who was asked.
        what: what is wrong, to follow `The answer of openai `, without a full stop.
        body: what shows it; empty when nothing does.
    """
    failure = failure_pb2.AttemptFailure(
        kind=BROKEN_STREAM, message=f"The answer of {target.provider or 'the provider'} {what}."
    )
    if body:
        failure.reply.CopyFrom(_reply(target, Words(), status=200, body=body))
    return ProviderFailed(failure)


def show(text: str, secrets: tuple[str, ...], limit: int) -> str:
    """Make a provider's words fit to be shown.

    Args:
        text: as it came; its first `MAX_READ` characters are looked at.
        secrets: what is masked in it, before it is cut.
        limit: the most bytes of UTF-8 to keep.
    """
    text = _BLANK.sub(" ", mask(text[:MAX_READ], secrets))
    text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
    return text.encode()[:limit].decode("utf-8", "ignore")


def _reply(target: Target, words: Words, *, status: int, body: bytes) -> failure_pb2.ProviderReply:
    """Put together what the provider said, as far as it may be shown."""
    secrets = secrets_of(target.secret)
    message = show(words.message, secrets, MAX_SHOWN)
    left = MAX_SHOWN - len(message.encode())
    code = next(iter(words.codes), "") or (str(words.status) if words.status else "")
    return failure_pb2.ProviderReply(
        http_status=status,
        code=show(code, secrets, MAX_NAME),
        message=message,
        body=show(body[:MAX_READ].decode("utf-8", "replace"), secrets, left),
    )


def _sentence(target: Target, kind: Kind) -> str:
    """Return our own sentence about a failure; who is not saved yet has no name."""
    return f"{target.provider or 'The provider'} {_SENTENCES[kind]}."


def _duration(seconds: float) -> duration_pb2.Duration:
    """Return a duration."""
    whole, rest = divmod(round(seconds * 1e9), 1_000_000_000)
    return duration_pb2.Duration(seconds=whole, nanos=rest)

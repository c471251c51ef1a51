"""How an answer goes wrong, free of any wire format."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias


class Trouble(Enum):
    """Name a refusal; a face gives it its status and code."""

    INVALID_REQUEST = auto()
    UNSUPPORTED_VALUE = auto()
    UNKNOWN_PARAMETER = auto()
    NO_THINKING = auto()
    CONTEXT_TOO_LONG = auto()
    CONTENT_REFUSED = auto()
    NO_KEY = auto()
    UNAUTHENTICATED = auto()
    KEY_REVOKED = auto()
    MISSING_SCOPE = auto()
    FORBIDDEN = auto()
    MODEL_NOT_FOUND = auto()
    NO_SUCH_ROUTE = auto()
    BODY_TOO_LARGE = auto()
    HEAD_TOO_LARGE = auto()
    RATE_LIMITED = auto()
    NO_QUOTA = auto()
    NO_CREDIT = auto()
    SERVER_ERROR = auto()
    OVERLOADED = auto()


class Refusal(Exception):
    """Refuse a request before any answer.

    Args:
        trouble: what is wrong.
        message: one sentence for people; never holds a key.
        param: the request's field that is at fault, if one is.
        retry_after_seconds: the wait to ask for; None to ask for none.
    """

    def __init__(
        self,
        trouble: Trouble,
        message: str,
        *,
        param: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.trouble = trouble
        self.message = message
        self.param = param
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, slots=True)
class Refuse:
    """Refuse every request in the same way."""

    trouble: Trouble
    message: str
    retry_after_seconds: int | None = None

    def refusal(self, scale: float = 1.0) -> Refusal:
        """Make the refusal to raise; `scale` is a factor of the wait that it asks for."""
        wait = self.retry_after_seconds
        scaled = None if wait is None else wait * scale
        return Refusal(self.trouble, self.message, retry_after_seconds=scaled)


class Break(Enum):
    """Name what happens in the middle of an answer."""

    CUT = auto()
    """The connection is closed in order, the chunked body is not finished."""
    RESET = auto()
    """The connection is reset (TCP RST)."""
    END = auto()
    """The HTTP body ends in order, the answer is not finished."""
    STALL = auto()
    """Nothing more is sent, the connection stays open."""
    HANG_UP = auto()
    """Nothing more is sent for 30 seconds, then the connection is closed."""
    GARBLE = auto()
    """One frame holds invalid JSON, then the answer goes on."""
    GARBLE_TWICE = auto()
    """The same, and once more after the next part."""
    ERROR = auto()
    """An error object comes inside the stream, then the body ends."""


@dataclass(frozen=True, slots=True)
class BreakOff:
    """Break an answer after `after` utterances, or at the end of its content when it has fewer."""

    how: Break
    after: int


@dataclass(frozen=True, slots=True)
class BreakFrames:
    """Break a stream after `after` frames of any kind, or at its end when it has fewer."""

    how: Break
    after: int


class Ending(Enum):
    """Name what is wrong with the end of an answer whose content is whole."""

    NO_DONE = auto()
    """The terminator is missing."""
    NO_FINISH = auto()
    """The finish reason is missing."""
    LATE_USAGE = auto()
    """The usage comes seconds after the finish reason."""


class Page(Enum):
    """Name what is sent with status 200 in place of an answer."""

    HTML = auto()
    EMPTY = auto()


class Drop(Enum):
    """Name how a connection ends before a byte of the answer."""

    CUT = auto()
    RESET = auto()


class Silence(Enum):
    """Name how much is sent before nothing more is."""

    BEFORE_HEAD = auto()
    AFTER_HEAD = auto()


Fault: TypeAlias = Refuse | BreakOff | BreakFrames | Ending | Page | Drop | Silence

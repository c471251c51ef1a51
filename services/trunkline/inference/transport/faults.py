"""What can go wrong between a request and the end of its reply.

    TransportFault
     ├ Unsendable          the request cannot be put into HTTP/1.1
     ├ Unreachable         there was no response head
     │  ├ AddressForbidden  ... since the address may not be asked
     │  └ NoPlace           ... since all connections that are allowed were in use
     ├ Silent              the deadline passed while waiting
     └ Broken              the reply does not hold together

Each says in one sentence what is wrong. None holds a header, a body, a secret, an address that DNS
gave, or the text of another library's error: those texts repeat all of these.
"""

from __future__ import annotations

from enum import StrEnum

from trunkline.kernel.address import AddressRefused


class TransportFault(Exception):
    """The root of this package's errors.

    Args:
        message: one sentence: what is wrong.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unsendable(TransportFault):
    """A request that HTTP/1.1 cannot carry; nothing of it was sent."""


class UnreachableReason(StrEnum):
    """Why there was no response head."""

    NAME = "name"
    REFUSED = "refused"
    FAILED = "failed"
    TLS = "tls"
    TIMEOUT = "timeout"
    POOL_FULL = "pool-full"
    RESET = "reset"
    FORBIDDEN = "forbidden"
    PROXY = "proxy"
    CLOSED = "closed"


_UNREACHABLE_MESSAGES = {
    UnreachableReason.NAME: "The host's name resolves to no address.",
    UnreachableReason.REFUSED: "The server refuses the connection.",
    UnreachableReason.FAILED: "The connection could not be made.",
    UnreachableReason.TLS: "No secure connection could be agreed on with the server.",
    UnreachableReason.TIMEOUT: "The connection was not made in time.",
    UnreachableReason.POOL_FULL: "All connections to the server are in use, and none became free.",
    UnreachableReason.RESET: "The server closed the connection before it answered.",
    UnreachableReason.FORBIDDEN: "The address may not be asked.",
    UnreachableReason.PROXY: "The outbound proxy does not carry the request.",
    UnreachableReason.CLOSED: "The transport is closed.",
}


class Unreachable(TransportFault):
    """No response head came, for another reason than a passed deadline.

    Args:
        reason: why.
        message: one sentence, where there is more to say than the reason has.
    """

    def __init__(self, reason: UnreachableReason, message: str | None = None) -> None:
        super().__init__(message or _UNREACHABLE_MESSAGES[reason])
        self.reason = reason


class AddressForbidden(Unreachable):
    """The address, or one that its name resolves to, may not be asked.

    Args:
        refused: the rule that was broken, with its sentence and advice.
    """

    def __init__(self, refused: AddressRefused) -> None:
        super().__init__(UnreachableReason.FORBIDDEN, refused.message)
        self.rule = refused.rule
        self.advice = refused.advice


class NoPlace(Unreachable):
    """All connections to the server that there may be were in use; it was not asked.

    Args:
        limit: how many there may be.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(UnreachableReason.POOL_FULL)
        self.limit = limit


class Silent(TransportFault):
    """The deadline passed while waiting.

    Args:
        head_received: whether the response head had come, so that the body is what stays away.
    """

    def __init__(self, *, head_received: bool) -> None:
        what = "went silent within its answer" if head_received else "did not begin to answer"
        super().__init__(f"The server {what} in time.")
        self.head_received = head_received


class BrokenReason(StrEnum):
    """How a reply does not hold together."""

    RESET = "reset"
    CUT = "cut"
    MALFORMED = "malformed"
    ENCODED = "encoded"
    TOO_LARGE = "too-large"
    CLOSED = "closed"


_BROKEN_MESSAGES = {
    BrokenReason.RESET: "The connection was lost within the answer.",
    BrokenReason.CUT: "The connection ended before the answer did.",
    BrokenReason.MALFORMED: "The answer is not HTTP/1.1.",
    BrokenReason.ENCODED: "The answer is in an encoding that was not asked for.",
    BrokenReason.TOO_LARGE: "The answer is larger than allowed.",
    BrokenReason.CLOSED: "The exchange was closed on this side.",
}


class Broken(TransportFault):
    """A reply began and does not hold together.

    Args:
        reason: how.
    """

    def __init__(self, reason: BrokenReason) -> None:
        super().__init__(_BROKEN_MESSAGES[reason])
        self.reason = reason

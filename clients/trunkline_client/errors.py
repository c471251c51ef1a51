"""What can go wrong, as exceptions.

TrunklineError        every failure; also one whose reason this version does not know
 ├ RunNotFound, …     one for each reason of the contract (`reasons`)
 ├ Unreachable        no server answered within the patience
 ├ CallTimedOut       the time that the caller gave has passed
 ├ ClientClosed       the client was closed before
 └ DamagedStream      what came cannot be what was sent
    ├ SequenceGap
    └ IncompleteStream
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import grpc

from trunkline.inference.v1 import message_pb2, result_pb2


@dataclass(frozen=True, slots=True)
class Violation:
    """One field of a request that is out of its bounds.

    Attributes:
        field: its path, such as `messages[3].content[0].text`; empty: the request as a whole.
        description: one sentence: what is wrong.
    """

    field: str
    description: str


class TrunklineError(Exception):
    """A chat, or a call about one, failed.

    Attributes:
        message: one sentence for people.
        code: the gRPC status.
        reason: a value of the contract's `ErrorReason` without prefix, such as
            `RUN_NOT_FOUND`; empty: the failure was not told by Trunkline.
        metadata: what that reason's comment promises.
        retry_after: how long to wait before trying again; None: not known.
        trail: every attempt with its failure; None: no candidate was chosen.
        violations: the fields that are wrong.
        run_id: the run it is about; empty: none, or not known.
        last_sequence: of the last event that was read, to go on from.
        partial: the message so far, for a stream of which something was read; None: none.
    """

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        retry_after: timedelta | None = None,
        trail: result_pb2.AttemptTrail | None = None,
        violations: Sequence[Violation] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.retry_after = retry_after
        self.trail = trail
        self.violations = tuple(violations)
        self.run_id = self.metadata.get("run_id", "")
        self.last_sequence = 0
        self.partial: message_pb2.Message | None = None

    @property
    def request_id(self) -> str:
        """Return the name under which the server's log has the call; empty: none."""
        return self.metadata.get("request_id", "")


class Unreachable(TrunklineError):
    """No server answered, however often it was tried within the patience."""


class CallTimedOut(TrunklineError):
    """The time that the caller gave has passed; the run may go on without a reader."""


class ClientClosed(TrunklineError):
    """The client was closed, and calls no server any more; the run may go on without a reader."""


class DamagedStream(TrunklineError):
    """What came cannot be what was sent."""


class SequenceGap(DamagedStream):
    """An event is missing before this one."""


class IncompleteStream(DamagedStream):
    """The stream ended in good order, and without its last event."""

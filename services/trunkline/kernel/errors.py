"""Every error that a caller can be told of, in one tree.

Domain code raises these; the interceptor alone turns them into statuses.

    TrunklineError
     ├ InvalidArgument      the request is wrong, whatever the state
     ├ NotFound             no such thing, or it is another's
     ├ AlreadyExists        the name or key is taken by something else
     ├ PermissionDenied     known caller, not allowed
     ├ Unauthenticated      no valid token
     ├ FailedPrecondition   right request, wrong state: change the state first
     ├ OutOfRange           beyond what is kept or exists
     ├ Aborted              somebody else was first: read again and repeat
     ├ ResourceExhausted    a limit is reached: wait
     ├ Cancelled            somebody ended it
     ├ DeadlineExceeded     a time limit passed
     ├ Unavailable          try again later
     └ DataLoss             stored or received data are damaged

Beside it stands `Ended`, which is no error of ours: a run's stored status, told again.

Each names its reason: a value of `ErrorReason` in the package of the method that
was called, without prefix. Metadata are those that the value's comment promises.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from google.protobuf.message import Message
from google.rpc import code_pb2, status_pb2


@dataclass(frozen=True, slots=True)
class Violation:
    """One field that is out of its bounds.

    Attributes:
        field: the path as in the contract, such as `messages[3].content[0].text`.
        description: one sentence: what is wrong.
    """

    field: str
    description: str


class TrunklineError(Exception):
    """The root: a reason, a sentence, and what a program needs to act on it.

    Args:
        reason: a value of the package's `ErrorReason` without prefix.
        message: one sentence for people, without secrets.
        metadata: as the reason's comment promises.
        retry_after: how long to wait before trying again, when that is known.
        violations: the fields concerned, for `InvalidArgument`.
        details: further typed details, packed into the status as they are.
    """

    code: ClassVar[int] = code_pb2.INTERNAL

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        metadata: dict[str, str] | None = None,
        retry_after: timedelta | None = None,
        violations: tuple[Violation, ...] = (),
        details: tuple[Message, ...] = (),
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata = metadata or {}
        self.retry_after = retry_after
        self.violations = violations
        self.details = details


class InvalidArgument(TrunklineError):
    """The request is wrong whatever the state; repeating it cannot help."""

    code = code_pb2.INVALID_ARGUMENT

    @classmethod
    def of(cls, *violations: Violation) -> InvalidArgument:
        """Return the error for fields that are out of their bounds."""
        first = violations[0]
        # What concerns the request as a whole has no field.
        where = f"{first.field}: " if first.field else ""
        more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
        return cls("INVALID_REQUEST", f"{where}{first.description}{more}", violations=violations)

    def within(self, path: str) -> InvalidArgument:
        """Return the same error for fields that stand under another one's path."""
        violations = tuple(
            Violation(f"{path}.{each.field}", each.description) for each in self.violations
        )
        return InvalidArgument(
            self.reason, f"{path}.{self.message}", metadata=self.metadata, violations=violations
        )


class NotFound(TrunklineError):
    """There is no such thing, or it belongs to somebody else."""

    code = code_pb2.NOT_FOUND


class AlreadyExists(TrunklineError):
    """The name or key is taken by something else."""

    code = code_pb2.ALREADY_EXISTS


class PermissionDenied(TrunklineError):
    """The caller is known and may not do this."""

    code = code_pb2.PERMISSION_DENIED


class Unauthenticated(TrunklineError):
    """No valid access token came with the call."""

    code = code_pb2.UNAUTHENTICATED


class FailedPrecondition(TrunklineError):
    """The request is right and the state is not; change the state first."""

    code = code_pb2.FAILED_PRECONDITION


class OutOfRange(TrunklineError):
    """What is asked for lies beyond what is kept or exists."""

    code = code_pb2.OUT_OF_RANGE


class Aborted(TrunklineError):
    """Somebody else changed it first; read again and repeat."""

    code = code_pb2.ABORTED


class ResourceExhausted(TrunklineError):
    """A limit is reached; wait."""

    code = code_pb2.RESOURCE_EXHAUSTED


class Cancelled(TrunklineError):
    """Somebody ended it."""

    code = code_pb2.CANCELLED


class DeadlineExceeded(TrunklineError):
    """A time limit of ours passed."""

    code = code_pb2.DEADLINE_EXCEEDED


class Unavailable(TrunklineError):
    """Something that is needed does not answer now; try again later."""

    code = code_pb2.UNAVAILABLE


class DataLoss(TrunklineError):
    """Stored or received data are damaged."""

    code = code_pb2.DATA_LOSS


class Ended(Exception):
    """The status that a run ended with, told again to one more reader.

    Args:
        status: the stored `google.rpc.Status`, sent exactly as it is.
    """

    def __init__(self, status: status_pb2.Status) -> None:
        super().__init__(status.message)
        self.status = status

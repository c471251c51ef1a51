"""What was seen of one scenario: by the caller, and by the provider."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class End(StrEnum):
    """How a call ended for its caller."""

    ANSWERED = "answered"
    """In order, and nothing said that it failed."""
    FAILED = "failed"
    """With an error, or a connection that broke visibly."""
    UNREACHABLE = "unreachable"
    """The gateway took no connection."""
    HUNG = "hung"
    """Not within its longest time; the caller left."""


@dataclass(frozen=True, slots=True)
class Call:
    """Hold what a caller got. Times are in seconds of one monotonic clock.

    Args:
        started_at: when it was sent.
        ended_at: when it ended.
        end: how.
        text: the text, as far as it came.
        model: the model that the answer names; empty when it names none.
        has_usage: whether the usage was reported.
        error: what the error says, code and sentence; empty when there was none.
    """

    started_at: float
    ended_at: float
    end: End
    text: str = ""
    model: str = ""
    has_usage: bool = False
    error: str = ""

    @property
    def seconds(self) -> float:
        """Return how long it took."""
        return self.ended_at - self.started_at


@dataclass(frozen=True, slots=True)
class Attempt:
    """Hold what a provider saw of one request.

    Args:
        model: the model asked for.
        started_at: when it had come, in seconds on the clock of the calls.
        size: bytes of its body.
    """

    model: str
    started_at: float
    size: int


@dataclass(frozen=True, slots=True)
class Observation:
    """Hold both views of one scenario.

    Args:
        calls: what was asked, in the order of their starts, at least one.
        attempts: what the provider saw, in the order in which it came.
        afterwards: a call of the healthy model after the others; None: there was none.
    """

    calls: tuple[Call, ...]
    attempts: tuple[Attempt, ...]
    afterwards: Call | None = None

    def of(self, model: str) -> list[Attempt]:
        """Return the attempts at a model."""
        return [attempt for attempt in self.attempts if attempt.model == model]

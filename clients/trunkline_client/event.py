"""One event of a run, as a stream yields it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from trunkline.inference.v1 import event_pb2


@dataclass(frozen=True, slots=True)
class Event:
    """One fact about a run.

    Attributes:
        kind: which, as the contract's `ChatEvent` names it: `run_started`, `text_delta`,
            `tool_call_completed`, `completed`, …
        raw: the contract's message.
    """

    kind: str
    raw: event_pb2.ChatEvent

    @property
    def fact(self) -> Any:
        """Return the message of that kind, such as a `TextDelta`; good to match classes on."""
        return getattr(self.raw, self.kind)

    @property
    def sequence(self) -> int:
        """Return its number, counted from 1."""
        return self.raw.sequence

    @property
    def attempt(self) -> int:
        """Return the number of the attempt it belongs to; 0: to none."""
        return self.raw.attempt

    @property
    def time(self) -> datetime:
        """Return when it happened, by the server's clock, in UTC."""
        return self.raw.time.ToDatetime(UTC)

    @property
    def text(self) -> str:
        """Return the text that it adds to the answer; empty: none."""
        delta = self.raw.text_delta
        return "" if delta.refusal else delta.text

    @property
    def voids(self) -> bool:
        """Tell whether text that was shown is void: show the stream's `text` in its place."""
        return self.raw.continuation_started.void_from_sequence > 0

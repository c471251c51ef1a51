"""Collect what of a question a provider's format cannot carry."""

from __future__ import annotations

from typing import Final

from trunkline.inference.v1 import result_pb2

MAX_LOSSES: Final = 100
"""How many are told one by one; a transcript of 10,000 messages may have more."""

CACHES_ITSELF: Final = "The provider caches prompts by itself and takes no marks."
"""Why a cache mark is left out, wherever it stands."""


class Losses:
    """The losses of one request, in the order in which they were met."""

    __slots__ = ("_found", "_omitted")

    def __init__(self) -> None:
        self._found: list[result_pb2.Loss] = []
        self._omitted = 0

    def dropped(self, path: str, reason: str) -> None:
        """Note that something is left out.

        Args:
            path: where it stands in the request, such as `sampling.top_k`.
            reason: one sentence, with a full stop.
        """
        self._note(path, result_pb2.Loss.ACTION_DROPPED, reason)

    def translated(self, path: str, reason: str) -> None:
        """Note that something is carried in another form; arguments as `dropped`."""
        self._note(path, result_pb2.Loss.ACTION_TRANSLATED, reason)

    def collected(self) -> tuple[result_pb2.Loss, ...]:
        """Return them; where there are more than `MAX_LOSSES`, a last one counts the rest."""
        if not self._omitted:
            return tuple(self._found)
        rest = result_pb2.Loss(
            path="messages",
            action=result_pb2.Loss.ACTION_DROPPED,
            reason=f"{self._omitted:,} more were left out or carried in another form.",
        )
        return (*self._found, rest)

    def _note(self, path: str, action: result_pb2.Loss.Action.ValueType, reason: str) -> None:
        """Add one, or count it."""
        if len(self._found) < MAX_LOSSES:
            self._found.append(result_pb2.Loss(path=path, action=action, reason=reason))
        else:
            self._omitted += 1


def passed_over() -> result_pb2.Loss:
    """Return the loss of one frame of an answer that could not be decoded."""
    return result_pb2.Loss(
        path="answer.frame",
        action=result_pb2.Loss.ACTION_DROPPED,
        reason="One frame of the answer could not be decoded and was passed over.",
    )

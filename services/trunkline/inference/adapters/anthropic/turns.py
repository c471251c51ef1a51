"""Put the turns of a conversation into the order that Anthropic wants.

User and model take turns; every call is answered in the turn that follows it, before anything
else is said there, and nothing that was not called is answered; the user speaks first.

Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview; what happens
otherwise: https://github.com/anthropics/claude-code/issues/7929.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

import msgspec

from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.pairing import NO_RESULT
from trunkline.inference.adapters.values import Json

Block: TypeAlias = Json | msgspec.Raw

USER: Final = "user"
ASSISTANT: Final = "assistant"

NO_WORDS: Final = "."
"""What the user says where something must be said and there is nothing."""

_MOVED: Final = "The provider wants results right after their call; it is moved there."
_UNANSWERED: Final = "The provider wants every call answered; a failure is sent for its result."
_NOTHING_SAID: Final = "Nothing of the message can be sent; a full stop stands in its place."
_USER_FIRST: Final = "The provider wants the user to speak first; a full stop is sent."


@dataclass(slots=True)
class Turn:
    """What one side says until the other speaks.

    Attributes:
        role: `USER` or `ASSISTANT`.
        path: of its first message.
        blocks: but for results.
        calls: of tools: id as sent, and where it stands in the request.
        answers: whether results came here, wherever they go.
    """

    role: str
    path: str
    blocks: list[Block] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    answers: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A result, and where it came.

    Attributes:
        block: to send.
        turn: in which it came.
        path: where it stands in the request.
        is_late: something else was said before it in its turn.
    """

    block: Json
    turn: Turn
    path: str
    is_late: bool


class Turns:
    """A conversation being put together; user and model take turns in it.

    Args:
        losses: takes what is carried in another form.
    """

    __slots__ = ("_answers", "_losses", "_turns")

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._turns: list[Turn] = []
        self._answers: dict[str, Answer] = {}

    @property
    def begun(self) -> bool:
        """Whether anything was said."""
        return bool(self._turns)

    def speaker(self, role: str, path: str) -> Turn:
        """Return the turn of a side, which is the last one when that side spoke last."""
        if not self._turns or self._turns[-1].role != role:
            self._turns.append(Turn(role, path))
        return self._turns[-1]

    def answer(self, call_id: str, block: Json, path: str) -> None:
        """Take in the result of a call.

        Args:
            call_id: as sent.
            block: to send.
            path: where it stands in the request.
        """
        turn = self.speaker(USER, path)
        turn.answers = True
        self._answers[call_id] = Answer(block, turn, path, is_late=bool(turn.blocks))

    def finish(self) -> list[tuple[str, list[Block]]]:
        """Return the turns, none of which is empty."""
        said: list[tuple[str, list[Block]]] = []
        waiting: list[tuple[str, str]] = []
        for turn in self._turns:
            blocks = turn.blocks
            if turn.role == USER:
                blocks = [*self._answered(waiting, turn), *blocks]
                waiting = []
                if not blocks and not turn.answers:
                    self._losses.translated(turn.path, _NOTHING_SAID)
                    blocks = [{"type": "text", "text": NO_WORDS}]
            else:
                waiting = turn.calls
            _append(said, turn.role, blocks)
        _append(said, USER, self._answered(waiting, None))
        if not said or said[0][0] != USER:
            self._losses.translated("messages[0]", _USER_FIRST)
            said.insert(0, (USER, [{"type": "text", "text": NO_WORDS}]))
        return said

    def _answered(self, calls: list[tuple[str, str]], turn: Turn | None) -> list[Block]:
        """Return the results of calls, one each, for the turn that follows them."""
        blocks: list[Block] = []
        for call_id, path in calls:
            answer = self._answers.get(call_id)
            if answer is None:
                self._losses.translated(path, _UNANSWERED)
                blocks.append(
                    {
                        "type": "tool_result",
                        "tool_use_id": call_id,
                        "content": NO_RESULT,
                        "is_error": True,
                    }
                )
                continue
            if answer.is_late or answer.turn is not turn:
                self._losses.translated(answer.path, _MOVED)
            blocks.append(answer.block)
        return blocks


def is_kind(block: Block, *kinds: str) -> bool:
    """Tell whether a block is of one of some types."""
    return isinstance(block, dict) and block["type"] in kinds


def lacks_thoughts(turns: list[tuple[str, list[Block]]]) -> bool:
    """Tell whether the tools that are being used were called without a thought that is sent.

    A model that thinks by a number of tokens wants the thoughts back with which it began to use
    tools, and refuses to think when there are none, as after another model's calls.

    Args:
        turns: as `Turns.finish` returns them.
    """
    *earlier, (role, blocks) = turns
    if role != USER or not any(is_kind(block, "tool_result") for block in blocks):
        return False
    for role, blocks in reversed(earlier):
        if role == ASSISTANT:
            if any(is_kind(block, "thinking", "redacted_thinking") for block in blocks):
                return False
        elif not any(is_kind(block, "tool_result") for block in blocks):
            break
    return True


def _append(said: list[tuple[str, list[Block]]], role: str, blocks: list[Block]) -> None:
    """Append what a side says, unless it says nothing."""
    if not blocks:
        return
    if said and said[-1][0] == role:
        said[-1][1].extend(blocks)
    else:
        said.append((role, list(blocks)))

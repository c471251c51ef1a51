"""Put an answer together: which block is open, which calls are whole, how it ended.

Both decoders write through this, so that a stream and a whole answer become the same events.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import msgspec

from trunkline.inference.adapters.adapter import Ending, Target
from trunkline.inference.adapters.failures import broken
from trunkline.inference.adapters.openai.chunks import CallDelta, Delta, Function
from trunkline.inference.adapters.openai.openings import Opening
from trunkline.inference.adapters.openai.usage import read_cost, read_usage
from trunkline.inference.adapters.values import Json
from trunkline.inference.arguments import is_object
from trunkline.inference.drafts import Drafts
from trunkline.inference.transcript import (
    MAX_ARGUMENTS_BYTES,
    MAX_CALL_ID_CHARACTERS,
    MAX_PARTS,
    MAX_TOOL_NAME_CHARACTERS,
)
from trunkline.inference.v1 import result_pb2

FinishReason: TypeAlias = result_pb2.FinishReason.ValueType

_STOP: Final = result_pb2.FINISH_REASON_STOP
_LENGTH: Final = result_pb2.FINISH_REASON_LENGTH
_TOOL_CALLS: Final = result_pb2.FINISH_REASON_TOOL_CALLS
_CONTENT_FILTER: Final = result_pb2.FINISH_REASON_CONTENT_FILTER

_REASONS: Final[dict[str, FinishReason]] = {
    "stop": _STOP,
    "eos": _STOP,  # Together
    "length": _LENGTH,
    "model_length": _LENGTH,  # Mistral: the window, not the limit that was asked for
    "tool_calls": _TOOL_CALLS,
    "function_call": _TOOL_CALLS,
    "content_filter": _CONTENT_FILTER,
}

_TEXT: Final = "text"
_REASONING: Final = "reasoning"
_REFUSAL: Final = "refusal"
_CALL: Final = "call"


@dataclass(slots=True)
class _Call:
    """A tool call of the answer.

    Attributes:
        block: its block.
        call_id: the provider's id; may be empty.
        fragments: of its arguments.
        size: of its arguments, in bytes.
        whole: nothing more belongs to it.
    """

    block: int
    call_id: str
    fragments: list[str] = field(default_factory=list)
    size: int = 0
    whole: bool = False


class Answer:
    """What one reply has said so far.

    Args:
        target: who says it.
        thoughts: whether thoughts are wanted; else they are passed over.
        opening: reads how the text begins; None: it is all text.

    Attributes:
        raw: the provider's finish reason; empty until the answer has ended.
    """

    __slots__ = (
        "_block",
        "_calls",
        "_keys",
        "_kind",
        "_opening",
        "_refused",
        "_target",
        "_thoughts",
        "raw",
    )

    def __init__(self, target: Target, *, thoughts: bool, opening: Opening | None = None) -> None:
        self.raw = ""
        self._target = target
        self._thoughts = thoughts
        self._opening = opening
        self._kind = ""
        self._block = -1
        self._refused = False
        # In the order of their blocks; and by the index or id that later pieces name.
        self._calls: list[_Call] = []
        self._keys: dict[int | str, _Call] = {}

    @property
    def calling(self) -> bool:
        """Whether a call is begun and not known to be whole."""
        return any(not call.whole for call in self._calls)

    def add(self, delta: Delta, drafts: Drafts) -> None:
        """Take in a piece of the answer.

        Raises:
            ProviderFailed: it makes no sense (BROKEN_STREAM).
        """
        thought = delta.reasoning_content or delta.reasoning or delta.reasoning_text
        if thought:
            self._think(thought, drafts)
        content = delta.content
        if content:
            if not isinstance(content, str):
                self._add_blocks(content, drafts)
            elif self._opening is None:
                self._say(content, drafts)
            else:
                self._open(self._opening.read(content), drafts)
        if delta.refusal:
            if self._kind != _REFUSAL:
                self._begin(_REFUSAL, drafts)
            self._refused = True
            drafts.refusal(self._block, delta.refusal)
        if delta.tool_calls:
            self._close_opening(drafts)
            for piece in delta.tool_calls:
                self._add_call(piece, drafts)

    def text_sink(self, drafts: Drafts) -> Callable[[str], None] | None:
        """Return what takes plain text, while a block of text is open; else None."""
        return drafts.text_sink(self._block) if self._kind == _TEXT else None

    def finish(self, raw: str, drafts: Drafts) -> None:
        """Take in the finish reason: what was begun is whole now or never will be.

        Args:
            raw: the provider's word; empty where xAI has none beside its calls.
            drafts: takes the ends of calls.

        Raises:
            ProviderFailed: a call cannot be read though the model was not cut short, or there
                is none and should be (BROKEN_STREAM).
        """
        self.raw = raw
        self._close_opening(drafts)
        cut_short = _REASONS.get(raw) in (_LENGTH, _CONTENT_FILTER)
        for call in self._calls:
            if call.whole:
                continue
            call.whole = True
            if cut_short and not call.fragments:
                # Without a cut this is a call without arguments; here they may have been due.
                drafts.tool_aborted(call.block)
            elif not drafts.tool_completed(call.block) and not cut_short:
                raise broken(self._target, "has a tool call whose arguments are no JSON object")
        if _REASONS.get(raw) == _TOOL_CALLS and not self._calls:
            raise broken(self._target, "ended with tool calls and has none")

    def ending(self, used: Json | None, losses: tuple[result_pb2.Loss, ...]) -> Ending:
        """Say how the answer ended, and what it took by the usage as it came."""
        reason = _REASONS.get(self.raw, result_pb2.FINISH_REASON_UNSPECIFIED)
        if self._calls and (reason == _STOP or not self.raw):
            # Ollama and others say `stop` whatever was said; xAI says "".
            reason = _TOOL_CALLS
        elif self._refused and reason == _STOP:
            # OpenAI ends a refusal of the model like any answer.
            reason = _CONTENT_FILTER
        return Ending(
            finish_reason=reason,
            raw=self.raw,
            usage=read_usage(used) if used is not None else None,
            losses=losses,
            nanodollars=read_cost(used) if used is not None else None,
        )

    def _begin(self, kind: str, drafts: Drafts) -> None:
        """Begin a block, upon which the call before it may turn out to be whole.

        It is when its arguments are a JSON object, to which nothing can be added. When they
        are not, the pieces of several calls come in turn, and the finish reason will tell. It
        is judged here once only, lest a long call is read again and again.
        """
        if self._kind == _CALL:
            last = self._calls[-1]
            if last.fragments and is_object("".join(last.fragments)):
                last.whole = drafts.tool_completed(last.block)
        self._kind = kind
        self._block += 1
        if self._block >= MAX_PARTS:
            raise broken(self._target, "has more parts than a message can hold")

    def _think(self, thought: str, drafts: Drafts) -> None:
        """Take in a thought."""
        if self._thoughts:
            if self._kind != _REASONING:
                self._begin(_REASONING, drafts)
            drafts.reasoning(self._block, thought)

    def _say(self, text: str, drafts: Drafts) -> None:
        """Take in a text."""
        if self._kind != _TEXT:
            self._begin(_TEXT, drafts)
        drafts.text(self._block, text)

    def _open(self, found: tuple[str, str], drafts: Drafts) -> None:
        """Take in what the beginning of the text turned out to be."""
        thought, text = found
        if thought:
            self._think(thought, drafts)
        if text:
            self._say(text, drafts)

    def _close_opening(self, drafts: Drafts) -> None:
        """Take in what was held back of the beginning of the text."""
        if self._opening is not None:
            self._open(self._opening.close(), drafts)

    def _add_blocks(self, blocks: list[Any], drafts: Drafts) -> None:
        """Take in content that comes as blocks of text and thought (Mistral)."""
        for block in blocks:
            match block:
                case {"type": "text", "text": str(text)}:
                    self.add(Delta(content=text), drafts)
                case {"type": "thinking", "thinking": str(text)}:
                    self.add(Delta(reasoning=text), drafts)
                case {"type": "thinking", "thinking": list(pieces)}:
                    for piece in pieces:
                        match piece:
                            case {"text": str(text)}:
                                self.add(Delta(reasoning=text), drafts)

    def _add_call(self, piece: CallDelta, drafts: Drafts) -> None:
        """Take in a piece of a tool call."""
        function = piece.function or Function()
        call = self._find(piece, function.name or "") or self._start(piece, function, drafts)
        arguments = function.arguments
        if not arguments:
            return
        if not isinstance(arguments, str):
            arguments = msgspec.json.encode(arguments).decode()
        if call.whole:
            if arguments.strip():
                raise broken(self._target, "adds to a tool call that was whole")
            return
        call.size += len(arguments) if arguments.isascii() else len(arguments.encode())
        if call.size > MAX_ARGUMENTS_BYTES:
            raise broken(self._target, "has a tool call whose arguments are too long")
        call.fragments.append(arguments)
        drafts.tool_arguments(call.block, arguments)

    def _find(self, piece: CallDelta, name: str) -> _Call | None:
        """Return the call that a piece belongs to; None when it begins one.

        By index, else by id, else: with a name it begins one, without it goes on with the
        last. An index with another id and a name begins one too: some services number all
        calls 0. Some repeat id and name in every piece, and older vLLM has another id in each.
        """
        if piece.index is not None:
            call = self._keys.get(piece.index)
            other = call and call.call_id and piece.id and piece.id != call.call_id
            return None if other and name else call
        if piece.id:
            return self._keys.get(piece.id)
        return self._calls[-1] if self._calls and not name else None

    def _start(self, piece: CallDelta, function: Function, drafts: Drafts) -> _Call:
        """Begin a call."""
        name, call_id = function.name or "", piece.id or ""
        if not 0 < len(name) <= MAX_TOOL_NAME_CHARACTERS:
            raise broken(self._target, "has a tool call without a usable name")
        if len(call_id) > MAX_CALL_ID_CHARACTERS:
            call_id = ""
        self._begin(_CALL, drafts)
        call = _Call(self._block, call_id)
        self._calls.append(call)
        if piece.index is not None:
            self._keys[piece.index] = call
        if piece.id:
            self._keys[piece.id] = call
        drafts.tool_started(call.block, call_id, name)
        return call

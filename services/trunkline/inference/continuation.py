"""Choose how an answer goes on when the attempt that gave it died, and with which question.

Pure: what was asked, what readers have, what the next model can do.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

import msgspec

from trunkline.inference.fold import Delivered
from trunkline.inference.v1 import chat_pb2, message_pb2, result_pb2

# So it is for English; other languages have more tokens.
_CHARACTERS_PER_TOKEN: Final = 4
_TAIL_CHARACTERS: Final = 200

_INSTRUCTION: Final = (
    "Your answer above was cut off in transmission. It ended with:\n\n{tail}\n\n"
    "Continue it from exactly that point. Do not repeat anything of it, do not comment on the"
    " interruption, and begin with the very next word."
)


class Course(Enum):
    """What becomes of a run whose attempt died."""

    GO_ON = auto()
    """Another attempt may carry it on."""
    END_TURN = auto()
    """It ends here with the tool calls that are whole."""
    FORBIDDEN = auto()
    """The caller's policy lets nothing carry it on."""


class Continuation(msgspec.Struct, frozen=True):
    """How one attempt carries on what others began.

    Attributes:
        strategy: unspecified: nothing was delivered, and it begins afresh.
        request: what its model is asked.
        void_from: what the seam's event voids.
        delivered: what its text goes on from; None: it gives the whole answer.
        trimmed: what stands at the end of the text and not in the request, since vendors
            refuse it: white space.
    """

    strategy: result_pb2.ContinuationStrategy.ValueType
    request: chat_pb2.ChatRequest
    void_from: int = 0
    delivered: Delivered | None = None
    trimmed: str = ""


def judge(delivered: Delivered | None, policy: chat_pb2.ContinuationPolicy.ValueType) -> Course:
    """Say what becomes of a run whose attempt died, whoever comes next.

    Args:
        delivered: what readers have of the answer.
        policy: the caller's.
    """
    if delivered is None:
        return Course.GO_ON
    if delivered.has_whole_call:
        return Course.END_TURN
    # A thought alone may always be voided: only text may have been spoken aloud.
    if delivered.has_text and policy == chat_pb2.CONTINUATION_POLICY_FAIL:
        return Course.FORBIDDEN
    return Course.GO_ON


def carry_on(
    request: chat_pb2.ChatRequest, delivered: Delivered | None, *, prefills: bool
) -> Continuation | None:
    """Return how a model carries an answer on; None: the caller's policy leaves no way.

    Args:
        request: the question, with the caller's policy.
        delivered: what readers have; no whole tool call is among it.
        prefills: the model is known to go on from a partial answer, and has not refused to.
    """
    if delivered is None:
        return Continuation(result_pb2.CONTINUATION_STRATEGY_UNSPECIFIED, request)
    policy = request.continuation
    if delivered.text.strip() and _is_free(request):
        if prefills and not _thinks(request):
            return _prefill(request, delivered)
        if policy == chat_pb2.CONTINUATION_POLICY_INSTRUCT:
            return _instruct(request, delivered)
    if policy == chat_pb2.CONTINUATION_POLICY_PREFILL_ONLY and delivered.has_text:
        return None
    return Continuation(
        result_pb2.CONTINUATION_STRATEGY_RESTART, request, void_from=delivered.first_sequence
    )


def estimate_tokens(characters: int) -> int:
    """Return about how many tokens a text of so many characters has."""
    return -(-characters // _CHARACTERS_PER_TOKEN)


def _is_free(request: chat_pb2.ChatRequest) -> bool:
    """Tell whether the answer may be any text: half a document is never continued."""
    if request.HasField("response_format"):
        return False
    return request.tool_choice.mode != message_pb2.ToolChoice.MODE_REQUIRED


def _thinks(request: chat_pb2.ChatRequest) -> bool:
    """Tell whether thinking was asked for, with which vendors refuse a partial answer."""
    asked = request.reasoning
    return bool(asked.effort and asked.effort != "none") or asked.budget_tokens > 0


def _prefill(request: chat_pb2.ChatRequest, delivered: Delivered) -> Continuation:
    """Give the text so far to the model as its own beginning."""
    text = delivered.text.rstrip()
    asked = _with_partial_answer(request, text)
    _shorten(asked, delivered.text)
    return Continuation(
        result_pb2.CONTINUATION_STRATEGY_PREFILL,
        asked,
        delivered=delivered,
        trimmed=delivered.text[len(text) :],
    )


def _instruct(request: chat_pb2.ChatRequest, delivered: Delivered) -> Continuation:
    """Ask the model in words to go on from the text so far."""
    text = delivered.text.rstrip()
    asked = _with_partial_answer(request, text)
    instruction = _INSTRUCTION.format(tail=text[-_TAIL_CHARACTERS:])
    asked.messages.append(
        message_pb2.Message(
            role=message_pb2.ROLE_USER, content=[message_pb2.Part(text=instruction)]
        )
    )
    _shorten(asked, delivered.text)
    return Continuation(
        result_pb2.CONTINUATION_STRATEGY_INSTRUCT,
        asked,
        delivered=delivered,
        trimmed=delivered.text[len(text) :],
    )


def _with_partial_answer(request: chat_pb2.ChatRequest, text: str) -> chat_pb2.ChatRequest:
    """Return the question with the answer so far at its end.

    A transcript that ends with a partial answer of the caller's is continued there: two
    assistant messages in a row are refused by several vendors.
    """
    asked = chat_pb2.ChatRequest()
    asked.CopyFrom(request)
    last = asked.messages[-1]
    if last.role == message_pb2.ROLE_ASSISTANT and last.content[-1].HasField("text"):
        last.content[-1].text += text
    elif text:
        asked.messages.append(
            message_pb2.Message(
                role=message_pb2.ROLE_ASSISTANT, content=[message_pb2.Part(text=text)]
            )
        )
    return asked


def _shorten(request: chat_pb2.ChatRequest, text: str) -> None:
    """Leave the rest of the token limit."""
    if request.max_output_tokens:
        used = estimate_tokens(len(text))
        request.max_output_tokens = max(1, request.max_output_tokens - used)

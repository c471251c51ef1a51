"""How an answer goes on when its attempt died: by what was said, is allowed and is able."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Final

import pytest

from support.chats import ask, say, tool
from trunkline.inference.continuation import (
    Continuation,
    Course,
    carry_on,
    estimate_tokens,
    judge,
)
from trunkline.inference.fold import Delivered
from trunkline.inference.v1 import chat_pb2, message_pb2, result_pb2

ASSISTANT: Final = message_pb2.ROLE_ASSISTANT

AFRESH: Final = result_pb2.CONTINUATION_STRATEGY_UNSPECIFIED
PREFILL: Final = result_pb2.CONTINUATION_STRATEGY_PREFILL
INSTRUCT: Final = result_pb2.CONTINUATION_STRATEGY_INSTRUCT
RESTART: Final = result_pb2.CONTINUATION_STRATEGY_RESTART

UNSPECIFIED: Final = chat_pb2.CONTINUATION_POLICY_UNSPECIFIED
EITHER: Final = chat_pb2.CONTINUATION_POLICY_PREFILL_OR_RESTART
IN_WORDS: Final = chat_pb2.CONTINUATION_POLICY_INSTRUCT
PREFILL_ONLY: Final = chat_pb2.CONTINUATION_POLICY_PREFILL_ONLY
FORBID: Final = chat_pb2.CONTINUATION_POLICY_FAIL
POLICIES: Final = (UNSPECIFIED, EITHER, IN_WORDS, PREFILL_ONLY, FORBID)

SAID: Final = "The line is open"


def _delivered(
    text: str = "", *, has_text: bool | None = None, has_whole_call: bool = False
) -> Delivered:
    return Delivered(
        first_sequence=3,
        has_whole_call=has_whole_call,
        has_text=bool(text) if has_text is None else has_text,
        text=text,
        text_block=0,
        last_block=0,
    )


TEXT: Final = _delivered(SAID)
THOUGHT: Final = _delivered()
MIXED: Final = _delivered(has_text=True)
"""Text beside something that cannot be given back, such as a thought or words of a refusal."""
BLANK: Final = _delivered(" \n")
CALL: Final = _delivered(has_whole_call=True)


@pytest.mark.parametrize("policy", POLICIES)
def test_course_of_a_run_whose_attempt_died(policy: chat_pb2.ContinuationPolicy.ValueType) -> None:
    """A whole call ends the turn, text may be forbidden to go on, all else may go on."""
    assert judge(None, policy) is Course.GO_ON
    assert judge(CALL, policy) is Course.END_TURN
    assert judge(THOUGHT, policy) is Course.GO_ON
    for delivered in (TEXT, MIXED, BLANK):
        assert judge(delivered, policy) is (Course.FORBIDDEN if policy == FORBID else Course.GO_ON)


@dataclass(frozen=True, slots=True)
class Way:
    """One row: what was delivered, and how it goes on by policy.

    Attributes:
        delivered: what readers have.
        prefills: the next model goes on from a partial answer.
        either: by default.
        in_words: where the model may be asked in words; None is no way.
        prefill_only: where nothing may be voided.
    """

    delivered: Delivered | None
    prefills: bool
    either: int
    in_words: int | None
    prefill_only: int | None


WAYS: Final = (
    Way(None, True, AFRESH, AFRESH, AFRESH),
    Way(None, False, AFRESH, AFRESH, AFRESH),
    Way(TEXT, True, PREFILL, PREFILL, PREFILL),
    Way(TEXT, False, RESTART, INSTRUCT, None),
    Way(THOUGHT, True, RESTART, RESTART, RESTART),
    Way(THOUGHT, False, RESTART, RESTART, RESTART),
    Way(MIXED, True, RESTART, RESTART, None),
    Way(MIXED, False, RESTART, RESTART, None),
    Way(BLANK, True, RESTART, RESTART, None),
    Way(BLANK, False, RESTART, RESTART, None),
)


@pytest.mark.parametrize("way", WAYS)
def test_way_in_which_an_answer_goes_on(way: Way) -> None:
    """The best way that delivery, model and caller leave; none is told as none."""
    for policy, expected in (
        (UNSPECIFIED, way.either),
        (EITHER, way.either),
        (IN_WORDS, way.in_words),
        (PREFILL_ONLY, way.prefill_only),
    ):
        request = ask(continuation=policy)
        course = carry_on(request, way.delivered, prefills=way.prefills)
        assert (course.strategy if course is not None else None) == expected
        if course is not None and course.strategy in (AFRESH, RESTART):
            assert course.request == request
            assert course.delivered is None
            assert course.trimmed == ""
            assert course.void_from == (3 if course.strategy == RESTART else 0)
        elif course is not None:
            assert course.delivered == way.delivered
            assert course.void_from == 0


def _bound(kind: str) -> chat_pb2.ChatRequest:
    """Return a request whose answer, or half of it, is never continued."""
    request = ask()
    match kind:
        case "schema":
            request.response_format.json_schema.name = "answer"
        case "json":
            request.response_format.json_object.SetInParent()
        case "forced tool":
            request.tools.append(tool())
            request.tool_choice.mode = message_pb2.ToolChoice.MODE_REQUIRED
        case _:
            raise AssertionError(kind)
    return request


@pytest.mark.parametrize(
    ("kind", "policy"),
    list(product(("schema", "json", "forced tool"), (EITHER, IN_WORDS, PREFILL_ONLY))),
)
def test_half_a_document_is_never_continued(
    kind: str, policy: chat_pb2.ContinuationPolicy.ValueType
) -> None:
    """What has to have a form begins anew, or ends where nothing may be voided."""
    request = _bound(kind)
    request.continuation = policy
    course = carry_on(request, TEXT, prefills=True)
    if policy == PREFILL_ONLY:
        assert course is None
    else:
        assert course is not None
        assert course.strategy == RESTART


@pytest.mark.parametrize("effort", ["low", "high"])
def test_a_model_that_is_to_think_is_given_no_beginning(effort: str) -> None:
    """Vendors refuse a partial answer together with thinking; without it they take it."""
    request = ask()
    request.reasoning.effort = effort
    assert _strategy(request) == RESTART
    request.reasoning.effort = "none"
    assert _strategy(request) == PREFILL
    request.reasoning.effort = ""
    request.reasoning.budget_tokens = 1_024
    assert _strategy(request) == RESTART


def _strategy(request: chat_pb2.ChatRequest) -> int | None:
    course = carry_on(request, TEXT, prefills=True)
    return course.strategy if course is not None else None


def _prefilled(request: chat_pb2.ChatRequest, text: str) -> Continuation:
    course = carry_on(request, _delivered(text), prefills=True)
    assert course is not None
    assert course.strategy == PREFILL
    return course


def test_prefill_is_the_last_message() -> None:
    """The text so far is given as the model's own; the question itself is left as it was."""
    request = ask()
    before = request.SerializeToString(deterministic=True)
    course = _prefilled(request, SAID)
    assert list(course.request.messages) == [*request.messages, say(SAID, ASSISTANT)]
    assert request.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("space", ["", " ", "\n\n", " \t\u2028"])
def test_space_at_the_end_is_not_given(space: str) -> None:
    """Vendors refuse it; the seam is told what is missing."""
    course = _prefilled(ask(), SAID + space)
    assert course.request.messages[-1].content[0].text == SAID
    assert course.trimmed == space


def test_partial_answer_of_the_caller_is_continued() -> None:
    """Two messages of the model in a row are refused: its text goes on in the last one."""
    request = ask()
    request.messages.append(say("Well: ", ASSISTANT))
    course = _prefilled(request, SAID)
    assert [message.role for message in course.request.messages] == [
        message_pb2.ROLE_USER,
        ASSISTANT,
    ]
    assert [part.text for part in course.request.messages[-1].content] == [f"Well: {SAID}"]


def test_model_is_told_to_go_on() -> None:
    """Where a model takes no beginning it is told in words, with the end of what it said."""
    request = ask(continuation=IN_WORDS)
    long = " ".join(f"word{number}" for number in range(100))
    course = carry_on(request, _delivered(long + " "), prefills=False)
    assert course is not None
    answer, told = course.request.messages[-2:]
    assert answer == say(long, ASSISTANT)
    assert told.role == message_pb2.ROLE_USER
    words = told.content[0].text
    assert long[-200:] in words
    assert long[-201:] not in words
    assert course.trimmed == " "


@pytest.mark.parametrize(("limit", "left"), [(0, 0), (100, 96), (5, 1), (4, 1), (1, 1)])
@pytest.mark.parametrize("prefills", [True, False])
def test_rest_of_the_token_limit_is_left(limit: int, left: int, prefills: bool) -> None:
    """What was said counts; no limit stays none, and at least one token may be said."""
    request = ask(max_output_tokens=limit, continuation=IN_WORDS)
    course = carry_on(request, _delivered(SAID), prefills=prefills)
    assert course is not None
    assert estimate_tokens(len(SAID)) == 4
    assert course.request.max_output_tokens == left
    anew = carry_on(request, THOUGHT, prefills=prefills)
    assert anew is not None
    assert anew.request.max_output_tokens == limit


@pytest.mark.parametrize(("characters", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2), (400, 100)])
def test_tokens_are_estimated(characters: int, tokens: int) -> None:
    """About four characters are a token, and what is begun counts whole."""
    assert estimate_tokens(characters) == tokens

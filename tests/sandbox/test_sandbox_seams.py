"""A partial answer is gone on from, in every format, in the way that the model's name says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.faces import FACES, QUESTION, TOOLS, ask_face, documents, text_of
from trunkline.sandbox.history import History, Message, Speaker, read_history
from trunkline.sandbox.scripts import OK_TEXT, say_twice, say_words
from trunkline.sandbox.seam import Seam, go_on
from trunkline.sandbox.server import Sandbox

SAID = OK_TEXT[: OK_TEXT.index(" is")]


def transcript(face: str, *said: tuple[str, str]) -> dict[str, Any]:
    """Write messages after the question, as (role, text)."""
    messages = [("user", QUESTION), *said]
    if face != "google":
        return {"messages": [{"role": role, "content": text} for role, text in messages]}
    roles = {"user": "user", "assistant": "model"}
    return {
        "contents": [{"role": roles[role], "parts": [{"text": text}]} for role, text in messages]
    }


async def go_on_from(sandbox: Sandbox, face: str, model: str, *said: tuple[str, str]) -> str:
    """Return what a model says after a transcript."""
    return text_of(await ask_face(sandbox, face, model, **transcript(face, *said)), face)


@pytest.mark.parametrize("face", FACES)
async def test_only_the_rest_of_a_partial_answer_is_said(sandbox: Sandbox, face: str) -> None:
    """The transcript ends with the answer's beginning, even inside a word; the log says so."""
    for said in (SAID, SAID[:-2]):
        assert await go_on_from(sandbox, face, "ok", ("assistant", said)) == OK_TEXT[len(said) :]
        assert sandbox.seen[-1].prefill == said
    assert await go_on_from(sandbox, face, "ok") == OK_TEXT
    assert sandbox.seen[-1].prefill is None


@pytest.mark.parametrize("face", FACES)
async def test_what_is_no_beginning_is_not_gone_on_from(sandbox: Sandbox, face: str) -> None:
    """Another text, or a user's message after it, is answered whole."""
    assert await go_on_from(sandbox, face, "ok", ("assistant", "Another text")) == OK_TEXT
    told = (("assistant", SAID), ("user", "Go on."))
    assert await go_on_from(sandbox, face, "ok", *told) == OK_TEXT
    assert await go_on_from(sandbox, face, "begin-anew", ("assistant", SAID)) == OK_TEXT


@pytest.mark.parametrize("face", FACES)
async def test_a_model_repeats_what_was_said(sandbox: Sandbox, face: str) -> None:
    """At most so many characters of the end come once more, all of it when it is shorter."""
    rest = OK_TEXT[len(SAID) :]
    said = ("assistant", SAID)
    assert await go_on_from(sandbox, face, "repeat-7", said) == SAID[-7:] + rest
    assert await go_on_from(sandbox, face, "repeat-900", said) == SAID + rest
    assert await go_on_from(sandbox, face, "repeat-7") == OK_TEXT


@pytest.mark.parametrize("face", FACES)
async def test_a_model_goes_on_when_told(sandbox: Sandbox, face: str) -> None:
    """The words of the user who asks for it do not matter."""
    told = (("assistant", SAID), ("user", "Go on."))
    assert await go_on_from(sandbox, face, "go-on-when-told", *told) == OK_TEXT[len(SAID) :]


@pytest.mark.parametrize("face", FACES)
async def test_a_model_refuses_a_partial_answer(sandbox: Sandbox, face: str) -> None:
    """It is a 400, and the same question without it is answered."""
    refused = await ask_face(
        sandbox, face, "no-prefill", **transcript(face, ("assistant", "Any words"))
    )
    assert refused.status == 400
    assert sandbox.seen[-1].prefill == "Any words"
    assert await go_on_from(sandbox, face, "no-prefill") == OK_TEXT


async def test_ways_to_go_on_lie_over_any_answer(sandbox: Sandbox) -> None:
    """Faults, paces and they join, and a break counts what is said anew."""
    said = ("assistant", "The")
    text = await go_on_from(sandbox, "openai", "cut-after-2-of-repeat-2-of-every-15-ms", said)
    assert text == "he line"


async def test_what_is_repeated_comes_word_by_word(sandbox: Sandbox) -> None:
    """As the rest does, so that a client cannot know it by its pieces."""
    text = await go_on_from(sandbox, "openai", "cut-after-3-of-repeat-10", ("assistant", SAID))
    assert text == SAID[-10:] + " is"


@pytest.mark.parametrize("place", range(1, 8))
async def test_a_word_is_truly_said_twice(sandbox: Sandbox, place: int) -> None:
    """Wherever the answer was cut, both parts joined are the text."""
    pieces = list(say_twice(None))  # type: ignore[arg-type]
    said = "".join(pieces[:place])
    rest = await go_on_from(sandbox, "openai", "words-twice", ("assistant", said))
    assert said + rest == "".join(pieces)


@given(st.integers(0, 400), st.integers(0, 50))
def test_a_cut_text_is_gone_on_from(cut: int, repeats: int) -> None:
    """Whatever the place, the repeated part and the rest come, and nothing else."""
    whole = OK_TEXT[:]
    said = whole[:cut]
    said_on = "".join(
        go_on(lambda: say_words(60)(None), History(prefill=said), Seam(repeats))  # type: ignore[arg-type]
    )
    assert said_on == (said[-repeats:] if repeats else "") + whole[len(said) :]


async def test_a_tool_is_called_turn_by_turn(sandbox: Sandbox) -> None:
    """A loop of three turns calls in two, with two ids, and quotes the last result."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": QUESTION}]
    ids = []
    for result in ("one", "two"):
        reply = await ask_face(
            sandbox,
            "openai",
            "tool-loop-3",
            stream=False,
            messages=messages,
            tools=TOOLS["openai"],
        )
        message = documents(reply, "openai")[0]["choices"][0]["message"]
        [call] = message["tool_calls"]
        ids.append(call["id"])
        messages += [message, {"role": "tool", "tool_call_id": call["id"], "content": result}]
        del message["annotations"]
    reply = await ask_face(
        sandbox, "openai", "tool-loop-3", messages=messages, tools=TOOLS["openai"]
    )
    assert text_of(reply, "openai") == "The tool answered: two"
    assert len(set(ids)) == 2


def test_a_history_says_how_far_the_tools_are() -> None:
    """Calls and results count from the last user message; a partial answer keeps them."""
    user, call = Message(Speaker.USER, "Q"), Message(Speaker.ASSISTANT, "", calls=True)
    results = [Message(Speaker.TOOL, "1"), Message(Speaker.TOOL, "2")]
    part = Message(Speaker.ASSISTANT, "The tool")
    assert read_history([user, call, *results]) == History("Q", ("1", "2"), 1)
    assert read_history([user, call, *results, call, results[1]]) == History("Q", ("2",), 2)
    assert read_history([user, call, *results, part]) == History("Q", ("1", "2"), 1, "The tool")
    assert read_history([user, call, *results, part, user]) == History("Q", before_user="The tool")

"""The seam: what a continuation repeats is cut, what it truly says twice stays."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.answer_oracle import text_of
from support.bare_runs import candidate, carry
from support.chats import ask
from support.folding import fold
from trunkline.inference.continuation import Continuation
from trunkline.inference.fold import Delivered
from trunkline.inference.outgoing import Request
from trunkline.inference.seam import LEAST, MOST, Seam
from trunkline.inference.transport import Broken, BrokenReason, Silent
from trunkline.inference.v1 import chat_pb2, event_pb2, result_pb2

# No two words are the same, so that what repeats begins at one place only.
LONG = " ".join(f"word{number}" for number in range(100))
SPACE = st.text(" \n\t\u2028", max_size=3)


def _seam(said: str, *, text_block: int = 0, last_block: int = 0) -> Seam:
    """Return the seam after a text, which a model was given without the space at its end."""
    delivered = Delivered(
        first_sequence=3,
        has_whole_call=False,
        has_text=True,
        text=said,
        text_block=text_block,
        last_block=last_block,
    )
    return Seam(
        Continuation(
            result_pb2.CONTINUATION_STRATEGY_PREFILL,
            chat_pb2.ChatRequest(),
            delivered=delivered,
            trimmed=said[len(said.rstrip()) :],
        )
    )


def _text(text: str, block: int = 0) -> event_pb2.ChatEvent:
    return event_pb2.ChatEvent(text_delta=event_pb2.TextDelta(block=block, text=text))


def _join(seam: Seam, *pieces: str) -> str:
    """Return what is told of pieces, after which nothing follows."""
    told = [event for piece in pieces for event in seam.join([_text(piece)])]
    told += seam.release()
    assert not seam.is_holding
    assert all(event.text_delta.text for event in told), "an empty event is told"
    return "".join(event.text_delta.text for event in told)


def _split(words: str, cuts: list[int]) -> list[str]:
    """Cut words into pieces, of which none is empty."""
    places = sorted({0, len(words), *(cut % len(words) for cut in cuts)})
    return [words[start:end] for start, end in pairwise(places)]


@pytest.mark.parametrize("length", [LEAST, LEAST + 1, 60, MOST - 1, MOST])
def test_what_is_repeated_of_the_tail_is_cut(length: int) -> None:
    """From 16 to 200 characters of the end, said once more, are told once."""
    assert _join(_seam(LONG), LONG[-length:], " and on") == " and on"


@pytest.mark.parametrize("length", [1, 4, LEAST - 1, MOST + 1])
def test_what_is_too_short_or_too_long_stays(length: int) -> None:
    """Less may be meant, and more is not looked for."""
    words = LONG[-length:] + " and on"
    assert _join(_seam(LONG), words) == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("I know that", " that is so."),
        ("It was very, very", " very, very long."),
        ("ha ha ha", " ha ha"),
        ("the end", " the end"),
        ("1, 1, 2, 3, 5", ", 5, 8"),
    ],
)
def test_a_word_that_truly_stands_twice_stays(said: str, words: str) -> None:
    """A repetition of some characters is no sign that the model began again."""
    assert _join(_seam(said), *words) == words


@pytest.mark.parametrize(
    ("said", "words", "told"),
    [
        ("One. ", " Two.", "Two."),
        ("One. ", "Two.", "Two."),
        ("One.\n\n", "\n\nTwo.", "Two."),
        ("One.\n\n", "\nTwo.", "Two."),
        ("One.\n\n", "\n\n\nTwo.", "\nTwo."),
        ("One.\n", " Two.", " Two."),
        ("One.", " Two.", " Two."),
        # What is repeated ends where the model's own beginning ended: before the space.
        (f"{LONG}\n\n", f"{LONG[-40:]}\n\nTwo.", "Two."),
        (f"{LONG}\n\n", f"{LONG[-40:]} Two.", " Two."),
        (f"{LONG} ", f"{LONG[-40:]}Two.", "Two."),
        (f"{LONG} ", f"{LONG[-40:]} Two.", "Two."),
    ],
)
def test_space_at_the_seam_comes_once(said: str, words: str, told: str) -> None:
    """A model is not given the space at the end of its beginning, and says it again or not."""
    assert _join(_seam(said), words) == told
    assert _join(_seam(said), *words) == told


@given(
    length=st.integers(LEAST, MOST), space=SPACE, again=st.booleans(), cuts=st.lists(st.integers(0))
)
def test_reads_do_not_matter(length: int, space: str, again: bool, cuts: list[int]) -> None:
    """However a repetition is cut into reads, all of it goes and nothing else."""
    words = LONG[-length:] + (space if again else "") + "On it goes: word99 word98"
    assert _join(_seam(LONG + space), *_split(words, cuts)) == "On it goes: word99 word98"


@given(words=st.text("ab ", min_size=1, max_size=40), cuts=st.lists(st.integers(0)))
def test_short_words_survive_every_cut(words: str, cuts: list[int]) -> None:
    """What does not repeat 16 characters is told as it came, but for the space at its start."""
    said = "b a"
    assert _join(_seam(said), *_split(words, cuts)) == words


@given(said=st.text("ab \n", max_size=60), words=st.text("ab \n", min_size=1, max_size=60))
def test_only_a_beginning_is_ever_cut(said: str, words: str) -> None:
    """What is told is the end of what was said, and what is cut stood before."""
    told = _join(_seam(said), *words)
    assert words.endswith(told)
    cut = words[: len(words) - len(told)]
    assert cut.rstrip() in said
    assert len(cut.rstrip()) >= LEAST or not cut.strip()


def test_what_cannot_repeat_is_told_at_once() -> None:
    """Nothing is held once it is clear that it goes on."""
    seam = _seam(LONG)
    (told,) = seam.join([_text(" and on")])
    assert told.text_delta.text == " and on"
    assert not seam.is_holding
    # Once joined, a later repetition is the model's own.
    (told,) = seam.join([_text(LONG[-40:])])
    assert told.text_delta.text == LONG[-40:]


def test_what_may_repeat_is_held_until_it_is_clear() -> None:
    """The beginning of a repetition is held, and told when it turns out to be none."""
    seam = _seam(LONG)
    held = LONG[-40:-20]
    assert seam.join([_text(held)]) == []
    assert seam.is_holding
    told = seam.join([_text(" or not")])
    assert [event.text_delta.text for event in told] == [held, " or not"]


def test_another_kind_of_content_ends_the_wait() -> None:
    """Before a call or a thought nothing more will be said of the tail."""
    seam = _seam(LONG)
    started = event_pb2.ChatEvent(
        tool_call_started=event_pb2.ToolCallStarted(block=1, call_id="call_1", name="weather")
    )
    assert seam.join([_text(LONG[-40:-20])]) == []
    told = seam.join([started])
    assert [event.WhichOneof("kind") for event in told] == ["text_delta", "tool_call_started"]


def test_blocks_go_on_from_the_text() -> None:
    """The first text goes on in its block, and what follows comes after all that was in use."""
    seam = _seam("Said ", text_block=2, last_block=4)
    started = event_pb2.ToolCallStarted(block=1, call_id="call_1", name="weather")
    told = seam.join(
        [
            _text("so", block=0),
            event_pb2.ChatEvent(tool_call_started=started),
            event_pb2.ChatEvent(tool_call_delta=event_pb2.ToolCallDelta(block=1, arguments="{}")),
            _text("more", block=2),
            event_pb2.ChatEvent(usage_update=event_pb2.UsageUpdate()),
        ]
    )
    blocks = [
        getattr(event, str(event.WhichOneof("kind"))).block
        for event in told
        if not event.HasField("usage_update")
    ]
    assert blocks == [2, 5, 5, 6]


def test_a_thought_before_the_text_has_its_own_block() -> None:
    """A model that thinks before it goes on leaves the block of the text alone."""
    seam = _seam("Said ", text_block=0, last_block=0)
    thought = event_pb2.ReasoningDelta(block=0, text="Hm.")
    told = seam.join([event_pb2.ChatEvent(reasoning_delta=thought), _text("so", block=1)])
    assert [told[0].reasoning_delta.block, told[1].text_delta.block] == [1, 2]


class _Line:
    """A model that says its line, and the rest of it when it may.

    Attributes:
        deadline: is moved by who reads.
    """

    status = 200

    def __init__(self, *pieces: bytes, then: asyncio.Event | None, end: bool) -> None:
        self.headers = httpx.Headers({"content-type": "text/event-stream"})
        self.deadline = 0.0
        self._pieces = list(pieces)
        self._then = then
        self._end = end

    async def read(self) -> bytes:
        """Say the next piece; the last one once it may be said."""
        if len(self._pieces) == 1 and self._then is not None:
            by = self.deadline - asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(by):
                    await self._then.wait()
            except TimeoutError:
                raise Silent(head_received=True) from None
        if self._pieces:
            return self._pieces.pop(0)
        if self._end:
            return b""
        raise Broken(BrokenReason.CUT)

    def close(self) -> None:
        """Part from it."""

    def finish(self) -> None:
        """Part from it."""


def _chunk(text: str) -> bytes:
    return f'data: {{"choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}\n\n'.encode()


async def test_nothing_is_held_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may repeat the tail is told though its model is silent, which goes on afterwards."""
    monkeypatch.setattr("trunkline.inference.asking.HELD_S", 0.01)
    told = asyncio.Event()
    end = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    held = LONG[-40:-20]
    lines = [
        _Line(_chunk(LONG), then=None, end=False),
        _Line(_chunk(held), _chunk(" it went.") + end, then=told, end=True),
    ]

    class _Lines:
        async def open(self, request: Request, **_: float) -> _Line:
            return lines.pop(0)

    def watch(event: event_pb2.ChatEvent) -> None:
        if event.HasField("text_delta") and event.text_delta.text == held:
            told.set()

    models = [
        candidate("openai", "a", provider="first", prefills=True),
        candidate("openai", "b", provider="second", prefills=True),
    ]
    carried = await carry(ask(), models, _Lines(), watch=watch)
    assert told.is_set()
    message = fold(carried.reading.events)
    assert text_of(message) == f"{LONG}{held} it went."

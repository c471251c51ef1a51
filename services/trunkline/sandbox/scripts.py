"""What the sandbox says: scripts, and how a request's wishes bend them.

A script is pure: the same prompt and number give the same speech. It knows no wire format and no
clock, and it is read lazily, so that a long one costs no memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TypeAlias

import msgspec

from trunkline.sandbox.prompt import CallStyle, Prompt, Thoughts, Tool
from trunkline.sandbox.schemas import fit
from trunkline.sandbox.seam import PLAIN, Seam, go_on
from trunkline.sandbox.speech import (
    CallArguments,
    CallOpened,
    Finish,
    FinishReason,
    Reasoning,
    Refusing,
    Speech,
    Text,
    Usage,
    Utterance,
)
from trunkline.sandbox.stops import cut_at_stop
from trunkline.sandbox.words import split_words

Pieces: TypeAlias = Callable[[Prompt], Iterator[str]]
"""Make the pieces of a text, one for each utterance."""

Calls: TypeAlias = Callable[[Prompt], Iterator[CallOpened | CallArguments]]
"""Make the tool calls of an answer to a prompt that offers at least one tool."""

OK_TEXT = (
    "The line is open and this is the sandbox speaking. No model thinks here and no words leave "
    "this machine. Each word comes to you as one event, in order, so that you can count what "
    "arrives and see at once what is missing. When all sixty words have reached you in full, "
    "the path from end to end works."
)
"""What `ok` says: sixty words."""

UNICODE_PIECES = (
    "Plain, ",
    "na\N{LATIN SMALL LETTER I WITH DIAERESIS}ve, ",
    "cafe\N{COMBINING ACUTE ACCENT} ",
    "e",
    "\N{COMBINING ACUTE ACCENT}\N{COMBINING CEDILLA} ",
    "日本語と中文、한국어 ",
    "עברית العربية ",
    "\N{ROCKET}\N{PARTY POPPER} ",
    "\N{MAN}\N{ZERO WIDTH JOINER}",
    "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL} ",
    "\N{REGIONAL INDICATOR SYMBOL LETTER N}\N{REGIONAL INDICATOR SYMBOL LETTER O} ",
    "line\N{LINE SEPARATOR}paragraph\N{PARAGRAPH SEPARATOR}",
    "next\x85line ",
    "\x01\x1b[0m\x7f ",
    "\N{ZERO WIDTH NO-BREAK SPACE}\N{RIGHT-TO-LEFT OVERRIDE}\N{POP DIRECTIONAL FORMATTING}",
    'tab\tnew\nline\r\nquote"back\\slash ',
    "\U0010fffd end",
)
"""What `unicode` says: everything that breaks naive framing, NUL and lone surrogates excepted."""

_THOUGHTS = "The user asks something; it is simple, so a fixed answer will do."
_PREFACE = "Let me look that up before I answer."
_REFUSAL = "I am sorry, but this sandbox model refuses every request that it is given."
_FRAGMENT_CHARS = 6
_BIG_FRAGMENT_CHARS = 512
_JSON_PIECE_CHARS = 8
_MOST_PARALLEL_CALLS = 4


@dataclass(frozen=True, slots=True)
class Script:
    """Say one kind of answer.

    Args:
        text: the pieces of its text.
        thinks: whether reasoning comes first.
        refuses: whether the text is a refusal; then no tool is called and no schema obeyed.
        calls: its tool calls; None for a script that calls only when it must.
        calling_turns: in how many turns in a row it calls, before it talks about the results.
        preface: text before the calls.
        seam: how it goes on from a partial answer.
    """

    text: Pieces
    thinks: bool = False
    refuses: bool = False
    calls: Calls | None = None
    calling_turns: int = 1
    preface: Pieces | None = None
    seam: Seam = PLAIN


def perform(script: Script, prompt: Prompt) -> Iterator[Speech]:
    """Say a script as the prompt wishes; the last thing said is the `Finish`.

    Tool choice and schema decide what is said, stop sequences and the token limit where it ends.
    """
    said = reasoned = 0
    reason = FinishReason.REFUSED if script.refuses else FinishReason.STOP
    stop_sequence: str | None = None
    composed = _compose(script, prompt)
    while True:
        try:
            utterance = next(composed)
        except StopIteration as end:
            stop_sequence = end.value
            break
        if said == prompt.max_tokens:
            reason = FinishReason.LENGTH
            break
        said += 1
        reasoned += isinstance(utterance, Reasoning)
        if isinstance(utterance, CallOpened):
            reason = FinishReason.TOOL_CALLS
        yield utterance
    yield Finish(reason, Usage(prompt.prompt_tokens, said, reasoned), stop_sequence)


def _compose(script: Script, prompt: Prompt) -> Generator[Utterance, None, str | None]:
    """Say the content; return the stop sequence that ended it, if one did."""
    if script.refuses:
        yield from map(Refusing, script.text(prompt))
        return None
    if script.thinks and prompt.thoughts is not Thoughts.OFF:
        yield from map(Reasoning, split_words(_THOUGHTS))
    if prompt.must_call or (script.calls and prompt.may_call(script.calling_turns)):
        if script.preface:
            yield from map(Text, script.preface(prompt))
        yield from (script.calls or call_first)(prompt)
        return None
    pieces = go_on(lambda: _text_pieces(script, prompt), prompt.history, script.seam)
    return (yield from _say_text(cut_at_stop(pieces, prompt.stops)))


def _say_text(
    pieces: Generator[str, None, str | None],
) -> Generator[Utterance, None, str | None]:
    """Say the pieces of a text; return what they return."""
    while True:
        try:
            yield Text(next(pieces))
        except StopIteration as end:
            stop: str | None = end.value
            return stop


def _text_pieces(script: Script, prompt: Prompt) -> Iterator[str]:
    if prompt.schema is not None:
        return say_json(prompt)
    if script.calls and prompt.history.tool_results:
        return split_words("The tool answered: " + " ".join(prompt.history.tool_results))
    return script.text(prompt)


def say_words(count: int) -> Pieces:
    """Make a text of `count` words (from 0): the words of `ok`, over and over."""
    words = [f" {word}" for word in OK_TEXT.split()]
    return lambda _: (
        word if index else word[1:] for index, word in enumerate(islice(cycle(words), count))
    )


def say_twice(_: Prompt) -> Iterator[str]:
    """Say each word of `ok` twice, so that a seam may truly repeat a word."""
    words = (word for word in OK_TEXT.split() for _ in range(2))
    return (f" {word}" if index else word for index, word in enumerate(words))


def say_preface(_: Prompt) -> Iterator[str]:
    """Say what comes before a call."""
    return split_words(_PREFACE)


def say_echo(prompt: Prompt) -> Iterator[str]:
    """Repeat the last user text, word by word."""
    return split_words(prompt.history.last_user_text)


def say_unicode(_: Prompt) -> Iterator[str]:
    """Say the text that breaks naive framing."""
    return iter(UNICODE_PIECES)


def say_refusal(_: Prompt) -> Iterator[str]:
    """Say why the request is refused."""
    return split_words(_REFUSAL)


def say_json(prompt: Prompt) -> Iterator[str]:
    """Say a JSON text that fits the prompt's schema, or an object when there is none."""
    return _slice(_json(fit(prompt.schema or {})), _JSON_PIECE_CHARS)


def say_characters(count: int) -> Pieces:
    """Make a text of `count` characters (from 0), each an utterance."""
    return lambda _: islice(cycle(OK_TEXT + " "), count)


def call_first(prompt: Prompt) -> Iterator[CallOpened | CallArguments]:
    """Call the first tool with arguments that fit its schema."""
    return _call(prompt, 0, prompt.tools[0])


def call_in_parallel(prompt: Prompt) -> Iterator[CallOpened | CallArguments]:
    """Call up to four tools, a lone one twice, with the fragments mixed where the format can."""
    tools = prompt.tools[:_MOST_PARALLEL_CALLS]
    if len(tools) == 1:
        tools *= 2
    if not prompt.parallel_calls:
        tools = tools[:1]
    calls = [_call(prompt, index, tool) for index, tool in enumerate(tools)]
    if prompt.call_style is not CallStyle.INTERLEAVED:
        for call in calls:
            yield from call
        return
    yield from map(next, calls)
    while calls:
        unfinished = []
        for call in calls:
            fragment = next(call, None)
            if fragment is not None:
                yield fragment
                unfinished.append(call)
        calls = unfinished


def call_big(size: int) -> Calls:
    """Make a call of the first tool whose arguments are `size` bytes of JSON.

    The first string among them is lengthened; a tool without one gets a property `padding`.
    A size below that of the smallest arguments gives those.
    """

    def calls(prompt: Prompt) -> Iterator[CallOpened | CallArguments]:
        tool = prompt.tools[0]
        arguments = _argument_object(tool)
        texts = (name for name, value in arguments.items() if isinstance(value, str))
        name = next(texts, "padding")
        arguments[name] = ""
        arguments[name] = "x" * max(0, size - len(msgspec.json.encode(arguments)))
        yield CallOpened(0, _call_id(prompt, 0), tool.name)
        for fragment in _fragments(prompt, arguments, _BIG_FRAGMENT_CHARS):
            yield CallArguments(0, fragment)

    return calls


def _call(prompt: Prompt, index: int, tool: Tool) -> Iterator[CallOpened | CallArguments]:
    """Call a tool with arguments that fit its schema."""
    yield CallOpened(index, _call_id(prompt, index), tool.name)
    for fragment in _fragments(prompt, _argument_object(tool), _FRAGMENT_CHARS):
        yield CallArguments(index, fragment)


def _fragments(prompt: Prompt, arguments: dict[str, object], size: int) -> Iterator[str]:
    text = _json(arguments)
    return _slice(text, len(text) if prompt.call_style is CallStyle.WHOLE else size)


def _argument_object(tool: Tool) -> dict[str, object]:
    """Fill a tool's schema; arguments are an object even where the schema says otherwise."""
    value = fit(tool.schema or {"type": "object"})
    return value if isinstance(value, dict) else {}


def _call_id(prompt: Prompt, index: int) -> str:
    """Derive an id that differs between the calls of a transcript and not between runs."""
    seed = f"{prompt.model}/{prompt.message_count}/{index}".encode()
    return "call_" + hashlib.blake2b(seed, digest_size=12).hexdigest()


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _slice(text: str, size: int) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))

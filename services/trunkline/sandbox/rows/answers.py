"""Rows of answers: what is said, at what pace, and how a partial answer is gone on from."""

from __future__ import annotations

from typing import Final

from trunkline.sandbox import scripts
from trunkline.sandbox.behaviours import (
    OK,
    Kind,
    Row,
    delay,
    join,
    refuse_prefill,
    say,
    say_counted,
    set_pace,
)
from trunkline.sandbox.delivery import Pace
from trunkline.sandbox.scripts import Script
from trunkline.sandbox.seam import Seam

_AFTER: Final = range(100_001)
_LONG: Final = range(1_000_001)
_SECONDS: Final = range(3_601)
_BYTES: Final = range(32 * 2**20 + 1)
_RATE: Final = range(1, 10_001)

ANSWERS: Final[tuple[Row, ...]] = (
    Row(Kind.ANSWER, "ok", "ok", "A fixed text of 60 words, one word an event.", say(OK.script)),
    Row(
        Kind.ANSWER,
        "echo",
        "echo",
        "The last user text, word by word.",
        say(Script(scripts.say_echo)),
    ),
    Row(
        Kind.ANSWER,
        "unicode",
        "unicode",
        "Emoji, combining characters, CJK, right-to-left text, U+2028 and control characters.",
        say(Script(scripts.say_unicode)),
    ),
    Row(
        Kind.ANSWER,
        "json",
        "json",
        "JSON that fits the schema of the request, or an object.",
        say(Script(scripts.say_json)),
    ),
    Row(
        Kind.ANSWER,
        "reason",
        "reason",
        "Reasoning, then the text of `ok`.",
        say(Script(OK.script.text, thinks=True)),
    ),
    Row(
        Kind.ANSWER,
        "refuse",
        "refuse",
        "A refusal in place of text.",
        say(Script(scripts.say_refusal, refuses=True)),
    ),
    Row(
        Kind.ANSWER,
        "tool",
        "tool",
        "A call of the first tool; after its result, text that quotes it.",
        say(Script(OK.script.text, calls=scripts.call_first)),
    ),
    Row(
        Kind.ANSWER,
        "parallel-tools",
        "parallel-tools",
        "Two to four calls at once, their argument fragments interleaved.",
        say(Script(OK.script.text, calls=scripts.call_in_parallel)),
    ),
    Row(
        Kind.ANSWER,
        "text-then-tool",
        "text-then-tool",
        "A sentence, then a call of the first tool; after its result, text that quotes it.",
        say(Script(OK.script.text, calls=scripts.call_first, preface=scripts.say_preface)),
    ),
    Row(
        Kind.ANSWER,
        "tool-loop-N",
        "tool-loop-3",
        "A call of the first tool in each of N - 1 turns, then text that quotes the last result.",
        say_counted(
            lambda n: Script(OK.script.text, calls=scripts.call_first, calling_turns=n - 1)
        ),
        range(2, 101),
    ),
    Row(
        Kind.ANSWER,
        "big-tool-N",
        "big-tool-100000",
        "A call whose arguments are N bytes of JSON, in many fragments.",
        say_counted(lambda n: Script(OK.script.text, calls=scripts.call_big(n))),
        _BYTES,
    ),
    Row(
        Kind.ANSWER,
        "long-N",
        "long-1000",
        "A text of N words, one word an event.",
        say_counted(lambda n: Script(scripts.say_words(n))),
        _LONG,
    ),
    Row(
        Kind.ANSWER,
        "words-twice",
        "words-twice",
        "The words of `ok`, each one twice.",
        say(Script(scripts.say_twice)),
    ),
    Row(
        Kind.ANSWER,
        "chars-N",
        "chars-500",
        "A text of N characters, one character an event.",
        say_counted(lambda n: Script(scripts.say_characters(n))),
        _LONG,
    ),
    Row(
        Kind.ANSWER,
        "burst-N",
        "burst-256",
        "A text of N words, all events in one write.",
        say_counted(lambda n: Script(scripts.say_words(n)), joined=True),
        _AFTER,
    ),
)
"""What is said."""

PACES: Final[tuple[Row, ...]] = (
    Row(
        Kind.PACE,
        "slow",
        "slow",
        "An event each 300 ms.",
        set_pace(lambda _: Pace(between_seconds=0.3)),
    ),
    Row(
        Kind.PACE,
        "tokens-N-per-second",
        "tokens-20-per-second",
        "N events a second.",
        set_pace(lambda n: Pace(between_seconds=1 / n)),
        _RATE,
    ),
    Row(
        Kind.PACE,
        "every-N-ms",
        "every-15-ms",
        "An event each N milliseconds.",
        set_pace(lambda n: Pace(between_seconds=n / 1000)),
        range(1, 60_001),
    ),
    Row(
        Kind.PACE,
        "first-token-after-S",
        "first-token-after-3",
        "The response head at once, the first event after S seconds.",
        delay,
        _SECONDS,
    ),
    Row(
        Kind.PACE,
        "split-N",
        "split-1",
        "The body in writes of N bytes, cut anywhere, also inside a character.",
        set_pace(lambda n: Pace(piece_bytes=n)),
        range(1, 65_537),
    ),
    Row(
        Kind.PACE,
        "comments",
        "comments",
        "A comment before every event, as routers send to keep a connection alive.",
        set_pace(lambda _: Pace(comments=True)),
    ),
)
"""When it is said."""

SEAMS: Final[tuple[Row, ...]] = (
    Row(
        Kind.SEAM,
        "repeat-K",
        "repeat-20",
        "Going on from a partial answer, its last K characters come once more.",
        join(lambda k: Seam(repeats=k)),
        range(1, 10_001),
    ),
    Row(
        Kind.SEAM,
        "begin-anew",
        "begin-anew",
        "A partial answer is passed over: everything comes once more.",
        join(lambda _: Seam(begins_anew=True)),
    ),
    Row(
        Kind.SEAM,
        "go-on-when-told",
        "go-on-when-told",
        "Only the rest, also when a user's message stands after the partial answer.",
        join(lambda _: Seam(obeys=True)),
    ),
    Row(
        Kind.SEAM,
        "no-prefill",
        "no-prefill",
        "400 invalid_request_error for a transcript that ends with an assistant's message.",
        refuse_prefill,
    ),
)
"""How a partial answer is gone on from."""

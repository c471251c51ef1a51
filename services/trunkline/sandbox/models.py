"""The table of models: what each name does.

A name is a row's pattern with a number in place of its capital letter: `cut-after-40`. Names join:

- `FAULT-of-NAME` and `PACE-of-NAME` put a row of these kinds over another name:
  `cut-after-3-of-tool`, `stall-after-9-of-slow`. Without `-of-NAME` the answer is that of `ok`,
  lengthened where a break would come after its end.
- `once-NAME` and `fail-K-then-ok-NAME` show the fault of NAME to the first attempt, or the first
  K, of each key; later ones get the same answer without it.
- `MODEL@NAME` does what NAME does. What a client sends to a vendor's model depends on its name,
  which can so be any: `claude-opus-4-6@json`.

The sentences name statuses and codes of the OpenAI face; every other face refuses in the form of
its own vendor.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from trunkline.sandbox import scripts
from trunkline.sandbox.behaviours import (
    OK,
    Behaviour,
    Kind,
    Row,
    break_off,
    fail_first,
    say,
    say_counted,
    set_pace,
    spoil,
    spoil_with,
)
from trunkline.sandbox.delivery import Pace
from trunkline.sandbox.faults import Break, Ending, Page, Refuse, Silence, Trouble
from trunkline.sandbox.scripts import Script

MAX_NAME: Final = 200
"""Longest name that is looked up, in characters."""

_AFTER: Final = range(100_001)
_LONG: Final = range(1_000_001)
_SECONDS: Final = range(3_601)
_BYTES: Final = range(32 * 2**20 + 1)
_RATE: Final = range(1, 10_001)

_RATE_LIMITED: Final = "Rate limit reached for requests. Please slow down."
_NO_QUOTA: Final = "You exceeded your current quota, please check your plan and billing details."


def _refuse(name: str, sentence: str, trouble: Trouble, message: str) -> Row:
    """Make the row of a model that refuses everything."""
    return Row(Kind.FAULT, name, name, sentence, spoil_with(Refuse(trouble, message)))


ROWS: Final[tuple[Row, ...]] = (
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
        "first-token-after-S",
        "first-token-after-3",
        "The response head at once, the first event after S seconds.",
        set_pace(lambda s: Pace(first_seconds=s)),
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
        Kind.FAULT,
        "cut-after-N",
        "cut-after-40",
        "The connection is closed after N events, the chunked body unfinished.",
        break_off(Break.CUT),
        _AFTER,
    ),
    Row(
        Kind.FAULT,
        "end-after-N",
        "end-after-40",
        "The body ends in order after N events, without finish reason and terminator.",
        break_off(Break.END),
        _AFTER,
    ),
    Row(
        Kind.FAULT,
        "reset-after-N",
        "reset-after-40",
        "The connection is reset (TCP RST) after N events.",
        break_off(Break.RESET),
        _AFTER,
    ),
    Row(
        Kind.FAULT,
        "stall-after-N",
        "stall-after-20",
        "Silence after N events until the client leaves, for 10 minutes at most.",
        break_off(Break.STALL),
        _AFTER,
    ),
    Row(
        Kind.FAULT,
        "malformed-after-N",
        "malformed-after-10",
        "One frame of invalid JSON after N events, then the rest.",
        break_off(Break.GARBLE),
        _AFTER,
    ),
    Row(
        Kind.FAULT,
        "error-after-N",
        "error-after-10",
        "An error object inside the stream after N events, then the body ends.",
        break_off(Break.ERROR),
        _AFTER,
    ),
    Row(
        Kind.FAULT,
        "html-200",
        "html-200",
        "A page of HTML with status 200.",
        spoil_with(Page.HTML),
    ),
    Row(
        Kind.FAULT,
        "empty-200",
        "empty-200",
        "An empty body with status 200.",
        spoil_with(Page.EMPTY),
    ),
    Row(
        Kind.FAULT,
        "no-done",
        "no-done",
        "A whole answer without its terminator ([DONE]).",
        spoil_with(Ending.NO_DONE),
    ),
    Row(
        Kind.FAULT,
        "done-without-finish",
        "done-without-finish",
        "A whole answer and its terminator, but no finish reason.",
        spoil_with(Ending.NO_FINISH),
    ),
    Row(
        Kind.FAULT,
        "late-usage",
        "late-usage",
        "What follows the finish reason, the usage first, comes 3 seconds late.",
        spoil_with(Ending.LATE_USAGE),
    ),
    Row(
        Kind.FAULT,
        "no-first-token",
        "no-first-token",
        "The response head, then silence.",
        spoil_with(Silence.AFTER_HEAD),
    ),
    Row(
        Kind.FAULT,
        "silent",
        "silent",
        "The request is taken and never answered.",
        spoil_with(Silence.BEFORE_HEAD),
    ),
    _refuse("429", "429 rate_limit_exceeded, without a wait.", Trouble.RATE_LIMITED, _RATE_LIMITED),
    Row(
        Kind.FAULT,
        "429-retry-after-S",
        "429-retry-after-2",
        "429 rate_limit_exceeded that asks for a wait of S seconds.",
        spoil(lambda s: Refuse(Trouble.RATE_LIMITED, _RATE_LIMITED, s)),
        _SECONDS,
    ),
    _refuse("429-quota", "429 insufficient_quota.", Trouble.NO_QUOTA, _NO_QUOTA),
    _refuse("500", "500 server_error.", Trouble.SERVER_ERROR, "The server had an error."),
    _refuse(
        "503",
        "503 server_is_overloaded.",
        Trouble.OVERLOADED,
        "The server is overloaded, try again later.",
    ),
    _refuse("401", "401 invalid_api_key.", Trouble.UNAUTHENTICATED, "Incorrect API key provided."),
    _refuse(
        "403",
        "403 unsupported_country_region_territory.",
        Trouble.FORBIDDEN,
        "Country, region, or territory not supported.",
    ),
    _refuse(
        "404",
        "404 model_not_found, though the model is listed.",
        Trouble.MODEL_NOT_FOUND,
        "The model '404' does not exist.",
    ),
    _refuse(
        "400", "400 invalid_request_error.", Trouble.INVALID_REQUEST, "The request is invalid."
    ),
    _refuse(
        "400-context",
        "400 context_length_exceeded.",
        Trouble.CONTEXT_TOO_LONG,
        "This model's maximum context length is 8 tokens.",
    ),
    _refuse(
        "400-content",
        "400 content_policy_violation.",
        Trouble.CONTENT_REFUSED,
        "The prompt violates the usage policy.",
    ),
    Row(
        Kind.ATTEMPTS,
        "once-NAME",
        "once-503",
        "The fault of NAME at the first attempt of each key, then its answer without it.",
        lambda _, beneath: fail_first(1, beneath),
    ),
    Row(
        Kind.ATTEMPTS,
        "fail-K-then-ok-NAME",
        "fail-2-then-ok-503",
        "The fault of NAME at the first K attempts of each key, then its answer without it.",
        fail_first,
        range(1, 1_001),
    ),
)
"""Every behaviour, in the order in which people want to see them."""

_EXPRESSIONS: Final = [(row, row.expression()) for row in ROWS]


@lru_cache(maxsize=1024)
def find(name: str) -> Behaviour | None:
    """Return what a model name does; None when there is no such model."""
    if len(name) > MAX_NAME:
        return None
    model, _, behaviour = name.rpartition("@")
    if model:
        return find(behaviour)
    for row, expression in _EXPRESSIONS:
        match = expression.fullmatch(name)
        if match is None:
            continue
        groups = match.groupdict()
        number = int(groups.get("number") or 0)
        inner = groups.get("name")
        beneath = find(inner) if inner else None
        if number in row.numbers and (beneath is not None or not inner):
            return row.build(number, beneath)
    return None


def list_names() -> list[str]:
    """Return a working name of each row, in the table's order."""
    return [row.example for row in ROWS]

"""Each row of the table of models does what its sentence says, streamed and whole."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.rawhttp import End, Reply, ask
from trunkline.sandbox.models import MAX_NAME, ROWS, find, list_names
from trunkline.sandbox.scripts import OK_TEXT, UNICODE_PIECES
from trunkline.sandbox.server import Sandbox

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "look_up",
            "parameters": {
                "type": "object",
                "properties": {"word": {"type": "string"}, "count": {"type": "integer"}},
                "required": ["word", "count"],
            },
        },
    }
]

SILENCE = 0.5
"""How long nothing must come before a sandbox is taken for silent, in seconds."""


def look(reply: Reply) -> str:
    """Put in one line what a response was: status, content, finish reason, terminator, end."""
    if not reply.status:
        return f"nothing, {reply.end.value}"
    if reply.status != 200:
        error = reply.json["error"]
        wait = f" wait {reply.headers['retry-after']}" if "retry-after" in reply.headers else ""
        return f"{reply.status} {error['code'] or error['type']}{wait}, {reply.end.value}"
    kind = reply.headers["content-type"].partition(";")[0].partition("/")[2]
    if kind == "event-stream":
        return f"{look_at_stream(reply)}, {reply.end.value}"
    if kind == "html" or not reply.body or reply.end is not End.COMPLETE:
        return f"{kind} {'part' if reply.body else 'empty'}, {reply.end.value}"
    return f"{look_at_whole(reply)}, {reply.end.value}"


def look_at_stream(reply: Reply) -> str:
    """Count each kind of delta, and name what else the stream holds."""
    counts: dict[str, int] = {}
    seen = [f"{reply.comments} comments"] if reply.comments else []
    for frame in reply.frames:
        if frame == "[DONE]":
            seen.append("done")
        elif frame.endswith('"content":'):
            seen.append("garbled")
        elif frame.startswith('{"error"'):
            seen.append("error")
    valid = Reply(body=b"".join(b"data: %b\n\n" % f.encode() for f in reply.frames if f[-1] == "}"))
    for delta in valid.deltas:
        for name in delta:
            counts[name] = counts.get(name, 0) + 1
    said = [f"{count} {name}" for name, count in counts.items()]
    return " ".join(["stream", *said, *valid.finish_reasons, *seen])


def look_at_whole(reply: Reply) -> str:
    """Name the parts of a completion."""
    try:
        choice = reply.json["choices"][0]
    except ValueError:
        return "json garbled"
    message = choice["message"]
    parts = ("content", "reasoning_content", "refusal", "tool_calls")
    said = [part for part in parts if message.get(part)]
    return " ".join(["json", *said, str(choice["finish_reason"])])


def refused(name: str, how: str) -> tuple[str, str, str]:
    """Expect the same refusal of a stream and of a whole answer."""
    return name, f"{how}, complete", f"{how}, complete"


WHOLE_TEXT = "json content stop, complete"

LOOKS: dict[str, tuple[str, str, str]] = {
    # pattern: (name, how its stream looks, how its whole answer looks)
    "ok": ("ok", "stream 60 content stop done, complete", WHOLE_TEXT),
    "echo": ("echo", "stream 2 content stop done, complete", WHOLE_TEXT),
    "unicode": ("unicode", "stream 17 content stop done, complete", WHOLE_TEXT),
    "json": ("json", "stream 3 content stop done, complete", WHOLE_TEXT),
    "reason": (
        "reason",
        "stream 13 reasoning_content 60 content stop done, complete",
        "json content reasoning_content stop, complete",
    ),
    "refuse": ("refuse", "stream 14 refusal stop done, complete", "json refusal stop, complete"),
    "tool": (
        "tool",
        "stream 6 tool_calls tool_calls done, complete",
        "json tool_calls tool_calls, complete",
    ),
    "parallel-tools": (
        "parallel-tools",
        "stream 12 tool_calls tool_calls done, complete",
        "json tool_calls tool_calls, complete",
    ),
    "text-then-tool": (
        "text-then-tool",
        "stream 8 content 6 tool_calls tool_calls done, complete",
        "json content tool_calls tool_calls, complete",
    ),
    "tool-loop-N": (
        "tool-loop-3",
        "stream 6 tool_calls tool_calls done, complete",
        "json tool_calls tool_calls, complete",
    ),
    "big-tool-N": (
        "big-tool-5000",
        "stream 11 tool_calls tool_calls done, complete",
        "json tool_calls tool_calls, complete",
    ),
    "long-N": ("long-300", "stream 300 content stop done, complete", WHOLE_TEXT),
    "words-twice": ("words-twice", "stream 120 content stop done, complete", WHOLE_TEXT),
    "chars-N": ("chars-77", "stream 77 content stop done, complete", WHOLE_TEXT),
    "burst-N": ("burst-40", "stream 40 content stop done, complete", WHOLE_TEXT),
    "slow": ("slow", "stream 60 content stop done, complete", WHOLE_TEXT),
    "tokens-N-per-second": (
        "tokens-20-per-second",
        "stream 60 content stop done, complete",
        WHOLE_TEXT,
    ),
    "every-N-ms": ("every-15-ms", "stream 60 content stop done, complete", WHOLE_TEXT),
    "first-token-after-S": (
        "first-token-after-3",
        "stream 60 content stop done, complete",
        WHOLE_TEXT,
    ),
    "split-N": ("split-5", "stream 60 content stop done, complete", WHOLE_TEXT),
    "comments": ("comments", "stream 60 content stop 62 comments done, complete", WHOLE_TEXT),
    "vectors-N": ("vectors-16", "stream 60 content stop done, complete", WHOLE_TEXT),
    "vectors-nan": ("vectors-nan", "stream 60 content stop done, complete", WHOLE_TEXT),
    "vectors-empty": ("vectors-empty", "stream 60 content stop done, complete", WHOLE_TEXT),
    "vectors-short": ("vectors-short", "stream 60 content stop done, complete", WHOLE_TEXT),
    "vectors-few": ("vectors-few", "stream 60 content stop done, complete", WHOLE_TEXT),
    "repeat-K": ("repeat-20", "stream 60 content stop done, complete", WHOLE_TEXT),
    "begin-anew": ("begin-anew", "stream 60 content stop done, complete", WHOLE_TEXT),
    "go-on-when-told": ("go-on-when-told", "stream 60 content stop done, complete", WHOLE_TEXT),
    "no-prefill": ("no-prefill", "stream 60 content stop done, complete", WHOLE_TEXT),
    "cut-after-N": ("cut-after-40", "stream 40 content, closed", "json part, closed"),
    "end-after-N": ("end-after-40", "stream 40 content, complete", "json content None, complete"),
    "reset-after-N": ("reset-after-40", "stream 40 content, reset", "json part, reset"),
    "stall-after-N": ("stall-after-20", "stream 20 content, silent", "json part, silent"),
    "stall-30s-after-N": (
        "stall-30s-after-20",
        "stream 20 content, silent",
        "json part, silent",
    ),
    "malformed-after-N": (
        "malformed-after-10",
        "stream 60 content stop garbled done, complete",
        "json garbled, complete",
    ),
    "error-after-N": (
        "error-after-10",
        "stream 10 content error, complete",
        "500 server_error, complete",
    ),
    "cut-at-N": ("cut-at-41", "stream 40 content, closed", "json part, closed"),
    "end-at-N": ("end-at-41", "stream 40 content, complete", "json content None, complete"),
    "reset-at-N": ("reset-at-41", "stream 40 content, reset", "json part, reset"),
    "stall-at-N": ("stall-at-21", "stream 20 content, silent", "json part, silent"),
    "malformed-at-N": (
        "malformed-at-10",
        "stream 60 content stop garbled done, complete",
        "json garbled, complete",
    ),
    "malformed-twice-at-N": (
        "malformed-twice-at-10",
        "stream 60 content stop garbled garbled done, complete",
        "json garbled, complete",
    ),
    "error-at-N": (
        "error-at-11",
        "stream 10 content error, complete",
        "500 server_error, complete",
    ),
    "cut": ("cut", "nothing, closed", "nothing, closed"),
    "reset": ("reset", "nothing, reset", "nothing, reset"),
    "html-200": ("html-200", "html part, complete", "html part, complete"),
    "empty-200": ("empty-200", "stream, complete", "json empty, complete"),
    "no-done": ("no-done", "stream 60 content stop, complete", WHOLE_TEXT),
    "done-without-finish": (
        "done-without-finish",
        "stream 60 content done, complete",
        "json content None, complete",
    ),
    "late-usage": ("late-usage", "stream 60 content stop done, complete", WHOLE_TEXT),
    "no-first-token": ("no-first-token", "stream, silent", "json empty, silent"),
    "silent": ("silent", "nothing, silent", "nothing, silent"),
    "429": refused("429", "429 rate_limit_exceeded"),
    "429-retry-after-S": refused("429-retry-after-7", "429 rate_limit_exceeded wait 7"),
    "429-quota": refused("429-quota", "429 insufficient_quota"),
    "500": refused("500", "500 server_error"),
    "503": refused("503", "503 server_is_overloaded"),
    "401": refused("401", "401 invalid_api_key"),
    "403": refused("403", "403 unsupported_country_region_territory"),
    "404": refused("404", "404 model_not_found"),
    "400": refused("400", "400 invalid_request_error"),
    "400-context": refused("400-context", "400 context_length_exceeded"),
    "400-content": refused("400-content", "400 content_policy_violation"),
    "once-NAME": (
        "once-cut-after-3",
        "stream 3 content, closed",
        # The second attempt of the same key: the fault is over.
        WHOLE_TEXT,
    ),
    "fail-K-then-ok-NAME": (
        "fail-1-then-ok-503",
        "503 server_is_overloaded, complete",
        WHOLE_TEXT,
    ),
    "for-S-then-ok-NAME": (
        "for-1000-then-ok-503",
        "503 server_is_overloaded, complete",
        "503 server_is_overloaded, complete",
    ),
}


def test_every_row_has_a_look() -> None:
    """A row that is added without an entry in the table above fails here."""
    assert list(LOOKS) == [row.pattern for row in ROWS]


@pytest.mark.parametrize("pattern", LOOKS)
async def test_a_model_does_what_its_row_says(sandbox: Sandbox, pattern: str) -> None:
    """The stream and then the whole answer of one model look as the table says."""
    name, stream, whole = LOOKS[pattern]
    offered: dict[str, Any] = {"tools": TOOLS} if "tool" in name else {}
    row = next(row for row in ROWS if row.pattern == pattern)
    assert row.expression().fullmatch(name)
    first = await ask(sandbox, name, silence=SILENCE, **offered)
    second = await ask(sandbox, name, silence=SILENCE, stream=False, **offered)
    assert (look(first), look(second)) == (stream, whole)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.pattern)
def test_an_example_belongs_to_its_row(row: Any) -> None:
    """The example of a row matches its pattern and is a model; the sentence is a sentence."""
    assert row.expression().fullmatch(row.example)
    assert find(row.example) is not None
    assert row.sentence.endswith(".")


def test_the_listed_names_differ() -> None:
    """No name is listed twice."""
    assert len(set(list_names())) == len(ROWS)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "gpt-6",
        "OK",
        "ok ",
        "cut-after-",
        "cut-after--1",
        "cut-after-01",
        "cut-after-1.5",
        "cut-after-999999999",
        "cut-after-3-of-",
        "cut-after-3-of-nothing",
        "cut-after-3-of-500",
        "slow-of-split-3",
        "slow-of-slow",
        "ok-of-tool",
        "split-0",
        "tokens-0-per-second",
        "once-ok",
        "once-once-503",
        "fail-0-then-ok-503",
        "fail-K-then-ok-503",
        "long-1000001",
        "once-" * MAX_NAME + "503",
    ],
)
def test_an_unknown_name_is_no_model(name: str) -> None:
    """A name outside the table, or with a number outside its range, is not found."""
    assert find(name) is None


async def test_names_join(sandbox: Sandbox) -> None:
    """A fault and a pace lie over any answer, and a healed one keeps it."""
    call = await ask(sandbox, "cut-after-3-of-slow-of-tool", tools=TOOLS)
    assert look(call) == "stream 3 tool_calls, closed"
    again = [await ask(sandbox, "once-reset-after-2-of-reason") for _ in range(2)]
    assert [look(reply) for reply in again] == [
        "stream 2 reasoning_content, reset",
        "stream 13 reasoning_content 60 content stop done, complete",
    ]


@pytest.mark.parametrize("after", [0, 1, 59, 60, 61, 250])
async def test_a_break_always_comes_before_the_end(sandbox: Sandbox, after: int) -> None:
    """However many events pass, the answer is longer, and the text is the beginning of it."""
    reply = await ask(sandbox, f"cut-after-{after}")
    assert look(reply) == ("stream, closed" if not after else f"stream {after} content, closed")
    whole = (await ask(sandbox, f"long-{after}")).text
    assert reply.text == whole


async def test_a_short_answer_breaks_at_its_end(sandbox: Sandbox) -> None:
    """A break after more events than a named answer has comes in place of its finish reason."""
    assert look(await ask(sandbox, "cut-after-50-of-echo")) == "stream 2 content, closed"


async def test_ok_says_sixty_words(sandbox: Sandbox) -> None:
    """The text of `ok` is fixed, one word an event."""
    reply = await ask(sandbox, "ok")
    assert reply.text == OK_TEXT
    assert len(OK_TEXT.split()) == 60
    assert reply.deltas[1] == {"content": " line"}


async def test_unicode_text_arrives_unharmed(sandbox: Sandbox) -> None:
    """The text that breaks naive framing crosses unescaped where JSON allows it."""
    reply = await ask(sandbox, "split-1-of-unicode")
    assert reply.text == "".join(UNICODE_PIECES)
    assert "\u2028".encode() in reply.body


@pytest.mark.parametrize("name", ["ok", "tool", "parallel-tools", "reason", "malformed-after-3"])
@pytest.mark.parametrize("stream", [True, False])
async def test_the_same_request_gets_the_same_bytes(name: str, stream: bool) -> None:
    """Two servers give the same response, headers included."""
    replies = []
    for _ in range(2):
        async with Sandbox(time_scale=0) as fresh:
            replies.append(await ask(fresh, name, stream=stream, tools=TOOLS))
    assert replies[0].raw == replies[1].raw

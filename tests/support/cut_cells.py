"""Chats that break: what is said, how it fails and goes on, and what must come of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from support.answer_oracle import (
    CONTENT,
    Expected,
    judge_answer,
    judge_broken,
    judge_ledger,
    text_of,
)
from support.chats import Reading, say, tool
from support.folding import fold
from support.heard import Heard
from trunkline.inference.seam import LEAST
from trunkline.inference.v1 import chat_pb2, event_pb2, message_pb2, result_pb2
from trunkline.sandbox.prompt import Thoughts

RESPONSES: Final = "openai-responses"
FORMATS: Final = ("openai", "anthropic", "google", "ollama", RESPONSES)
FACES: Final = {RESPONSES: "openai"}
"""The sandbox's face of a format that has none of its own."""

TURNS: Final = 3
LOOP: Final = f"tool-loop-{TURNS}"

PREFILL: Final = result_pb2.CONTINUATION_STRATEGY_PREFILL
INSTRUCT: Final = result_pb2.CONTINUATION_STRATEGY_INSTRUCT
RESTART: Final = result_pb2.CONTINUATION_STRATEGY_RESTART
EITHER: Final = chat_pb2.CONTINUATION_POLICY_UNSPECIFIED

AT: Final = ("cut", "end", "reset", "stall", "malformed", "malformed-twice", "error")
"""Failures before a frame: they have an index."""

WHOLE: Final = ("cut", "reset", "silent", "no-first-token", "html-200", "empty-200", "500")
"""Failures of an answer as a whole: they have none."""

SIGNING: Final = ("anthropic", "google", RESPONSES)
"""Formats whose thoughts are signed."""

VENDORS: Final = {
    "openai": "gpt-5.2@",
    "anthropic": "claude-opus-4-6@",
    "google": "gemini-3-pro-preview@",
    "ollama": "",
    RESPONSES: "gpt-5.6-sol@",
}


@dataclass(frozen=True, slots=True)
class Heir:
    """How the second model goes on from what the first one said.

    Attributes:
        name: for people.
        over: what its name puts over the script.
        is_shared: the first model does the same, when it is asked again.
        prefills: both models are known to go on from a partial answer.
        policy: of the request.
        strategy: by which it goes on from text.
    """

    name: str
    over: str = ""
    is_shared: bool = False
    prefills: bool = False
    policy: chat_pb2.ContinuationPolicy.ValueType = EITHER
    strategy: result_pb2.ContinuationStrategy.ValueType = RESTART


GOES_ON: Final = Heir("goes on", prefills=True, strategy=PREFILL)
BEGINS_ANEW: Final = Heir("begins anew")
REPEATS: Final = Heir("repeats", "repeat-40-of-", prefills=True, strategy=PREFILL)
HEIRS: Final = (
    GOES_ON,
    BEGINS_ANEW,
    REPEATS,
    Heir("refuses", "no-prefill-of-", is_shared=True, prefills=True, strategy=PREFILL),
    Heir(
        "is told",
        "go-on-when-told-of-",
        is_shared=True,
        policy=chat_pb2.CONTINUATION_POLICY_INSTRUCT,
        strategy=INSTRUCT,
    ),
    Heir("may not void", policy=chat_pb2.CONTINUATION_POLICY_PREFILL_ONLY),
    Heir("may not go on", prefills=True, policy=chat_pb2.CONTINUATION_POLICY_FAIL),
)

SCRIPTS: Final[dict[str, tuple[Heir, ...]]] = {
    # One character an event: a seam comes within words, and after spaces.
    "chars-30": HEIRS,
    "unicode": HEIRS,
    "words-twice": (GOES_ON, REPEATS),
    "json": (GOES_ON, BEGINS_ANEW),
    "reason": (GOES_ON, BEGINS_ANEW),
    "tool": (GOES_ON,),
    "parallel-tools": (GOES_ON,),
    "text-then-tool": (BEGINS_ANEW,),
    LOOP: (GOES_ON,),
}
"""What is said, and how it is gone on from."""

PLAIN_TEXT: Final = frozenset({"chars-30", "unicode", "words-twice"})


@dataclass(frozen=True, slots=True)
class Cell:
    """One case.

    Attributes:
        form: of the first model's wire.
        script: what both models say.
        failure: of the first model.
        index: before which frame it fails; None: as a whole.
        heir: how the second model goes on.
    """

    form: str
    script: str
    failure: str
    index: int | None
    heir: Heir

    @property
    def fault(self) -> str:
        """The failure as the sandbox names it."""
        return self.failure if self.index is None else f"{self.failure}-at-{self.index}"

    @property
    def may_fail(self) -> bool:
        """Whether the request may forbid the second model to go on."""
        return self.heir.policy in (
            chat_pb2.CONTINUATION_POLICY_PREFILL_ONLY,
            chat_pb2.CONTINUATION_POLICY_FAIL,
        )

    @property
    def first_model(self) -> str:
        """The model that fails, as its provider calls it."""
        shared = self.heir.over if self.heir.is_shared else ""
        return f"{_vendor_name(self.form, self.script)}{self.fault}-of-{shared}{self.script}"

    @property
    def second_model(self) -> str:
        """The model that is healthy, as its provider calls it."""
        return f"{_vendor_name(self.heir_form, self.script)}{self.heir.over}{self.script}"

    def prefills(self, form: str) -> bool:
        """Tell whether a model is known to go on from a partial answer, by its wire."""
        # One of Google's own, as which it calls tools, does not, and Responses never.
        return self.heir.prefills and not (
            form == RESPONSES or (form == "google" and "tool" in self.script)
        )

    def strategy(self, model: str) -> result_pb2.ContinuationStrategy.ValueType:
        """Return how a model, `provider/model`, is to go on from text."""
        form = self.form if model.endswith(f"/{self.first_model}") else self.heir_form
        wanted = self.heir.strategy
        return RESTART if wanted == PREFILL and not self.prefills(form) else wanted

    @property
    def heir_form(self) -> str:
        """The second model's wire: each of the others in turn, and now and then the same."""
        place = FORMATS.index(self.form) + 1 + (self.index or 0)
        return FORMATS[place % len(FORMATS)]


def _vendor_name(form: str, script: str) -> str:
    """Return what stands before the name of a model that has to be a certain one.

    The vendors' own names tell who thinks and holds schemas, and whose calls are signed.
    """
    is_vendors = script in ("reason", "json") or ("tool" in script and form == "google")
    return VENDORS[form] if is_vendors else ""


@dataclass(frozen=True, slots=True)
class Turn:
    """One run of a cell.

    Attributes:
        request: the question.
        reading: what its reader got.
        heard: the requests that its providers got, in order.
        rows: of its ledger, in order.
    """

    request: chat_pb2.ChatRequest
    reading: Reading
    heard: Sequence[Heard]
    rows: Sequence[result_pb2.Attempt]

    @property
    def is_alone(self) -> bool:
        """Whether the first attempt gave the whole answer."""
        return len(self.heard) == 1 and self.reading.failure is None


def ask_for(cell: Cell) -> chat_pb2.ChatRequest:
    """Return the first question of a cell."""
    script = cell.script
    request = chat_pb2.ChatRequest(messages=[say("Hello")], continuation=cell.heir.policy)
    if "tool" in script:
        request.tools.extend((tool("weather", city="string"), tool("clock", zone="string")))
    if script == "reason":
        request.reasoning.effort = "low"
    if script == "json":
        schema = request.response_format.json_schema
        schema.name = "weather"
        schema.schema.update(
            {
                "type": "object",
                "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
                "required": ["city", "degrees"],
                "additionalProperties": False,
            }
        )
    return request


def ask_on(turn: Turn) -> chat_pb2.ChatRequest | None:
    """Return the question of the next turn, with what tools gave; None: there is none."""
    if turn.reading.failure is not None:
        return None
    message = turn.reading.completed.message
    results = [
        message_pb2.Part(
            tool_result=message_pb2.ToolResult(
                call_id=part.tool_call.id,
                content=[message_pb2.Part(text=f"{part.tool_call.name} is fine")],
            )
        )
        for part in message.content
        if part.HasField("tool_call")
    ]
    if not results:
        return None
    request = chat_pb2.ChatRequest()
    request.CopyFrom(turn.request)
    request.messages.append(message)
    request.messages.append(message_pb2.Message(role=message_pb2.ROLE_TOOL, content=results))
    return request


def judge_turns(turns: Sequence[Turn], cell: Cell) -> None:
    """Fail unless every turn of a cell keeps every promise, and all of them together do."""
    for turn in turns:
        _judge(turn, cell)
    ids = [
        event.tool_call_completed.call_id
        for turn in turns
        for event in turn.reading.events
        if event.HasField("tool_call_completed")
    ]
    assert len(ids) == len(set(ids))
    if cell.script == LOOP:
        assert len(turns) == TURNS
        assert len(ids) == TURNS - 1


def _expected(turn: Turn) -> Expected:
    """Return what the models of a turn say, which is the same as long as they are healthy."""
    first, last = turn.heard[0], turn.heard[-1]
    thoughts = last.answer.reasoning if last.prompt.thoughts is Thoughts.SHOWN else ""
    text = first.answer.text
    said = last.prompt.history.prefill or ""
    if 0 < len(said) < LEAST and last.model.startswith(REPEATS.over):
        # So short a repetition may be meant, and stands.
        number = len(turn.heard)
        before = [event for event in turn.reading.events if 0 < event.attempt < number]
        text = text_of(fold(before)) + last.answer.text
    calls = tuple((call.name, json.loads(call.arguments or "{}")) for call in first.answer.calls)
    return Expected(text, calls, thoughts)


def _judge(turn: Turn, cell: Cell) -> None:
    """Fail unless a turn keeps every promise."""
    reading, expected = turn.reading, _expected(turn)
    if reading.failure is None:
        judge_answer(reading, expected)
    else:
        judge_broken(reading, expected)
        assert cell.may_fail, reading.failure
        assert reading.failure.reason == "CONTINUATION_NOT_ALLOWED"
        assert text_of(fold(reading.events)), "nothing had been said"
    judge_ledger(reading, turn.rows)
    assert len(turn.rows) == len(turn.heard), "a request has no row"
    _judge_ways(turn, cell)


def _judge_ways(turn: Turn, cell: Cell) -> None:
    """Fail unless each model was asked to go on from what readers had, and as the cell wants."""
    reading = turn.reading
    rows = reading.failed.attempts if reading.failure else reading.completed.attempts
    for heard, row in zip(turn.heard, rows, strict=True):
        before = [event for event in reading.events if 0 < event.attempt < row.number]
        text = text_of(fold(before))
        has_refused = any(each.failure.reply.http_status == 400 for each in rows[: row.number - 1])
        if not before or not _has_content(before):
            assert row.continuation == result_pb2.CONTINUATION_STRATEGY_UNSPECIFIED
        elif cell.script in PLAIN_TEXT and text.strip() and not has_refused:
            assert row.continuation == cell.strategy(row.model)
        if row.continuation == PREFILL:
            assert heard.prompt.history.prefill == text.rstrip()
        elif row.continuation == INSTRUCT:
            assert heard.prompt.history.before_user == text.rstrip()
        else:
            assert heard.prompt.history.prefill is None


def _has_content(events: Sequence[event_pb2.ChatEvent]) -> bool:
    """Tell whether something was said, and not yet taken back."""
    said = False
    for event in events:
        kind = event.WhichOneof("kind")
        said = kind != "continuation_started" and (said or kind in CONTENT)
    return said

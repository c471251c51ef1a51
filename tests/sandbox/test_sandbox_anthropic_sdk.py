"""The official `anthropic` client passes through the healthy models."""

from __future__ import annotations

import base64
import json
from typing import Any

import anthropic
import pytest
from anthropic.types import TextBlock, ThinkingBlock, ToolUseBlock

from sandbox.claude import HELLO, calls_of, complete, plain, stream, text_of
from trunkline.sandbox.models import list_names
from trunkline.sandbox.scripts import OK_TEXT, UNICODE_PIECES
from trunkline.sandbox.server import Sandbox

WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
        "required": ["city", "days"],
    },
}
TIME: dict[str, Any] = {
    "name": "get_time",
    "input_schema": {"type": "object", "properties": {"zone": {"enum": ["UTC", "CET"]}}},
}

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n a picture").decode()

TEXTS = {
    "ok": OK_TEXT,
    "echo": "Say  this\nback",
    "slow": OK_TEXT,
    "unicode": "".join(UNICODE_PIECES),
    "json": '{"answer":"sandbox"}',
    "tool": OK_TEXT,
    "parallel-tools": OK_TEXT,
    "long-120": (OK_TEXT + " " + OK_TEXT),
    "chars-30": OK_TEXT[:30],
    "burst-60": OK_TEXT,
    "split-1": OK_TEXT,
    "comments": OK_TEXT,
    "split-7-of-unicode": "".join(UNICODE_PIECES),
    "first-token-after-1": OK_TEXT,
    "late-usage": OK_TEXT,
}


@pytest.mark.parametrize("model", TEXTS)
async def test_text_comes_whole_and_streamed(claude: anthropic.AsyncAnthropic, model: str) -> None:
    """Both ways give the same message: text, id, stop reason and usage."""
    whole = await complete(claude, model)
    assert text_of(whole) == TEXTS[model]
    assert whole.stop_reason == "end_turn"
    assert whole.usage.output_tokens > 0
    assert plain(await stream(claude, model)) == plain(whole)


async def test_events_come_as_the_reference_orders_them(claude: anthropic.AsyncAnthropic) -> None:
    """Blocks follow each other, each opened and closed; the usage is cumulative."""
    raw = await claude.messages.create(model="reason", messages=HELLO, max_tokens=100, stream=True)
    events = [event async for event in raw]
    kinds = [event.type for event in events]
    assert [kind for at, kind in enumerate(kinds) if kind != kinds[at - 1]] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    started, ended = events[0], events[-2]
    assert started.type == "message_start"
    assert ended.type == "message_delta"
    assert started.message.usage.input_tokens == ended.usage.input_tokens == 3
    assert ended.usage.output_tokens == 73


async def test_reasoning_is_signed_and_counted(claude: anthropic.AsyncAnthropic) -> None:
    """`reason` sends a thinking block with a signature before the text."""
    whole = await complete(claude, "reason")
    thought, text = whole.content
    assert isinstance(thought, ThinkingBlock)
    assert isinstance(text, TextBlock)
    assert thought.thinking.startswith("The user asks")
    assert len(base64.b64decode(thought.signature)) == 32
    assert text.text == OK_TEXT
    assert whole.usage.output_tokens_details is not None
    assert whole.usage.output_tokens_details.thinking_tokens == 13
    assert plain(await stream(claude, "reason")) == plain(whole)


@pytest.mark.parametrize(
    ("thinking", "kinds", "shown"),
    [
        ({"type": "adaptive"}, ["thinking", "text"], True),
        ({"type": "enabled", "budget_tokens": 2_000}, ["thinking", "text"], True),
        ({"type": "adaptive", "display": "omitted"}, ["thinking", "text"], False),
        ({"type": "disabled"}, ["text"], False),
    ],
)
async def test_thinking_is_shown_as_asked(
    claude: anthropic.AsyncAnthropic, thinking: Any, kinds: list[str], shown: bool
) -> None:
    """Omitted thinking leaves its block with a signature and no text; disabled leaves none."""
    for message in (
        await complete(claude, "reason", thinking=thinking),
        await stream(claude, "reason", thinking=thinking),
    ):
        assert [block.type for block in message.content] == kinds
        thoughts = [block for block in message.content if isinstance(block, ThinkingBlock)]
        assert [bool(block.thinking) for block in thoughts] == [shown] * len(thoughts)
        assert all(block.signature for block in thoughts)


async def test_a_signature_goes_back_whole_and_to_its_model_only(
    claude: anthropic.AsyncAnthropic,
) -> None:
    """A thinking block is taken unchanged; with another text, signature or model it is refused."""
    answer = await complete(claude, "reason", tools=[WEATHER], tool_choice={"type": "any"})
    thought, call = answer.content
    assert isinstance(thought, ThinkingBlock)
    assert isinstance(call, ToolUseBlock)
    given = [block.model_dump(exclude_none=True) for block in answer.content]
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "rain"}
    asked: dict[str, Any] = {"tools": [WEATHER]}

    def history(block: dict[str, Any]) -> Any:
        return [
            *HELLO,
            {"role": "assistant", "content": [block, given[1]]},
            {"role": "user", "content": [result]},
        ]

    again = await complete(claude, "reason", messages=history(given[0]), **asked)
    assert again.stop_reason == "end_turn"
    for block, model in (
        ({**given[0], "thinking": thought.thinking + " "}, "reason"),
        ({**given[0], "signature": "AA" + thought.signature[2:]}, "reason"),
        ({"type": "redacted_thinking", "data": thought.signature}, "reason"),
        (given[0], "slow-of-reason"),
    ):
        with pytest.raises(anthropic.BadRequestError, match=r"Invalid `(signature|data)` in"):
            await complete(claude, model, messages=history(block), **asked)


async def test_a_refusal_is_a_stop_reason(claude: anthropic.AsyncAnthropic) -> None:
    """`refuse` says why as text, and ends with `refusal` and its details."""
    whole = await complete(claude, "refuse")
    assert text_of(whole).startswith("I am sorry")
    assert whole.stop_reason == "refusal"
    assert whole.stop_details is not None
    assert plain(await stream(claude, "refuse")) == plain(whole)


async def test_limits_end_the_text(claude: anthropic.AsyncAnthropic) -> None:
    """The token limit and a stop sequence each have their stop reason."""
    short = await stream(claude, "ok", max_tokens=5)
    assert (text_of(short), short.stop_reason) == ("The line is open and", "max_tokens")
    for stopped in (
        await stream(claude, "ok", stop_sequences=["speaking", "open and"]),
        await complete(claude, "ok", stop_sequences=["speaking", "open and"]),
    ):
        assert text_of(stopped) == "The line is "
        assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "open and")


@pytest.mark.parametrize("ask", [stream, complete])
async def test_a_tool_loop_closes(claude: anthropic.AsyncAnthropic, ask: Any) -> None:
    """The call's input fits the schema, and the answer to its result quotes the result."""
    answer = await ask(claude, "tool", tools=[WEATHER, TIME])
    (call,) = calls_of(answer)
    assert answer.stop_reason == "tool_use"
    assert call.id.startswith("toolu_")
    assert (call.name, call.input) == ("get_weather", {"city": "sandbox", "days": 2})
    content = [
        block.model_dump(exclude_none=True, exclude={"parsed_output"}) for block in answer.content
    ]
    results = {"type": "tool_result", "tool_use_id": call.id, "content": "rain, 7 degrees"}
    messages = [
        *HELLO,
        {"role": "assistant", "content": content},
        {"role": "user", "content": [results]},
    ]
    said = await ask(claude, "tool", tools=[WEATHER], messages=messages)
    assert said.stop_reason == "end_turn"
    assert "rain, 7 degrees" in text_of(said)


async def test_parallel_calls_come_one_after_the_other(claude: anthropic.AsyncAnthropic) -> None:
    """Each tool is called once in a block of its own, unless that is forbidden."""
    answer = await stream(claude, "parallel-tools", tools=[WEATHER, TIME])
    calls = calls_of(answer)
    assert [call.name for call in calls] == ["get_weather", "get_time"]
    assert calls[1].input == {"zone": "UTC"}
    assert len({call.id for call in calls}) == 2
    assert plain(await complete(claude, "parallel-tools", tools=[WEATHER, TIME])) == plain(answer)
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    alone = await stream(claude, "parallel-tools", tools=[WEATHER, TIME], tool_choice=choice)
    assert len(calls_of(alone)) == 1


async def test_a_big_call_is_whole(claude: anthropic.AsyncAnthropic) -> None:
    """The input is as long as the model's name says."""
    (call,) = calls_of(await stream(claude, "big-tool-100000", tools=[WEATHER]))
    assert len(json.dumps(call.input, separators=(",", ":"))) == 100_000


@pytest.mark.parametrize(
    ("model", "choice", "called"),
    [
        ("tool", {"type": "none"}, []),
        ("tool", {"type": "auto"}, ["get_weather"]),
        ("ok", {"type": "any"}, ["get_weather"]),
        ("ok", {"type": "tool", "name": "get_time"}, ["get_time"]),
    ],
)
async def test_the_tool_choice_is_obeyed(
    claude: anthropic.AsyncAnthropic, model: str, choice: Any, called: list[str]
) -> None:
    """`none` calls nothing, `any` and a name make any model call."""
    answer = await stream(claude, model, tools=[WEATHER, TIME], tool_choice=choice)
    assert [call.name for call in calls_of(answer)] == called


@pytest.mark.parametrize("model", ["json", "reason"])
async def test_a_schema_is_obeyed(claude: anthropic.AsyncAnthropic, model: str) -> None:
    """The text fits the schema of the request, streamed and whole."""
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string"}, "done": {"type": "boolean"}},
        "required": ["title", "done"],
        "additionalProperties": False,
    }
    config: Any = {"format": {"type": "json_schema", "schema": schema}}
    for ask in (stream, complete):
        text = text_of(await ask(claude, model, output_config=config))
        assert json.loads(text) == {"title": "sandbox", "done": True}


async def test_images_and_documents_are_taken(claude: anthropic.AsyncAnthropic) -> None:
    """An image and a PDF in the message and in a tool result pass; a broken image does not."""

    def image(data: str, kind: str = "image/png") -> dict[str, Any]:
        return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}

    pdf = base64.b64encode(b"%PDF-1.7 of one page").decode()
    source = {"type": "base64", "media_type": "application/pdf", "data": pdf}
    content: Any = [
        {"type": "text", "text": "Look"},
        image(PIXEL),
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "document", "source": source},
    ]
    answer = await complete(claude, "echo", messages=[{"role": "user", "content": content}])
    assert text_of(answer) == "Look"
    for broken, said in (
        (image(PIXEL, "image/jpeg"), "appears to be image/png"),
        (image("AAAA"), "Could not process image"),
        (image("no base64"), "Invalid base64 data"),
    ):
        with pytest.raises(anthropic.BadRequestError, match=said):
            await complete(claude, "ok", messages=[{"role": "user", "content": [broken]}])


async def test_models_are_listed_page_by_page(claude: anthropic.AsyncAnthropic) -> None:
    """The pages join to the table, in either direction; one can be looked up."""
    listed = [model async for model in claude.models.list(limit=9)]
    assert [model.id for model in listed] == list_names()
    assert [model.id async for model in claude.models.list()] == list_names()
    before = await claude.models.list(before_id=listed[5].id, limit=3)
    assert [model.id for model in before.data] == list_names()[2:5]
    assert before.has_more
    shown = await claude.models.retrieve("cut-after-17-of-reason")
    assert shown.capabilities is not None
    assert shown.capabilities.thinking.supported
    assert not listed[0].capabilities or not listed[0].capabilities.thinking.supported
    assert (shown.max_input_tokens, shown.max_tokens) == (1_000_000, 128_000)
    with pytest.raises(anthropic.NotFoundError, match="model: claude-9"):
        await claude.models.retrieve("claude-9")


async def test_the_server_sees_what_the_client_sent(
    sandbox: Sandbox, claude: anthropic.AsyncAnthropic
) -> None:
    """A sighting holds headers and body as the client wrote them."""
    await complete(claude, "ok", max_tokens=70, system="Be brief")
    (sighting,) = await sandbox.seen.wait_for(1, timeout=5)
    assert sighting.path == "/anthropic/v1/messages"
    assert sighting.model == "ok"
    assert sighting.body == {
        "model": "ok",
        "messages": HELLO,
        "max_tokens": 70,
        "system": "Be brief",
    }
    assert ("authorization", f"Bearer {sandbox.api_key}") in sighting.headers

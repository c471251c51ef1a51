"""The official `openai` client passes through the healthy models and meets the sick ones."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from trunkline.sandbox.faces.openai.face import CREATED
from trunkline.sandbox.models import ROWS, list_names
from trunkline.sandbox.scripts import OK_TEXT, UNICODE_PIECES
from trunkline.sandbox.server import Sandbox

HELLO: Any = [{"role": "user", "content": "Say  this\nback"}]

WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer", "minimum": 2},
                "hourly": {"type": "boolean"},
            },
            "required": ["city", "days", "hourly"],
            "additionalProperties": False,
        },
    },
}
TIME: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_time",
        "parameters": {"type": "object", "properties": {"zone": {"enum": ["UTC", "CET"]}}},
    },
}

TEXTS = {
    "ok": OK_TEXT,
    "echo": "Say  this\nback",
    "slow": OK_TEXT,
    "unicode": "".join(UNICODE_PIECES),
    "json": '{"answer":"sandbox"}',
    "reason": OK_TEXT,
    "tool": OK_TEXT,
    "parallel-tools": OK_TEXT,
    "long-120": (OK_TEXT + " ") * 2,
    "chars-30": OK_TEXT[:30],
    "burst-60": OK_TEXT,
    "split-1": OK_TEXT,
    "comments": OK_TEXT,
    "split-7-of-unicode": "".join(UNICODE_PIECES),
    "tokens-100-per-second": OK_TEXT,
    "first-token-after-1": OK_TEXT,
    "late-usage": OK_TEXT,
    "no-done": OK_TEXT,
}


async def stream(
    client: openai.AsyncOpenAI, model: str, **fields: Any
) -> list[ChatCompletionChunk]:
    """Ask for a stream and read it to its end."""
    fields.setdefault("messages", HELLO)
    async with await client.chat.completions.create(model=model, stream=True, **fields) as chunks:
        return [chunk async for chunk in chunks]


async def complete(client: openai.AsyncOpenAI, model: str, **fields: Any) -> ChatCompletion:
    """Ask for a whole answer."""
    fields.setdefault("messages", HELLO)
    completion: ChatCompletion = await client.chat.completions.create(model=model, **fields)
    return completion


def fold_calls(chunks: list[ChatCompletionChunk]) -> dict[int, tuple[str, str, str]]:
    """Fold the tool call deltas of a stream: index to id, name and arguments."""
    calls: dict[int, tuple[str, str, str]] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            for delta in choice.delta.tool_calls or ():
                assert delta.function is not None
                call_id, name, arguments = calls.get(delta.index, ("", "", ""))
                calls[delta.index] = (
                    call_id + (delta.id or ""),
                    name + (delta.function.name or ""),
                    arguments + (delta.function.arguments or ""),
                )
    return calls


@pytest.mark.parametrize("model", TEXTS)
async def test_text_comes_whole_and_streamed(client: openai.AsyncOpenAI, model: str) -> None:
    """Both ways give the same text, id and finish reason."""
    chunks = await stream(client, model)
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text.rstrip() == TEXTS[model].rstrip()
    assert [c.choices[0].finish_reason for c in chunks][-1] == "stop"
    whole = await complete(client, model)
    assert whole.choices[0].message.content == text
    assert whole.choices[0].finish_reason == "stop"
    assert {chunk.id for chunk in chunks} == {whole.id}
    assert {chunk.created for chunk in chunks} == {CREATED}


async def test_reasoning_precedes_text_and_is_counted(client: openai.AsyncOpenAI) -> None:
    """`reason` sends reasoning first, in the look-alikes' field, and counts it."""
    chunks = await stream(client, "reason", stream_options={"include_usage": True})
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    thoughts = [getattr(delta, "reasoning_content", None) for delta in deltas]
    said = [thought for thought in thoughts if thought]
    assert thoughts[1 : 1 + len(said)] == said
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.reasoning_tokens == len(said)
    message = (await complete(client, "reason")).choices[0].message
    assert message.model_dump()["reasoning_content"] == "".join(said)


async def test_a_refusal_has_its_own_field(client: openai.AsyncOpenAI) -> None:
    """`refuse` sends no text but a refusal, with the finish reason `stop`."""
    chunks = await stream(client, "refuse")
    refusal = "".join(choice.delta.refusal or "" for chunk in chunks for choice in chunk.choices)
    assert refusal.startswith("I am sorry")
    message = (await complete(client, "refuse")).choices[0].message
    assert (message.refusal, message.content) == (refusal, None)
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_usage_comes_in_a_last_chunk_without_choices(client: openai.AsyncOpenAI) -> None:
    """Usage is sent only when asked for, and is the same as that of the whole answer."""
    chunks = await stream(client, "ok", stream_options={"include_usage": True})
    *others, last = chunks
    assert last.choices == []
    assert [chunk.usage for chunk in others] == [None] * len(others)
    assert last.usage == (await complete(client, "ok")).usage
    assert last.usage is not None
    assert last.usage.completion_tokens == 60
    assert last.usage.total_tokens == last.usage.prompt_tokens + 60
    assert all(chunk.usage is None for chunk in await stream(client, "ok"))


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
async def test_the_token_limit_ends_the_text(client: openai.AsyncOpenAI, limit: str) -> None:
    """A limit below the answer's length gives the finish reason `length`, at it `stop`."""
    choice = (await complete(client, "ok", **{limit: 5})).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("The line is open and", "length")
    chunks = await stream(client, "ok", **{limit: 60})
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_a_stop_sequence_ends_the_text(client: openai.AsyncOpenAI) -> None:
    """The first of several sequences ends the text, also one that lies across two events."""
    choice = (await complete(client, "ok", stop=["speaking", "open and"])).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("The line is ", "stop")
    chunks = await stream(client, "ok", stop="e is")
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == "The lin"


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_tool_loop_closes(client: openai.AsyncOpenAI, streamed: bool) -> None:
    """The call's arguments fit the schema, and the answer to its result quotes the result."""
    if streamed:
        chunks = await stream(client, "tool", tools=[WEATHER, TIME])
        assert chunks[-1].choices[0].finish_reason == "tool_calls"
        calls = fold_calls(chunks)
    else:
        choice = (await complete(client, "tool", tools=[WEATHER, TIME])).choices[0]
        assert choice.finish_reason == "tool_calls"
        assert choice.message.content is None
        calls = {
            index: (call.id, call.function.name, call.function.arguments)
            for index, call in enumerate(choice.message.tool_calls or ())
            if call.type == "function"
        }
    assert list(calls) == [0]
    call_id, name, arguments = calls[0]
    assert name == "get_weather"
    assert json.loads(arguments) == {"city": "sandbox", "days": 2, "hourly": True}
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    messages = [
        *HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call_id, "content": "rain, 7 degrees"},
    ]
    answer = (await complete(client, "tool", tools=[WEATHER], messages=messages)).choices[0]
    assert answer.finish_reason == "stop"
    assert "rain, 7 degrees" in (answer.message.content or "")
    # Another turn's call has another id: a transcript with both is valid.
    asked = [*messages, {"role": "assistant", "content": "So."}, *HELLO]
    later = fold_calls(await stream(client, "tool", tools=[WEATHER], messages=asked))
    assert later[0][0] != call_id


async def test_parallel_calls_interleave(client: openai.AsyncOpenAI) -> None:
    """Each tool is called once, ids differ, and the fragments of the calls alternate."""
    chunks = await stream(client, "parallel-tools", tools=[WEATHER, TIME])
    calls = fold_calls(chunks)
    assert [name for _, name, _ in calls.values()] == ["get_weather", "get_time"]
    assert len({call_id for call_id, _, _ in calls.values()}) == 2
    assert json.loads(calls[1][2]) == {"zone": "UTC"}
    order = [
        delta.index
        for chunk in chunks
        for choice in chunk.choices
        for delta in choice.delta.tool_calls or ()
    ]
    assert order[:6] == [0, 1, 0, 1, 0, 1]
    whole = (await complete(client, "parallel-tools", tools=[WEATHER, TIME])).choices[0].message
    assert [call.id for call in whole.tool_calls or ()] == [call[0] for call in calls.values()]


async def test_parallel_calls_can_be_forbidden(client: openai.AsyncOpenAI) -> None:
    """One tool is called twice, but only once when the request forbids parallel calls."""
    assert len(fold_calls(await stream(client, "parallel-tools", tools=[TIME]))) == 2
    alone = await stream(client, "parallel-tools", tools=[TIME, WEATHER], parallel_tool_calls=False)
    assert len(fold_calls(alone)) == 1


async def test_big_arguments_have_the_size_asked_for(client: openai.AsyncOpenAI) -> None:
    """The arguments are valid JSON of exactly as many bytes, in many fragments."""
    chunks = await stream(client, "big-tool-200000", tools=[WEATHER])
    arguments = fold_calls(chunks)[0][2]
    assert len(arguments.encode()) == 200_000
    assert json.loads(arguments)["days"] == 2
    assert len(chunks) > 300


@pytest.mark.parametrize(
    ("model", "choice", "called"),
    [
        ("tool", "none", []),
        ("tool", "auto", ["get_weather"]),
        ("ok", "auto", []),
        ("ok", "required", ["get_weather"]),
        ("reason", "required", ["get_weather"]),
        ("ok", {"type": "function", "function": {"name": "get_time"}}, ["get_time"]),
        ("tool", {"type": "function", "function": {"name": "get_time"}}, ["get_time"]),
    ],
)
async def test_the_tool_choice_is_obeyed(
    client: openai.AsyncOpenAI, model: str, choice: Any, called: list[str]
) -> None:
    """`none` calls nothing, `required` and a name make any model call."""
    chunks = await stream(client, model, tools=[WEATHER, TIME], tool_choice=choice)
    assert [name for _, name, _ in fold_calls(chunks).values()] == called


@pytest.mark.parametrize("model", ["json", "ok", "reason", "tool"])
async def test_a_schema_is_obeyed(client: openai.AsyncOpenAI, model: str) -> None:
    """The text fits the schema of the request, streamed and whole."""
    schema = {
        "type": "object",
        "properties": {
            "title": {"type": "string", "minLength": 9},
            "score": {"type": "number", "maximum": 0.5},
            "done": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        },
        "required": ["title", "score", "done", "tags"],
    }
    asked: Any = {"type": "json_schema", "json_schema": {"name": "card", "schema": schema}}
    text = (await complete(client, model, response_format=asked)).choices[0].message.content
    assert text is not None
    assert json.loads(text) == {
        "title": "sandboxxx",
        "score": 0.5,
        "done": True,
        "tags": ["sandbox", "sandbox"],
    }
    chunks = await stream(client, model, response_format=asked)
    streamed = "".join(choice.delta.content or "" for c in chunks for choice in c.choices)
    assert streamed == text


async def test_a_json_object_is_given(client: openai.AsyncOpenAI) -> None:
    """`json_object` gives an object."""
    asked: Any = {"type": "json_object"}
    messages: Any = [{"role": "user", "content": "Answer in JSON."}]
    choice = (await complete(client, "ok", messages=messages, response_format=asked)).choices[0]
    assert isinstance(json.loads(choice.message.content or ""), dict)


async def test_models_are_listed_and_shown(client: openai.AsyncOpenAI) -> None:
    """Each row of the table is listed under a name that works, and can be looked up."""
    listed = [model.id async for model in client.models.list()]
    assert listed == list_names() == [row.example for row in ROWS]
    shown = await client.models.retrieve("cut-after-17")
    assert (shown.id, shown.owned_by) == ("cut-after-17", "trunkline-sandbox")
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        await client.models.retrieve("gpt-6")


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(
    ("model", "error", "code"),
    [
        ("429", openai.RateLimitError, "rate_limit_exceeded"),
        ("429-retry-after-2", openai.RateLimitError, "rate_limit_exceeded"),
        ("429-quota", openai.RateLimitError, "insufficient_quota"),
        ("401", openai.AuthenticationError, "invalid_api_key"),
        ("403", openai.PermissionDeniedError, "unsupported_country_region_territory"),
        ("404", openai.NotFoundError, "model_not_found"),
        ("no-such-model", openai.NotFoundError, "model_not_found"),
        ("400", openai.BadRequestError, None),
        ("400-context", openai.BadRequestError, "context_length_exceeded"),
        ("400-content", openai.BadRequestError, "content_policy_violation"),
        ("500", openai.InternalServerError, None),
        ("503", openai.InternalServerError, "server_is_overloaded"),
    ],
)
async def test_a_status_becomes_its_error(
    client: openai.AsyncOpenAI,
    model: str,
    error: type[openai.APIStatusError],
    code: str | None,
    streamed: bool,
) -> None:
    """The client raises the class that belongs to the status, with code and request id."""
    with pytest.raises(error) as caught:
        await (stream(client, model) if streamed else complete(client, model))
    assert type(caught.value) is error
    assert caught.value.code == code
    assert (caught.value.request_id or "").startswith("req_")
    wait = caught.value.response.headers.get("retry-after")
    assert wait == ("2" if "retry-after" in model else None)


@pytest.mark.parametrize("model", ["cut-after-5", "reset-after-5"])
async def test_a_broken_connection_is_a_connection_error(
    client: openai.AsyncOpenAI, model: str
) -> None:
    """A stream that loses its connection raises, streamed and whole."""
    with pytest.raises(openai.APIConnectionError):
        await stream(client, model)
    with pytest.raises(openai.APIConnectionError):
        await complete(client, model)


@pytest.mark.parametrize("model", ["stall-after-3", "no-first-token", "silent"])
@pytest.mark.parametrize("streamed", [True, False])
async def test_silence_is_a_timeout(client: openai.AsyncOpenAI, model: str, streamed: bool) -> None:
    """A silent model lets the client's own time limit pass."""
    hasty = client.with_options(timeout=0.3)
    with pytest.raises(openai.APITimeoutError):
        await (stream(hasty, model) if streamed else complete(hasty, model))


async def test_an_error_inside_the_stream_is_raised(client: openai.AsyncOpenAI) -> None:
    """The error object after some content reaches the caller as an error."""
    with pytest.raises(openai.APIError, match="error while processing"):
        await stream(client, "error-after-3")


async def test_a_malformed_frame_is_no_json(client: openai.AsyncOpenAI) -> None:
    """The client fails on the frame that holds invalid JSON."""
    with pytest.raises(json.JSONDecodeError):
        await stream(client, "malformed-after-3")


async def test_an_end_without_finish_reason_looks_like_success(
    client: openai.AsyncOpenAI,
) -> None:
    """The client takes a cleanly cut stream for success: that is the trap the model sets."""
    chunks = await stream(client, "end-after-5")
    assert len(chunks) == 6
    assert all(choice.finish_reason is None for chunk in chunks for choice in chunk.choices)


async def test_the_server_sees_what_the_client_sent(
    sandbox: Sandbox, client: openai.AsyncOpenAI
) -> None:
    """A sighting holds headers and body as the client wrote them."""
    await complete(client, "ok", temperature=0.5, extra_headers={"X-Note": "Kept As Is"})
    (sighting,) = await sandbox.seen.wait_for(1, timeout=5)
    assert sighting.body == {"model": "ok", "messages": HELLO, "temperature": 0.5}
    assert ("x-note", "Kept As Is") in sighting.headers
    assert ("authorization", f"Bearer {sandbox.api_key}") in sighting.headers

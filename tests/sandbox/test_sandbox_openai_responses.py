"""The official `openai` client asks by Responses, at the address of Chat Completions."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from sandbox.test_sandbox_openai_sdk import TIME, WEATHER
from trunkline.sandbox.scripts import OK_TEXT

HELLO = "Say  this\nback"
SUMMARY: Any = {"effort": "low", "summary": "auto"}


def flat(tool: dict[str, Any]) -> Any:
    """Return a tool as Responses has it."""
    return {"type": "function", "strict": False, **tool["function"]}


async def stream(client: openai.AsyncOpenAI, model: str, **fields: Any) -> list[Any]:
    """Ask for a stream and read it to its end."""
    fields.setdefault("input", HELLO)
    async with await client.responses.create(model=model, stream=True, **fields) as events:
        return [event async for event in events]


async def whole(client: openai.AsyncOpenAI, model: str, **fields: Any) -> Any:
    """Ask for a whole answer."""
    fields.setdefault("input", HELLO)
    return await client.responses.create(model=model, **fields)


@pytest.mark.parametrize(("model", "text"), [("ok", OK_TEXT), ("echo", HELLO), ("slow", OK_TEXT)])
async def test_text_comes_whole_and_streamed(
    client: openai.AsyncOpenAI, model: str, text: str
) -> None:
    """Both ways give the same answer, and the events are numbered without gaps."""
    events = await stream(client, model)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == text
    assert [events[0].type, events[-1].type] == ["response.created", "response.completed"]
    last = events[-1].response
    response = await whole(client, model)
    assert (last.output_text, last.status, last.id) == (text, "completed", response.id)
    assert response.output_text == text
    assert response.usage == last.usage
    assert response.usage.output_tokens >= 1


@pytest.mark.parametrize("shown", [True, False])
async def test_thoughts_come_encrypted_and_go_back(
    client: openai.AsyncOpenAI, *, shown: bool
) -> None:
    """A summary is for who asks for it; a thought that was changed is refused."""
    asked: dict[str, Any] = {"reasoning": SUMMARY} if shown else {}
    events = await stream(client, "reason", **asked)
    thought, message = events[-1].response.output
    assert [thought.type, message.type] == ["reasoning", "message"]
    assert bool(thought.summary) is shown
    response = await whole(client, "reason", **asked)
    assert response.output[0].encrypted_content == thought.encrypted_content
    said = [
        {"role": "user", "content": HELLO},
        {"type": "reasoning", "summary": [], "encrypted_content": thought.encrypted_content},
        {"role": "assistant", "content": message.content[0].text},
        {"role": "user", "content": "And?"},
    ]
    assert (await whole(client, "reason", input=said)).status == "completed"
    said[1]["encrypted_content"] += "x"
    with pytest.raises(openai.BadRequestError):
        await whole(client, "reason", input=said)
    del said[2]
    said[1]["encrypted_content"] = thought.encrypted_content
    with pytest.raises(openai.BadRequestError, match="required following item"):
        await whole(client, "reason", input=said)


async def test_calls_come_in_turn_and_want_their_results(client: openai.AsyncOpenAI) -> None:
    """Each call is an item of its own; a call without its result is refused."""
    tools = [flat(WEATHER), flat(TIME)]
    events = await stream(client, "parallel-tools", tools=tools)
    calls = events[-1].response.output
    assert [call.type for call in calls] == ["function_call"] * len(calls)
    assert len({call.call_id for call in calls}) == len(calls) >= 2
    assert all(isinstance(json.loads(call.arguments), dict) for call in calls)
    asked: list[Any] = [{"role": "user", "content": HELLO}]
    asked += [
        {"type": "function_call", **call.model_dump(include={"call_id", "name", "arguments"})}
        for call in calls
    ]
    with pytest.raises(openai.BadRequestError, match="No tool output found"):
        await whole(client, "parallel-tools", tools=tools, input=asked)
    asked += [
        {"type": "function_call_output", "call_id": call.call_id, "output": f"result-{number}"}
        for number, call in enumerate(calls)
    ]
    response = await whole(client, "parallel-tools", tools=tools, input=asked)
    assert "result-0" in response.output_text


async def test_a_forced_tool_and_a_schema(client: openai.AsyncOpenAI) -> None:
    """A choice by name is obeyed, and a text follows its schema."""
    tools = [flat(WEATHER), flat(TIME)]
    choice: Any = {"type": "function", "name": "get_time"}
    response = await whole(client, "ok", tools=tools, tool_choice=choice)
    assert [item.name for item in response.output] == ["get_time"]
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    shape: Any = {"format": {"type": "json_schema", "name": "s", "schema": schema}}
    response = await whole(client, "json", text=shape)
    assert isinstance(json.loads(response.output_text)["a"], int)


async def test_a_limit_cuts_short(client: openai.AsyncOpenAI) -> None:
    """An answer that was cut says why, in a stream and whole."""
    events = await stream(client, "ok", max_output_tokens=16)
    assert events[-1].type == "response.incomplete"
    for response in (events[-1].response, await whole(client, "ok", max_output_tokens=16)):
        assert response.status == "incomplete"
        assert response.incomplete_details.reason == "max_output_tokens"
        assert len(response.output_text.split()) == 16


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"max_output_tokens": 15}, ">= 16"),
        ({"stop": ["x"]}, "Unknown parameter"),
        ({"previous_response_id": "resp_1"}, "Unknown parameter"),
        ({"input": []}, "at least one item"),
        ({"input": [{"type": "item_reference", "id": "rs_1"}]}, "item_reference"),
        ({"input": [{"role": "user", "content": [{"type": "text"}]}]}, "content"),
        ({"reasoning": {"effort": "max"}}, "reasoning.effort"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
    ],
)
async def test_what_is_not_taken(
    client: openai.AsyncOpenAI, fields: dict[str, Any], says: str
) -> None:
    """What the real service refuses, or this one does not play, is refused by name."""
    body = {"model": "ok", "input": HELLO, **fields}
    with pytest.raises(openai.BadRequestError, match=says):
        await client.post("/responses", body=body, cast_to=object)


async def test_the_sick_ones_are_sick_in_this_format_too(client: openai.AsyncOpenAI) -> None:
    """A refusal and an error within a stream come in the format's words."""
    with pytest.raises(openai.RateLimitError):
        await whole(client, "429-retry-after-2")
    last = (await stream(client, "error-after-3"))[-1]
    assert (last.type, last.code) == ("error", "server_error")

"""What a provider receives of a chat, and what is told of that which it could not be sent."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from google.protobuf import json_format

from support.chats import ask, read, say, stream, tool
from support.deployment import Deployment
from trunkline.inference.v1 import chat_pb2, message_pb2, result_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")

# One transparent pixel.
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
ADDRESS = "https://pictures.example/cat.png"


async def _send(
    deployment: Deployment, request: chat_pb2.ChatRequest
) -> tuple[dict[str, Any], result_pb2.Completed]:
    """Ask, and return what the provider got beside the answer."""
    reading = await read(stream(deployment.channel, "StreamChat", request, deployment.admin))
    sighting = deployment.sandbox.seen[-1]
    assert (sighting.method, sighting.path) == ("POST", "/v1/chat/completions")
    return sighting.body, reading.completed


def _losses(completed: result_pb2.Completed) -> list[tuple[str, str]]:
    return [
        (loss.path, result_pb2.Loss.Action.Name(loss.action).removeprefix("ACTION_"))
        for loss in completed.losses
    ]


async def test_shortest_request_is_sent_as_little_as_possible(deployment: Deployment) -> None:
    """Nothing is sent that was not asked for, but the stream and its usage."""
    body, completed = await _send(deployment, ask())
    assert body == {
        "model": "ok",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert not completed.losses


async def test_key_goes_into_its_header_and_nowhere_else(deployment: Deployment) -> None:
    """The provider gets the saved key; it gets none of our caller's metadata."""
    await _send(deployment, ask())
    sighting = deployment.sandbox.seen[-1]
    headers = dict(sighting.headers)
    assert headers["authorization"] == f"Bearer {deployment.sandbox.api_key}"
    assert headers["content-type"] == "application/json"
    assert headers["accept"] == "text/event-stream"
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"] == "trunkline"
    assert deployment.sandbox.base_url.removeprefix("http://").startswith(headers["host"])
    assert len(headers) == 7
    assert deployment.sandbox.api_key.encode() not in sighting.raw_body


async def test_messages_of_every_role_are_sent_in_their_order(deployment: Deployment) -> None:
    """System, user, assistant with a call, its result, and a question about it."""
    request = ask("sandbox/tool")
    del request.messages[:]
    call = message_pb2.ToolCall(id="call_1", name="weather", arguments='{"city": "Oslo"}')
    told = message_pb2.Message(role=message_pb2.ROLE_ASSISTANT)
    told.content.add(text="Let me see.")
    told.content.add(tool_call=call)
    result = message_pb2.ToolResult(call_id="call_1", content=[message_pb2.Part(text="Rain")])
    failed = message_pb2.ToolResult(call_id="call_2", is_error=True)
    failed.content.add(text="no such city")
    second = message_pb2.Message(role=message_pb2.ROLE_ASSISTANT)
    second.content.add(tool_call=message_pb2.ToolCall(id="call_2", name="weather"))
    request.messages.extend(
        [
            say("Be brief.", message_pb2.ROLE_SYSTEM),
            say("How is the weather?"),
            told,
            message_pb2.Message(
                role=message_pb2.ROLE_TOOL, content=[message_pb2.Part(tool_result=result)]
            ),
            second,
            message_pb2.Message(
                role=message_pb2.ROLE_TOOL, content=[message_pb2.Part(tool_result=failed)]
            ),
            say("And now?"),
        ]
    )
    request.tools.append(tool(city="string"))
    body, completed = await _send(deployment, request)
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How is the weather?"},
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "Rain"},
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": "call_2",
                    "type": "function",
                    "function": {"name": "weather", "arguments": "{}"},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_2", "content": "ERROR: no such city"},
        {"role": "user", "content": "And now?"},
    ]
    assert not completed.losses


async def test_pictures_are_sent_by_value_and_by_address(deployment: Deployment) -> None:
    """A picture's bytes and its address reach the provider as they came."""
    request = ask(text="What is this?")
    request.messages[0].content.add(image={"data": PIXEL, "media_type": "image/png"})
    request.messages[0].content.add(image={"url": ADDRESS})
    body, completed = await _send(deployment, request)
    (message,) = body["messages"]
    text, by_value, by_address = message["content"]
    assert text == {"type": "text", "text": "What is this?"}
    head, _, data = by_value["image_url"]["url"].partition(",")
    assert (head, base64.b64decode(data)) == ("data:image/png;base64", PIXEL)
    assert by_address == {"type": "image_url", "image_url": {"url": ADDRESS}}
    assert not completed.losses


async def test_tools_are_sent_with_their_schemas(deployment: Deployment) -> None:
    """A schema as an object has sorted keys, one as text keeps its order, byte for byte."""
    text = '{"type":"object","properties":{"z":{"type":"integer"},"a":{"type":"string"}}}'
    request = ask(
        "sandbox/parallel-tools",
        tools=[
            tool("weather", zone="string", city="string"),
            message_pb2.Tool(name="count", parameters_json=text, strict=True),
            message_pb2.Tool(name="now"),
        ],
    )
    request.tool_choice.mode = message_pb2.ToolChoice.MODE_REQUIRED
    request.tool_choice.parallel = False
    body, completed = await _send(deployment, request)
    weather, count, now = (entry["function"] for entry in body["tools"])
    assert all(entry["type"] == "function" for entry in body["tools"])
    assert list(weather["parameters"]) == ["properties", "required", "type"]
    assert list(weather["parameters"]["properties"]) == ["city", "zone"]
    assert weather["description"] == "Tells the weather."
    assert text.encode() in deployment.sandbox.seen[-1].raw_body
    assert count == {"name": "count", "parameters": json.loads(text)}
    assert now["parameters"]["type"] == "object"
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("required", False)
    assert _losses(completed) == [("tools[1].strict", "DROPPED")]
    assert completed.losses[0].attempt == 1
    assert len(completed.message.content) == 1


async def test_one_forced_tool_is_sent_by_its_name(deployment: Deployment) -> None:
    """MODE_REQUIRED with one allowed tool forces that one."""
    request = ask("sandbox/ok", tools=[tool("weather", city="string"), tool("time", zone="string")])
    request.tool_choice.mode = message_pb2.ToolChoice.MODE_REQUIRED
    request.tool_choice.allowed.append("time")
    body, completed = await _send(deployment, request)
    assert body["tool_choice"] == {"type": "function", "function": {"name": "time"}}
    assert [part.tool_call.name for part in completed.message.content] == ["time"]


async def test_sampling_and_limits_of_tokens_are_sent(deployment: Deployment) -> None:
    """Numbers go as they are; what the format has no place for is told as lost."""
    request = ask(max_output_tokens=7)
    json_format.ParseDict(
        {
            "sampling": {
                "temperature": 0,
                "topP": 0.9,
                "topK": 40,
                "presencePenalty": -1.5,
                "frequencyPenalty": 0.5,
                "seed": "9007199254740993",
                "stop": ["a ", "b ", "c ", "d ", "e "],
            },
            "reasoning": {"effort": "low", "budgetTokens": 100},
        },
        request,
    )
    body, completed = await _send(deployment, request)
    del body["messages"], body["stream"], body["stream_options"], body["model"]
    assert body == {
        "max_tokens": 7,
        "temperature": 0,
        "top_p": 0.9,
        "presence_penalty": -1.5,
        "frequency_penalty": 0.5,
        "seed": 9007199254740993,
        "stop": ["a ", "b ", "c ", "d "],
        "reasoning_effort": "low",
    }
    assert _losses(completed) == [
        ("sampling.top_k", "DROPPED"),
        ("sampling.stop[4]", "DROPPED"),
        ("reasoning.budget_tokens", "DROPPED"),
    ]


async def test_answer_that_is_cut_by_its_limit_says_so(deployment: Deployment) -> None:
    """A limit of tokens ends an answer with LENGTH, and that is a whole answer."""
    _, completed = await _send(deployment, ask(max_output_tokens=3))
    assert completed.finish_reason == result_pb2.FINISH_REASON_LENGTH
    assert completed.raw_finish_reason == "length"
    assert completed.message.content[0].text == "The line is"


@pytest.mark.parametrize("by_text", [True, False])
async def test_schema_of_the_answer_is_sent(deployment: Deployment, by_text: bool) -> None:
    """A JSON schema reaches the provider, in its order where it came as text."""
    schema = {
        "type": "object",
        "properties": {"z": {"type": "integer"}, "a": {"type": "string"}},
        "required": ["z", "a"],
    }
    request = ask("sandbox/json")
    form = request.response_format.json_schema
    form.name, form.strict = "answer", True
    if by_text:
        form.schema_json = json.dumps(schema)
    else:
        json_format.ParseDict(schema, form.schema)
    body, completed = await _send(deployment, request)
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": schema},
    }
    order = list(body["response_format"]["json_schema"]["schema"]["properties"])
    assert order == (["z", "a"] if by_text else ["a", "z"])
    assert set(json.loads(completed.message.content[0].text)) == {"z", "a"}


async def test_any_json_object_can_be_asked_for(deployment: Deployment) -> None:
    """The plain mode is sent as such."""
    request = ask("sandbox/json", "Answer in json")
    request.response_format.json_object.SetInParent()
    body, completed = await _send(deployment, request)
    assert body["response_format"] == {"type": "json_object"}
    assert isinstance(json.loads(completed.message.content[0].text), dict)


async def test_thoughts_and_marks_of_others_are_told_as_lost(deployment: Deployment) -> None:
    """What the format cannot carry back is left out by name, and the rest is sent."""
    request = ask()
    issuer = message_pb2.Provenance(vendor="anthropic", model="m", provider="p")
    answer = message_pb2.Message(role=message_pb2.ROLE_ASSISTANT)
    answer.content.add(
        reasoning={"text": "hm"}, signature=message_pb2.Signature(value="s", issuer=issuer)
    )
    answer.content.add(text="Yes.")
    answer.content.add(provider_part={"issuer": issuer, "type": "trace", "data_json": "{}"})
    request.messages[0].content[0].cache.SetInParent()
    request.messages.append(answer)
    request.messages.append(say("Sure?"))
    body, completed = await _send(deployment, request)
    assert body["messages"][1:] == [
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "Sure?"},
    ]
    assert sorted(_losses(completed)) == [
        ("messages[0].content[0].cache", "DROPPED"),
        ("messages[1].content[0].reasoning", "DROPPED"),
        ("messages[1].content[0].signature", "DROPPED"),
        ("messages[1].content[2].provider_part", "DROPPED"),
    ]


async def test_options_of_the_providers_type_are_sent_as_its_format_has_them(
    deployment: Deployment,
) -> None:
    """They hold over the fields that they stand for; those of other types are not seen."""
    request = ask()
    request.max_output_tokens = 5
    request.provider_options.update(
        {"sandbox": {"max_completion_tokens": 7, "reasoning_effort": "high"}}
    )
    body, completed = await _send(deployment, request)
    assert body["max_tokens"] == 7
    assert body["reasoning_effort"] == "high"
    assert not completed.losses

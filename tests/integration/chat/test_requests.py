"""What a chat may ask: refused by name what is wrong or not served, and nothing ignored."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format

from support.chats import ask, read, refused, stream
from support.deployment import Deployment
from trunkline.inference.v1 import chat_pb2, message_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")

OK: dict[str, Any] = {
    "model": "sandbox/ok",
    "messages": [{"role": "ROLE_USER", "content": [{"text": "Hello"}]}],
}
TOOL = {"name": "look"}
CALL = {"role": "ROLE_ASSISTANT", "content": [{"toolCall": {"id": "c1", "name": "look"}}]}
RESULT = {"role": "ROLE_TOOL", "content": [{"toolResult": {"callId": "c1"}}]}

# Field → a value that uses it.
UNSERVED: dict[str, dict[str, Any]] = {
    "role": {"role": "planner"},
    "agent": {"agent": "coder"},
    "session": {"session": "one"},
}

# Field → a value that breaks its bound.
OUT_OF_BOUNDS: list[tuple[str, dict[str, Any]]] = [
    ("model", {"model": "ok"}),
    ("model", {"model": "Sandbox/ok"}),
    ("model", {"model": "sandbox/" + "m" * 257}),
    ("messages", {"messages": []}),
    ("messages[0].role", {"messages": [{"content": [{"text": "x"}]}]}),
    ("messages[0].content", {"messages": [{"role": "ROLE_USER"}]}),
    ("messages[0].content[0]", {"messages": [{"role": "ROLE_USER", "content": [{}]}]}),
    (
        "messages[0].content[0].image.url",
        {"messages": [{"role": "ROLE_USER", "content": [{"image": {"url": "http://a/b"}}]}]},
    ),
    (
        "messages[0].content[0].tool_result",
        {"messages": [{"role": "ROLE_USER", "content": [{"toolResult": {"callId": "c1"}}]}]},
    ),
    ("messages[1].content[0].tool_result.call_id", {"messages": [*OK["messages"], RESULT]}),
    (
        "messages[3].content[0].tool_result.call_id",
        {"messages": [*OK["messages"], CALL, RESULT, RESULT]},
    ),
    ("tools[0].name", {"tools": [{"name": "no blanks"}]}),
    ("tools[1].name", {"tools": [TOOL, TOOL]}),
    ("tools[0].parameters_json", {"tools": [{"name": "look", "parametersJson": "[]"}]}),
    ("tool_choice.allowed[0]", {"tools": [TOOL], "toolChoice": {"allowed": ["other"]}}),
    ("tool_choice.mode", {"toolChoice": {"mode": "MODE_REQUIRED"}}),
    ("max_output_tokens", {"maxOutputTokens": -1}),
    ("provider_options.nobody", {"providerOptions": {"nobody": {}}}),
    ("provider_options.sandbox", {"providerOptions": {"sandbox": 1}}),
    (
        "provider_options.sandbox.seed",
        {"providerOptions": {"sandbox": {"seed": 1}}},
    ),
    (
        "provider_options.sandbox.reasoning_effort",
        {"providerOptions": {"sandbox": {"reasoning_effort": "huge"}}},
    ),
    ("sampling.temperature", {"sampling": {"temperature": 2.1}}),
    ("sampling.top_p", {"sampling": {"topP": 0}}),
    ("sampling.top_k", {"sampling": {"topK": 0}}),
    ("sampling.stop", {"sampling": {"stop": ["x"] * 17}}),
    ("sampling.stop[0]", {"sampling": {"stop": [""]}}),
    ("reasoning.effort", {"reasoning": {"effort": "So Hard"}}),
    ("response_format.kind", {"responseFormat": {}}),
    (
        "response_format.json_schema.schema_json",
        {"responseFormat": {"jsonSchema": {"name": "x", "schemaJson": '"no"'}}},
    ),
    ("limits.connect", {"limits": {"connect": "0s"}}),
    ("limits.total", {"limits": {"total": "-1s"}}),
    ("disconnect.grace", {"disconnect": {"grace": "3601s"}}),
    ("on_behalf_of", {"onBehalfOf": "a" * 257}),
]


def _request(fields: dict[str, Any]) -> chat_pb2.ChatRequest:
    return json_format.ParseDict(OK | fields, chat_pb2.ChatRequest())


@pytest.mark.parametrize("method", ["Chat", "StreamChat"])
@pytest.mark.parametrize("field", UNSERVED)
async def test_field_that_is_not_served_is_refused_by_name(
    deployment: Deployment, field: str, method: str
) -> None:
    """What cannot be done yet is named; it is not passed over."""
    request = _request(UNSERVED[field])
    if method == "Chat":
        failure = await refused(deployment.inference.Chat(request, metadata=deployment.admin))
    else:
        failure = (await read(stream(deployment.channel, method, request, deployment.admin))).failed
    assert (failure.code.name, failure.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert failure.fields == [field]
    assert field in failure.message


async def test_every_field_of_a_request_is_served_or_refused() -> None:
    """No field of the contract is in neither list."""
    served = {
        "model",
        "messages",
        "tools",
        "max_output_tokens",
        "sampling",
        "reasoning",
        "tool_choice",
        "response_format",
        "limits",
        "disconnect",
        "on_behalf_of",
        "fallbacks",
        "chain",
        "continuation",
        "strict",
        "idempotency_key",
        "durability",
        "provider_options",
    }
    refused_fields = set(UNSERVED)
    assert served | refused_fields == set(chat_pb2.ChatRequest.DESCRIPTOR.fields_by_name)
    assert served.isdisjoint(refused_fields)


async def test_all_fields_that_are_not_served_are_named_at_once(deployment: Deployment) -> None:
    """Who uses several learns of all of them in one answer."""
    fields = {key: value for each in UNSERVED.values() for key, value in each.items()}
    failure = await refused(deployment.inference.Chat(_request(fields), metadata=deployment.admin))
    assert sorted(failure.fields) == sorted(UNSERVED)


@pytest.mark.parametrize(("field", "fields"), OUT_OF_BOUNDS)
async def test_value_out_of_its_bounds_is_refused_by_name(
    deployment: Deployment, field: str, fields: dict[str, Any]
) -> None:
    """Nothing is asked of a provider, and the field is called by its path."""
    before = len(deployment.sandbox.seen)
    failure = await refused(deployment.inference.Chat(_request(fields), metadata=deployment.admin))
    assert (failure.code.name, failure.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert field in failure.fields
    assert len(deployment.sandbox.seen) == before


async def test_model_and_chain_exclude_each_other(deployment: Deployment) -> None:
    """Both at once is refused before it is said that chains are not served."""
    failure = await refused(
        deployment.inference.Chat(_request({"chain": "default"}), metadata=deployment.admin)
    )
    assert failure.reason == "INVALID_REQUEST"
    assert "name a model or a chain, not both" in failure.message


async def test_first_sixteen_faults_are_named_and_the_rest_counted(deployment: Deployment) -> None:
    """A request that is wrong all over gets a status of bounded size."""
    request = ask()
    request.messages.extend(message_pb2.Message(role=message_pb2.ROLE_USER) for _ in range(20))
    failure = await refused(deployment.inference.Chat(request, metadata=deployment.admin))
    assert failure.fields == [f"messages[{number}].content" for number in range(1, 17)]
    assert failure.metadata["omitted"] == "4"
    assert "(and 19 more)" in failure.message

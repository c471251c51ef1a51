"""Requests are written in the words of the language, and are those of the contract."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct

from trunkline.inference.v1 import chat_pb2, message_pb2
from trunkline_client.request import build_request


def _built(text: str | None = None, **fields: Any) -> chat_pb2.ChatRequest:
    request = build_request("a/b", text, (), fields)  # type: ignore[arg-type] # some are wrong
    assert request.idempotency_key
    assert request.model == "a/b"
    return request


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"fallbacks": ["c/d", "e/f"]}, {"fallbacks": ["c/d", "e/f"]}),
        ({"role": "planner"}, {"role": "planner"}),
        ({"agent": "smith"}, {"agent": "smith"}),
        ({"chain": "best"}, {"chain": "best"}),
        ({"max_output_tokens": 5}, {"max_output_tokens": 5}),
        ({"session": "s", "strict": True}, {"session": "s", "strict": True}),
        ({"on_behalf_of": "ann"}, {"on_behalf_of": "ann"}),
        (
            {"temperature": 0.0, "top_k": 3, "stop": ["x"], "seed": 7},
            {"sampling": {"temperature": 0.0, "top_k": 3, "stop": ["x"], "seed": 7}},
        ),
        ({"reasoning": "high"}, {"reasoning": {"effort": "high"}}),
        (
            {"reasoning": chat_pb2.ReasoningOptions(budget_tokens=9)},
            {"reasoning": {"budget_tokens": 9}},
        ),
        ({"tool_choice": "none"}, {"tool_choice": {"mode": "MODE_NONE"}}),
        (
            {"tool_choice": "weather"},
            {"tool_choice": {"mode": "MODE_REQUIRED", "allowed": ["weather"]}},
        ),
        (
            {"tool_choice": message_pb2.ToolChoice(parallel=False)},
            {"tool_choice": {"parallel": False}},
        ),
        (
            {"response_format": {"type": "object"}},
            {
                "response_format": {
                    "json_schema": {"name": "answer", "schema_json": '{"type": "object"}'}
                }
            },
        ),
        (
            {"response_format": chat_pb2.ResponseFormat(json_object=chat_pb2.JsonObject())},
            {"response_format": {"json_object": {}}},
        ),
        ({"limits": {"total": 1.5, "idle": 60}}, {"limits": {"total": "1.5s", "idle": "60s"}}),
        (
            {"provider_options": {"anthropic": {"service_tier": "auto"}}},
            {"provider_options": {"anthropic": {"service_tier": "auto"}}},
        ),
        (
            {"provider_options": ParseDict({"google": {"a": [1]}}, Struct())},
            {"provider_options": {"google": {"a": [1]}}},
        ),
        (
            {"disconnect": chat_pb2.DisconnectPolicy(grace=Duration(seconds=2))},
            {"disconnect": {"grace": "2s"}},
        ),
        ({"disconnect": "continue"}, {"disconnect": {"action": "ACTION_CONTINUE"}}),
        ({"continuation": "prefill_only"}, {"continuation": "CONTINUATION_POLICY_PREFILL_ONLY"}),
        ({"durability": "durable"}, {"durability": "DURABILITY_DURABLE"}),
    ],
)
def test_fields_are_those_of_the_contract(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each word means one field of the contract, and sets no other."""
    request = _built("Hello", **fields)
    del request.messages[:]
    request.ClearField("idempotency_key")
    assert request == ParseDict({"model": "a/b", **expected}, chat_pb2.ChatRequest())


def test_messages_come_in_their_order() -> None:
    """Instructions first, then what was said, then the text."""
    own = message_pb2.Message(role=message_pb2.ROLE_ASSISTANT)
    own.content.add(text="Hi.")
    picture = message_pb2.Part(image=message_pb2.Image(url="https://a/b.png"))
    request = _built(
        "And now?",
        system="Be brief.",
        messages=[{"role": "user", "content": ["Look:", picture]}, own],
    )
    assert [(m.role, [p.WhichOneof("kind") for p in m.content]) for m in request.messages] == [
        (message_pb2.ROLE_SYSTEM, ["text"]),
        (message_pb2.ROLE_USER, ["text", "image"]),
        (message_pb2.ROLE_ASSISTANT, ["text"]),
        (message_pb2.ROLE_USER, ["text"]),
    ]
    assert request.messages[3].content[0].text == "And now?"


def test_tools_are_functions_or_messages() -> None:
    """A function is described by its signature."""

    def look(place: str) -> str:
        """Look there."""
        return place

    request = build_request("a/b", None, [look, message_pb2.Tool(name="own")], {})
    assert [(tool.name, tool.description) for tool in request.tools] == [
        ("look", "Look there."),
        ("own", ""),
    ]


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"temprature": 1.0}, TypeError, "temprature"),
        ({"durability": "eternal"}, ValueError, "memory, durable"),
        ({"durability": "unspecified"}, ValueError, "'unspecified' is none of"),
        ({"messages": [{"role": "boss", "content": "Hi"}]}, ValueError, "system, user"),
        ({"messages": [{"role": "user", "text": "Hi"}]}, TypeError, "content"),
        ({"limits": {"totl": 1.0}}, ValueError, "totl"),
    ],
)
def test_misspelt_word_is_refused(
    fields: dict[str, Any], error: type[Exception], words: str
) -> None:
    """It is never left out in silence, and the message says which there are."""
    with pytest.raises(error, match=words):
        _built("Hello", **fields)

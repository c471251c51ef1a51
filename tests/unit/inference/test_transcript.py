"""What the walk over a transcript finds."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format

from trunkline.inference.transcript import MAX_MESSAGES, MAX_VIOLATIONS, check
from trunkline.inference.v1 import chat_pb2, message_pb2

USER = {"role": "ROLE_USER", "content": [{"text": "Hello"}]}
ISSUER = {"vendor": "acme", "model": "acme-1"}


def asked(*messages: dict[str, Any], **more: Any) -> chat_pb2.ChatRequest:
    """Return a request."""
    return json_format.ParseDict({"messages": messages, **more}, chat_pb2.ChatRequest())


def paths(request: chat_pb2.ChatRequest) -> list[str]:
    """Return where something is wrong."""
    return [violation.field for violation in check(request)]


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    """Return a message of the user."""
    return {"role": "ROLE_USER", "content": parts}


def assistant(*parts: dict[str, Any]) -> dict[str, Any]:
    """Return a message of the model."""
    return {"role": "ROLE_ASSISTANT", "content": parts}


def call(call_id: str = "call_1", arguments: str = "{}", name: str = "f") -> dict[str, Any]:
    """Return a part that is a tool call."""
    return {"tool_call": {"id": call_id, "name": name, "arguments": arguments}}


def result(call_id: str = "call_1", *content: dict[str, Any]) -> dict[str, Any]:
    """Return a message that is the result of a tool."""
    return {
        "role": "ROLE_TOOL",
        "content": [{"tool_result": {"call_id": call_id, "content": content}}],
    }


FINE = [
    asked(USER),
    asked({"role": "ROLE_SYSTEM", "content": [{"text": "Be brief."}]}, USER),
    asked(
        user(
            {"text": "Look:", "cache": {}},
            {"image": {"url": "https://acme.example/a.png"}},
            {"image": {"data": "AA==", "media_type": "image/svg+xml"}},
            {"document": {"data": "AA==", "media_type": "application/pdf", "name": "a.pdf"}},
            {"document": {"url": "https://acme.example/a", "media_type": "text/plain"}},
        )
    ),
    asked(
        USER,
        assistant(
            {"reasoning": {"text": "Hm."}, "signature": {"value": "x", "issuer": ISSUER}},
            {"reasoning": {"redacted": True}},
            {"text": "I'll ask."},
            {"refusal": "No."},
            {"provider_part": {"issuer": ISSUER, "type": "t", "data_json": "{}"}},
            call("a"),
            call("b", arguments=""),
        ),
        result("b"),
        result("a", {"text": "1"}, {"image": {"data": "AA==", "media_type": "image/png"}}),
        assistant(call("c")),
        USER,
        result("c"),
    ),
    asked(assistant({"text": "prefill"})),
    asked(
        USER,
        tools=[{"name": "f", "parameters_json": '{"type":"object"}'}, {"name": "g"}],
        tool_choice={"mode": "MODE_REQUIRED", "allowed": ["g"]},
        response_format={"json_schema": {"name": "s", "schema_json": "{}"}},
    ),
]


@pytest.mark.parametrize("request_", FINE)
def test_nothing_is_wrong(request_: chat_pb2.ChatRequest) -> None:
    """What the contract allows passes."""
    assert check(request_) == []


IMAGE = {"image": {"url": "https://acme.example/a.png"}}
LONG = "x" * 4097

WRONG: list[tuple[chat_pb2.ChatRequest, list[str]]] = [
    (asked(), ["messages"]),
    (asked(*[USER] * (MAX_MESSAGES + 1)), ["messages"]),
    (asked({"content": [{"text": "a"}]}), ["messages[0].role"]),
    (chat_pb2.ChatRequest(messages=[message_pb2.Message(role=9)]), ["messages[0].role"]),  # type: ignore[arg-type] # an open enum takes what a newer client sends
    (asked(USER, user()), ["messages[1].content"]),
    (asked(user(*[{"text": "a"}] * 1001)), ["messages[0].content"]),
    (asked(USER, user({"text": "a"}, {})), ["messages[1].content[1]"]),
    # What fits where.
    (asked({"role": "ROLE_SYSTEM", "content": [IMAGE]}), ["messages[0].content[0].image"]),
    (asked(assistant(IMAGE)), ["messages[0].content[0].image"]),
    (asked(user(call())), ["messages[0].content[0].tool_call"]),
    (asked(user({"reasoning": {}})), ["messages[0].content[0].reasoning"]),
    (asked(user({"refusal": "a"})), ["messages[0].content[0].refusal"]),
    (asked(user({"provider_part": {}})), ["messages[0].content[0].provider_part"]),
    (asked({"role": "ROLE_TOOL", "content": [{"text": "a"}]}), ["messages[0].content[0].text"]),
    (
        asked(user({"tool_result": {"call_id": "a"}})),
        ["messages[0].content[0].tool_result"],
    ),
    # Pictures and documents.
    (
        asked(user({"image": {}})),
        ["messages[0].content[0].image", "messages[0].content[0].image.media_type"],
    ),
    (asked(user({"image": {"data": "AA=="}})), ["messages[0].content[0].image.media_type"]),
    (
        asked(user({"image": {"data": "", "media_type": "image/png"}})),
        ["messages[0].content[0].image.data"],
    ),
    (
        asked(user({"image": {"data": "AA==", "media_type": "image/png\n"}})),
        ["messages[0].content[0].image.media_type"],
    ),
    (asked(user({"image": {"url": "http://acme.example"}})), ["messages[0].content[0].image.url"]),
    (asked(user({"image": {"url": "https://" + LONG}})), ["messages[0].content[0].image.url"]),
    (asked(user({"document": {"data": "AA=="}})), ["messages[0].content[0].document.media_type"]),
    (
        asked(user({"document": {"url": "file:///etc/passwd", "media_type": "text/plain"}})),
        ["messages[0].content[0].document.url"],
    ),
    (
        asked(user({"document": {"data": "AA==", "media_type": "text/plain", "name": LONG}})),
        ["messages[0].content[0].document.name"],
    ),
    # Calls.
    (asked(assistant(call(""))), ["messages[0].content[0].tool_call.id"]),
    (asked(assistant(call(LONG))), ["messages[0].content[0].tool_call.id"]),
    (asked(assistant(call(name=""))), ["messages[0].content[0].tool_call.name"]),
    (asked(assistant(call(arguments="[]"))), ["messages[0].content[0].tool_call.arguments"]),
    (asked(assistant(call(arguments='{"a":'))), ["messages[0].content[0].tool_call.arguments"]),
    (asked(assistant(call("a")), assistant(call("a"))), ["messages[1].content[0].tool_call.id"]),
    # Results.
    (asked(USER, result("a")), ["messages[1].content[0].tool_result.call_id"]),
    (asked(result("a"), assistant(call("a"))), ["messages[0].content[0].tool_result.call_id"]),
    (
        asked(assistant(call("a")), result("a"), result("a")),
        ["messages[2].content[0].tool_result.call_id"],
    ),
    (
        asked(assistant(call("a")), result("a", call("b"))),
        ["messages[1].content[0].tool_result.content[0].tool_call"],
    ),
    (
        asked(assistant(call("a")), result("a", {})),
        ["messages[1].content[0].tool_result.content[0]"],
    ),
    (
        asked(assistant(call("a")), result("a", {"image": {"data": "AA=="}})),
        ["messages[1].content[0].tool_result.content[0].image.media_type"],
    ),
    (
        asked(assistant(call("a")), result("a", *[{"text": "a"}] * 101)),
        ["messages[1].content[0].tool_result.content"],
    ),
    # What belongs to an issuer, and marks.
    (
        asked(assistant({"provider_part": {"type": LONG}})),
        [
            "messages[0].content[0].provider_part.issuer",
            "messages[0].content[0].provider_part.type",
        ],
    ),
    (
        asked(assistant({"text": "a", "signature": {}})),
        ["messages[0].content[0].signature.value", "messages[0].content[0].signature.issuer"],
    ),
    (
        asked(assistant({"text": "a", "signature": {"value": "x", "issuer": {"vendor": LONG}}})),
        ["messages[0].content[0].signature.issuer.vendor"],
    ),
    (asked(user({"text": "a", "cache": {"ttl": "0s"}})), ["messages[0].content[0].cache.ttl"]),
    (
        asked(user({"text": "a", "cache": {"ttl": "86400.1s"}})),
        ["messages[0].content[0].cache.ttl"],
    ),
    # Tools.
    (asked(USER, tools=[{"name": "f"}, {"name": "f"}]), ["tools[1].name"]),
    (
        asked(USER, tools=[{"name": "f", "parameters_json": '{},"model":"other"'}]),
        ["tools[0].parameters_json"],
    ),
    (
        asked(USER, tools=[{"name": "f"}], tool_choice={"allowed": ["f", "g"]}),
        ["tool_choice.allowed[1]"],
    ),
    (asked(USER, tool_choice={"mode": "MODE_REQUIRED"}), ["tool_choice.mode"]),
    (
        asked(USER, response_format={"json_schema": {"name": "s", "schema_json": "[]"}}),
        ["response_format.json_schema.schema_json"],
    ),
]


@pytest.mark.parametrize(("request_", "fields"), WRONG)
def test_what_is_wrong_is_named_where_it_stands(
    request_: chat_pb2.ChatRequest, fields: list[str]
) -> None:
    """Each violation has its exact path."""
    assert paths(request_) == fields


def test_what_is_too_long_in_bytes() -> None:
    """Texts bounded in bytes are counted in UTF-8."""
    most = 8 * 1024 * 1024
    thought = "é" * (most // 2)
    assert paths(asked(assistant({"reasoning": {"text": thought}}))) == []
    assert paths(asked(assistant({"reasoning": {"text": thought + "x"}}))) == [
        "messages[0].content[0].reasoning.text"
    ]
    arguments = '{"a":"' + "x" * most + '"}'
    assert paths(asked(assistant(call(arguments=arguments)))) == [
        "messages[0].content[0].tool_call.arguments"
    ]


def test_a_picture_that_is_too_large() -> None:
    """Data over its limit is refused."""
    image = message_pb2.Image(data=b"x" * (20 * 1024 * 1024 + 1), media_type="image/png")
    message = message_pb2.Message(
        role=message_pb2.ROLE_USER, content=[message_pb2.Part(image=image)]
    )
    assert paths(chat_pb2.ChatRequest(messages=[message])) == ["messages[0].content[0].image.data"]


def test_the_call_is_named_that_is_unknown_or_was_answered() -> None:
    """Who looks for the fault needs the id."""
    unknown, answered = check(asked(assistant(call("a")), result("a"), result("b"), result("a")))
    assert unknown.description == "no earlier call has the id `b`"
    assert answered.description == "the call `a` was answered before"


def test_sixteen_violations_are_told_and_the_rest_is_counted() -> None:
    """A transcript that is wrong everywhere makes a short error."""
    found = check(asked(*[user()] * 100))
    assert len(found) == MAX_VIOLATIONS
    assert found[-1].field == "messages[15].content"
    assert found.omitted == 84
    assert check(asked(USER)).omitted == 0

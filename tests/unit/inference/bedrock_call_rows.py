"""How tools, calls and their results go out to Bedrock: a table."""

from __future__ import annotations

from typing import Any

from unit.inference.bedrock_rows import (
    DROPPED,
    LLAMA,
    MARK,
    MISTRAL,
    NOVA,
    PDF,
    PDF_SENT,
    PNG,
    PNG_SENT,
    SAID,
    TRANSLATED,
    USER,
    WRITER,
    Row,
    messages,
    model,
    parts,
    user,
)

NO_ARGUMENTS = {"type": "object", "properties": {}, "additionalProperties": False}
FIRST = {"tool_call": {"id": "call_1", "name": "f", "arguments": '{"b": 1, "a": 2}'}}
FIRST_SENT = {"toolUse": {"toolUseId": "call_1", "name": "f", "input": {"b": 1, "a": 2}}}
ASKED = parts("ROLE_ASSISTANT", FIRST)


def result(*content: dict[str, Any], call_id: str = "call_1", **more: Any) -> dict[str, Any]:
    """Return a message that holds the result of a tool."""
    said = {"call_id": call_id, "content": list(content), **more}
    return parts("ROLE_TOOL", {"tool_result": said})


def answered(*content: dict[str, Any], call_id: str = "call_1", status: str = "success") -> Any:
    """Return a result on the wire."""
    said = {"toolUseId": call_id, "content": list(content), "status": status}
    return {"toolResult": {key: value for key, value in said.items() if value}}


def spec(name: str, **more: Any) -> dict[str, Any]:
    """Return a tool on the wire."""
    return {"toolSpec": {"name": name, "inputSchema": {"json": NO_ARGUMENTS}, **more}}


def tools(*given: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the part of a body that holds the tools."""
    return {"toolConfig": {"tools": list(given), **more}}


STUB = {"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}
STUBS = tools(STUB, MARK)
BARE_STUBS = tools(STUB)
NO_CALLS = {"additionalModelRequestFields": {"tool_choice": {"type": "none"}}}
F = {"name": "f"}
BOTH = {"tools": [F, {"name": "g"}]}

TOOLS = [
    Row("tools are cached by default", {"tools": [{"name": "f", "description": "Does f."}]},
        tools(spec("f", description="Does f."), MARK)),
    Row("but not those of Nova", {"tools": [F]}, tools(spec("f")), {}, NOVA),
    Row("a schema", {"tools": [{"name": "f", "parameters_json": '{"type": "object"}'}]},
        tools({"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}, MARK)),
    Row("a mark of the caller's", {"tools": [{"name": "f", "cache": {}}, {"name": "g"}]},
        tools(spec("f"), MARK, spec("g"), MARK)),
    Row("a strict tool", {"tools": [{"name": "f", "strict": True}]},
        tools(spec("f", strict=True), MARK)),
    Row("a strict tool whose schema can be held",
        {"tools": [{"name": "f", "strict": True,
                    "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}]},
        tools({"toolSpec": {"name": "f", "strict": True, "inputSchema": {"json": {
            "type": "object", "properties": {"a": {"type": "string"}},
            "additionalProperties": False}}}}, MARK)),
    Row("a strict tool of one who holds no schema", {"tools": [{"name": "f", "strict": True}]},
        tools(spec("f")), {"tools[0].strict": DROPPED}, LLAMA),
    Row("names with hyphens", {"tools": [{"name": "get-time"}]}, tools(spec("get_time")),
        {"tools[0].name": TRANSLATED}, NOVA),
    Row("any tool", {**BOTH, "tool_choice": {"mode": "MODE_REQUIRED"}},
        tools(spec("f"), spec("g"), MARK, toolChoice={"any": {}})),
    Row("one tool", {**BOTH, "tool_choice": {"mode": "MODE_REQUIRED", "allowed": ["g"]}},
        tools(spec("f"), spec("g"), MARK, toolChoice={"tool": {"name": "g"}})),
    Row("one tool of one who takes no such choice",
        {**BOTH, "tool_choice": {"mode": "MODE_REQUIRED", "allowed": ["g"]}},
        tools(spec("g"), toolChoice={"any": {}}), {"tool_choice.allowed": TRANSLATED}, MISTRAL),
    Row("nobody can be made to call there",
        {"tools": [F], "tool_choice": {"mode": "MODE_REQUIRED"}},
        tools(spec("f")), {"tool_choice.mode": TRANSLATED}, LLAMA),
    Row("some tools", {**BOTH, "tool_choice": {"mode": "MODE_AUTO", "allowed": ["g"]}},
        tools(spec("g"), MARK), {"tool_choice.allowed": TRANSLATED}),
    Row("no tool", {"tools": [F], "tool_choice": {"mode": "MODE_NONE"}},
        {**tools(spec("f"), MARK), **NO_CALLS}),
    Row("no tool of one that cannot be kept from it",
        {"tools": [F], "tool_choice": {"mode": "MODE_NONE"}}, {},
        {"tool_choice.mode": TRANSLATED}, NOVA),
    Row("one call at a time", {"tools": [F], "tool_choice": {"parallel": False}},
        tools(spec("f"), MARK), {"tool_choice.parallel": DROPPED}),
    Row("several calls at a time", {"tools": [F], "tool_choice": {"parallel": True}},
        tools(spec("f"), MARK)),
]  # fmt: skip

CALLS = [
    Row(
        "a call and its result, in a request without tools",
        messages(USER, ASKED, result({"text": "a"}, {"text": "b"})),
        {**messages(SAID, model(FIRST_SENT), user(answered({"text": "a"}, {"text": "b"}))), **STUBS,
         **NO_CALLS},
        {"tools": TRANSLATED},
    ),
    Row(
        "the same where no call can be kept from being made",
        messages(USER, ASKED, result({"text": "a"})),
        {**messages(SAID, model(FIRST_SENT), user(answered({"text": "a"}))), **BARE_STUBS},
        {"tools": TRANSLATED},
        NOVA,
    ),
    Row(
        "a tool that failed, and a word of the user",
        messages(USER, ASKED, result({"text": "no disk"}, is_error=True), USER),
        {**messages(SAID, model(FIRST_SENT),
                    user(answered({"text": "no disk"}, status="error"), {"text": "Hello"})),
         **STUBS, **NO_CALLS},
        {"tools": TRANSLATED},
    ),
    Row(
        "no result",
        messages(USER, ASKED, USER),
        {**messages(SAID, model(FIRST_SENT),
                    user(answered({"text": "No result came."}, status="error"),
                         {"text": "Hello"})), **STUBS, **NO_CALLS},
        {"tools": TRANSLATED, "messages[1].content[0].tool_call": TRANSLATED},
    ),
    Row(
        "an empty result",
        messages(USER, ASKED, result()),
        {**messages(SAID, model(FIRST_SENT), user(answered({"text": ""}))), **STUBS, **NO_CALLS},
        {"tools": TRANSLATED},
    ),
    Row(
        "an empty result to one that refuses blanks, who wants results alone and short ids",
        messages(USER, ASKED, result(), USER),
        {**messages(SAID,
                    model({"toolUse": {"toolUseId": "74196fe72", "name": "f",
                                       "input": {"b": 1, "a": 2}}}),
                    user(answered({"text": "."}, call_id="74196fe72")), model({"text": "."}), SAID),
         **BARE_STUBS},
        {"tools": TRANSLATED, "messages[3]": TRANSLATED},
        MISTRAL,
    ),
    Row(
        "pictures and documents in a result, and a mark of it",
        messages(USER, ASKED, result({"text": "Here:"}, PNG, {**PDF, "cache": {}})),
        {**messages(SAID, model(FIRST_SENT),
                    user(answered({"text": "Here:"}, PNG_SENT, PDF_SENT), MARK)),
         **STUBS, **NO_CALLS},
        {"tools": TRANSLATED, "messages[2].content[0].tool_result.content[2].cache": TRANSLATED},
    ),
    Row(
        "pictures of a result for one that takes texts only",
        messages(USER, ASKED, result(PNG)),
        {**messages(SAID, model(FIRST_SENT), user(answered({"text": "."})), model({"text": "."}),
                    user({"text": "Content of the result of tool call call_1:"}, PNG_SENT)),
         **BARE_STUBS},
        {"tools": TRANSLATED, "messages[2]": TRANSLATED,
         "messages[2].content[0].tool_result.content[0].image": TRANSLATED},
        LLAMA,
    ),
    Row(
        "a document beside a result, which Claude refuses",
        messages(USER, ASKED, result({"text": "a"}), parts("ROLE_USER", {"text": "b"}, PDF)),
        {**messages(SAID, model(FIRST_SENT), user(answered({"text": "a"})), model({"text": "."}),
                    user({"text": "b"}, PDF_SENT)), **STUBS, **NO_CALLS},
        {"tools": TRANSLATED, "messages[3]": TRANSLATED},
    ),
    Row(
        "a failure for one that takes no flag",
        messages(USER, ASKED, result({"text": "no disk"}, is_error=True)),
        {**messages(SAID, model(FIRST_SENT),
                    user(answered({"text": "ERROR:"}, {"text": "no disk"}, status=""))),
         **BARE_STUBS},
        {"tools": TRANSLATED, "messages[2].content[0].tool_result.is_error": TRANSLATED},
        WRITER,
    ),
    Row(
        "a made-up name and an id of another vendor",
        messages(USER, parts("ROLE_ASSISTANT", {"tool_call": {"id": "é", "name": "run me.now"}}),
                 result({"text": "a"}, call_id="é")),
        {**messages(
            SAID,
            model({"toolUse": {"toolUseId": "call_4a99557e4033c3539de2eb65",
                               "name": "run_me_now", "input": {}}}),
            user(answered({"text": "a"}, call_id="call_4a99557e4033c3539de2eb65"))),
         **tools({"toolSpec": {"name": "run_me_now", "inputSchema": {"json": {"type": "object"}}}},
                 MARK), **NO_CALLS},
        {"tools": TRANSLATED, "messages[1].content[0].tool_call.name": TRANSLATED},
    ),
]  # fmt: skip

CALL_ROWS = TOOLS + CALLS

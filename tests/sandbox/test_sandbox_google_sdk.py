"""The official `google-genai` client passes through the healthy models."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.genai import errors, types
from google.genai.client import AsyncClient

from sandbox.gemini import (
    BOTH,
    HELLO,
    Response,
    calls_of,
    complete,
    parts_of,
    reason_of,
    stream,
    text_of,
)
from trunkline.sandbox.models import list_names
from trunkline.sandbox.scripts import OK_TEXT, UNICODE_PIECES
from trunkline.sandbox.server import Sandbox

TOOLS: Any = {
    "function_declarations": [
        {
            "name": "get_weather",
            "parameters_json_schema": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city", "days"],
                "additionalProperties": False,
            },
        },
        {
            "name": "get_time",
            "parameters": {
                "type": "OBJECT",
                "properties": {"zone": {"type": "STRING", "enum": ["UTC", "CET"]}},
            },
        },
    ]
}

PIXEL = b"\x89PNG\r\n\x1a\n a picture"

SHOWN = types.ThinkingConfig(include_thoughts=True)

TEXTS = {
    "ok": OK_TEXT,
    "echo": HELLO,
    "slow": OK_TEXT,
    "comments": OK_TEXT,
    "unicode": "".join(UNICODE_PIECES),
    "json": '{"answer":"sandbox"}',
    "tool": OK_TEXT,
    "parallel-tools": OK_TEXT,
    "long-120": (OK_TEXT + " " + OK_TEXT),
    "chars-30": OK_TEXT[:30],
    "burst-60": OK_TEXT,
    "split-5": OK_TEXT,
    "split-7-of-unicode": "".join(UNICODE_PIECES),
    "first-token-after-1": OK_TEXT,
    "late-usage": OK_TEXT,
    # The format has no terminator, so nothing is missing.
    "no-done": OK_TEXT,
}


@pytest.mark.parametrize("model", TEXTS)
async def test_text_comes_whole_and_streamed(gemini: AsyncClient, model: str) -> None:
    """Both ways give the same text, finish reason, id and usage."""
    whole = await complete(gemini, model)
    chunks = await stream(gemini, model)
    assert text_of(whole) == text_of(chunks) == TEXTS[model]
    assert reason_of(whole) == reason_of(chunks) == types.FinishReason.STOP
    assert {chunk.response_id for chunk in chunks} == {whole[0].response_id}
    assert chunks[-1].usage_metadata == whole[0].usage_metadata
    assert whole[0].model_version == model


@BOTH
async def test_thoughts_are_marked_counted_and_signed(gemini: AsyncClient, ask: Any) -> None:
    """`reason` shows its thoughts when asked to; the text's last part holds the signature."""
    answer = await ask(gemini, "reason", thinking_config=SHOWN)
    parts = parts_of(answer)
    thoughts = [part.text or "" for part in parts if part.thought]
    assert "".join(thoughts).startswith("The user asks")
    assert text_of(answer) == OK_TEXT
    assert [bool(part.thought_signature) for part in parts] == [False] * (len(parts) - 1) + [True]
    usage = answer[-1].usage_metadata
    assert usage is not None
    assert (usage.thoughts_token_count, usage.candidates_token_count) == (13, 60)
    assert usage.total_token_count == (usage.prompt_token_count or 0) + 73


@BOTH
@pytest.mark.parametrize(
    ("config", "counted", "signed"),
    [
        ({}, 13, True),
        (
            {"thinking_config": types.ThinkingConfig(thinking_level=types.ThinkingLevel.LOW)},
            13,
            True,
        ),
        ({"thinking_config": types.ThinkingConfig(thinking_budget=0)}, None, False),
    ],
)
async def test_thoughts_are_hidden_unless_asked_for(
    gemini: AsyncClient, ask: Any, config: Any, counted: int | None, signed: bool
) -> None:
    """Hidden thoughts leave their count and signature; a budget of 0 leaves none."""
    answer = await ask(gemini, "reason", **config)
    assert not any(part.thought for part in parts_of(answer))
    assert bool(parts_of(answer)[-1].thought_signature) is signed
    usage = answer[-1].usage_metadata
    assert usage is not None
    assert usage.thoughts_token_count == counted


@BOTH
async def test_a_tool_loop_closes(gemini: AsyncClient, ask: Any) -> None:
    """The call is whole, signed and ends with STOP; the answer to its response quotes it."""
    answer = await ask(gemini, "tool", tools=[TOOLS])
    (part,) = [part for part in parts_of(answer) if part.function_call]
    assert part.function_call is not None
    assert part.function_call.args == {"city": "sandbox", "days": 1}
    assert part.thought_signature
    assert reason_of(answer) == types.FinishReason.STOP
    response = types.Part.from_function_response(
        name="get_weather", response={"output": "rain, 7 degrees"}
    )
    contents = [
        types.UserContent(HELLO),
        types.ModelContent([part]),
        types.UserContent([response]),
    ]
    said = await ask(gemini, "tool", contents=contents, tools=[TOOLS])
    assert "rain, 7 degrees" in text_of(said)


async def test_a_signature_goes_back_whole_and_to_its_model_only(gemini: AsyncClient) -> None:
    """A call without its signature, with a changed one, or for another model is refused."""
    (part,) = [
        part
        for part in parts_of(await complete(gemini, "tool", tools=[TOOLS]))
        if part.function_call
    ]
    signature = part.thought_signature
    assert signature is not None
    response = types.Part.from_function_response(name="get_weather", response={"output": "rain"})

    async def replay(model: str, held: bytes | None) -> list[Response]:
        call = types.Part(function_call=part.function_call, thought_signature=held)
        contents = [
            types.UserContent(HELLO),
            types.ModelContent([call]),
            types.UserContent([response]),
        ]
        return await complete(gemini, model, contents=contents, tools=[TOOLS])

    assert text_of(await replay("tool", signature))
    # The literal stands for history of another vendor; the client writes it as base64.
    assert text_of(await replay("ok", b"skip_thought_signature_validator"))
    with pytest.raises(errors.ClientError, match="missing a thought_signature"):
        await replay("tool", None)
    for model, held in (("tool", signature[:-1] + b"?"), ("slow-of-tool", signature)):
        with pytest.raises(errors.ClientError, match="Corrupted thought signature"):
            await replay(model, held)


@BOTH
async def test_parallel_calls_are_signed_once(gemini: AsyncClient, ask: Any) -> None:
    """Each call is one part without an id; only the first has a signature."""
    answer = await ask(gemini, "parallel-tools", tools=[TOOLS])
    parts = [part for part in parts_of(answer) if part.function_call]
    calls = calls_of(answer)
    assert [call.name for call in calls] == ["get_weather", "get_time"]
    assert [call.id for call in calls] == [None, None]
    assert calls[1].args == {"zone": "UTC"}
    assert [bool(part.thought_signature) for part in parts] == [True, False]


@BOTH
async def test_a_big_call_is_whole(gemini: AsyncClient, ask: Any) -> None:
    """The arguments are as long as the model's name says, in one part."""
    (call,) = calls_of(await ask(gemini, "big-tool-100000", tools=[TOOLS]))
    assert len(json.dumps(call.args, separators=(",", ":"))) == 100_000


@pytest.mark.parametrize(
    ("model", "config", "called"),
    [
        ("tool", {"mode": "NONE"}, []),
        ("tool", {"mode": "AUTO"}, ["get_weather"]),
        ("ok", {"mode": "ANY"}, ["get_weather"]),
        ("ok", {"mode": "ANY", "allowed_function_names": ["get_time"]}, ["get_time"]),
    ],
)
async def test_the_tool_choice_is_obeyed(
    gemini: AsyncClient, model: str, config: Any, called: list[str]
) -> None:
    """NONE calls nothing, ANY and a name make any model call."""
    choice: Any = {"function_calling_config": config}
    answer = await stream(gemini, model, tools=[TOOLS], tool_config=choice)
    assert [call.name for call in calls_of(answer)] == called


@BOTH
@pytest.mark.parametrize(
    "schema",
    [
        {
            "response_schema": {
                "type": "OBJECT",
                "properties": {"title": {"type": "STRING"}, "score": {"type": "NUMBER"}},
                "required": ["title"],
            }
        },
        {
            "response_json_schema": {
                "type": "object",
                "properties": {"title": {"type": "string"}, "score": {"$ref": "#/$defs/score"}},
                "$defs": {"score": {"type": "number"}},
                "additionalProperties": False,
            }
        },
    ],
)
async def test_a_schema_is_obeyed(gemini: AsyncClient, ask: Any, schema: Any) -> None:
    """The text fits the schema in either dialect."""
    answer = await ask(gemini, "ok", response_mime_type="application/json", **schema)
    assert json.loads(text_of(answer)) == {"title": "sandbox", "score": 1.0}


@BOTH
async def test_limits_end_the_text(gemini: AsyncClient, ask: Any) -> None:
    """The token limit has its finish reason, a stop sequence that of an end."""
    short = await ask(gemini, "ok", max_output_tokens=5)
    assert text_of(short) == "The line is open and"
    assert reason_of(short) == types.FinishReason.MAX_TOKENS
    stopped = await ask(gemini, "ok", stop_sequences=["speaking", "open and"])
    assert text_of(stopped) == "The line is "
    assert reason_of(stopped) == types.FinishReason.STOP


@BOTH
async def test_a_refusal_is_a_finish_reason(gemini: AsyncClient, ask: Any) -> None:
    """`refuse` ends with SAFETY; a refused prompt is an answer without a candidate."""
    refused = await ask(gemini, "refuse")
    assert text_of(refused).startswith("I am sorry")
    assert reason_of(refused) == types.FinishReason.SAFETY
    (blocked,) = await ask(gemini, "400-content")
    assert not blocked.candidates
    assert blocked.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT


async def test_images_are_taken(gemini: AsyncClient) -> None:
    """An image passes in the message and in a function response; a GIF and a broken one do not."""
    image = types.Part.from_bytes(data=PIXEL, mime_type="image/png")
    assert text_of(await complete(gemini, "echo", contents=["Look", image])) == "Look"
    for data, kind, said in (
        (b"GIF89a", "image/gif", "Unsupported MIME type: image/gif"),
        (b"no picture", "image/png", "Unable to process input image"),
    ):
        broken = types.Part.from_bytes(data=data, mime_type=kind)
        with pytest.raises(errors.ClientError, match=said):
            await complete(gemini, "ok", contents=[broken])


async def test_models_are_listed_page_by_page(gemini: AsyncClient) -> None:
    """The pages join to the table; one can be looked up."""
    listed = [model async for model in await gemini.models.list(config={"page_size": 9})]
    assert [model.name for model in listed] == [f"models/{name}" for name in list_names()]
    shown = await gemini.models.get(model="cut-after-17-of-reason")
    assert (shown.input_token_limit, shown.output_token_limit) == (1_048_576, 65_536)
    assert shown.thinking
    assert not listed[0].thinking
    with pytest.raises(errors.ClientError, match="models/gemini-9 is not found"):
        await gemini.models.get(model="gemini-9")


async def test_the_server_sees_what_the_client_sent(sandbox: Sandbox, gemini: AsyncClient) -> None:
    """A sighting holds path, headers and body as the client wrote them."""
    await stream(gemini, "ok", system_instruction="Be brief")
    (sighting,) = await sandbox.seen.wait_for(1, timeout=5)
    assert sighting.path == "/google/v1beta/models/ok:streamGenerateContent?alt=sse"
    assert sighting.model == "ok"
    assert sighting.body["contents"] == [{"parts": [{"text": HELLO}], "role": "user"}]
    assert sighting.body["systemInstruction"]["parts"] == [{"text": "Be brief"}]
    assert ("x-goog-api-key", sandbox.api_key) in sighting.headers

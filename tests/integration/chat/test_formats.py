"""The wire formats from end to end: a saved key, a real HTTP server, a whole conversation."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.answers import answer, calls_of, result_of, text_of
from support.chats import ask, kind_name, read, refused, stream, tool
from support.deployment import Deployment
from trunkline.credential.v1 import save_pb2
from trunkline.inference.v1 import chat_pb2, message_pb2, result_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")

RESPONSES = "openai-responses"
FORMATS = ("openai", "anthropic", "google", "ollama", RESPONSES)
# Where the sandbox has a face of its own for a format; the others share one.
FACES = {RESPONSES: "openai"}
# Those whose reasoning comes with a proof that has to go back unchanged.
SIGNING = ("anthropic", "google", RESPONSES)
MODELS = ("cut-after-20", "reset-after-20")
# Models of the vendors that think and hold schemas, as which the sandbox answers.
THINKERS = {
    "openai": "gpt-5.2@",
    "anthropic": "claude-opus-4-6@",
    "google": "gemini-3-pro-preview@",
    "ollama": "",
    RESPONSES: "gpt-5.6-sol@",
}
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def formats() -> AsyncIterator[Deployment]:
    """Yield a deployment with a provider of each format, named after it."""
    async with Deployment(connected=False) as deployment:
        for name in FORMATS:
            await deployment.connect(
                deployment.sandbox.addresses[FACES.get(name, name)],
                "" if name == "ollama" else deployment.sandbox.api_key,
                (*MODELS, *(THINKERS[name] + each for each in ("json", "reason", "tool"))),
                name=name,
                kind="sandbox" if name in ("openai", RESPONSES) else f"sandbox-{name}",
                wire_format=name,
            )
        yield deployment


both = pytest.mark.parametrize("streamed", [True, False], ids=["stream", "unary"])
every = pytest.mark.parametrize("name", FORMATS)


@both
@every
async def test_text_comes_whole_with_usage(formats: Deployment, name: str, streamed: bool) -> None:
    """A question is answered; why it ended and what it cost are told neutrally."""
    completed = await answer(formats, ask(f"{name}/ok"), streamed=streamed)
    assert text_of(completed).startswith("The line is open")
    assert len(text_of(completed).split()) == 60
    assert completed.finish_reason == result_pb2.FINISH_REASON_STOP
    assert completed.usage.source == result_pb2.USAGE_SOURCE_REPORTED
    assert completed.usage.input_tokens > 0
    assert completed.usage.output_tokens >= 60


@both
@every
async def test_every_character_comes_as_it_is(
    formats: Deployment, name: str, streamed: bool
) -> None:
    """What was said comes back to the character, whatever lines and reads it was cut into."""
    said = '\u2028 zwölf 👩‍🚀 शक्ति \u202eمرحبا\u202c {}[]\\ "data: x"'
    completed = await answer(formats, ask(f"{name}/echo", said), streamed=streamed)
    assert text_of(completed) == said


@both
@every
async def test_schema_is_held(formats: Deployment, name: str, streamed: bool) -> None:
    """Structured output is asked for in the provider's own way."""
    request = ask(f"{name}/{THINKERS[name]}json")
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
    completed = await answer(formats, request, streamed=streamed)
    document = json.loads(text_of(completed))
    assert set(document) == {"city", "degrees"}
    assert isinstance(document["degrees"], int)


@both
@every
async def test_reasoning_comes_before_the_answer(
    formats: Deployment, name: str, streamed: bool
) -> None:
    """Thoughts stand in a part of their own, with their proof where the format has one."""
    request = ask(f"{name}/{THINKERS[name]}reason")
    request.reasoning.include = True
    completed = await answer(formats, request, streamed=streamed)
    thought, *rest = completed.message.content
    assert thought.reasoning.text
    assert text_of(completed).startswith("The line is open")
    signed = [part for part in completed.message.content if part.signature.value]
    assert bool(signed) == (name in SIGNING)
    assert rest


@both
@every
async def test_tool_loop_comes_to_its_end(formats: Deployment, name: str, streamed: bool) -> None:
    """A call, its result, and an answer about it; proofs go back to who issued them."""
    request = ask(f"{name}/{THINKERS[name]}tool", "What is the weather?")
    request.tools.append(tool("weather", city="string"))
    completed = await answer(formats, request, streamed=streamed)
    assert completed.finish_reason == result_pb2.FINISH_REASON_TOOL_CALLS
    (call,) = calls_of(completed)
    assert call.name == "weather"
    assert "city" in json.loads(call.arguments)
    request.messages.append(completed.message)
    request.messages.append(result_of(call, "Rain from the west"))
    completed = await answer(formats, request, streamed=streamed)
    assert "Rain from the west" in text_of(completed)
    assert completed.finish_reason == result_pb2.FINISH_REASON_STOP


@both
@every
async def test_parallel_calls_keep_apart(formats: Deployment, name: str, streamed: bool) -> None:
    """Several calls of one turn have ids of their own and whole arguments each."""
    request = ask(f"{name}/parallel-tools")
    request.tools.append(tool("weather", city="string"))
    request.tools.append(tool("time", zone="string"))
    completed = await answer(formats, request, streamed=streamed)
    calls = calls_of(completed)
    assert len(calls) >= 2
    assert len({call.id for call in calls}) == len(calls)
    assert all(isinstance(json.loads(call.arguments), dict) for call in calls)
    request.messages.append(completed.message)
    # In another order than they were asked for in.
    for number, call in reversed(list(enumerate(calls))):
        request.messages.append(result_of(call, f"result-{number}"))
    completed = await answer(formats, request, streamed=streamed)
    assert "result-0" in text_of(completed)


@every
async def test_image_reaches_the_provider(formats: Deployment, name: str) -> None:
    """A picture goes along in the provider's own form."""
    request = ask(f"{name}/ok", "What is this?")
    request.messages[0].content.append(
        message_pb2.Part(image=message_pb2.Image(data=PIXEL, media_type="image/png"))
    )
    await answer(formats, request, streamed=True)
    body = json.dumps(formats.sandbox.seen[-1].body)
    assert base64.b64encode(PIXEL).decode() in body


@both
@every
async def test_limit_of_tokens_is_told_as_such(
    formats: Deployment, name: str, streamed: bool
) -> None:
    """An answer that was cut by its own limit says so."""
    # Responses takes no lower one.
    limit = 16
    request = ask(f"{name}/ok", max_output_tokens=limit)
    completed = await answer(formats, request, streamed=streamed)
    assert completed.finish_reason == result_pb2.FINISH_REASON_LENGTH
    assert len(text_of(completed).split()) == limit


@pytest.mark.parametrize("name", [name for name in FORMATS if name != RESPONSES])
async def test_stop_sequence_ends_the_text(formats: Deployment, name: str) -> None:
    """What was to end the text is not part of it."""
    request = ask(f"{name}/ok", sampling=chat_pb2.Sampling(stop=["open"]))
    completed = await answer(formats, request, streamed=True)
    assert text_of(completed).rstrip() == "The line is"
    assert completed.finish_reason == result_pb2.FINISH_REASON_STOP


@pytest.mark.parametrize(
    ("model", "kinds"),
    [
        ("cut-after-20", {"BROKEN_STREAM"}),
        ("reset-after-20", {"BROKEN_STREAM", "UNREACHABLE"}),
        ("html-200", {"BROKEN_STREAM"}),
        ("empty-200", {"BROKEN_STREAM"}),
        ("503", {"SERVER_ERROR"}),
        ("429-retry-after-2", {"RATE_LIMITED"}),
        ("401", {"NOT_AUTHORIZED"}),
        ("404", {"MODEL_NOT_FOUND"}),
        ("400", {"INVALID_REQUEST"}),
    ],
)
@every
async def test_a_sick_provider_is_told_by_its_kind(
    formats: Deployment, name: str, model: str, kinds: set[str]
) -> None:
    """The same trouble is the same kind, whichever words a format has for it."""
    reading = await read(
        stream(formats.channel, "StreamChat", ask(f"{name}/{model}"), formats.admin, timeout=20)
    )
    assert {kind_name(attempt.failure) for attempt in reading.failed.attempts} <= kinds
    assert reading.failed.attempts


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "ollama"])
async def test_a_revoked_key_is_refused_before_it_is_saved(formats: Deployment, name: str) -> None:
    """A key is proven in the format's own way, and the one that was there stays."""
    request = save_pb2.SaveApiKeyRequest(provider=name, api_key=formats.sandbox.REVOKED_KEY)
    failure = await refused(formats.credentials.SaveApiKey(request, metadata=formats.admin))
    assert failure.reason == "VERIFICATION_FAILED"
    assert failure.metadata["verdict"] == "REVOKED"
    await answer(formats, ask(f"{name}/ok"), streamed=False)

"""aimock, a mock of the vendors from npm, in each format that it speaks.

What it says otherwise than the vendor does is left out here, and named where it is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from integration.peers.fixtures import (
    CITY,
    CUT,
    FIXTURES,
    HELLO,
    MODELS,
    PROOF,
    REST,
    THOUGHT,
    TOO_LONG,
)
from support.answers import answer, calls_of, result_of, text_of
from support.canary import MARK
from support.chats import Reading, ask, kind_name, read, stream, tool
from support.deployment import Deployment
from support.peer import Peer, find_peer
from trunkline.inference.v1 import chat_pb2, message_pb2, result_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")

_ENTRY: Final = "aimock/node_modules/@copilotkit/aimock/dist/index.js"
_START: Final = Path(__file__).parent / "aimock.mjs"
_START_LIMIT_S: Final = 30.0
_KEY: Final = f"{MARK}-aimock"
# Where each format is, the type of provider that speaks it, and the header of its key.
FORMATS: Final = {
    "openai": ("/v1", "openai-compatible", "authorization"),
    "anthropic": ("/v1", "anthropic-compatible", "x-api-key"),
    "google": ("/v1beta", "google", "x-goog-api-key"),
    "ollama": ("", "ollama", ""),
}
# Where it answers a chat, streamed and whole.
PATHS: Final = {
    "openai": ("/v1/chat/completions", "/v1/chat/completions"),
    "anthropic": ("/v1/messages", "/v1/messages"),
    "google": (
        "/v1beta/models/{}:streamGenerateContent?alt=sse",
        "/v1beta/models/{}:generateContent",
    ),
    "ollama": ("/api/chat", "/api/chat"),
}

every = pytest.mark.parametrize("name", FORMATS)
both = pytest.mark.parametrize("streamed", [True, False], ids=["stream", "unary"])


@dataclass(frozen=True, slots=True)
class Aimock:
    """A deployment with aimock as its providers, each named after the format it is asked in.

    Attributes:
        deployment: has them.
        journal: what aimock received, told by itself; a body in the words of OpenAI.
    """

    deployment: Deployment
    journal: httpx.AsyncClient

    async def ask(self, model: str, *, streamed: bool = True) -> result_pb2.Completed:
        """Ask a model a short question, and return the answer."""
        return await answer(self.deployment, ask(model), streamed=streamed)

    async def read(self, request: chat_pb2.ChatRequest) -> Reading:
        """Ask for a stream, and return what came of it."""
        channel, admin = self.deployment.channel, self.deployment.admin
        return await read(stream(channel, "StreamChat", request, admin, timeout=20))

    async def received(self) -> dict[str, Any]:
        """Return the last request for a chat."""
        response = await self.journal.get("/__aimock/journal", params={"method": "POST"})
        entries: list[dict[str, Any]] = response.json()
        return entries[-1]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def aimock() -> AsyncIterator[Aimock]:
    """Yield a deployment that has aimock as a provider in each format."""
    entry = find_peer(_ENTRY, optional=True)
    node = shutil.which("node")
    assert node is not None, "aimock needs Node.js"
    command = [node, str(_START), str(entry), "{port}", "{root}/fixtures.json"]
    peer = Peer(command, ready="/ready", limit_s=_START_LIMIT_S)
    (peer.root / "fixtures.json").write_text(json.dumps({"fixtures": FIXTURES}))
    async with (
        peer,
        httpx.AsyncClient(base_url=peer.url) as journal,
        Deployment(connected=False, retry_pause_s=0.0) as deployment,
    ):
        for name, (path, kind, header) in FORMATS.items():
            key = _KEY if header else ""
            await deployment.connect(peer.url + path, key, MODELS, name=name, kind=kind)
            await deployment.know_to_prefill(f"{name}/rest")
        # Changes are known in their order: when this one is, all are.
        await deployment.connect(deployment.sandbox.base_url, deployment.sandbox.api_key)
        yield Aimock(deployment, journal)


@pytest.mark.every_run
@both
@every
async def test_text_comes_whole_with_usage(aimock: Aimock, name: str, streamed: bool) -> None:
    """It is asked where its format says, with the key in its header, and answers as it would."""
    completed = await aimock.ask(f"{name}/hello", streamed=streamed)
    assert text_of(completed) == HELLO
    assert completed.finish_reason == result_pb2.FINISH_REASON_STOP
    # Its Ollama counts no tokens.
    if name != "ollama":
        assert (completed.usage.input_tokens, completed.usage.output_tokens) == (11, 7)
        assert completed.usage.source == result_pb2.USAGE_SOURCE_REPORTED
    received = await aimock.received()
    _, _, header = FORMATS[name]
    assert received["path"] == PATHS[name][0 if streamed else 1].format("hello")
    assert received["body"]["messages"] == [{"role": "user", "content": "Hello"}]
    keys = {"authorization", "x-api-key", "x-goog-api-key"} & set(received["headers"])
    assert keys == ({header} if header else set())


@both
@every
async def test_tool_loop_comes_to_its_end(aimock: Aimock, name: str, streamed: bool) -> None:
    """Text and two calls, their results in another order, and an answer about them."""
    request = ask(f"{name}/tools", tools=[tool(city="string"), tool("time")])
    completed = await answer(aimock.deployment, request, streamed=streamed)
    # Its Gemini ends with FUNCTION_CALL, which Google's does not know, and ours does not guess.
    if name != "google":
        assert completed.finish_reason == result_pb2.FINISH_REASON_TOOL_CALLS
    assert text_of(completed) == "Let me see."
    weather, time = calls_of(completed)
    assert (weather.name, json.loads(weather.arguments)) == ("weather", CITY)
    assert (time.name, json.loads(time.arguments or "{}")) == ("time", {})
    assert weather.id != time.id
    request.messages.append(completed.message)
    request.messages.append(result_of(time, "noon"))
    request.messages.append(result_of(weather, "rain"))
    completed = await answer(aimock.deployment, request, streamed=streamed)
    assert text_of(completed) == "It rains at noon."
    assert completed.finish_reason == result_pb2.FINISH_REASON_STOP
    _, said, *results = (await aimock.received())["body"]["messages"]
    assert said["content"] == "Let me see."
    first, second = said["tool_calls"]
    assert first["function"] == {"name": "weather", "arguments": '{"city":"Oslo"}'}
    assert second["function"] == {"name": "time", "arguments": "{}"}
    # Of Gemini's results it keeps an object.
    if name == "google":
        assert ["rain" in result["content"] for result in results] == [True, False]
        return
    assert [result["content"] for result in results] == ["rain", "noon"]
    # Those of its Ollama have only their order.
    if name != "ollama":
        assert [result["tool_call_id"] for result in results] == [first["id"], second["id"]]


@both
@every
async def test_one_tool_can_be_forced(aimock: Aimock, name: str, streamed: bool) -> None:
    """The choice goes along: as such, or as the only tool there is."""
    request = ask(f"{name}/call", tools=[tool(city="string"), tool("time")])
    request.tool_choice.mode = message_pb2.ToolChoice.MODE_REQUIRED
    request.tool_choice.allowed.append("weather")
    completed = await answer(aimock.deployment, request, streamed=streamed)
    (call,) = calls_of(completed)
    assert (call.name, json.loads(call.arguments)) == ("weather", CITY)
    assert text_of(completed) == ""
    body = (await aimock.received())["body"]
    given = [each["function"]["name"] for each in body["tools"]]
    assert given == (["weather"] if name == "ollama" else ["weather", "time"])
    # What it is told of a choice it shows of its OpenAI alone.
    if name == "openai":
        assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}


@both
@every
async def test_schema_goes_along(aimock: Aimock, name: str, streamed: bool) -> None:
    """An answer in JSON comes as it is; of schemas it shows those that its OpenAI is given."""
    request = ask(f"{name}/data")
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    }
    request.response_format.json_schema.name = "place"
    request.response_format.json_schema.schema.update(schema)
    completed = await answer(aimock.deployment, request, streamed=streamed)
    assert json.loads(text_of(completed)) == CITY
    if name == "openai":
        given = (await aimock.received())["body"]["response_format"]
        assert given == {"type": "json_schema", "json_schema": {"name": "place", "schema": schema}}


# Its Ollama thinks in `reasoning_content`, which Ollama's own calls `thinking`.
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "ollama"])
@both
async def test_thought_comes_before_the_answer(aimock: Aimock, name: str, streamed: bool) -> None:
    """A thought is a part of its own, with its proof where the format has one."""
    request = ask(f"{name}/think")
    request.reasoning.include = True
    completed = await answer(aimock.deployment, request, streamed=streamed)
    thought, said = completed.message.content
    assert (thought.reasoning.text, said.text) == (THOUGHT, HELLO)
    assert thought.signature.value == (PROOF if name == "anthropic" else "")


# Its Ollama ends everything with `stop`; its Anthropic knows a refusal by that name alone.
@pytest.mark.parametrize(
    ("name", "model", "expected"),
    [
        ("openai", "length", result_pb2.FINISH_REASON_LENGTH),
        ("anthropic", "length", result_pb2.FINISH_REASON_LENGTH),
        ("google", "length", result_pb2.FINISH_REASON_LENGTH),
        ("openai", "filter", result_pb2.FINISH_REASON_CONTENT_FILTER),
        ("anthropic", "refusal", result_pb2.FINISH_REASON_CONTENT_FILTER),
        ("google", "filter", result_pb2.FINISH_REASON_CONTENT_FILTER),
    ],
)
@both
async def test_end_is_told_by_its_reason(
    aimock: Aimock,
    name: str,
    model: str,
    expected: result_pb2.FinishReason.ValueType,
    streamed: bool,
) -> None:
    """Why an answer ended is told in words of our own, whatever the format calls it."""
    completed = await aimock.ask(f"{name}/{model}", streamed=streamed)
    assert completed.finish_reason == expected
    assert text_of(completed) == HELLO


@every
async def test_picture_goes_along(aimock: Aimock, name: str) -> None:
    """A picture by value is taken in the format's own form; its OpenAI shows it."""
    request = ask(f"{name}/hello")
    image = message_pb2.Image(data=b"1234", media_type="image/png")
    request.messages[0].content.append(message_pb2.Part(image=image))
    completed = await answer(aimock.deployment, request, streamed=True)
    assert text_of(completed) == HELLO
    assert not completed.losses
    said = [message["content"] for message in (await aimock.received())["body"]["messages"]]
    shown: list[Any] = ["Hello"]
    if name == "openai":
        picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,MTIzNA=="}}
        shown = [[{"type": "text", "text": "Hello"}, picture]]
    elif name == "ollama":
        # A picture stands before the text of its message: this one is a message of its own.
        shown = ["Hello", ""]
    assert said == shown


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "INVALID_REQUEST"),
        (401, "NOT_AUTHORIZED"),
        (403, "NOT_AUTHORIZED"),
        (404, "MODEL_NOT_FOUND"),
        (429, "RATE_LIMITED"),
        (500, "SERVER_ERROR"),
        (503, "SERVER_ERROR"),
        (529, "SERVER_ERROR"),
    ],
)
@every
async def test_refusal_is_told_by_its_kind(
    aimock: Aimock, name: str, status: int, kind: str
) -> None:
    """An injected refusal is classified, with its words, its code and the wait it asks for."""
    failed = (await aimock.read(ask(f"{name}/status-{status}"))).failed
    assert failed.attempts
    for attempt in failed.attempts:
        assert kind_name(attempt.failure) == kind
        reply = attempt.failure.reply
        assert (reply.http_status, reply.code, reply.message) == (
            status,
            "made_to_fail",
            "made to fail",
        )
        # It asks for a wait with a 429 alone.
        assert reply.retry_after.seconds == (7 if status == 429 else 0)


@pytest.mark.parametrize("name", TOO_LONG)
async def test_prompt_that_is_too_long_is_told_as_such(aimock: Aimock, name: str) -> None:
    """It is told apart from other refusals with the same status."""
    failed = (await aimock.read(ask(f"{name}/too-long-{name}"))).failed
    (attempt,) = failed.attempts
    assert kind_name(attempt.failure) == "CONTEXT_TOO_LONG"


@pytest.mark.parametrize(
    ("model", "kinds"),
    [("cut", {"BROKEN_STREAM"}), ("gone", {"UNREACHABLE"}), ("garbled", {"BROKEN_STREAM"})],
)
@every
async def test_broken_answer_is_none(
    aimock: Aimock, name: str, model: str, kinds: set[str]
) -> None:
    """What is cut, never begun, or no answer at all fails as what it is."""
    failed = (await aimock.read(ask(f"{name}/{model}"))).failed
    assert {kind_name(attempt.failure) for attempt in failed.attempts} == kinds


@every
async def test_answer_that_broke_off_is_carried_on(aimock: Aimock, name: str) -> None:
    """A model that is known to go on from a partial answer is given what was said."""
    reading = await aimock.read(ask(f"{name}/begun", fallbacks=[f"{name}/rest"]))
    said = "".join(event.text_delta.text for event in reading.events)
    assert text_of(reading.completed) == said
    begun = said.removesuffix(REST)
    assert CUT.startswith(begun)
    assert begun
    seam = next(event for event in reading.events if event.HasField("continuation_started"))
    assert seam.continuation_started.strategy == result_pb2.CONTINUATION_STRATEGY_PREFILL
    assert (await aimock.received())["body"]["messages"] == [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": begun},
    ]

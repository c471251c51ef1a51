"""LiteLLM's proxy between Trunkline and the sandbox, as an OpenAI-compatible provider."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio

from support.answers import answer, calls_of, result_of, text_of
from support.canary import MARK
from support.chats import ask, kind_name, read, refused, stream, tool
from support.deployment import Deployment
from support.peer import Peer, find_peer
from trunkline.credential.v1 import save_pb2
from trunkline.inference.v1 import chat_pb2, message_pb2, result_pb2
from trunkline.sandbox.scripts import OK_TEXT

# Reading its modules alone takes it many seconds.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

_PROGRAM: Final = "litellm/bin/litellm"
_START_LIMIT_S: Final = 120.0
_KEY: Final = f"{MARK}-litellm-0123456789abcdef"
# What the sandbox fails with, and as what LiteLLM passes it on: HTTP status, its own name of
# it, our kind of it.
REFUSALS: Final = {
    "400": (400, "invalid_request_error", "INVALID_REQUEST"),
    "401": (401, "authentication_error", "NOT_AUTHORIZED"),
    "403": (403, "permission_error", "NOT_AUTHORIZED"),
    "404": (404, "invalid_request_error", "MODEL_NOT_FOUND"),
    # It drops the wait that was asked for.
    "429-retry-after-2": (429, "throttling_error", "RATE_LIMITED"),
    "500": (500, "internal_server_error", "SERVER_ERROR"),
    "503": (503, "internal_server_error", "SERVER_ERROR"),
}
# It says of all of these that a connection failed. An answer that ends early and properly
# (`end-after-20`) is whole to it: it makes up the finish reason that is missing.
BREAKS: Final = ("cut-after-20", "reset-after-20", "malformed-after-20", "error-after-20")
# Nothing that is an answer.
NOTHINGS: Final = ("html-200", "empty-200")
# It drops a refusal (`refuse`), and ends without a word.
ANSWERS: Final = ("echo", "json", "ok", "parallel-tools", "reason", "tool")
MODELS: Final = (*ANSWERS, *REFUSALS, *BREAKS, *NOTHINGS)
# One transparent pixel.
PIXEL: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

both = pytest.mark.parametrize("streamed", [True, False], ids=["stream", "unary"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxied() -> AsyncIterator[Deployment]:
    """Yield a deployment with LiteLLM as a provider, whose models are the sandbox's."""
    program = find_peer(_PROGRAM)
    async with Deployment(connected=False, retry_pause_s=0.0) as deployment:
        peer = Peer(
            [
                str(program),
                *("--config", "{root}/config.yaml"),
                *("--host", "127.0.0.1"),
                *("--port", "{port}"),
            ],
            ready="/health/liveliness",
            limit_s=_START_LIMIT_S,
            env={
                "LITELLM_MASTER_KEY": _KEY,
                "UPSTREAM_KEY": deployment.sandbox.api_key,
                # Else it asks the network for prices.
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            },
        )
        upstream = {"api_base": deployment.sandbox.base_url, "api_key": "os.environ/UPSTREAM_KEY"}
        config = {
            "model_list": [
                {"model_name": model, "litellm_params": {"model": f"openai/{model}", **upstream}}
                for model in MODELS
            ],
            "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
            "litellm_settings": {"telemetry": False},
            # What fails is to be told as it is.
            "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        }
        (peer.root / "config.yaml").write_text(json.dumps(config))
        async with peer:
            await deployment.connect(f"{peer.url}/v1", _KEY, MODELS, name="litellm", kind="litellm")
            yield deployment


async def fail(deployment: Deployment, model: str) -> list[result_pb2.Attempt]:
    """Ask a model for a stream, and return the attempts that failed; there must be some."""
    call = stream(
        deployment.channel, "StreamChat", ask(f"litellm/{model}"), deployment.admin, timeout=20
    )
    attempts = (await read(call)).failed.attempts
    assert attempts
    return attempts


@pytest.mark.every_run
@both
async def test_text_comes_whole_with_usage(proxied: Deployment, streamed: bool) -> None:
    """A question goes through it to the sandbox, and the answer comes back as it was."""
    completed = await answer(proxied, ask("litellm/ok"), streamed=streamed)
    assert text_of(completed) == OK_TEXT
    assert completed.finish_reason == result_pb2.FINISH_REASON_STOP
    assert completed.usage.source == result_pb2.USAGE_SOURCE_REPORTED
    assert (completed.usage.input_tokens, completed.usage.output_tokens) == (1, 60)
    received = proxied.sandbox.seen[-1]
    assert received.body["messages"] == [{"role": "user", "content": "Hello"}]
    # It asks with its own key.
    assert dict(received.headers)["authorization"] == f"Bearer {proxied.sandbox.api_key}"


@both
async def test_every_character_comes_as_it_is(proxied: Deployment, streamed: bool) -> None:
    """What was said comes back to the character, through three programs."""
    said = '\u2028 zwölf 👩‍🚀 शक्ति \u202eمرحبا\u202c {}[]\\ "data: x"'
    completed = await answer(proxied, ask("litellm/echo", said), streamed=streamed)
    assert text_of(completed) == said


@both
async def test_limit_and_stop_go_along(proxied: Deployment, streamed: bool) -> None:
    """A limit of tokens is told as such, and what was to end the text is not part of it."""
    completed = await answer(proxied, ask("litellm/ok", max_output_tokens=5), streamed=streamed)
    assert completed.finish_reason == result_pb2.FINISH_REASON_LENGTH
    assert len(text_of(completed).split()) == 5
    request = ask("litellm/ok", sampling=chat_pb2.Sampling(stop=["open"]))
    completed = await answer(proxied, request, streamed=streamed)
    assert completed.finish_reason == result_pb2.FINISH_REASON_STOP
    assert text_of(completed).rstrip() == "The line is"


@pytest.mark.parametrize(("model", "count"), [("tool", 1), ("parallel-tools", 2)])
@both
async def test_tool_loop_comes_to_its_end(
    proxied: Deployment, model: str, count: int, streamed: bool
) -> None:
    """Calls keep apart, and their results reach the sandbox, each under its call's id."""
    request = ask(f"litellm/{model}", tools=[tool(city="string"), tool("time", zone="string")])
    completed = await answer(proxied, request, streamed=streamed)
    assert completed.finish_reason == result_pb2.FINISH_REASON_TOOL_CALLS
    calls = calls_of(completed)
    assert len({call.id for call in calls}) == len(calls) == count
    assert all(isinstance(json.loads(call.arguments), dict) for call in calls)
    request.messages.append(completed.message)
    results = {call.id: f"result-{number}" for number, call in enumerate(calls)}
    request.messages.extend(result_of(call, results[call.id]) for call in calls)
    completed = await answer(proxied, request, streamed=streamed)
    assert "result-0" in text_of(completed)
    _, said, *answered = proxied.sandbox.seen[-1].body["messages"]
    assert [call["id"] for call in said["tool_calls"]] == list(results)
    assert {each["tool_call_id"]: each["content"] for each in answered} == results


@both
async def test_one_tool_can_be_forced(proxied: Deployment, streamed: bool) -> None:
    """The choice reaches the sandbox, which calls the one tool."""
    request = ask("litellm/ok", tools=[tool(city="string"), tool("time", zone="string")])
    request.tool_choice.mode = message_pb2.ToolChoice.MODE_REQUIRED
    request.tool_choice.allowed.append("time")
    completed = await answer(proxied, request, streamed=streamed)
    assert [call.name for call in calls_of(completed)] == ["time"]
    choice = proxied.sandbox.seen[-1].body["tool_choice"]
    assert choice == {"type": "function", "function": {"name": "time"}}


@both
async def test_schema_is_held(proxied: Deployment, streamed: bool) -> None:
    """The schema reaches the sandbox, and the answer keeps to it."""
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
        "required": ["city", "degrees"],
        "additionalProperties": False,
    }
    request = ask("litellm/json")
    request.response_format.json_schema.name = "weather"
    request.response_format.json_schema.schema.update(schema)
    completed = await answer(proxied, request, streamed=streamed)
    document = json.loads(text_of(completed))
    assert set(document) == {"city", "degrees"}
    assert isinstance(document["degrees"], int)
    given = proxied.sandbox.seen[-1].body["response_format"]
    assert given == {"type": "json_schema", "json_schema": {"name": "weather", "schema": schema}}


@both
async def test_thought_comes_before_the_answer(proxied: Deployment, streamed: bool) -> None:
    """It passes thoughts on, and they stand in a part of their own."""
    request = ask("litellm/reason")
    request.reasoning.include = True
    completed = await answer(proxied, request, streamed=streamed)
    thought, said = completed.message.content
    assert thought.reasoning.text.startswith("The user asks")
    assert said.text == OK_TEXT


async def test_picture_goes_along(proxied: Deployment) -> None:
    """A picture by value reaches the sandbox."""
    request = ask("litellm/ok")
    image = message_pb2.Image(data=PIXEL, media_type="image/png")
    request.messages[0].content.append(message_pb2.Part(image=image))
    completed = await answer(proxied, request, streamed=True)
    assert text_of(completed) == OK_TEXT
    (message,) = proxied.sandbox.seen[-1].body["messages"]
    _, picture = message["content"]
    head, _, data = picture["image_url"]["url"].partition(",")
    assert (head, base64.b64decode(data)) == ("data:image/png;base64", PIXEL)


@pytest.mark.parametrize("model", REFUSALS)
async def test_refusal_is_told_by_its_kind(proxied: Deployment, model: str) -> None:
    """What the sandbox refuses is still known for what it is behind LiteLLM."""
    for attempt in await fail(proxied, model):
        reply = attempt.failure.reply
        told = (reply.http_status, reply.code, kind_name(attempt.failure))
        assert told == REFUSALS[model]


@pytest.mark.parametrize("model", BREAKS)
async def test_broken_answer_is_none(proxied: Deployment, model: str) -> None:
    """An answer that breaks off behind LiteLLM is no whole one before it."""
    for attempt in await fail(proxied, model):
        assert kind_name(attempt.failure) == "SERVER_ERROR"
        assert "APIConnectionError" in attempt.failure.reply.message


@pytest.mark.parametrize("model", NOTHINGS)
async def test_no_answer_is_none(proxied: Deployment, model: str) -> None:
    """What is no answer at all LiteLLM ends as if it were one, without a word."""
    for attempt in await fail(proxied, model):
        assert kind_name(attempt.failure) == "BROKEN_STREAM"


async def test_wrong_key_is_refused_before_it_is_saved(proxied: Deployment) -> None:
    """Without a database it knows its master key alone, and says of others that it has none."""
    request = save_pb2.SaveApiKeyRequest(provider="litellm", api_key=f"{MARK}-wrong")
    failed = await refused(proxied.credentials.SaveApiKey(request, metadata=proxied.admin))
    assert (failed.reason, failed.metadata["verdict"]) == ("VERIFICATION_FAILED", "REVOKED")
    assert text_of(await answer(proxied, ask("litellm/ok"), streamed=True)) == OK_TEXT

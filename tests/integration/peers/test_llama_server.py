"""llama.cpp's own server with a tiny random model, in both formats that it speaks.

What the model says is noise; what grammar, template and limits make of it is not.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from support.answers import answer, calls_of, result_of, text_of
from support.canary import MARK
from support.chats import Failure, ask, read, refused, say, stream
from support.deployment import Deployment
from support.peer import Peer, find_peer
from trunkline.credential.v1 import save_pb2
from trunkline.inference.v1 import chat_pb2, message_pb2, result_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")

_PYTHON: Final = "llama/bin/python"
_START_LIMIT_S: Final = 30.0
_KEY: Final = f"{MARK}-llama"
# The type of provider that speaks each format.
FORMATS: Final = {"openai": "openai-compatible", "anthropic": "anthropic-compatible"}
# A byte is a token, and so is what begins and ends a message.
HELLO_TOKENS: Final = len("^user\nHello$\n^assistant\n")

# Most tokens of an answer; those that are tested for their text are far shorter.
_MOST_TOKENS: Final = 1500
PLACE: Final = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "enum": ["Oslo", "Rome"]},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
    },
    "required": ["city", "days"],
    "additionalProperties": False,
}

# What the sandbox breaks off; one for each format, because one that broke off cools.
BREAKS: Final = {"openai": "cut-after-12", "anthropic": "cut-after-13"}

every = pytest.mark.parametrize("name", FORMATS)
both = pytest.mark.parametrize("streamed", [True, False], ids=["stream", "unary"])


@dataclass(frozen=True, slots=True)
class Llama:
    """A deployment with llama.cpp's server as its providers, each named after its format.

    Attributes:
        deployment: has them.
        direct: asks the server without Trunkline.
    """

    deployment: Deployment
    direct: httpx.AsyncClient

    async def say(self, messages: list[dict[str, str]]) -> str:
        """Return what the model says when it is asked directly."""
        body = {"messages": messages, "temperature": 0, "max_tokens": _MOST_TOKENS}
        response = await self.direct.post("/v1/chat/completions", json=body)
        said: str = response.json()["choices"][0]["message"]["content"]
        return said

    async def hello(self) -> str:
        """Return what the model says to a greeting."""
        return await self.say([{"role": "user", "content": "Hello"}])

    async def fail(self, request: chat_pb2.ChatRequest) -> Failure:
        """Ask for a stream, and return how it fails; it must."""
        channel, admin = self.deployment.channel, self.deployment.admin
        return (await read(stream(channel, "StreamChat", request, admin, timeout=20))).failed


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def llama() -> AsyncIterator[Llama]:
    """Yield a deployment that has llama.cpp's server as a provider in each format."""
    command = [str(find_peer(_PYTHON)), "-m", "support.llama_server", "{port}", "{root}"]
    peer = Peer(
        command,
        ready="/health",
        limit_s=_START_LIMIT_S,
        env={"LLAMA_API_KEY": _KEY},
        directory=Path(__file__).parents[2],
    )
    async with (
        peer,
        httpx.AsyncClient(base_url=peer.url, headers={"authorization": f"Bearer {_KEY}"}) as direct,
        Deployment(connected=False, retry_pause_s=0.0) as deployment,
    ):
        for name, kind in FORMATS.items():
            await deployment.connect(f"{peer.url}/v1", _KEY, ["tiny"], name=name, kind=kind)
            await deployment.know_to_prefill(f"{name}/tiny")
        sandbox = deployment.sandbox
        # Changes are known in their order: when this one is, all are.
        await deployment.connect(sandbox.base_url, sandbox.api_key, BREAKS.values())
        yield Llama(deployment, direct)


def ask_for(name: str, text: str = "Hello", **fields: Any) -> chat_pb2.ChatRequest:
    """Return a question to which the model says the likeliest."""
    fields.setdefault("max_output_tokens", _MOST_TOKENS)
    return ask(f"{name}/tiny", text, sampling=chat_pb2.Sampling(temperature=0), **fields)


@pytest.mark.every_run
@both
@every
async def test_text_comes_whole_with_usage(llama: Llama, name: str, streamed: bool) -> None:
    """What is said is what the server says when it is asked directly, and every token counts."""
    completed = await answer(llama.deployment, ask_for(name), streamed=streamed)
    said = text_of(completed)
    assert said == await llama.hello()
    assert completed.finish_reason == result_pb2.FINISH_REASON_STOP
    usage = completed.usage
    assert usage.source == result_pb2.USAGE_SOURCE_REPORTED
    assert usage.input_tokens + usage.cache_read_tokens == HELLO_TOKENS
    assert usage.output_tokens == len(said) + 1


@both
@every
async def test_limit_of_tokens_is_told_as_such(llama: Llama, name: str, streamed: bool) -> None:
    """An answer that was cut by its own limit says so."""
    request = ask_for(name, max_output_tokens=5)
    completed = await answer(llama.deployment, request, streamed=streamed)
    assert text_of(completed) == (await llama.hello())[:5]
    assert completed.finish_reason == result_pb2.FINISH_REASON_LENGTH
    assert completed.usage.output_tokens == 5


@both
@every
async def test_stop_sequence_ends_the_text(llama: Llama, name: str, streamed: bool) -> None:
    """What was to end the text is not part of it."""
    whole = await llama.hello()
    stop = whole[10:13]
    request = ask_for(name)
    request.sampling.stop.append(stop)
    completed = await answer(llama.deployment, request, streamed=streamed)
    assert text_of(completed) == whole[: whole.index(stop)]
    assert completed.finish_reason == result_pb2.FINISH_REASON_STOP


@both
@every
async def test_partial_answer_is_continued(llama: Llama, name: str, streamed: bool) -> None:
    """An answer that the request begins is gone on with, as if it had never been broken."""
    whole = await llama.hello()
    request = ask_for(name)
    request.messages.append(say(whole[:10], message_pb2.ROLE_ASSISTANT))
    completed = await answer(llama.deployment, request, streamed=streamed)
    # Unless it streams, the server says the beginning again.
    assert text_of(completed) == (whole[10:] if streamed else whole)


@every
async def test_answer_that_broke_off_elsewhere_is_carried_on(llama: Llama, name: str) -> None:
    """The model goes on after what another provider has said, where it is known to do so."""
    request = ask_for(name)
    request.model = f"sandbox/{BREAKS[name]}"
    request.fallbacks.append(f"{name}/tiny")
    channel, admin = llama.deployment.channel, llama.deployment.admin
    reading = await read(stream(channel, "StreamChat", request, admin, timeout=20))
    seam = reading.kinds.index("continuation_started")
    strategy = reading.events[seam].continuation_started.strategy
    assert strategy == result_pb2.CONTINUATION_STRATEGY_PREFILL
    begun = "".join(event.text_delta.text for event in reading.events[:seam])
    # Asked directly, it says the beginning again.
    partial = {"role": "assistant", "content": begun.rstrip()}
    whole = await llama.say([{"role": "user", "content": "Hello"}, partial])
    rest = whole.removeprefix(begun.rstrip())
    assert rest
    assert text_of(reading.completed) == begun + rest


# It does not hold to a tool that is forced by its name: in OpenAI's format that means "auto" to
# it, in Anthropic's any tool. There "none" means "auto", too.
@both
@every
async def test_tool_loop_comes_to_its_end(llama: Llama, name: str, streamed: bool) -> None:
    """Calls that are required come, their arguments keep to their schemas, and results go back."""
    request = ask_for(name, "What is the weather?")
    for each in ("weather", "time"):
        request.tools.append(message_pb2.Tool(name=each, parameters_json=json.dumps(PLACE)))
    request.tool_choice.mode = message_pb2.ToolChoice.MODE_REQUIRED
    completed = await answer(llama.deployment, request, streamed=streamed)
    assert completed.finish_reason == result_pb2.FINISH_REASON_TOOL_CALLS
    calls = calls_of(completed)
    assert calls
    assert len({call.id for call in calls}) == len(calls)
    for call in calls:
        assert call.name in ("weather", "time")
        _hold_place(call.arguments)
    before = completed.context_used
    request.messages.append(completed.message)
    request.messages.extend(result_of(call, "rain") for call in reversed(calls))
    completed = await answer(llama.deployment, request, streamed=streamed)
    assert completed.finish_reason == result_pb2.FINISH_REASON_TOOL_CALLS
    # It reads all that was said and answered before.
    assert completed.context_used - completed.usage.output_tokens >= before


@both
async def test_schema_is_held(llama: Llama, streamed: bool) -> None:
    """The grammar that the server makes of a schema leaves nothing else to be said."""
    request = ask_for("openai")
    request.response_format.json_schema.name = "place"
    request.response_format.json_schema.schema_json = json.dumps(PLACE)
    completed = await answer(llama.deployment, request, streamed=streamed)
    _hold_place(text_of(completed))
    assert completed.finish_reason == result_pb2.FINISH_REASON_STOP
    assert not completed.losses


@every
async def test_prompt_that_is_too_long_is_told_as_such(llama: Llama, name: str) -> None:
    """The server refuses it with a type of its own."""
    failed = await llama.fail(ask_for(name, "a" * 5000))
    assert failed.reason == "CONTEXT_TOO_LONG"
    (attempt,) = failed.attempts
    assert attempt.failure.reply.code == "exceed_context_size_error"


# In Anthropic's format it answers a picture with 500, which says nothing about pictures.
async def test_picture_is_not_sent_where_it_cannot_be_seen(llama: Llama) -> None:
    """The server's list says that the model reads text alone."""
    request = ask_for("openai")
    image = message_pb2.Image(data=b"1234", media_type="image/png")
    request.messages[0].content.append(message_pb2.Part(image=image))
    failed = await llama.fail(request)
    assert (failed.reason, failed.metadata["missing"]) == ("NO_CAPABLE_CANDIDATE", "vision")


@every
async def test_wrong_key_is_refused_before_it_is_saved(llama: Llama, name: str) -> None:
    """A key is proven by the server's list, and the one that was there stays."""
    request = save_pb2.SaveApiKeyRequest(provider=name, api_key=f"{MARK}-wrong")
    saving = llama.deployment.credentials.SaveApiKey(request, metadata=llama.deployment.admin)
    failed = await refused(saving)
    assert (failed.reason, failed.metadata["verdict"]) == ("VERIFICATION_FAILED", "REVOKED")
    assert text_of(await answer(llama.deployment, ask_for(name), streamed=True))


def _hold_place(text: str) -> None:
    """Assert that a JSON text keeps to the schema of a place."""
    place = json.loads(text)
    assert set(place) == {"city", "days"}
    assert place["city"] in ("Oslo", "Rome")
    assert place["days"] in range(1, 10)

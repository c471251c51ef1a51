"""The official `ollama` client passes through the healthy models and meets the sick ones."""

from __future__ import annotations

import json
from typing import Any

import httpx
import ollama
import pytest
from ollama import ChatResponse, Message

from sandbox.faces import ask_face
from trunkline.sandbox.models import list_names
from trunkline.sandbox.scripts import OK_TEXT, UNICODE_PIECES
from trunkline.sandbox.server import Sandbox

HELLO: Any = [{"role": "user", "content": "Say  this\nback"}]


def offer(name: str, **properties: Any) -> dict[str, Any]:
    """Offer a tool."""
    parameters = {"type": "object", "properties": properties, "required": [*properties]}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


WEATHER = offer("get_weather", city={"type": "string"}, days={"type": "integer"})
TIME = offer("get_time", zone={"type": "string", "enum": ["UTC", "CET"]})

PIXEL = b"\x89PNG\r\n\x1a\n a picture"

TEXTS = {
    "ok": OK_TEXT,
    "echo": "Say  this\nback",
    "slow": OK_TEXT,
    "json": '{"answer":"sandbox"}',
    "tool": OK_TEXT,
    "parallel-tools": OK_TEXT,
    # The format knows no refusal: it is text.
    "refuse": "I am sorry, but this sandbox model refuses every request that it is given.",
    "long-120": (OK_TEXT + " " + OK_TEXT),
    "chars-30": OK_TEXT[:30],
    "burst-60": OK_TEXT,
    "split-1": OK_TEXT,
    "comments": OK_TEXT,
    "first-token-after-1": OK_TEXT,
    "late-usage": OK_TEXT,
}


async def complete(llama: ollama.AsyncClient, model: str, **fields: Any) -> list[ChatResponse]:
    """Ask for a whole answer: a list of one."""
    fields = {"messages": HELLO, **fields}
    return [await llama.chat(model=model, **fields)]


async def stream(llama: ollama.AsyncClient, model: str, **fields: Any) -> list[ChatResponse]:
    """Ask for a stream and read it to its end."""
    fields = {"messages": HELLO, **fields}
    return [part async for part in await llama.chat(model=model, stream=True, **fields)]


BOTH = pytest.mark.parametrize("ask", [stream, complete])


def text_of(parts: list[ChatResponse]) -> str:
    """Join the text of an answer."""
    return "".join(part.message.content or "" for part in parts)


def calls_of(parts: list[ChatResponse]) -> list[Message.ToolCall]:
    """Return the tool calls of an answer."""
    return [call for part in parts for call in part.message.tool_calls or ()]


@pytest.mark.parametrize("model", TEXTS)
async def test_text_comes_whole_and_streamed(llama: ollama.AsyncClient, model: str) -> None:
    """Both ways give the same text, reason and usage; only the last line is done."""
    (whole,) = await complete(llama, model)
    parts = await stream(llama, model)
    assert text_of([whole]) == text_of(parts) == TEXTS[model]
    assert (whole.done, whole.done_reason) == (True, "stop")
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert parts[-1].model_dump(exclude={"message"}) == whole.model_dump(exclude={"message"})
    assert whole.prompt_eval_count == 3
    assert whole.eval_count


async def test_odd_text_is_escaped_as_the_server_escapes_it(
    sandbox: Sandbox, llama: ollama.AsyncClient
) -> None:
    """The text that breaks naive framing arrives; the client itself would split it at U+0085.

    Its lines are therefore cut here at line feeds, as the format says, and read by its types.
    """
    (whole,) = await complete(llama, "unicode")
    reply = await ask_face(sandbox, "ollama", "split-3-of-unicode")
    lines = reply.body.splitlines()
    assert b"\\u2028" in reply.body
    assert "\u2028".encode() not in reply.body
    parts = [ChatResponse(**json.loads(line)) for line in lines]
    assert text_of(parts) == text_of([whole]) == "".join(UNICODE_PIECES)


@BOTH
@pytest.mark.parametrize(
    ("think", "thinks"), [(None, True), (True, True), ("high", True), (False, False)]
)
async def test_thinking_has_its_own_field(
    llama: ollama.AsyncClient, ask: Any, think: Any, thinks: bool
) -> None:
    """`reason` thinks unless told not to."""
    answer = await ask(llama, "reason", think=think)
    thought = "".join(part.message.thinking or "" for part in answer)
    assert thought.startswith("The user asks") is thinks
    assert text_of(answer) == OK_TEXT
    assert answer[-1].eval_count == (73 if thinks else 60)


async def test_a_model_that_cannot_think_says_so(llama: ollama.AsyncClient) -> None:
    """Thinking is demanded of a model that does not reason."""
    with pytest.raises(ollama.ResponseError, match='"ok" does not support thinking') as caught:
        await complete(llama, "ok", think=True)
    assert caught.value.status_code == 400


@BOTH
async def test_a_tool_loop_closes(llama: ollama.AsyncClient, ask: Any) -> None:
    """The call is whole and ends with `stop`; the answer to its result quotes the result."""
    answer = await ask(llama, "tool", tools=[WEATHER, TIME])
    (call,) = calls_of(answer)
    assert answer[-1].done_reason == "stop"
    assert call.function.name == "get_weather"
    assert call.function.arguments == {"city": "sandbox", "days": 1}
    messages = [
        *HELLO,
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_name": "get_weather", "content": "rain, 7 degrees"},
    ]
    said = await ask(llama, "tool", tools=[WEATHER], messages=messages)
    assert "rain, 7 degrees" in text_of(said)


@BOTH
async def test_parallel_calls_are_whole(llama: ollama.AsyncClient, ask: Any) -> None:
    """Each tool is called once, whatever the request says of a choice."""
    calls = calls_of(await ask(llama, "parallel-tools", tools=[WEATHER, TIME]))
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    assert calls[1].function.arguments == {"zone": "UTC"}


@BOTH
async def test_a_big_call_is_whole(llama: ollama.AsyncClient, ask: Any) -> None:
    """The arguments are as long as the model's name says, in one line."""
    (call,) = calls_of(await ask(llama, "big-tool-100000", tools=[WEATHER]))
    assert len(json.dumps(call.function.arguments, separators=(",", ":"))) == 100_000


@BOTH
async def test_a_schema_is_obeyed(llama: ollama.AsyncClient, ask: Any) -> None:
    """The text fits the schema of the request, or is an object."""
    schema: Any = {"type": "object", "properties": {"done": {"type": "boolean"}}}
    assert json.loads(text_of(await ask(llama, "ok", format=schema))) == {"done": True}
    assert isinstance(json.loads(text_of(await ask(llama, "ok", format="json"))), dict)


@BOTH
async def test_limits_end_the_text(llama: ollama.AsyncClient, ask: Any) -> None:
    """The token limit has its reason, a stop sequence that of an end."""
    short = await ask(llama, "ok", options={"num_predict": 5})
    assert (text_of(short), short[-1].done_reason) == ("The line is open and", "length")
    stopped = await ask(llama, "ok", options={"stop": ["speaking", "open and"], "num_ctx": 8})
    assert (text_of(stopped), stopped[-1].done_reason) == ("The line is ", "stop")
    endless = await ask(llama, "ok", options={"num_predict": -1})
    assert text_of(endless) == OK_TEXT


async def test_images_are_taken(llama: ollama.AsyncClient) -> None:
    """An image passes; a GIF does not."""

    def look(image: bytes) -> Any:
        return [{"role": "user", "content": "Look", "images": [image]}]

    assert text_of(await complete(llama, "echo", messages=look(PIXEL))) == "Look"
    with pytest.raises(ollama.ResponseError, match="unknown format"):
        await complete(llama, "echo", messages=look(b"GIF89a a picture"))


async def test_no_message_loads_the_model(llama: ollama.AsyncClient) -> None:
    """An empty list of messages loads, and unloads with `keep_alive` 0."""
    (loaded,) = await complete(llama, "ok", messages=[])
    assert (loaded.done, loaded.done_reason) == (True, "load")
    (unloaded,) = await complete(llama, "ok", messages=[], keep_alive=0)
    assert unloaded.done_reason == "unload"
    with pytest.raises(ollama.ResponseError, match="model 'llama9' not found"):
        await complete(llama, "llama9", messages=[])


async def test_models_are_listed_and_shown(llama: ollama.AsyncClient) -> None:
    """Each row of the table is listed under its name; one can be shown, with or without tag."""
    listed = await llama.list()
    assert [model.model for model in listed.models] == list_names()
    shown = await llama.show("cut-after-17-of-reason:latest")
    assert shown.capabilities == ["completion", "tools", "vision", "thinking"]
    assert shown.modelinfo is not None
    assert shown.modelinfo["sandbox.context_length"] == 131_072
    assert "thinking" not in ((await llama.show("ok")).capabilities or ())
    with pytest.raises(ollama.ResponseError, match="model 'llama9' not found"):
        await llama.show("llama9")


@BOTH
@pytest.mark.parametrize(
    ("model", "status", "said"),
    [
        ("429", 429, "too many concurrent requests"),
        ("429-quota", 429, "weekly usage limit"),
        ("401", 401, "unauthorized"),
        ("403", 403, "requires a subscription"),
        ("404", 404, "model '404' not found"),
        ("no-such-model", 404, "model 'no-such-model' not found"),
        ("400", 400, "The request is invalid"),
        ("400-context", 400, "exceeds the available context size"),
        ("400-content", 400, "violates the usage policy"),
        ("500", 500, "runner process has terminated"),
        ("503", 503, "server busy"),
    ],
)
async def test_a_status_becomes_its_error(
    llama: ollama.AsyncClient, model: str, status: int, said: str, ask: Any
) -> None:
    """The client raises its error with status and sentence."""
    with pytest.raises(ollama.ResponseError, match=said) as caught:
        await ask(llama, model)
    assert caught.value.status_code == status


@BOTH
@pytest.mark.parametrize("model", ["cut-after-5", "reset-after-5"])
async def test_a_broken_connection_is_an_error(
    llama: ollama.AsyncClient, model: str, ask: Any
) -> None:
    """A stream that loses its connection raises, streamed and whole."""
    with pytest.raises(httpx.TransportError):
        await ask(llama, model)


@BOTH
@pytest.mark.parametrize("model", ["stall-after-3", "no-first-token", "silent"])
async def test_silence_is_a_timeout(sandbox: Sandbox, model: str, ask: Any) -> None:
    """A silent model lets the client's own time limit pass."""
    async with ollama.AsyncClient(
        host=sandbox.addresses["ollama"], trust_env=False, verify=False, timeout=0.3
    ) as hasty:
        with pytest.raises(httpx.TimeoutException):
            await ask(hasty, model)


async def test_an_error_inside_the_stream_is_raised(llama: ollama.AsyncClient) -> None:
    """The line that holds an error, after status 200, reaches the caller as an error."""
    with pytest.raises(ollama.ResponseError, match="runner process") as caught:
        await stream(llama, "error-after-3")
    assert caught.value.status_code == -1


async def test_a_malformed_line_is_no_json(llama: ollama.AsyncClient) -> None:
    """The client fails on the line that holds invalid JSON."""
    with pytest.raises(json.JSONDecodeError):
        await stream(llama, "malformed-after-3")


@pytest.mark.parametrize("model", ["end-after-5", "no-done"])
async def test_an_end_that_is_not_done_looks_like_success(
    llama: ollama.AsyncClient, model: str
) -> None:
    """The client takes a cleanly cut stream for success: that is the trap the model sets."""
    parts = await stream(llama, model)
    assert not any(part.done for part in parts)
    assert OK_TEXT.startswith(text_of(parts))


async def test_the_server_sees_what_the_client_sent(
    sandbox: Sandbox, llama: ollama.AsyncClient
) -> None:
    """A sighting holds the body as the client wrote it, and no key."""
    await complete(llama, "ok:latest")
    (sighting,) = await sandbox.seen.wait_for(1, timeout=5)
    assert (sighting.path, sighting.model) == ("/ollama/api/chat", "ok")
    assert sighting.body["model"] == "ok:latest"
    assert "authorization" not in dict(sighting.headers)

"""What every stream obeys: first, last, numbers, sizes, and that it folds to its answer."""

from __future__ import annotations

import asyncio
import hashlib
import json

import pytest

from support.chats import Reading, ask, read, run_id_of, stream, tool
from support.deployment import Deployment, eventually
from support.folding import fold
from trunkline.inference.fold import Fold
from trunkline.inference.v1 import chat_pb2, event_pb2, message_pb2, result_pb2, run_pb2
from trunkline.sandbox.behaviours import Kind
from trunkline.sandbox.models import ROWS
from trunkline.sandbox.scripts import OK_TEXT, UNICODE_PIECES
from trunkline.sandbox.sightings import State

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAX_EVENT = 256 * 1024

STOP = result_pb2.FINISH_REASON_STOP
TOOL_CALLS = result_pb2.FINISH_REASON_TOOL_CALLS
CONTENT_FILTER = result_pb2.FINISH_REASON_CONTENT_FILTER

# Model → how it ends, and what its parts are.
HEALTHY: dict[str, tuple[result_pb2.FinishReason.ValueType, tuple[str, ...]]] = {
    "ok": (STOP, ("text",)),
    "echo": (STOP, ("text",)),
    "unicode": (STOP, ("text",)),
    "json": (STOP, ("text",)),
    "reason": (STOP, ("reasoning", "text")),
    "refuse": (CONTENT_FILTER, ("refusal",)),
    "tool": (TOOL_CALLS, ("tool_call",)),
    "parallel-tools": (TOOL_CALLS, ("tool_call", "tool_call")),
    "text-then-tool": (TOOL_CALLS, ("text", "tool_call")),
    "tool-loop-3": (TOOL_CALLS, ("tool_call",)),
    "big-tool-100000": (TOOL_CALLS, ("tool_call",)),
    "long-1000": (STOP, ("text",)),
    "words-twice": (STOP, ("text",)),
    "chars-500": (STOP, ("text",)),
    "burst-256": (STOP, ("text",)),
    # So slow that it is not heard to its end.
    "slow": (result_pb2.FINISH_REASON_LENGTH, ("text",)),
    "tokens-20-per-second": (STOP, ("text",)),
    "every-15-ms": (STOP, ("text",)),
    "first-token-after-3": (STOP, ("text",)),
    "split-1": (STOP, ("text",)),
    "comments": (STOP, ("text",)),
    # What is wrong with these is no fault of the answer.
    "malformed-after-10": (STOP, ("text",)),
    "no-done": (STOP, ("text",)),
    "late-usage": (STOP, ("text",)),
}
EXACT = {
    "ok": OK_TEXT,
    "echo": "Say this again.",
    "unicode": "".join(UNICODE_PIECES),
    "reason": OK_TEXT,
    "split-1": OK_TEXT,
    "comments": OK_TEXT,
    "malformed-after-10": OK_TEXT,
    "no-done": OK_TEXT,
    "late-usage": OK_TEXT,
    "first-token-after-3": OK_TEXT,
}


def _question(model: str) -> chat_pb2.ChatRequest:
    request = ask(f"sandbox/{model}", "Say this again.")
    if "tool" in model:
        request.tools.extend([tool("weather", city="string"), tool("time", hours="integer")])
    if model == "slow":
        request.max_output_tokens = 10
    if model == "json":
        request.response_format.json_schema.name = "place"
        request.response_format.json_schema.schema_json = (
            '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}'
        )
    return request


def _check_rules(reading: Reading) -> None:
    """Check what holds for every stream of a whole answer."""
    completed = reading.completed
    assert reading.kinds.count("run_started") == reading.kinds.index("run_started") + 1 == 1
    assert reading.kinds.count("completed") == 1
    assert reading.kinds[1] == "attempt_started"
    assert reading.sequences == list(range(1, len(reading.events) + 1))
    assert max(map(len, reading.raw[:-1])) <= MAX_EVENT
    times = [event.time.ToNanoseconds() for event in reading.events]
    assert times == sorted(times)
    assert all(event.attempt == 1 for event in reading.events[1:-1])
    folding = Fold()
    for event in reading.events:
        folding.feed(event)
    assert folding.message() == fold(reading.events) == completed.message
    for event in reading.events:
        if event.HasField("tool_call_completed"):
            call = event.tool_call_completed
            arguments = completed.message.content[call.block].tool_call.arguments.encode()
            assert call.arguments_size == len(arguments)
            assert call.arguments_sha256 == hashlib.sha256(arguments).digest()


async def test_table_holds_every_model_that_answers() -> None:
    """No kind of answer of the sandbox is left out here."""
    answers = {row.example for row in ROWS if row.kind in (Kind.ANSWER, Kind.PACE)}
    assert answers <= set(HEALTHY)


@pytest.mark.parametrize("model", HEALTHY)
async def test_stream_of_a_whole_answer_obeys_the_rules(deployment: Deployment, model: str) -> None:
    """RunStarted first, Completed last, numbers without a gap, and a fold that is the answer."""
    call = stream(deployment.channel, "StreamChat", _question(model), deployment.admin)
    run_id = run_id_of(await call.initial_metadata())
    reading = await read(call)
    _check_rules(reading)
    reason, kinds = HEALTHY[model]
    completed = reading.completed
    assert completed.finish_reason == reason
    assert tuple(part.WhichOneof("kind") for part in completed.message.content) == kinds
    assert completed.message.role == message_pb2.ROLE_ASSISTANT
    if model in EXACT:
        assert completed.message.content[-1].text == EXACT[model]
    assert completed.model == f"sandbox/{model}"
    assert reading.events[0].run_started.run_id == run_id
    (attempt,) = completed.attempts
    assert attempt.outcome == result_pb2.ATTEMPT_OUTCOME_COMPLETED
    assert attempt.time_to_first_token.ToNanoseconds() <= attempt.duration.ToNanoseconds()
    assert not completed.turn_ended_early


async def test_unary_chat_ends_as_its_stream_does(deployment: Deployment) -> None:
    """The answer of a unary chat is the same message, finish reason and usage."""
    for model in ("ok", "reason", "parallel-tools", "refuse"):
        question = _question(model)
        answer = await deployment.inference.Chat(question, metadata=deployment.admin)
        streamed = await read(stream(deployment.channel, "StreamChat", question, deployment.admin))
        for field in ("message", "finish_reason", "usage", "raw_finish_reason", "context_used"):
            assert getattr(answer.completed, field) == getattr(streamed.completed, field)


async def test_provider_that_is_not_asked_to_stream_gives_the_same_events(
    deployment: Deployment,
) -> None:
    """A whole answer is cut into events that fold alike."""
    sandbox = deployment.sandbox
    await deployment.connect(
        sandbox.base_url, sandbox.api_key, ["ok", "reason", "tool"], name="whole", streaming=False
    )
    for model in ("ok", "reason", "tool"):
        question = _question(model)
        question.model = f"whole/{model}"
        reading = await read(stream(deployment.channel, "StreamChat", question, deployment.admin))
        _check_rules(reading)
        body = sandbox.seen.of_model(model)[-1].body
        assert not body.get("stream")
        assert [part.WhichOneof("kind") for part in reading.completed.message.content] == (
            list(HEALTHY[model][1])
        )


async def test_run_id_comes_before_the_provider_has_said_anything(deployment: Deployment) -> None:
    """Metadata and the first events are there while the provider is still silent."""
    call = stream(deployment.channel, "StreamChat", ask("sandbox/no-first-token"), deployment.admin)
    async with asyncio.timeout(2):
        run_id = run_id_of(await call.initial_metadata())
        first = event_pb2.ChatEvent.FromString(await call.read())  # type: ignore[arg-type] # bytes
        second = event_pb2.ChatEvent.FromString(await call.read())  # type: ignore[arg-type] # bytes
        await eventually(lambda: bool(deployment.sandbox.seen.of_model("no-first-token")))
    assert first.run_started.run_id == run_id
    assert second.attempt_started.model == "sandbox/no-first-token"
    assert deployment.sandbox.seen.of_model("no-first-token")[-1].state is State.OPEN
    await deployment.cancel(run_id)


async def test_frame_that_is_passed_over_is_told_as_a_loss(deployment: Deployment) -> None:
    """One undecodable frame in plain text costs nothing but a line in `losses`."""
    reading = await read(
        stream(
            deployment.channel, "StreamChat", ask("sandbox/malformed-after-10"), deployment.admin
        )
    )
    (loss,) = reading.completed.losses
    assert (loss.path, loss.action) == ("answer.frame", result_pb2.Loss.ACTION_DROPPED)
    assert loss.attempt == 1


async def test_usage_that_comes_late_is_waited_for(deployment: Deployment) -> None:
    """Usage within its wait counts."""
    reading = await read(
        stream(deployment.channel, "StreamChat", ask("sandbox/late-usage"), deployment.admin)
    )
    usage = reading.completed.usage
    assert (usage.source, usage.output_tokens) == (result_pb2.USAGE_SOURCE_REPORTED, 60)


async def test_usage_that_does_not_come_in_time_is_estimated() -> None:
    """An answer is whole without its usage, which is then estimated and says so."""
    async with Deployment(usage_wait_s=0.1) as deployment:
        reading = await read(
            stream(deployment.channel, "StreamChat", ask("sandbox/late-usage"), deployment.admin)
        )
    usage = reading.completed.usage
    assert usage.source == result_pb2.USAGE_SOURCE_ESTIMATED
    assert 30 <= usage.output_tokens <= 120
    assert reading.completed.message.content[0].text == OK_TEXT


@pytest.mark.parametrize(("model", "reasoned"), [("ok", False), ("reason", True)])
async def test_tokens_are_told_in_their_classes(
    deployment: Deployment, model: str, reasoned: bool
) -> None:
    """Prompt, answer and thought are what the provider counted."""
    question = _question(model)
    reading = await read(stream(deployment.channel, "StreamChat", question, deployment.admin))
    usage = reading.completed.usage
    assert usage.source == result_pb2.USAGE_SOURCE_REPORTED
    assert (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == (3, 0, 0)
    assert usage.output_tokens == 60 + usage.reasoning_tokens
    assert bool(usage.reasoning_tokens) == reasoned
    assert reading.completed.attempts[0].usage == usage
    assert reading.completed.context_used == usage.input_tokens + usage.output_tokens


async def test_tool_call_can_be_answered_in_the_next_turn(deployment: Deployment) -> None:
    """The answer goes into the transcript as it is, the result after it, and the model goes on."""
    question = _question("parallel-tools")
    first = await deployment.inference.Chat(question, metadata=deployment.admin)
    question.messages.append(first.completed.message)
    results = message_pb2.Message(role=message_pb2.ROLE_TOOL)
    for number, part in enumerate(first.completed.message.content):
        json.loads(part.tool_call.arguments)
        result = message_pb2.ToolResult(call_id=part.tool_call.id)
        result.content.add(text=f"result {number}")
        results.content.add(tool_result=result)
    question.messages.append(results)
    question.tool_choice.mode = message_pb2.ToolChoice.MODE_NONE
    second = await deployment.inference.Chat(question, metadata=deployment.admin)
    assert second.completed.message.content[0].text == "The tool answered: result 0 result 1"
    got = await deployment.inference.GetRun(
        run_pb2.GetRunRequest(run_id=second.run_id), metadata=deployment.admin
    )
    assert got.run.completed == second.completed

"""What a provider's failure becomes: one status, its kind, its words for who may see them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from google.rpc import error_details_pb2

from support.chats import Reading, ask, kind_name, limits, read, refused, stream, tool
from support.crude_provider import CrudeProvider
from support.deployment import ADMIN, Deployment, Metadata, eventually
from trunkline.health.v1 import health_service_pb2
from trunkline.inference.v1 import failure_pb2, result_pb2, run_pb2
from trunkline.sandbox.behaviours import Kind
from trunkline.sandbox.models import ROWS

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAX_STATUS = 6 * 1024
MAX_WORDS = 2 * 1024
REPORTED_ZERO = result_pb2.Usage(source=result_pb2.USAGE_SOURCE_REPORTED)
UNKNOWN = result_pb2.Usage(source=result_pb2.USAGE_SOURCE_UNKNOWN)
ESTIMATED = result_pb2.USAGE_SOURCE_ESTIMATED


@dataclass(frozen=True, slots=True)
class Sick:
    """What a sick model's run ends with.

    Attributes:
        status: code and reason.
        kind: of the attempt's failure.
        http_status: of the provider's answer; 0: it had none to show.
        code: the provider's.
        mid_stream: words had come.
        attempts: how many were made; the same provider is asked again at once only when it
            could not be reached.
    """

    status: str
    kind: str
    http_status: int = 0
    code: str = ""
    mid_stream: bool = False
    attempts: int = 1


NO_FALLBACK = "UNAVAILABLE NO_FALLBACK"
UNAUTHORIZED = "FAILED_PRECONDITION PROVIDER_UNAUTHORIZED"
SICK = {
    "cut-after-40": Sick(NO_FALLBACK, "BROKEN_STREAM", mid_stream=True),
    "end-after-40": Sick(NO_FALLBACK, "BROKEN_STREAM", mid_stream=True),
    "reset-after-40": Sick(NO_FALLBACK, "BROKEN_STREAM", mid_stream=True),
    "cut-after-0": Sick(NO_FALLBACK, "BROKEN_STREAM"),
    "end-after-0": Sick(NO_FALLBACK, "BROKEN_STREAM"),
    "cut-at-3": Sick(NO_FALLBACK, "BROKEN_STREAM", mid_stream=True),
    "end-at-3": Sick(NO_FALLBACK, "BROKEN_STREAM", mid_stream=True),
    "reset-at-3": Sick(NO_FALLBACK, "BROKEN_STREAM", mid_stream=True),
    "stall-after-20": Sick(NO_FALLBACK, "SILENT", mid_stream=True),
    "stall-30s-after-20": Sick(NO_FALLBACK, "SILENT", mid_stream=True),
    "stall-at-3": Sick(NO_FALLBACK, "SILENT", mid_stream=True),
    "no-first-token": Sick(NO_FALLBACK, "SILENT"),
    "silent": Sick(NO_FALLBACK, "SILENT"),
    "error-after-10": Sick(
        NO_FALLBACK, "SERVER_ERROR", 200, "server_error", mid_stream=True, attempts=2
    ),
    "error-at-3": Sick(
        NO_FALLBACK, "SERVER_ERROR", 200, "server_error", mid_stream=True, attempts=2
    ),
    "malformed-twice-at-3": Sick(NO_FALLBACK, "BROKEN_STREAM", 200, mid_stream=True),
    "cut": Sick(NO_FALLBACK, "UNREACHABLE", attempts=2),
    "reset": Sick(NO_FALLBACK, "UNREACHABLE", attempts=2),
    "html-200": Sick(NO_FALLBACK, "BROKEN_STREAM", 200),
    "empty-200": Sick(NO_FALLBACK, "BROKEN_STREAM"),
    "done-without-finish": Sick(NO_FALLBACK, "BROKEN_STREAM", mid_stream=True),
    "malformed-after-2-of-tool": Sick(NO_FALLBACK, "BROKEN_STREAM", 200, mid_stream=True),
    "cut-after-2-of-tool": Sick(NO_FALLBACK, "BROKEN_STREAM", mid_stream=True),
    "429": Sick(NO_FALLBACK, "RATE_LIMITED", 429, "rate_limit_exceeded"),
    "429-retry-after-2": Sick(NO_FALLBACK, "RATE_LIMITED", 429, "rate_limit_exceeded"),
    "429-quota": Sick("RESOURCE_EXHAUSTED PROVIDER_QUOTA", "QUOTA", 429, "insufficient_quota"),
    "500": Sick(NO_FALLBACK, "SERVER_ERROR", 500, "server_error"),
    "503": Sick(NO_FALLBACK, "SERVER_ERROR", 503, "server_is_overloaded"),
    "401": Sick(UNAUTHORIZED, "NOT_AUTHORIZED", 401, "invalid_api_key"),
    "403": Sick(UNAUTHORIZED, "NOT_AUTHORIZED", 403, "unsupported_country_region_territory"),
    "404": Sick("NOT_FOUND MODEL_NOT_FOUND", "MODEL_NOT_FOUND", 404, "model_not_found"),
    "400": Sick(
        "INVALID_ARGUMENT PROVIDER_REJECTED", "INVALID_REQUEST", 400, "invalid_request_error"
    ),
    "400-context": Sick(
        "INVALID_ARGUMENT CONTEXT_TOO_LONG", "CONTEXT_TOO_LONG", 400, "context_length_exceeded"
    ),
    "400-content": Sick(
        "INVALID_ARGUMENT CONTENT_FILTERED", "CONTENT_FILTERED", 400, "content_policy_violation"
    ),
    "once-503": Sick(NO_FALLBACK, "SERVER_ERROR", 503, "server_is_overloaded"),
    "fail-2-then-ok-503": Sick(NO_FALLBACK, "SERVER_ERROR", 503, "server_is_overloaded"),
    "for-60-then-ok-503": Sick(NO_FALLBACK, "SERVER_ERROR", 503, "server_is_overloaded"),
}
# Names that the sandbox lists and that come to a whole answer.
WHOLE = {"malformed-after-10", "malformed-at-3", "no-done", "late-usage"}

# Reason → what its metadata promise, beside those of every run.
METADATA = {
    "NO_FALLBACK": {"model", "kind"},
    "PROVIDER_QUOTA": {"model", "provider_code"},
    "PROVIDER_UNAUTHORIZED": {"model", "credential_scope", "http_status"},
    "MODEL_NOT_FOUND": {"model", "nearest"},
    "PROVIDER_REJECTED": {"model", "provider_code"},
    "CONTEXT_TOO_LONG": {"model"},
    "CONTENT_FILTERED": {"model", "provider_code"},
}
OF_EVERY_RUN = {"request_id", "run_id", "last_sequence"}


async def _fail(deployment: Deployment, model: str, metadata: Metadata) -> Reading:
    request = ask(
        f"sandbox/{model}",
        tools=[tool(city="string")],
        # Shorter than the pause before a busy provider is asked once more.
        limits=limits(first_token=0.45, idle=0.45),
    )
    return await read(stream(deployment.channel, "StreamChat", request, metadata))


async def _nothing_cools(deployment: Deployment) -> None:
    """End what earlier failures left, as an answer does."""

    async def is_free() -> bool:
        await deployment.inference.Chat(ask(), metadata=deployment.admin)
        request = health_service_pb2.GetHealthRequest(provider="sandbox")
        state = await deployment.health.GetHealth(request, metadata=deployment.admin)
        return all(each.route.model != "sandbox/*" for each in state.health.cooldowns)

    await eventually(is_free)


async def test_table_holds_every_fault_of_the_sandbox() -> None:
    """No way in which the sandbox fails is left out here."""
    faults = {row.example for row in ROWS if row.kind in (Kind.FAULT, Kind.ATTEMPTS)}
    assert faults - WHOLE <= set(SICK)


@pytest.mark.parametrize("model", SICK)
async def test_sick_provider_ends_the_run_with_its_kind(deployment: Deployment, model: str) -> None:
    """Never OK with half an answer: one reason, one kind, every attempt in the trail."""
    deployment.sandbox.reset_attempts()
    sick = SICK[model]
    if sick.attempts > 1:
        # Who tries a route for all others asks once.
        await _nothing_cools(deployment)
    reading = await _fail(deployment, model, deployment.admin)
    failure = reading.failed
    assert f"{failure.code.name} {failure.reason}" == sick.status
    assert "completed" not in reading.kinds
    assert set(failure.metadata) - OF_EVERY_RUN == METADATA[failure.reason]
    assert failure.metadata["model"] == f"sandbox/{model}"
    assert [each.number for each in failure.attempts] == list(range(1, sick.attempts + 1))
    attempt = failure.attempts[-1]
    assert attempt.model == f"sandbox/{model}"
    assert attempt.outcome == result_pb2.ATTEMPT_OUTCOME_FAILED
    assert attempt.credential_scope == failure_pb2.CREDENTIAL_SCOPE_CENTRAL
    assert attempt.HasField("time_to_first_token") == sick.mid_stream
    failed = attempt.failure
    assert kind_name(failed) == sick.kind
    assert failed.mid_stream == sick.mid_stream
    assert (failed.reply.http_status, failed.reply.code) == (sick.http_status, sick.code)
    assert failed.message.endswith(".")
    assert failed.message in failure.message
    told = reading.events[-1].attempt_failed
    assert (told.failure, told.will_retry) == (failed, False)
    assert failure.status.ByteSize() < MAX_STATUS
    refused_at_once = sick.http_status not in (0, 200) or sick.kind == "UNREACHABLE"
    if attempt.usage.source == ESTIMATED:
        # By the words that came; a call's arguments may not have begun.
        assert sick.mid_stream
        assert attempt.usage.output_tokens > 0
    else:
        assert attempt.usage == (REPORTED_ZERO if refused_at_once else UNKNOWN)


@pytest.mark.parametrize("model", ["cut-after-2-of-tool", "malformed-after-2-of-tool"])
async def test_call_that_broke_off_is_taken_back(deployment: Deployment, model: str) -> None:
    """A call that was begun and will never be whole is aborted before the failure is told."""
    reading = await _fail(deployment, model, deployment.admin)
    begun = [event.tool_call_started for event in reading.events]
    assert reading.kinds[-2:] == ["tool_call_aborted", "attempt_failed"]
    assert reading.events[-2].tool_call_aborted.call_id in [call.call_id for call in begun]


async def test_wait_that_a_provider_asks_for_is_passed_on(deployment: Deployment) -> None:
    """A provider's wait comes as RetryInfo and in the attempt."""
    failure = (await _fail(deployment, "waits@429-retry-after-2", deployment.admin)).failed
    retry = failure.detail(error_details_pb2.RetryInfo())
    assert retry is not None
    assert retry.retry_delay.seconds == 2
    assert failure.attempts[0].failure.reply.retry_after.seconds == 2
    without = (await _fail(deployment, "429", deployment.admin)).failed
    assert without.detail(error_details_pb2.RetryInfo()) is None


async def test_unary_chat_fails_as_its_stream_does(deployment: Deployment) -> None:
    """Code, reason, metadata and attempt are those of the stream."""
    streamed = (await _fail(deployment, "500", deployment.admin)).failed
    question = ask("sandbox/500", limits=limits(first_token=0.2))
    failure = await refused(deployment.inference.Chat(question, metadata=deployment.admin))
    assert (failure.code, failure.message) == (streamed.code, streamed.message)
    assert set(failure.metadata) == set(streamed.metadata)
    failures = [attempt.failure for attempt in (*failure.attempts, *streamed.attempts)]
    for failed in failures:
        failed.reply.ClearField("request_id")
    assert failures[0] == failures[1]


async def test_words_and_key_of_an_attempt_are_for_who_operates(deployment: Deployment) -> None:
    """What a provider says is shown in runs that an ADMIN began; others get status and code."""
    admin, developer = await deployment.issue(role=ADMIN), await deployment.issue()
    shown = (await _fail(deployment, "503", admin.metadata)).failed.attempts[0]
    assert shown.failure.reply.message == "The server is overloaded, try again later."
    assert "server_is_overloaded" in shown.failure.reply.body
    assert shown.credential_id.startswith("cred_")
    hidden = await _fail(deployment, "503", developer.metadata)
    for attempt in (hidden.failed.attempts[0], hidden.events[-1].attempt_failed):
        assert (attempt.failure.reply.message, attempt.failure.reply.body) == ("", "")
        assert (attempt.failure.reply.http_status, attempt.failure.reply.code) == (
            503,
            "server_is_overloaded",
        )
    assert hidden.failed.attempts[0].credential_id == ""
    # Decided by who began it, for every reader alike.
    run = await deployment.run(hidden.failed.metadata["run_id"])
    assert list(run.failure.trail.attempts) == hidden.failed.attempts


async def test_credential_of_a_whole_answer_is_named_to_who_operates(
    deployment: Deployment,
) -> None:
    """An attempt that answered names its credential in an ADMIN's run only."""
    developer = await deployment.issue()
    shown = await deployment.inference.Chat(ask(), metadata=deployment.admin)
    hidden = await deployment.inference.Chat(ask(), metadata=developer.metadata)
    assert shown.completed.attempts[0].credential_id.startswith("cred_")
    assert hidden.completed.attempts[0].credential_id == ""


@pytest.mark.parametrize("letter", ["x", "\N{ROCKET}", '"', "\\", "\x00"])
async def test_status_stays_small_whatever_a_provider_says(
    deployment: Deployment, letter: str
) -> None:
    """A refusal of 60 KiB becomes a status under 6 KiB that still has its trail."""
    words = letter * (60 * 1024 // len(letter.encode()))
    body = json.dumps({"error": {"message": words, "code": words[:4000]}}).encode()
    model = "m" * 200 + "\N{ROCKET}" * 40
    async with CrudeProvider(400, body) as provider:
        name = f"crude-{ord(letter)}"
        await deployment.connect(provider.base_url, "key", [model], name=name)
        request = ask(f"{name}/{model}")
        failure = await refused(deployment.inference.Chat(request, metadata=deployment.admin))
    assert failure.reason == "PROVIDER_REJECTED"
    assert failure.status.ByteSize() < MAX_STATUS
    (attempt,) = failure.attempts
    reply = attempt.failure.reply
    assert 0 < len((reply.message + reply.body).encode()) <= MAX_WORDS
    assert "\x00" not in reply.message + reply.body + reply.code


async def test_key_that_a_provider_repeats_is_masked(deployment: Deployment) -> None:
    """A key comes back in no spelling: not in the status, not in an event."""
    key = "sk-crude/8hQ0+canary?9=="
    spelled = [
        key,
        base64.b64encode(key.encode()).decode(),
        quote(key, safe=""),
        key.encode().hex(),
    ]
    body = json.dumps({"error": {"message": f"Bad: {' '.join(spelled)}", "code": key}}).encode()
    async with CrudeProvider(400, body) as provider:
        await deployment.connect(provider.base_url, key, ["crude"], name="repeats")
        call = stream(deployment.channel, "StreamChat", ask("repeats/crude"), deployment.admin)
        reading = await read(call)
    assert f"authorization: bearer {key}".lower().encode() in provider.heads[-1].lower()
    told = b"".join(reading.raw) + reading.failed.status.SerializeToString()
    assert b"[masked]" in told
    for spelling in spelled:
        assert spelling.encode() not in told


async def test_classes_of_tokens_do_not_overlap(deployment: Deployment) -> None:
    """What was read from and written to a cache is no input, and thought is part of the output."""
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 30,
        "total_tokens": 130,
        "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    message = {"role": "assistant", "content": "Hi"}
    whole = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    body = json.dumps(whole | {"usage": usage}).encode()
    async with CrudeProvider(200, body, "application/json") as provider:
        await deployment.connect(provider.base_url, "key", ["crude"], name="counts")
        answer = await deployment.inference.Chat(ask("counts/crude"), metadata=deployment.admin)
    assert answer.completed.usage == result_pb2.Usage(
        input_tokens=50,
        cache_read_tokens=40,
        cache_write_tokens=10,
        output_tokens=30,
        reasoning_tokens=20,
        source=result_pb2.USAGE_SOURCE_REPORTED,
    )
    assert answer.completed.context_used == 130


async def test_provider_that_is_gone_is_unreachable(deployment: Deployment) -> None:
    """A connection that is refused is a failure of its own kind, and says so."""
    async with CrudeProvider(200, b"") as provider:
        await deployment.connect(provider.base_url, "key", ["crude"], name="gone")
    failure = await refused(deployment.inference.Chat(ask("gone/crude"), metadata=deployment.admin))
    assert (failure.code.name, failure.reason) == ("UNAVAILABLE", "NO_FALLBACK")
    assert failure.metadata["kind"] == "UNREACHABLE"
    assert failure.attempts[0].usage == REPORTED_ZERO
    got = await deployment.inference.GetRun(
        run_pb2.GetRunRequest(run_id=failure.metadata["run_id"]), metadata=deployment.admin
    )
    assert got.run.failure.message == failure.message

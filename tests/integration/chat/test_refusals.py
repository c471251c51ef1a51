"""Chats that cannot begin: no such model, no provider, no key, out of scope, too many."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2

from support.begun import begin
from support.chats import Failure, ask, failure_of, read, refused, stream
from support.deployment import Deployment, eventually
from trunkline.catalog.v1 import model_pb2, provider_pb2
from trunkline.credential.v1 import save_pb2
from trunkline.inference.v1 import run_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_unknown_model_is_told_with_the_nearest_names(deployment: Deployment) -> None:
    """A misspelt name is answered with up to three that are like it."""
    failure = await refused(
        deployment.inference.Chat(ask("sandbox/parallel-tool"), metadata=deployment.admin)
    )
    assert (failure.code.name, failure.reason) == ("NOT_FOUND", "MODEL_NOT_FOUND")
    assert failure.metadata["model"] == "sandbox/parallel-tool"
    nearest = failure.metadata["nearest"].split(",")
    assert nearest[0] == "sandbox/parallel-tools"
    assert len(nearest) <= 3
    assert "sandbox/parallel-tools" in failure.message


async def test_model_without_a_likeness_is_told_without_names(deployment: Deployment) -> None:
    """Where nothing is near, the answer says how to see what there is."""
    failure = await refused(
        deployment.inference.Chat(ask("elsewhere/000"), metadata=deployment.admin)
    )
    assert (failure.reason, failure.metadata["nearest"]) == ("MODEL_NOT_FOUND", "")
    assert "trunkline models" in failure.message


async def test_nearest_names_are_those_that_the_token_reaches(deployment: Deployment) -> None:
    """A token learns of no model that it may not ask."""
    token = await deployment.issue(models=["sandbox/refuse"])
    failure = await refused(
        deployment.inference.Chat(ask("sandbox/reason2"), metadata=token.metadata)
    )
    assert failure.metadata["nearest"] in ("", "sandbox/refuse")


async def test_model_that_is_switched_off_is_not_there(deployment: Deployment) -> None:
    """A disabled model is not found, and is back when it is enabled again."""

    async def set_enabled(enabled: bool) -> None:
        model = model_pb2.Model(name="sandbox/json", enabled=enabled)
        await deployment.catalog.UpdateModel(
            model_pb2.UpdateModelRequest(model=model), metadata=deployment.admin
        )

    async def is_there() -> bool:
        call = stream(deployment.channel, "StreamChat", ask("sandbox/json"), deployment.admin)
        failure = (await read(call)).failure
        assert failure is None or failure.reason == "MODEL_NOT_FOUND"
        return failure is None

    async def is_gone() -> bool:
        return not await is_there()

    await set_enabled(False)
    await eventually(is_gone)
    await set_enabled(True)
    await eventually(is_there)


@pytest.mark.parametrize("method", ["Chat", "StreamChat"])
@pytest.mark.parametrize(
    ("model", "scope"),
    [
        ("sandbox/ok", {"models": ["sandbox/echo", "sandbox/reason"]}),
        ("sandbox/ok", {"providers": ["openai"]}),
        ("sandbox/ok", {"providers": ["openai"], "models": ["sandbox/ok"]}),
        ("sandbox/ok", {"providers": ["sandbox"], "models": ["sandbox/o"]}),
    ],
)
async def test_model_out_of_the_tokens_scope_is_denied(
    deployment: Deployment, method: str, model: str, scope: dict[str, list[str]]
) -> None:
    """A token reaches the providers and models that it names, and no provider is asked else."""
    token = await deployment.issue(**scope)  # type: ignore[arg-type] # by name
    before = len(deployment.sandbox.seen)
    if method == "Chat":
        failure = await refused(deployment.inference.Chat(ask(model), metadata=token.metadata))
    else:
        call = stream(deployment.channel, method, ask(model), token.metadata)
        failure = (await read(call)).failed
    assert (failure.code.name, failure.reason) == ("PERMISSION_DENIED", "OUT_OF_SCOPE")
    assert failure.metadata["model"] == model
    assert len(deployment.sandbox.seen) == before


async def test_model_within_the_tokens_scope_is_asked(deployment: Deployment) -> None:
    """Scope by provider and by model lets pass what both name."""
    token = await deployment.issue(providers=["sandbox"], models=["sandbox/echo"])
    answer = await deployment.inference.Chat(
        ask("sandbox/echo", "Let me in"), metadata=token.metadata
    )
    assert answer.completed.message.content[0].text == "Let me in"


async def test_chat_without_a_provider_says_what_to_do() -> None:
    """On an empty deployment a chat is refused, with and without a model's name."""
    async with Deployment(connected=False) as deployment:
        failure = await refused(deployment.inference.Chat(ask(""), metadata=deployment.admin))
        assert (failure.code.name, failure.reason) == ("FAILED_PRECONDITION", "NO_PROVIDER")
        assert "trunkline connect" in failure.message
        failure = await refused(deployment.inference.Chat(ask(), metadata=deployment.admin))
        assert failure.reason == "MODEL_NOT_FOUND"


async def test_sandbox_is_no_default(deployment: Deployment) -> None:
    """Who names no model is never answered by the sandbox."""
    failure = await refused(deployment.inference.Chat(ask(""), metadata=deployment.admin))
    assert failure.reason == "NO_PROVIDER"


async def test_provider_without_a_key_is_not_asked(deployment: Deployment) -> None:
    """A provider without a credential, and one whose credential was deleted, say so."""
    provider = provider_pb2.Provider(
        name="keyless",
        type="openai-compatible",
        endpoint=provider_pb2.ProviderEndpoint(base_url=deployment.sandbox.base_url),
    )
    await deployment.catalog.CreateProvider(
        provider_pb2.CreateProviderRequest(provider=provider, models=["ok"]),
        metadata=deployment.admin,
    )

    async def has_no_key() -> bool:
        failure = await refused(
            deployment.inference.Chat(ask("keyless/ok"), metadata=deployment.admin)
        )
        assert failure.reason in ("MODEL_NOT_FOUND", "NO_CREDENTIAL")
        if failure.reason == "NO_CREDENTIAL":
            _check_no_key(failure, "keyless")
        return failure.reason == "NO_CREDENTIAL"

    await eventually(has_no_key)


async def test_key_that_was_deleted_is_used_no_more() -> None:
    """After its deletion a key begins nothing, and the attempt under way goes on."""
    async with Deployment() as deployment:
        under_way = await begin(deployment, "slow")
        listed = await deployment.credentials.ListCredentials(
            save_pb2.ListCredentialsRequest(), metadata=deployment.admin
        )
        (credential,) = listed.credentials
        await deployment.credentials.DeleteCredential(
            save_pb2.DeleteCredentialRequest(id=credential.id), metadata=deployment.admin
        )

        async def is_refused() -> bool:
            try:
                await deployment.inference.Chat(ask(), metadata=deployment.admin)
            except grpc.aio.AioRpcError as error:
                failure = failure_of(error)
                _check_no_key(failure, "sandbox")
                return True
            return False

        await eventually(is_refused)
        asked = len(deployment.sandbox.seen.of_model("ok"))
        await refused(deployment.inference.Chat(ask(), metadata=deployment.admin))
        assert len(deployment.sandbox.seen.of_model("ok")) == asked
        said = await deployment.run(under_way.run_id)

        async def goes_on() -> bool:
            run = await deployment.run(under_way.run_id)
            assert run.state == run_pb2.RUN_STATE_RUNNING
            return run.last_sequence > said.last_sequence

        await eventually(goes_on)


def _check_no_key(failure: Failure, provider: str) -> None:
    assert (failure.code.name, failure.reason) == ("FAILED_PRECONDITION", "NO_CREDENTIAL")
    assert failure.metadata["provider"] == provider
    assert failure.metadata["policy"] == "no_key"
    assert f"trunkline connect {provider}" in failure.message


@pytest.mark.parametrize(
    ("setting", "subject"), [("max_runs", "deployment"), ("max_runs_per_principal", "principal")]
)
async def test_run_too_many_is_refused_at_once(setting: str, subject: str) -> None:
    """Beyond its bound a run is refused with a wait; when one has ended there is room again."""
    async with Deployment(**{setting: 2}) as deployment:  # type: ignore[arg-type] # by name
        owner, other = await deployment.issue(), await deployment.issue()
        first = await begin(deployment, metadata=owner.metadata)
        await begin(deployment, metadata=owner.metadata)
        call = stream(deployment.channel, "StreamChat", ask(), owner.metadata)
        failure = (await read(call)).failed
        assert (failure.code.name, failure.reason) == ("RESOURCE_EXHAUSTED", "LIMIT_REACHED")
        assert (failure.metadata["limit"], failure.metadata["subject"]) == ("2", subject)
        retry = failure.detail(error_details_pb2.RetryInfo())
        assert retry is not None
        assert retry.retry_delay.seconds >= 1
        question = deployment.inference.Chat(ask(), metadata=other.metadata)
        if subject == "deployment":
            assert (await refused(question)).reason == "LIMIT_REACHED"
        else:
            assert (await question).completed.HasField("message")
        await deployment.cancel(first.run_id)
        answer = await deployment.inference.Chat(ask(), metadata=owner.metadata)
        assert answer.completed.HasField("message")


async def test_call_too_many_is_refused_at_once() -> None:
    """Calls are bounded over all callers and methods."""
    async with Deployment(max_calls=3) as deployment:
        begun = [await begin(deployment) for _ in range(2)]
        waiting = [asyncio.create_task(read(run.call)) for run in begun]
        third = stream(deployment.channel, "StreamChat", ask("sandbox/silent"), deployment.admin)
        await third.initial_metadata()
        failure = await refused(
            deployment.inference.ListRuns(run_pb2.ListRunsRequest(), metadata=deployment.admin)
        )
        assert (failure.code.name, failure.reason) == ("RESOURCE_EXHAUSTED", "LIMIT_REACHED")
        assert failure.metadata["subject"] == "deployment"
        assert failure.detail(error_details_pb2.RetryInfo()) is not None
        third.cancel()
        for task in waiting:
            task.cancel()

        async def has_room() -> bool:
            try:
                await deployment.cancel(begun[0].run_id)
            except grpc.aio.AioRpcError as error:
                return failure_of(error).reason != "LIMIT_REACHED"
            return True

        await eventually(has_room)
        assert (await deployment.run(begun[0].run_id)).state == run_pb2.RUN_STATE_CANCELLED


async def test_runs_since_no_time_are_not_listed(deployment: Deployment) -> None:
    """A start time beyond the bounds of its type is the caller's mistake, and is named."""
    for start_time in (Timestamp(seconds=2**63 - 1), Timestamp(nanos=-1)):
        request = run_pb2.ListRunsRequest(start_time=start_time)
        failure = await refused(deployment.inference.ListRuns(request, metadata=deployment.admin))
        assert (failure.code.name, failure.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
        assert failure.fields == ["start_time"]

"""Stopping and starting: what outlives it, what a missing peer does, and that any order will do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc
import pytest
from google.rpc import error_details_pb2

from support.begun import begin, resume
from support.chats import Failure, ask, failure_of, read, refused, stream
from support.deployment import Deployment, Metadata, Stubs, eventually
from trunkline.inference.v1 import result_pb2
from trunkline.kernel.service import StartupError
from trunkline.sandbox.sightings import State
from trunkline.suite import Suite


@asynccontextmanager
async def serving(deployment: Deployment, names: Sequence[str]) -> AsyncIterator[Stubs]:
    """Run some services of a deployment as a process of their own would."""
    suite = Suite(deployment.source, names)
    await suite.start()
    stubs = Stubs(suite.address)
    try:
        yield stubs
    finally:
        await stubs.channel.close()
        await suite.stop(0.0)


@asynccontextmanager
async def stopped() -> AsyncIterator[Deployment]:
    """Give a deployment that was set up and does not run."""
    async with Deployment() as deployment:
        await deployment.stop()
        yield deployment


async def _begins(stubs: Stubs, metadata: Metadata) -> bool:
    """Tell whether chats begin; until peers are found they may be unavailable."""
    try:
        answer = await stubs.inference.Chat(ask(), metadata=metadata)
    except grpc.aio.AioRpcError as error:
        # The provider is known a moment before its model and key are.
        passing = ("PEER_UNAVAILABLE", "MODEL_NOT_FOUND", "NO_CREDENTIAL", "NOT_SERVING")
        if failure_of(error).reason not in passing:
            raise
        return False
    return answer.completed.HasField("message")


async def test_key_tokens_and_models_outlive_a_restart() -> None:
    """After a restart a chat works with what was saved before, and runs are gone."""
    async with Deployment() as deployment:
        token = await deployment.issue(models=["sandbox/ok"])
        revoked = await deployment.issue()
        await deployment.revoke(revoked)
        before = await deployment.inference.Chat(ask(), metadata=token.metadata)
        await deployment.stop()
        await deployment.start()
        assert await _begins_soon(deployment, token.metadata)
        headers = dict(deployment.sandbox.seen[-1].headers)
        assert headers["authorization"] == f"Bearer {deployment.sandbox.api_key}"
        call = stream(deployment.channel, "StreamChat", ask("sandbox/echo"), token.metadata)
        assert (await read(call)).failed.reason == "OUT_OF_SCOPE"
        failure = await refused(deployment.inference.Chat(ask(), metadata=revoked.metadata))
        assert failure.reason == "TOKEN_INVALID"
        gone = await resume(deployment, before.run_id, metadata=token.metadata)
        assert gone.failed.reason == "RUN_NOT_FOUND"


async def _begins_soon(deployment: Deployment, metadata: Metadata) -> bool:
    stubs = Stubs(deployment.suite.address)
    try:
        await eventually(lambda: _begins(stubs, metadata), 10)
    finally:
        await stubs.channel.close()
    return True


async def _refused_for_want_of(stubs: Stubs, metadata: Metadata, peer: str) -> None:
    """Check that a chat waits some 2 s for what it needs to know, then says who is missing."""
    began = time.monotonic()
    failure = await refused(stubs.inference.Chat(ask(), metadata=metadata))
    assert time.monotonic() - began < 5
    assert (failure.code.name, failure.reason) == ("UNAVAILABLE", "PEER_UNAVAILABLE")
    assert failure.metadata["peer"] == peer
    assert peer in failure.message


async def test_missing_catalog_is_named_in_time() -> None:
    """Without the catalog nobody knows what can be asked."""
    names = ("credential", "health", "inference")
    async with stopped() as deployment, serving(deployment, names) as stubs:
        await _refused_for_want_of(stubs, deployment.admin, "catalog")


async def test_health_is_not_waited_for() -> None:
    """Chats go on without the service that only watches."""
    names = ("credential", "catalog", "inference")
    async with stopped() as deployment, serving(deployment, names) as stubs:
        await eventually(lambda: _begins(stubs, deployment.admin), 10)
        began = time.monotonic()
        answer = await stubs.inference.Chat(ask(), metadata=deployment.admin)
        assert time.monotonic() - began < 1
        assert answer.completed.HasField("message")


async def test_missing_credential_is_named_and_found_when_it_comes() -> None:
    """Who starts late is found without anybody else being restarted."""
    async with stopped() as deployment, serving(deployment, ("catalog", "inference")) as stubs:
        await _refused_for_want_of(stubs, deployment.admin, "credential")
        async with serving(deployment, ("credential",)):
            await eventually(lambda: _begins(stubs, deployment.admin), 10)
        # Gone again: what is known of tokens and keys serves for a while.
        answer = await stubs.inference.Chat(ask(), metadata=deployment.admin)
        assert answer.completed.HasField("message")


@pytest.mark.parametrize(
    "order",
    [
        ("credential", "catalog", "health", "inference"),
        ("inference", "health", "catalog", "credential"),
        ("catalog", "inference", "credential", "health"),
    ],
    ids="-".join,
)
async def test_services_may_start_in_any_order(order: Sequence[str]) -> None:
    """Four processes with one service each find each other, whoever is first."""
    async with stopped() as deployment:
        suites = []
        try:
            for name in order:
                suites.append(Suite(deployment.source, (name,)))
                await suites[-1].start()
            stubs = Stubs(suites[order.index("inference")].address)
            await eventually(lambda: _begins(stubs, deployment.admin), 10)
            await stubs.channel.close()
        finally:
            for suite in suites:
                await suite.stop(0.0)


async def test_second_process_on_one_directory_does_no_harm() -> None:
    """Who finds a service running refuses to start, and the first one goes on."""
    async with Deployment() as deployment:
        with pytest.raises(StartupError) as caught:
            await Suite(deployment.source).start()
        assert "in use" in caught.value.what
        assert "--data-dir" in caught.value.advice
        answer = await deployment.inference.Chat(ask(), metadata=deployment.admin)
        assert answer.completed.HasField("message")
        await deployment.issue()


async def test_stop_waits_for_runs_and_begins_none() -> None:
    """A run that ends within the grace comes to its end; who asks meanwhile is refused."""
    async with Deployment(default_durability="memory") as deployment:
        begun = await begin(deployment, "tokens-20-per-second")
        reader = asyncio.create_task(read(begun.call))
        stopping = asyncio.create_task(deployment.suite.stop(10))

        async def is_refused() -> Failure | None:
            try:
                await deployment.inference.Chat(ask(), metadata=deployment.admin)
            except grpc.aio.AioRpcError as error:
                return failure_of(error)
            return None

        failure = await is_refused()
        while failure is None:
            failure = await is_refused()
        assert (failure.code.name, failure.reason) == ("UNAVAILABLE", "NOT_SERVING")
        retry = failure.detail(error_details_pb2.RetryInfo())
        assert retry is not None
        assert retry.retry_delay.ToMilliseconds() == 0
        assert (await reader).completed.HasField("message")
        await stopping


async def test_run_that_outlasts_the_grace_is_ended_for_its_readers() -> None:
    """Beyond the grace a run's readers get its id and may ask again at once."""
    async with Deployment(default_durability="memory") as deployment:
        begun = await begin(deployment)
        reader = asyncio.create_task(read(begun.call))
        await deployment.suite.stop(0.2)
        failure = (await reader).failed
        assert (failure.code.name, failure.reason) == ("UNAVAILABLE", "NOT_SERVING")
        assert failure.metadata["run_id"] == begun.run_id
        retry = failure.detail(error_details_pb2.RetryInfo())
        assert retry is not None
        assert retry.retry_delay.ToMilliseconds() == 0
        (attempt,) = failure.attempts
        assert attempt.outcome == result_pb2.ATTEMPT_OUTCOME_CANCELLED
        assert await begun.sighting.ended(1) is State.CLIENT_CLOSED

"""How a unary chat ends that is carried by its own call."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from support.chats import ask, failure_of, limits
from support.deployment import Deployment, eventually
from trunkline.inference.v1 import chat_pb2, run_pb2
from trunkline.sandbox.sightings import Sighting, State

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODEL = "silent"


async def begin(
    deployment: Deployment, metadata: tuple[tuple[str, str], ...], **fields: Any
) -> tuple[asyncio.Task[chat_pb2.ChatResponse], Sighting, str]:
    """Begin a unary chat whose provider never answers; return it, the sighting and the run's id."""
    seen = len(deployment.sandbox.seen)

    async def chat() -> chat_pb2.ChatResponse:
        request = ask(f"sandbox/{MODEL}", **fields)
        response: chat_pb2.ChatResponse = await deployment.inference.Chat(
            request, metadata=metadata
        )
        return response

    task = asyncio.create_task(chat())
    await deployment.sandbox.seen.wait_for(seen + 1, 5)
    listed = await deployment.inference.ListRuns(
        run_pb2.ListRunsRequest(state=run_pb2.RUN_STATE_RUNNING), metadata=deployment.admin
    )
    return task, deployment.sandbox.seen[-1], listed.runs[0].id


async def test_another_call_cancels_it(deployment: Deployment) -> None:
    """Its caller is told that it was cancelled, and the provider's socket is closed."""
    task, sighting, run_id = await begin(deployment, deployment.admin)
    run = await deployment.cancel(run_id)
    assert run.state == run_pb2.RUN_STATE_CANCELLED
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await task
    failure = failure_of(ended.value)
    assert (failure.code.name, failure.reason) == ("CANCELLED", "RUN_CANCELLED")
    assert failure.metadata["by"] == "cancel"
    assert failure.metadata["run_id"] == run_id
    assert await sighting.ended(1) is State.CLIENT_CLOSED


async def test_its_client_leaves(deployment: Deployment) -> None:
    """Without grace the run ends with the call."""
    task, sighting, run_id = await begin(deployment, deployment.admin)
    task.cancel()
    assert await sighting.ended(1) is State.CLIENT_CLOSED

    async def is_cancelled() -> bool:
        return (await deployment.run(run_id)).state == run_pb2.RUN_STATE_CANCELLED

    await eventually(is_cancelled)


async def test_its_token_is_revoked(deployment: Deployment) -> None:
    """The call ends UNAUTHENTICATED, and the run with its principal's last token."""
    token = await deployment.issue("unary-revoked")
    task, sighting, run_id = await begin(deployment, token.metadata)
    await deployment.revoke(token)
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await asyncio.wait_for(task, 2)
    assert ended.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert await sighting.ended(1) is State.CLIENT_CLOSED
    assert (await deployment.run(run_id)).state == run_pb2.RUN_STATE_CANCELLED


async def test_its_time_is_over(deployment: Deployment) -> None:
    """`limits.total` ends it, though its own call could wait longer."""
    task, sighting, run_id = await begin(deployment, deployment.admin, limits=limits(total=0.3))
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await task
    failure = failure_of(ended.value)
    assert (failure.code.name, failure.reason) == ("DEADLINE_EXCEEDED", "RUN_TIMED_OUT")
    assert failure.metadata["run_id"] == run_id
    assert await sighting.ended(1) is State.CLIENT_CLOSED


async def test_its_provider_is_asked_for_the_answer_in_one_piece(deployment: Deployment) -> None:
    """With grace, and for a stream, it is asked for parts."""
    await deployment.inference.Chat(ask("sandbox/ok"), metadata=deployment.admin)
    assert "stream" not in (deployment.sandbox.seen[-1].body or {})
    request = ask("sandbox/ok")
    request.disconnect.grace.FromSeconds(1)
    await deployment.inference.Chat(request, metadata=deployment.admin)
    assert (deployment.sandbox.seen[-1].body or {})["stream"] is True

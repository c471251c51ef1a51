"""How soon an answer goes on when the process that carried it was killed.

Two processes carry chats on one journal, with the lease that is published: `trunkline up`, and a
worker beside it. A chat begins on the worker, which gets SIGKILL in the middle of its answer; the
reader resumes it on the other at once, and waits for the first text of another attempt.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import grpc

from bench.child import ChildFailed
from bench.deployment import Deployment
from bench.fleet import SERVING
from bench.gateway import Gateway
from bench.program import Program
from bench.targets import PROVIDER
from trunkline.inference.v1 import chat_pb2, inference_service_pb2_grpc, message_pb2, run_pb2

_MODEL: Final = "paced-20-600"
_EVENTS_BEFORE: Final = 10
_START_LIMIT_SECONDS: Final = 40.0
_LIMIT_SECONDS: Final = 25.0


def measure_kills(
    home: Path, standin: str, settings: Mapping[str, str], times: int, *, cpu: int
) -> list[float]:
    """Kill the owner of an answer again and again.

    Args:
        home: a directory of its own, which exists.
        standin: the provider's address, `host:port`.
        settings: further variables of the processes' environment.
        times: how often.
        cpu: the core of the processes.

    Returns:
        Seconds from each signal to the first text that followed.

    Raises:
        ChildFailed: a process did not come to serve, or the answer did not go on.
    """
    with Gateway(home, cpu=cpu, settings=settings) as other:
        other.deployment.connect_standin(standin)
        seconds = []
        for _ in range(times):
            worker = Program(
                "serve",
                "inference",
                home=home,
                cpu=cpu,
                settings={**settings, "TRUNKLINE_WORKER": "1"},
                start_limit_seconds=_START_LIMIT_SECONDS,
            )
            with worker:
                address = worker.find(SERVING)
                token_file = other.deployment.token_file
                owner = Deployment(address, address, address, token_file)
                owner.wait_for_chat()
                try:
                    seconds.append(asyncio.run(_kill(worker, owner, other.deployment)))
                except (TimeoutError, grpc.aio.AioRpcError) as error:
                    raise ChildFailed(f"A killed chat did not go on: {error!r}") from None
        return seconds


async def _kill(worker: Program, owner: Deployment, other: Deployment) -> float:
    """Kill a worker in the middle of an answer, and read on elsewhere.

    Returns:
        Seconds from the signal to the first text of another attempt.
    """
    token = Path(other.token_file).read_text().strip()
    metadata = (("authorization", f"Bearer {token}"),)
    async with (
        asyncio.timeout(_LIMIT_SECONDS),
        grpc.aio.insecure_channel(owner.inference) as dying,
        grpc.aio.insecure_channel(other.inference) as living,
    ):
        begun = inference_service_pb2_grpc.InferenceServiceStub(dying)
        run_id, last = await _read_some(begun, metadata)
        stub = inference_service_pb2_grpc.InferenceServiceStub(living)
        killed = time.monotonic()
        worker.kill()
        request = run_pb2.ResumeChatRequest(run_id=run_id, after_sequence=last)
        call: Any = stub.ResumeChat(request, metadata=metadata)
        async for event in call:
            if event.HasField("text_delta") and event.attempt > 1:
                seconds = time.monotonic() - killed
                await stub.CancelChat(run_pb2.CancelChatRequest(run_id=run_id), metadata=metadata)
                return seconds
    raise ChildFailed("A killed chat ended without another attempt.")


async def _read_some(stub: Any, metadata: tuple[tuple[str, str], ...]) -> tuple[str, int]:
    """Begin a chat; return its run's id and the last sequence that was read of it."""
    request = chat_pb2.ChatRequest(
        model=f"{PROVIDER}/{_MODEL}",
        messages=[
            message_pb2.Message(
                role=message_pb2.ROLE_USER, content=[message_pb2.Part(text="Hello")]
            )
        ],
        durability=chat_pb2.DURABILITY_DURABLE,
    )
    run_id, texts = "", 0
    async for event in stub.StreamChat(request, metadata=metadata):
        run_id = run_id or event.run_started.run_id
        texts += event.HasField("text_delta")
        if texts == _EVENTS_BEFORE:
            return run_id, event.sequence
    raise ChildFailed("A chat that should have been killed ended.")

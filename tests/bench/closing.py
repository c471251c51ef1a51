"""How soon a provider's socket is closed when its run was cancelled, or has lost its readers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc

from bench.targets import GatewayRoute
from trunkline.catalog.v1 import catalog_service_pb2_grpc, provider_pb2
from trunkline.credential.v1 import credential_service_pb2_grpc, save_pb2
from trunkline.inference.v1 import chat_pb2, inference_service_pb2_grpc, message_pb2, run_pb2
from trunkline.sandbox.server import Sandbox

_PROVIDER: Final = "closing"
_MODEL: Final = "stall-after-2"
_GRACE_SECONDS: Final = 0.05
_LIMIT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Closings:
    """Milliseconds until the provider saw its socket closed.

    Attributes:
        cancelled: counted from the call of CancelChat.
        deserted: counted from the end of the grace of a run whose reader left.
    """

    cancelled: list[float]
    deserted: list[float]


def measure_closings(route: GatewayRoute, times: int) -> Closings:
    """Begin chats with a provider that stalls, end them in both ways, and time what it sees."""
    return asyncio.run(_measure(route, times))


async def _measure(route: GatewayRoute, times: int) -> Closings:
    metadata = (("authorization", f"Bearer {Path(route.token_file).read_text().strip()}"),)
    async with Sandbox() as sandbox, grpc.aio.insecure_channel(route.address) as channel:
        await _connect(channel, metadata, sandbox)
        sandbox.seen.clear()
        stub = inference_service_pb2_grpc.InferenceServiceStub(channel)
        closings = Closings([], [])
        for _ in range(times):
            call, run_id = await _stalled(stub, metadata)
            begin = time.monotonic()
            await stub.CancelChat(run_pb2.CancelChatRequest(run_id=run_id), metadata=metadata)
            closings.cancelled.append((await _closed(sandbox) - begin) * 1e3)
            call.cancel()
            call, _ = await _stalled(stub, metadata)
            begin = time.monotonic()
            call.cancel()
            closings.deserted.append((await _closed(sandbox) - begin - _GRACE_SECONDS) * 1e3)
        return closings


async def _connect(
    channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...], sandbox: Sandbox
) -> None:
    """Make the sandbox a provider, with a model that is there at once."""
    await catalog_service_pb2_grpc.CatalogServiceStub(channel).CreateProvider(
        provider_pb2.CreateProviderRequest(
            provider=provider_pb2.Provider(
                name=_PROVIDER,
                type="openai-compatible",
                endpoint=provider_pb2.ProviderEndpoint(base_url=sandbox.base_url),
            ),
            models=[_MODEL],
        ),
        metadata=metadata,
        timeout=_LIMIT_SECONDS,
    )
    await credential_service_pb2_grpc.CredentialServiceStub(channel).SaveApiKey(
        save_pb2.SaveApiKeyRequest(provider=_PROVIDER, api_key=sandbox.api_key),
        metadata=metadata,
        timeout=_LIMIT_SECONDS,
    )


async def _stalled(stub: Any, metadata: tuple[tuple[str, str], ...]) -> tuple[Any, str]:
    """Return a call whose provider has begun to speak and fallen silent, and its run's id.

    What was saved reaches the views of inference a moment later: until then it is asked again.
    """
    request = chat_pb2.ChatRequest(
        model=f"{_PROVIDER}/{_MODEL}",
        messages=[
            message_pb2.Message(
                role=message_pb2.ROLE_USER, content=[message_pb2.Part(text="Hello")]
            )
        ],
    )
    request.disconnect.grace.FromMilliseconds(int(_GRACE_SECONDS * 1000))
    async with asyncio.timeout(_LIMIT_SECONDS):
        while True:
            call = stub.StreamChat(request, metadata=metadata)
            run_id = ""
            try:
                async for event in call:
                    run_id = run_id or event.run_started.run_id
                    if event.HasField("text_delta"):
                        return call, run_id
            except grpc.aio.AioRpcError as error:
                if error.code() not in (
                    grpc.StatusCode.NOT_FOUND,
                    grpc.StatusCode.FAILED_PRECONDITION,
                ):
                    raise
                await asyncio.sleep(0.02)


async def _closed(sandbox: Sandbox) -> float:
    """Return when the last chat's socket was closed, by the monotonic clock."""
    chat = [seen for seen in sandbox.seen if seen.model == _MODEL][-1]
    await chat.ended(_LIMIT_SECONDS)
    assert chat.client_closed
    assert chat.ended_at is not None
    return chat.ended_at

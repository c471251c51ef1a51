"""What is too large to be read is refused by gRPC, and what is answered fits a default client."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from support.chats import ask
from support.deployment import Deployment
from trunkline.inference.v1 import run_pb2

KIB = 1024
MIB = 1024 * KIB


async def test_request_over_the_bound_is_refused_unread() -> None:
    """It costs its caller that one call: the connection and the others on it go on."""
    async with Deployment(max_message_bytes=64 * KIB) as deployment:
        for text in ("x" * 65 * KIB, "x" * 8 * MIB):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await deployment.inference.Chat(ask(text=text), metadata=deployment.admin)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        answer = await deployment.inference.Chat(
            ask("sandbox/echo", "x" * 63 * KIB), metadata=deployment.admin
        )
        assert len(answer.completed.message.content[0].text) == 63 * KIB


async def test_list_of_runs_is_cut_into_pages_that_fit() -> None:
    """The most runs that a page may have would be too large: it has fewer, and none is left out."""
    async with Deployment(connected=False) as deployment:
        # Their names are long, and stand in the failures too.
        name = "nobody/" + "\u65e5" * 256

        async def fail(count: int) -> None:
            for _ in range(count):
                with pytest.raises(grpc.aio.AioRpcError):
                    await deployment.inference.Chat(ask(name), metadata=deployment.admin)

        await asyncio.gather(*(fail(120) for _ in range(8)))
        listed: list[str] = []
        sizes: list[int] = []
        token = ""
        while token or not sizes:
            page = await deployment.inference.ListRuns(
                run_pb2.ListRunsRequest(page_size=1000, page_token=token), metadata=deployment.admin
            )
            sizes.append(page.ByteSize())
            listed += [run.id for run in page.runs]
            token = page.next_page_token
        assert len(listed) == 960
        assert listed == sorted(set(listed), reverse=True)
        assert len(sizes) > 1
        assert max(sizes) <= MIB + KIB

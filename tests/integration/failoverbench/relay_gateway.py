"""A gateway that passes everything on and knows no fallback, as the simplest ones do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web


@asynccontextmanager
async def serve_relay(
    provider: str, key: str, last: int | None = None
) -> AsyncIterator[tuple[str, list[web.Request]]]:
    """Serve it; yield its base address and the requests it got.

    When the provider is lost in the middle of an answer, the answer is ended in order.

    Args:
        provider: the provider's base address.
        key: for the provider.
        last: the number of the request after which it listens no more; None: it goes on.
    """
    seen: list[web.Request] = []
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout()) as session:

        async def relay(request: web.Request) -> web.StreamResponse:
            seen.append(request)
            reply = web.StreamResponse()
            try:
                async with session.post(
                    f"{provider}/chat/completions", data=await request.read()
                ) as answer:
                    reply.set_status(answer.status)
                    reply.content_type = answer.content_type
                    await reply.prepare(request)
                    async for data in answer.content.iter_any():
                        await reply.write(data)
            except aiohttp.ClientError:
                if not reply.prepared:
                    return web.json_response({"error": {"message": "provider lost"}}, status=502)
            if len(seen) == last:
                reply.force_close()
                await asyncio.gather(*(site.stop() for site in list(runner.sites)))
            await reply.write_eof()
            return reply

        application = web.Application()
        application.router.add_post("/v1/chat/completions", relay)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1", seen
        finally:
            await runner.cleanup()

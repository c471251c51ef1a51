"""The client for asyncio: thin drivers of `reading`, over `grpc.aio`."""

from trunkline_client.asynchronous.client import AsyncClient
from trunkline_client.asynchronous.stream import AsyncStream, AsyncToolLoop

__all__ = ["AsyncClient", "AsyncStream", "AsyncToolLoop"]

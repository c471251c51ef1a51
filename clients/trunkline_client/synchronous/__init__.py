"""The client for programs without asyncio: thin drivers of `reading`, over `grpc`."""

from trunkline_client.synchronous.client import Client
from trunkline_client.synchronous.stream import Stream, ToolLoop

__all__ = ["Client", "Stream", "ToolLoop"]

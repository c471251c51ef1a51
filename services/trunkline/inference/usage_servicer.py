"""UsageService: gRPC in and out."""

from __future__ import annotations

from typing import Any

import grpc

from trunkline.inference.ledger import Ledger
from trunkline.inference.v1 import usage_pb2, usage_pb2_grpc
from trunkline.kernel.call import current_caller

Context = grpc.aio.ServicerContext[Any, Any]


class UsageServicer(usage_pb2_grpc.UsageServiceServicer):
    """Reads the ledger.

    Args:
        ledger: of all attempts.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def ListAttempts(
        self, request: usage_pb2.ListAttemptsRequest, context: Context
    ) -> usage_pb2.ListAttemptsResponse:
        """Page through the rows, newest first."""
        del context
        return await self._ledger.page(request, current_caller())

"""UsageService: gRPC in and out."""

from __future__ import annotations

from typing import Any

import grpc

from trunkline.inference.ledger import Ledger
from trunkline.inference.usage_sums import UsageSums
from trunkline.inference.v1 import usage_pb2, usage_pb2_grpc
from trunkline.kernel.call import current_caller

Context = grpc.aio.ServicerContext[Any, Any]


class UsageServicer(usage_pb2_grpc.UsageServiceServicer):
    """Reads the ledger.

    Args:
        ledger: of all attempts.
        sums: over it.
    """

    def __init__(self, ledger: Ledger, sums: UsageSums) -> None:
        self._ledger = ledger
        self._sums = sums

    async def QueryUsage(
        self, request: usage_pb2.QueryUsageRequest, context: Context
    ) -> usage_pb2.QueryUsageResponse:
        """Sum the ledger over a time, by what is asked."""
        del context
        return await self._sums.query(request, current_caller())

    async def ListAttempts(
        self, request: usage_pb2.ListAttemptsRequest, context: Context
    ) -> usage_pb2.ListAttemptsResponse:
        """Page through the rows, newest first."""
        del context
        return await self._ledger.page(request, current_caller())

"""The channels to all replicas, and calls over them that are made again while that may help."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import grpc

from trunkline.inference.v1 import run_pb2
from trunkline.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from trunkline_client.address import OPTIONS, find_credentials
from trunkline_client.errors import ClientClosed, TrunklineError
from trunkline_client.failure import read_failure
from trunkline_client.reading import Reading
from trunkline_client.resumption import Budget, Patience
from trunkline_client.terms import CALL_S
from trunkline_client.token import Metadata, Token

if TYPE_CHECKING:
    from trunkline.inference.v1.inference_service_pb2_grpc import InferenceServiceAsyncStub

T = TypeVar("T")


class Lines:
    """The channels to all replicas.

    Args:
        addresses: of the replicas.
        token: sent with every call.
        authority: that servers are checked by.
        patience: of every stream.
    """

    def __init__(
        self, addresses: Sequence[str], token: Token, authority: bytes | None, patience: Patience
    ) -> None:
        self.preferred = 0
        self.is_closed = False
        self._addresses = addresses
        self._token = token
        self._authority = authority
        self._patience = patience
        self._channels: dict[int, grpc.aio.Channel] = {}

    def metadata(self) -> Metadata:
        """Return the metadata of a call."""
        return self._token.metadata()

    def is_renewed(self, error: TrunklineError, sent: Metadata) -> bool:
        """Tell whether a call with such metadata was refused for its token, and has another now."""
        return self._token.is_renewed(error, sent)

    def budget(self, replica: int | None = None) -> Budget:
        """Return what a stream may spend on coming back; None: it begins where one answered."""
        first = self.preferred if replica is None else replica
        return Budget(self._patience, len(self._addresses), first)

    def stub(self, replica: int) -> InferenceServiceAsyncStub:
        """Return a replica's methods; its channel connects with the first call.

        Raises:
            ClientClosed: there is no channel any more.
        """
        if self.is_closed:
            raise ClientClosed("The client is closed.", code=grpc.StatusCode.CANCELLED)
        channel = self._channels.get(replica)
        if channel is None:
            address = self._addresses[replica]
            credentials = find_credentials(address, self._authority)
            if credentials is None:
                channel = grpc.aio.insecure_channel(address, options=OPTIONS)
            else:
                channel = grpc.aio.secure_channel(address, credentials, options=OPTIONS)
            self._channels[replica] = channel
        return InferenceServiceStub(channel)

    async def ask(
        self,
        reading: Reading,
        call: Callable[[InferenceServiceAsyncStub, float, Metadata], Awaitable[T]],
    ) -> T:
        """Make a unary call, again while that may help.

        Raises:
            TrunklineError: it failed.
        """
        while True:
            caller = self.metadata()
            left_s = max(0.0, reading.deadline_s - time.monotonic())
            try:
                answer = await call(self.stub(reading.replica), left_s, caller)
            except grpc.aio.AioRpcError as failed:
                error = read_failure(failed)
            except asyncio.CancelledError:
                # grpc says the same of a call that `close` gave up.
                if is_cancelled() or not self.is_closed:
                    raise
                continue
            else:
                self.preferred = reading.replica
                return answer
            is_renewed = self.is_renewed(error, caller)
            wait_s = reading.recover(error, time.monotonic(), is_renewed=is_renewed)
            await asyncio.sleep(wait_s)

    async def cancel(self, run_id: str, on_behalf_of: str, replica: int) -> run_pb2.Run:
        """End a run, and return how it stands."""
        request = run_pb2.CancelChatRequest(run_id=run_id, on_behalf_of=on_behalf_of)
        response = await self.ask(
            Reading(self.budget(replica), time.monotonic() + CALL_S),
            lambda stub, left_s, caller: stub.CancelChat(request, timeout=left_s, metadata=caller),
        )
        return response.run

    async def close(self) -> None:
        """Close the channels; who reads over them gets `ClientClosed`."""
        self.is_closed = True
        channels, self._channels = self._channels, {}
        for channel in channels.values():
            await channel.close()


def is_cancelled() -> bool:
    """Tell whether the task that runs is asked to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0

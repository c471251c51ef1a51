"""The channels to all replicas, and calls over them that are made again while that may help."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

import grpc

from trunkline.inference.v1 import run_pb2
from trunkline.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from trunkline_client.address import OPTIONS, find_credentials
from trunkline_client.errors import ClientClosed, TrunklineError
from trunkline_client.failure import FailedCall, read_failure
from trunkline_client.reading import Reading
from trunkline_client.resumption import Budget, Patience
from trunkline_client.terms import CALL_S
from trunkline_client.token import Metadata, Token

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
        self._addresses = addresses
        self._token = token
        self._authority = authority
        self._patience = patience
        self._channels: dict[int, grpc.Channel] = {}
        self._is_closed = False
        self._lock = threading.Lock()

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

    def stub(self, replica: int) -> InferenceServiceStub:
        """Return a replica's methods; its channel connects with the first call.

        Raises:
            ClientClosed: there is no channel any more.
        """
        with self._lock:
            if self._is_closed:
                raise ClientClosed("The client is closed.", code=grpc.StatusCode.CANCELLED)
            channel = self._channels.get(replica)
            if channel is None:
                address = self._addresses[replica]
                credentials = find_credentials(address, self._authority)
                if credentials is None:
                    channel = grpc.insecure_channel(address, options=OPTIONS)
                else:
                    channel = grpc.secure_channel(address, credentials, options=OPTIONS)
                self._channels[replica] = channel
        return InferenceServiceStub(channel)

    def ask(
        self,
        reading: Reading,
        call: Callable[[InferenceServiceStub, float, Metadata], T],
    ) -> T:
        """Make a unary call, again while that may help.

        Raises:
            TrunklineError: it failed.
        """
        while True:
            caller = self.metadata()
            left_s = max(0.0, reading.deadline_s - time.monotonic())
            try:
                answer = call(self.stub(reading.replica), left_s, caller)
            except grpc.RpcError as failed:
                # What gRPC raises is the call, by its documentation.
                error = read_failure(cast(FailedCall, failed))
            else:
                self.preferred = reading.replica
                return answer
            is_renewed = self.is_renewed(error, caller)
            wait_s = reading.recover(error, time.monotonic(), is_renewed=is_renewed)
            time.sleep(wait_s)

    def cancel(self, run_id: str, on_behalf_of: str, replica: int) -> run_pb2.Run:
        """End a run, and return how it stands."""
        request = run_pb2.CancelChatRequest(run_id=run_id, on_behalf_of=on_behalf_of)
        response = self.ask(
            Reading(self.budget(replica), time.monotonic() + CALL_S),
            lambda stub, left_s, caller: stub.CancelChat(request, timeout=left_s, metadata=caller),
        )
        return response.run

    def close(self) -> None:
        """Close the channels; who reads over them gets `ClientClosed`."""
        with self._lock:
            self._is_closed = True
            for channel in self._channels.values():
                channel.close()
            self._channels.clear()

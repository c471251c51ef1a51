"""Ask another service of the suite: with a deadline, a request id and the trace context."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc

from trunkline.kernel import keepalive
from trunkline.kernel.call import current_call
from trunkline.kernel.errors import Unavailable
from trunkline.kernel.identifiers import new_id
from trunkline.kernel.status import error_info, read_status

MAX_MESSAGE_BYTES = 64 * 1024 * 1024

# Of every channel to a peer.
CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A channel per service: shared subchannels would share one identity.
    ("grpc.use_local_subchannel_pool", 1),
    # Services are reached directly: a proxy of the environment is for others.
    ("grpc.enable_http_proxy", 0),
    *keepalive.CHANNEL.options,
)


class PeerRefused(Exception):
    """Another service answered with an error.

    Args:
        reason: of its ErrorInfo; empty: it has none.
        message: its sentence.
        error: as it came, with details.
    """

    def __init__(self, reason: str, message: str, error: grpc.aio.AioRpcError) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.error = error


def socket_address(path: Path) -> str:
    """Return a unix socket's address; gRPC reads it as a URI, and decodes its path."""
    return f"unix:{quote(str(path))}"


def connect(socket: Path) -> grpc.aio.Channel:
    """Return a lazy channel to an internal listener on a unix socket."""
    return grpc.aio.insecure_channel(socket_address(socket), options=CHANNEL_OPTIONS)


def outgoing_metadata() -> tuple[tuple[str, str], ...]:
    """Return the metadata that a call to a peer carries on from the one being served."""
    call = current_call()
    if call is None:
        return (("x-request-id", new_id("req")),)
    if call.trace_parent:
        return (("x-request-id", call.request_id), ("traceparent", call.trace_parent))
    return (("x-request-id", call.request_id),)


async def ask(peer: str, method: Any, request: Any, *, timeout: float) -> Any:
    """Call a unary method of another service.

    Args:
        peer: its name, for the error.
        method: of a stub.
        request: its message.
        timeout: the longest wait in seconds; less when the call that is being served
            has less left.

    Raises:
        Unavailable: PEER_UNAVAILABLE: it does not answer.
        PeerRefused: it answered with an error.
    """
    call = current_call()
    remaining = call.remaining() if call is not None else None
    wait = timeout if remaining is None else min(timeout, remaining)
    try:
        return await method(request, timeout=wait, metadata=outgoing_metadata())
    except grpc.aio.AioRpcError as error:
        status = read_status(error)
        info = error_info(status) if status is not None else None
        if info is None and error.code() in (
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.DEADLINE_EXCEEDED,
        ):
            raise Unavailable(
                "PEER_UNAVAILABLE",
                f"The {peer} service does not answer.",
                metadata={"peer": peer},
            ) from None
        raise PeerRefused(
            info.reason if info is not None else "", error.details() or "", error
        ) from None

"""What happens around every call, in this order.

1. A request id and the caller's trace context.
2. One log line when it has ended.
3. Errors become statuses; an unexpected one becomes INTERNAL with a fixed sentence.
4. Who calls: by token on the public listener, by socket or certificate on an internal one.
5. May they: the method's `callers` and `peers`, as the contract declares them.
6. The bounds of the request, as the contract declares them.
7. Admission: a bounded number of calls at once.

It wraps the handlers when they are registered and not per call as grpc's own
interceptors do, which costs nothing on the way of a token. Requests come to it and
responses leave it as bytes: what nobody knows is not parsed, and what cannot be read or
written is told like every other error.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import grpc
from google.rpc import code_pb2

from trunkline.kernel import bounds
from trunkline.kernel.admission import Admission
from trunkline.kernel.call import Authenticator, Call, Caller, enter_call, open_call
from trunkline.kernel.errors import (
    Ended,
    PermissionDenied,
    TrunklineError,
    Unauthenticated,
    Unavailable,
)
from trunkline.kernel.log import get_logger
from trunkline.kernel.policy import MethodPolicy
from trunkline.kernel.status import to_grpc, to_status

Context = grpc.aio.ServicerContext[Any, Any]
Unary = Callable[[Any, Context], Awaitable[Any]]
Stream = Callable[[Any, Context], AsyncIterator[Any]]
Parse = Callable[[bytes], Any]

# Methods that are open to all have places of their own: nobody must be able to take
# those of the calls that are allowed.
MAX_OPEN_CALLS = 256
_CLOCKS_APART_S = 0.05
_LATE_S = 10.0


class Interceptor:
    """The steps around every call of one listener.

    Args:
        authenticator: tells whose a token is; None on an internal listener.
        identify: tells the service on the other side; None on a public listener.
        max_calls: how many calls are served at once; more are RESOURCE_EXHAUSTED.
    """

    def __init__(
        self,
        *,
        authenticator: Authenticator | None = None,
        identify: Callable[[Context], Caller] | None = None,
        max_calls: int = 10_000,
    ) -> None:
        self._authenticator = authenticator
        self._identify_peer = identify
        self._admission = Admission(max_calls)
        self._open_admission = Admission(min(max_calls, MAX_OPEN_CALLS))
        self._by_token: defaultdict[str, set[Call]] = defaultdict(set)
        self._draining = False
        # Bound once: each call writes a line, and the lazy logger costs as much as that.
        self._log = get_logger("trunkline.call").bind()
        self._write = self._log.debug if identify is not None else self._log.info

    @property
    def calls(self) -> int:
        """Return how many calls are being served."""
        return self._admission.taken + self._open_admission.taken

    def drain(self) -> None:
        """Refuse new calls from now on."""
        self._draining = True

    def end_calls_of(self, token_id: str) -> None:
        """End every call that was opened with a token, which holds no more."""
        for call in list(self._by_token.get(token_id, ())):
            call.end(Unauthenticated("TOKEN_INVALID", "The access token was revoked or has ended."))

    def wrap_unary(self, policy: MethodPolicy, inner: Unary, parse: Parse) -> Unary:
        """Return a unary handler with the steps around it, from bytes to bytes.

        Args:
            policy: of the method.
            inner: the servicer's method.
            parse: makes its request of bytes.
        """
        admission = self._admission_of(policy)

        async def unary(data: bytes, context: Context) -> bytes:
            call, token = self._enter(policy, context)
            try:
                await self._identify(policy, call, token, context)
                request = bounds.read(parse, data)
                if policy.has_bounds:
                    bounds.check(request)
                admission.take(call)
                message = await inner(request, context)
                if message is None and context.code():
                    # A servicer that is not ours told gRPC itself how it failed.
                    return b""
                written = _serialize(message)
                if call.failure is not None:
                    raise call.failure
                return written
            except (Exception, asyncio.CancelledError) as error:
                await self._fail(policy, call, context, error)
                raise
            finally:
                self._leave(call, admission, context)

        return unary

    def wrap_stream(
        self, policy: MethodPolicy, inner: Stream, parse: Parse, *, many_requests: bool = False
    ) -> Stream:
        """Return a handler of a response stream with the steps around it, in bytes.

        Args:
            policy: of the method.
            inner: the servicer's method, an asynchronous generator.
            parse: makes a request of bytes.
            many_requests: requests are a stream too; each is read when it is asked for.
        """
        admission = self._admission_of(policy)

        async def stream(data: Any, context: Context) -> AsyncIterator[bytes]:
            call, token = self._enter(policy, context)
            messages: Any = None
            dropped = False
            try:
                await self._identify(policy, call, token, context)
                if many_requests:
                    request: Any = _read_each(policy, parse, data)
                else:
                    request = bounds.read(parse, data)
                    if policy.has_bounds:
                        bounds.check(request)
                admission.take(call)
                messages = inner(request, context)
                async for message in messages:
                    yield _serialize(message)
                if call.failure is not None:
                    raise call.failure
            except (Exception, asyncio.CancelledError) as error:
                await self._fail(policy, call, context, error)
                raise
            except GeneratorExit:
                # The client left, or the call was ended, while gRPC was blocked in send: it
                # drops this generator, which is closed in another task than the call's.
                call.code = _code_of(call)
                dropped = True
                raise
            finally:
                self._leave(call, admission, context)
                if messages is not None:
                    await self._close(messages, call)
                if dropped and call.failure is not None:
                    await _send_late(policy, call, context)

        return stream

    def _admission_of(self, policy: MethodPolicy) -> Admission:
        """Return what counts the calls of a method."""
        return self._admission if policy.callers is not None else self._open_admission

    def _enter(self, policy: MethodPolicy, context: Context) -> tuple[Call, str]:
        """Make the call's record and make it the current one; return also its token."""
        call, token = open_call(
            policy.method,
            context.invocation_metadata() or (),  # type: ignore[arg-type] # pairs, by its docs
            context.time_remaining(),
            context.peer(),
        )
        call.task = asyncio.current_task()
        enter_call(call)
        return call, token

    async def _identify(
        self, policy: MethodPolicy, call: Call, token: str, context: Context
    ) -> None:
        """Take steps 4 and 5: find out who calls, and whether they may."""
        if policy.callers is None:
            return
        if self._identify_peer is not None:
            caller = self._identify_peer(context)
        else:
            if not token:
                raise Unauthenticated(
                    "TOKEN_MISSING",
                    "No access token came with the call; send `authorization: Bearer …`.",
                )
            if self._authenticator is None:
                raise Unavailable("NOT_SERVING", "The service cannot check tokens yet.")
            caller = await self._authenticator.authenticate(token)
        call.caller = caller
        if not policy.allows(caller):
            raise PermissionDenied(
                "CALLER_NOT_ALLOWED",
                f"{policy.method} is not for {caller.role_name}.",
                metadata={"method": policy.method, "role": caller.role_name},
            )
        if caller.token_id:
            self._by_token[caller.token_id].add(call)
        if self._draining:
            raise Unavailable(
                "NOT_SERVING", "The service is stopping; try again.", retry_after=timedelta()
            )

    async def _fail(
        self, policy: MethodPolicy, call: Call, context: Context, error: BaseException
    ) -> None:
        """Turn an error into the call's status; return when it is none of ours."""
        if isinstance(error, grpc.aio.AbortError):
            return
        if call.failure is not None:
            # Whatever the servicer made of its cancellation, this is why.
            error = call.failure
            if call.task is not None:
                call.task.uncancel()
        elif isinstance(error, asyncio.CancelledError):
            call.code = _code_of(call)
            return
        if isinstance(error, Ended):
            status = error.status
        else:
            if not isinstance(error, TrunklineError):
                self._log.error(
                    "call_failed_unexpectedly",
                    method=call.method,
                    request_id=call.request_id,
                    exc_info=error,
                )
                error = TrunklineError(
                    "INTERNAL", f"Something failed here; the log has it under {call.request_id}."
                )
            status = to_status(error, domain=policy.domain, request_id=call.request_id)
        call.code = code_pb2.Code.Name(status.code)
        await context.abort_with_status(to_grpc(status))

    def _leave(self, call: Call, admission: Admission, context: Context) -> None:
        """Forget the call and write its line."""
        call.task = None
        admission.give_back(call)
        caller = call.caller
        if caller is not None and caller.token_id:
            calls = self._by_token[caller.token_id]
            calls.discard(call)
            if not calls:
                del self._by_token[caller.token_id]
        code = call.code
        if code == "OK" and (own := context.code()) is not None:
            # A servicer that is not ours speaks to gRPC itself.
            code = own.name if isinstance(own, grpc.StatusCode) else str(own)
        self._write(
            "call",
            method=call.method,
            code=code,
            principal=caller.principal if caller is not None else None,
            request_id=call.request_id,
            ms=round((time.monotonic() - call.started) * 1000, 1),
        )

    async def _close(self, messages: Any, call: Call) -> None:
        """Close a servicer's generator; what fails in that is for the log alone."""
        try:
            await messages.aclose()
        except Exception as error:
            self._log.error(
                "call_not_cleaned_up",
                method=call.method,
                request_id=call.request_id,
                exc_info=error,
            )


def known_as(caller: Caller) -> Callable[[Context], Caller]:
    """Return what takes every call for one caller's: only that one reaches the listener."""
    return lambda _: caller


async def _send_late(policy: MethodPolicy, call: Call, context: Context) -> None:
    """Send the status of a call that was ended while it was blocked in send.

    gRPC sends none for a handler that was cancelled, and its client would wait for ever.
    """
    assert call.failure is not None
    status = to_status(call.failure, domain=policy.domain, request_id=call.request_id)
    with contextlib.suppress(grpc.aio.AbortError, grpc.aio.InternalError, TimeoutError):
        async with asyncio.timeout(_LATE_S):
            await context.abort_with_status(to_grpc(status))


def _code_of(call: Call) -> str:
    """Return how a call is accounted for that ended without a status of ours."""
    if call.failure is not None:
        return code_pb2.Code.Name(call.failure.code)
    # The deadline and a client that left look the same, but for the time that remains.
    # The client's own comes first: gRPC rounds a deadline up, by a hundredth, to send it.
    if call.deadline is None:
        return "CANCELLED"
    rounded = _CLOCKS_APART_S + 0.01 * (call.deadline - call.started)
    return "DEADLINE_EXCEEDED" if call.deadline - time.monotonic() < rounded else "CANCELLED"


async def _read_each(
    policy: MethodPolicy, parse: Parse, requests: AsyncIterator[bytes]
) -> AsyncIterator[Any]:
    """Yield the requests of a stream, each held to its bounds."""
    async for data in requests:
        request = bounds.read(parse, data)
        if policy.has_bounds:
            bounds.check(request)
        yield request


def _serialize(message: Any) -> bytes:
    """Serialise a response; a journal's events are serialised already."""
    if type(message) is bytes:
        return message
    written: bytes = message.SerializeToString()
    return written

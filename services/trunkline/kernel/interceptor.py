"""What happens around every call, in this order.

1. A request id and the caller's trace context.
2. One log line when it has ended.
3. Errors become statuses; an unexpected one becomes INTERNAL with a fixed sentence.
4. Who calls: by token on the public listener, by socket on the internal one.
5. May they: the method's `callers` and `peers`, as the contract declares them.
6. The bounds of the request, as the contract declares them.
7. Admission: a bounded number of calls at once.

It wraps the handlers when they are registered and not per call as grpc's own
interceptors do, which costs nothing on the way of a token.
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
import protovalidate
from google.protobuf.message import Message
from google.rpc import code_pb2

from trunkline.kernel.call import Authenticator, Call, Caller, enter_call, open_call
from trunkline.kernel.errors import (
    Ended,
    InvalidArgument,
    PermissionDenied,
    ResourceExhausted,
    TrunklineError,
    Unauthenticated,
    Unavailable,
    Violation,
)
from trunkline.kernel.log import get_logger
from trunkline.kernel.policy import MethodPolicy
from trunkline.kernel.status import to_grpc, to_status

log = get_logger("trunkline.call")

Unary = Callable[[Any, grpc.aio.ServicerContext[Any, Any]], Awaitable[Any]]
Stream = Callable[[Any, grpc.aio.ServicerContext[Any, Any]], AsyncIterator[Any]]

_ADMISSION_WAIT = timedelta(seconds=1)


class Interceptor:
    """The steps around every call of one listener.

    Args:
        authenticator: tells whose a token is; None on an internal listener.
        identity: the service on the other side; None on a public listener.
        max_calls: how many calls are served at once; more are RESOURCE_EXHAUSTED.
    """

    def __init__(
        self,
        *,
        authenticator: Authenticator | None = None,
        identity: Caller | None = None,
        max_calls: int = 10_000,
    ) -> None:
        self._authenticator = authenticator
        self._identity = identity
        self._max_calls = max_calls
        self._calls = 0
        self._by_token: defaultdict[str, set[Call]] = defaultdict(set)
        self._draining = False

    def drain(self) -> None:
        """Refuse new calls from now on."""
        self._draining = True

    def end_calls_of(self, token_id: str) -> None:
        """End every call that was opened with a token, which holds no more."""
        for call in list(self._by_token.get(token_id, ())):
            call.end(Unauthenticated("TOKEN_INVALID", "The access token was revoked or has ended."))

    def wrap_unary(self, policy: MethodPolicy, inner: Unary) -> Unary:
        """Return a unary handler with the steps around it."""

        async def unary(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            call, token = self._open(policy, context)
            try:
                await self._admit(policy, call, token, request)
                return await inner(request, context)
            except (Exception, asyncio.CancelledError) as error:
                await self._fail(policy, call, context, error)
                raise
            finally:
                self._close(call)

        return unary

    def wrap_stream(self, policy: MethodPolicy, inner: Stream) -> Stream:
        """Return a handler of a response stream with the steps around it."""

        async def stream(
            request: Any, context: grpc.aio.ServicerContext[Any, Any]
        ) -> AsyncIterator[Any]:
            call, token = self._open(policy, context)
            messages: Any = None
            try:
                await self._admit(policy, call, token, request)
                messages = inner(request, context)
                async for message in messages:
                    yield message
            except (Exception, asyncio.CancelledError) as error:
                await self._fail(policy, call, context, error)
                raise
            finally:
                # A client that goes away while we are blocked in send closes this
                # generator from another task: only bookkeeping is done here.
                self._close(call)
                if messages is not None:
                    with contextlib.suppress(RuntimeError):
                        await messages.aclose()

        return stream

    def _open(
        self, policy: MethodPolicy, context: grpc.aio.ServicerContext[Any, Any]
    ) -> tuple[Call, str]:
        """Make the call's record and make it the current one."""
        call, token = open_call(
            policy.method,
            context.invocation_metadata() or (),  # type: ignore[arg-type] # pairs, by its docs
            context.time_remaining(),
            context.peer(),
        )
        call.task = asyncio.current_task()
        enter_call(call)
        return call, token

    async def _admit(self, policy: MethodPolicy, call: Call, token: str, request: Any) -> None:
        """Take steps 4 to 7."""
        if policy.callers is not None:
            call.caller = caller = await self._identify(token)
            _check_allowed(policy, caller)
            if caller.token_id:
                self._by_token[caller.token_id].add(call)
            if self._draining:
                raise Unavailable(
                    "NOT_SERVING", "The service is stopping; try again.", retry_after=timedelta()
                )
        if policy.has_bounds:
            _check_bounds(request)
        if self._calls >= self._max_calls:
            raise ResourceExhausted(
                "LIMIT_REACHED",
                f"{self._max_calls} calls are being served, which is the most.",
                metadata={"limit": str(self._max_calls), "subject": "deployment"},
                retry_after=_ADMISSION_WAIT,
            )
        self._calls += 1
        call.admitted = True

    async def _identify(self, token: str) -> Caller:
        """Tell who calls."""
        if self._identity is not None:
            return self._identity
        if not token:
            raise Unauthenticated(
                "TOKEN_MISSING",
                "No access token came with the call; send `authorization: Bearer …`.",
            )
        if self._authenticator is None:
            raise Unavailable("NOT_SERVING", "The service cannot check tokens yet.")
        return await self._authenticator.authenticate(token)

    async def _fail(
        self,
        policy: MethodPolicy,
        call: Call,
        context: grpc.aio.ServicerContext[Any, Any],
        error: BaseException,
    ) -> None:
        """Turn an error into the call's status; return when it is none of ours."""
        if isinstance(error, grpc.aio.AbortError):
            return
        if isinstance(error, asyncio.CancelledError):
            if call.failure is None:
                call.code = "CANCELLED"  # the client left, or its deadline passed
                return
            error = call.failure
            if call.task is not None:
                call.task.uncancel()
        if isinstance(error, Ended):
            call.code = code_pb2.Code.Name(error.status.code)
            await context.abort_with_status(to_grpc(error.status))
        if not isinstance(error, TrunklineError):
            log.error(
                "call_failed_unexpectedly",
                method=call.method,
                request_id=call.request_id,
                exc_info=error,
            )
            error = TrunklineError(
                "INTERNAL", f"Something failed here; the log has it under {call.request_id}."
            )
        call.code = code_pb2.Code.Name(error.code)
        status = to_status(error, domain=policy.domain, request_id=call.request_id)
        await context.abort_with_status(to_grpc(status))

    def _close(self, call: Call) -> None:
        """Forget the call and write its line."""
        if call.task is None:
            return
        call.task = None
        if call.admitted:
            self._calls -= 1
        caller = call.caller
        if caller is not None and caller.token_id:
            calls = self._by_token[caller.token_id]
            calls.discard(call)
            if not calls:
                del self._by_token[caller.token_id]
        write = log.debug if self._identity is not None else log.info
        write(
            "call",
            method=call.method,
            code=call.code,
            principal=caller.principal if caller is not None else None,
            request_id=call.request_id,
            ms=round((time.monotonic() - call.started) * 1000, 1),
        )


def _check_allowed(policy: MethodPolicy, caller: Caller) -> None:
    """Refuse a caller that the method does not name.

    Raises:
        PermissionDenied: with the method and the caller's role.
    """
    if policy.allows(caller):
        return
    raise PermissionDenied(
        "CALLER_NOT_ALLOWED",
        f"{policy.method} is not for {caller.role_name}.",
        metadata={"method": policy.method, "role": caller.role_name},
    )


def _check_bounds(request: Message) -> None:
    """Refuse a request that breaks a bound declared in the contract.

    Raises:
        InvalidArgument: naming every field concerned.
    """
    try:
        protovalidate.validate(request)
    except protovalidate.ValidationError as error:
        raise InvalidArgument.of(
            *(
                Violation(field_path(violation.proto.field), violation.proto.message)
                for violation in error.violations
            )
        ) from None


def field_path(path: Any) -> str:
    """Write a violation's path as the contract does, such as `messages[3].role`."""
    written = []
    for element in path.elements if path is not None else ():
        name = element.field_name
        subscript = element.subscript
        if subscript is not None:
            name = f"{name}[{getattr(subscript, 'value', subscript)}]"
        written.append(name)
    return ".".join(written)

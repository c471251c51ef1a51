"""The call that is being served: who makes it, until when, under which name."""

from __future__ import annotations

import asyncio
import contextvars
import re
import time
from dataclasses import dataclass, field
from typing import Protocol

from trunkline.kernel.errors import TrunklineError
from trunkline.kernel.identifiers import new_id
from trunkline.options.v1 import options_pb2

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# W3C Trace Context, version 00, the only one there is: an id of zeros is none.
TRACE_PARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Attributes:
        role: ADMIN, DEVELOPER or SERVICE.
        principal: the token's principal, or the service's name.
        token_id: `tok_…`; empty for a service.
        providers: providers that the token reaches; empty: all.
        models: models that the token reaches; empty: all.
        impersonate: the token may name a user in `on_behalf_of`.
    """

    role: options_pb2.CallerRole.ValueType
    principal: str
    token_id: str = ""
    providers: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    impersonate: bool = False

    @property
    def role_name(self) -> str:
        """Return the role as people write it, such as `ADMIN`."""
        return options_pb2.CallerRole.Name(self.role).removeprefix("CALLER_ROLE_")

    @property
    def is_admin(self) -> bool:
        """Tell whether the caller operates the deployment."""
        return self.role == options_pb2.CALLER_ROLE_ADMIN

    def reaches(self, provider: str, model: str) -> bool:
        """Tell whether the token reaches a model, named as its provider names it."""
        return (not self.providers or provider in self.providers) and (
            not self.models or f"{provider}/{model}" in self.models
        )


class Authenticator(Protocol):
    """Tells whose a token is."""

    async def authenticate(self, token: str) -> Caller:
        """Return the caller that a token stands for.

        Raises:
            Unauthenticated: the token is unknown, ended or revoked.
            Unavailable: what is known of tokens is missing or too old to trust.
        """


@dataclass(slots=True, eq=False)
class Call:
    """One call under way.

    Attributes:
        method: full name, such as `trunkline.inference.v1.InferenceService/Chat`.
        request_id: the caller's `x-request-id`, else one minted here.
        trace_parent: the caller's `traceparent`; empty: none.
        deadline: monotonic seconds; None: the caller set none.
        peer: the caller's address as gRPC names it.
        caller: None until it is known, and for methods that are open to all.
        failure: why the call is ended from our side, by `end`; None: it is not.
        task: the task that serves it; None when it is over.
        admitted: it counts among the calls that are served at once.
        code: the status that it ended with, by name.
    """

    method: str
    request_id: str
    trace_parent: str
    deadline: float | None
    peer: str
    started: float = field(default_factory=time.monotonic)
    caller: Caller | None = None
    failure: TrunklineError | None = None
    task: asyncio.Task[object] | None = None
    admitted: bool = False
    code: str = "OK"

    def remaining(self) -> float | None:
        """Return the seconds until the deadline, at least 0; None: there is none."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def end(self, failure: TrunklineError) -> None:
        """End the call from our side with an error, wherever it waits."""
        if self.failure is None and self.task is not None:
            self.failure = failure
            self.task.cancel()


_current: contextvars.ContextVar[Call | None] = contextvars.ContextVar("trunkline_call")


def current_call() -> Call | None:
    """Return the call that is being served here; None outside of one."""
    return _current.get(None)


def current_caller() -> Caller:
    """Return who makes the call that is being served here.

    Raises:
        LookupError: nobody is known, which a method without `callers` cannot reach.
    """
    call = current_call()
    if call is None or call.caller is None:
        raise LookupError("no caller is known here")
    return call.caller


def enter_call(call: Call) -> None:
    """Make a call the current one of this task."""
    _current.set(call)


def open_call(
    method: str, metadata: tuple[tuple[str, str | bytes], ...], remaining: float | None, peer: str
) -> tuple[Call, str]:
    """Read what a call carries.

    Args:
        method: full name without the leading slash.
        metadata: as received.
        remaining: seconds until its deadline; None: it has none.
        peer: as gRPC names it.

    Returns:
        The call, and its bearer token (empty: none came).
    """
    request_id = trace_parent = token = ""
    for key, value in metadata:
        if not isinstance(value, str):
            continue
        if key == "authorization":
            scheme, _, rest = value.partition(" ")
            token = rest.strip() if scheme.lower() == "bearer" else ""
        elif key == "x-request-id" and REQUEST_ID.fullmatch(value):
            request_id = value
        elif key == "traceparent" and TRACE_PARENT.fullmatch(value):
            trace_parent = value
    now = time.monotonic()
    return (
        Call(
            method,
            request_id or new_id("req"),
            trace_parent,
            None if remaining is None else now + remaining,
            peer,
            now,
        ),
        token,
    )

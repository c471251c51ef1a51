"""What a call's metadata tell of it."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.kernel.call import (
    Call,
    Caller,
    current_call,
    current_caller,
    enter_call,
    open_call,
)
from trunkline.kernel.errors import Unauthenticated
from trunkline.options.v1 import options_pb2

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def read(*metadata: tuple[str, str | bytes], remaining: float | None = None) -> tuple[Call, str]:
    """Return a call and its token."""
    return open_call("p.v1.S/M", metadata, remaining, "ipv4:127.0.0.1:1")


def current_failure(call: Call) -> Exception | None:
    """Return why a call was ended."""
    return call.failure


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer tl_x", "tl_x"),
        ("bearer   tl_x ", "tl_x"),
        ("BEARER tl_x", "tl_x"),
        ("tl_x", ""),
        ("Basic dTpw", ""),
        ("Bearer", ""),
        ("", ""),
    ],
)
def test_only_a_bearer_token_is_one(header: str, token: str) -> None:
    """The scheme in any case, as RFC 9110 has it; another scheme is no token."""
    assert read(("authorization", header))[1] == token


def test_a_token_does_not_stay_in_the_call() -> None:
    """The record can be shown without showing it."""
    call, token = read(("authorization", "Bearer canary-9q"))
    assert token == "canary-9q"
    assert "canary" not in repr(call)


def test_a_callers_request_id_is_taken_over() -> None:
    """So that its log and ours meet."""
    assert read(("x-request-id", "Ab9._:-"))[0].request_id == "Ab9._:-"


@given(st.one_of(st.just(""), st.just("a" * 129), st.from_regex(r"[a-z]*[\s\"{}\n\x00é]+[a-z]*")))
def test_what_could_forge_a_log_line_is_no_request_id(value: str) -> None:
    """A new one is minted in its place."""
    call, _ = read(("x-request-id", value))
    assert call.request_id.startswith("req_")
    assert call.request_id != read(("x-request-id", value))[0].request_id


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        (TRACE, TRACE),
        (TRACE.replace("00-", "ff-", 1), ""),
        (TRACE.upper(), ""),
        (TRACE + "-x", ""),
        ("00-" + "0" * 32 + "-b7ad6b7169203331-01", ""),
        ("00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01", ""),
        ("", ""),
    ],
)
def test_a_trace_parent_is_taken_over_when_it_is_one(value: str, taken: str) -> None:
    """By W3C Trace Context, version 00; ids of zeros are invalid there."""
    assert read(("traceparent", value))[0].trace_parent == taken


def test_binary_metadata_are_passed_over() -> None:
    """They are bytes, and none of ours is."""
    call, token = read(("authorization-bin", b"Bearer x"), ("x-request-id", b"x"))
    assert token == ""
    assert call.request_id.startswith("req_")


def test_the_time_that_remains_never_falls_below_zero() -> None:
    """And is None without a deadline."""
    assert read()[0].remaining() is None
    assert read(remaining=0.0)[0].remaining() == 0.0
    remaining = read(remaining=60.0)[0].remaining()
    assert remaining is not None
    assert 59.0 < remaining <= 60.0
    past = read(remaining=60.0)[0]
    past.deadline = time.monotonic() - 1
    assert past.remaining() == 0.0


async def test_the_current_call_is_that_of_the_task() -> None:
    """Two calls at once do not see each other's, and outside of one there is none."""
    assert current_call() is None
    with pytest.raises(LookupError):
        current_caller()

    async def serve(name: str) -> str:
        call, _ = read(("x-request-id", name))
        call.caller = Caller(options_pb2.CALLER_ROLE_ADMIN, name)
        enter_call(call)
        await asyncio.sleep(0)
        return current_caller().principal

    assert list(await asyncio.gather(serve("a"), serve("b"))) == ["a", "b"]
    assert current_call() is None


async def test_a_call_is_ended_once_and_not_after_its_end() -> None:
    """The first reason stays; a call that is over is left alone."""
    call, _ = read()
    first = Unauthenticated("TOKEN_INVALID", "one")
    call.end(first)
    assert current_failure(call) is None
    task = asyncio.create_task(asyncio.Event().wait())
    call.task = task
    call.end(first)
    call.end(Unauthenticated("TOKEN_INVALID", "two"))
    await asyncio.wait((task,))
    assert task.cancelled()
    assert task.cancelling() == 1
    assert current_failure(call) is first


@pytest.mark.parametrize(
    ("providers", "models", "reached"),
    [
        ((), (), True),
        (("openai",), (), True),
        (("groq",), (), False),
        ((), ("openai/gpt-5",), True),
        ((), ("openai/gpt-4",), False),
        (("groq",), ("openai/gpt-5",), False),
    ],
)
def test_a_scope_narrows_a_token(
    providers: tuple[str, ...], models: tuple[str, ...], reached: bool
) -> None:
    """By provider and by model, both; an empty list does not narrow."""
    caller = Caller(
        options_pb2.CALLER_ROLE_DEVELOPER,
        "me",
        "tok_1",
        frozenset(providers),
        frozenset(models),
    )
    assert caller.reaches("openai", "gpt-5") is reached
    assert caller.role_name == "DEVELOPER"
    assert not caller.is_admin

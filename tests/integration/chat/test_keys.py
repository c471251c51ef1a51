"""Keys that several chats need at the same moment are asked for once, and for all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from trunkline.credential.v1 import credential_pb2, resolve_pb2
from trunkline.inference.keys import Keys
from trunkline.inference.terms import Owner
from trunkline.inference.v1 import provider_pb2
from trunkline.kernel.call import Call, enter_call
from trunkline.kernel.clock import Clock, SystemClock
from trunkline.kernel.errors import FailedPrecondition
from trunkline.views.credentials import CredentialView

ORIGIN = "https://api.example.com:443"
ENTRY = credential_pb2.Credential(id="cred_1", provider="p", version=1, origins=[ORIGIN])


class SlowService:
    """Gives a key when it is told to, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.go = asyncio.Event()
        self.secret = provider_pb2.ProviderSecret(api_key="the-key")

    async def resolve(
        self, request: resolve_pb2.ResolveCredentialRequest, context: Any
    ) -> resolve_pb2.ResolveCredentialResponse:
        """Wait, then answer."""
        self.asked += 1
        await self.go.wait()
        return resolve_pb2.ResolveCredentialResponse(secret=self.secret)


@pytest.fixture
async def service() -> SlowService:
    """Give the credential service."""
    return SlowService()


@pytest.fixture
async def keys(service: SlowService) -> AsyncIterator[tuple[Keys, CredentialView]]:
    """Give keys that ask it, and the view that they follow."""
    async with serving(service, SystemClock()) as served:
        yield served


@asynccontextmanager
async def serving(service: SlowService, clock: Clock) -> AsyncIterator[tuple[Keys, CredentialView]]:
    """Yield keys that ask a service on a real socket, and the view that they follow."""
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(
        service.resolve,
        request_deserializer=resolve_pb2.ResolveCredentialRequest.FromString,
        response_serializer=resolve_pb2.ResolveCredentialResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                "trunkline.credential.v1.CredentialService", {"ResolveCredential": handler}
            ),
        )
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        view = CredentialView(channel, SystemClock(), max_staleness_s=30)
        view.change("credential", ENTRY)
        yield Keys(channel, view, clock), view
    await server.stop(0)


async def test_one_callers_deadline_does_not_bound_the_others(
    keys: tuple[Keys, CredentialView], service: SlowService
) -> None:
    """The first to ask has little time left; who waits with it gets the key all the same."""

    async def hurried() -> object:
        enter_call(Call("m", "req_1", "", time.monotonic() + 0.05, "peer"))
        return await keys[0].resolve(ENTRY, Owner("ana"), ORIGIN)

    first = asyncio.create_task(hurried())
    second = asyncio.create_task(keys[0].resolve(ENTRY, Owner("ana"), ORIGIN))
    done, _ = await asyncio.wait([second], timeout=0.3)
    assert not done
    service.go.set()
    assert (await second).api_key == "the-key"
    await asyncio.gather(first, return_exceptions=True)
    assert service.asked == 1


async def test_a_key_that_went_while_it_was_asked_for_is_not_kept(
    keys: tuple[Keys, CredentialView], service: SlowService
) -> None:
    """A credential that was deleted meanwhile leaves nothing behind in memory."""
    asking = asyncio.create_task(keys[0].resolve(ENTRY, Owner("ana"), ORIGIN))
    async with asyncio.timeout(5):
        while not service.asked:
            await asyncio.sleep(0)
    keys[1].change("deleted_credential_id", ENTRY.id)
    service.go.set()
    await asking
    await keys[0].resolve(ENTRY, Owner("ana"), ORIGIN)
    assert service.asked == 2


class _Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def time_ns(self) -> int:
        """Return the time of day."""
        return int(self.seconds * 1e9)

    def monotonic(self) -> float:
        """Return the same, as a span."""
        return self.seconds


async def test_a_token_that_has_ended_is_used_no_more(service: SlowService) -> None:
    """It is refused by name before anybody is asked, though it is kept for longer than it lasts."""
    clock = _Hands()
    end = Timestamp(seconds=int(clock.seconds) + 60)
    service.secret = provider_pb2.ProviderSecret(
        bearer_token=provider_pb2.BearerToken(token="eyJ-canary", expire_time=end)
    )
    service.go.set()
    async with serving(service, clock) as (keys, _):
        assert await keys.resolve(ENTRY, Owner("dora"), ORIGIN) == service.secret
        clock.seconds += 60
        with pytest.raises(FailedPrecondition) as refused:
            await keys.resolve(ENTRY, Owner("dora"), ORIGIN)
        assert refused.value.reason == "NO_CREDENTIAL"
        assert "token of p has ended" in refused.value.message
        assert "canary" not in str(refused.value)
        assert service.asked == 1

"""The journal's keys are asked for once, kept in memory, and renewed without a wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.waiting import eventually
from trunkline.credential.v1 import credential_service_pb2_grpc, resolve_pb2
from trunkline.inference.journal.content_keys import MAX_KEYS, PAUSE_S, ContentKeys
from trunkline.inference.journal.seal import SealBroken, SealReason
from trunkline.kernel.channel import connect
from trunkline.kernel.clock import timestamp
from trunkline.kernel.errors import DataLoss, NotFound, TrunklineError, Unavailable
from trunkline.kernel.server import prepare_socket
from trunkline.kernel.status import to_grpc, to_status
from trunkline.views.credentials import CredentialView
from unit.kernel.hands import HandClock

DAY_S = 24 * 3600


class KeyService(credential_service_pb2_grpc.CredentialServiceServicer):
    """Gives keys as it is told, and records what it was asked.

    Attributes:
        requests: every one, in order.
        current: the id of the current key.
        rotates_after_s: how long a key that is given now is current.
        failure: what it answers instead.
        gate: answers wait for it.
    """

    def __init__(self, clock: HandClock) -> None:
        self._clock = clock
        self.requests: list[resolve_pb2.GetContentKeyRequest] = []
        self.current = "dek_1"
        self.rotates_after_s = DAY_S
        self.failure: TrunklineError | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    @property
    def asked(self) -> list[str]:
        """The ids that were asked for; empty: the current one."""
        return [request.key_id for request in self.requests]

    async def GetContentKey(
        self, request: resolve_pb2.GetContentKeyRequest, context: Any
    ) -> resolve_pb2.GetContentKeyResponse:
        """Record the request and answer."""
        self.requests.append(request)
        await self.gate.wait()
        if self.failure is not None:
            status = to_status(self.failure, domain="trunkline.credential", request_id="req_fake")
            await context.abort_with_status(to_grpc(status))
        key_id = request.key_id or self.current
        response = resolve_pb2.GetContentKeyResponse(key_id=key_id, key=key_of(key_id))
        if not request.key_id:
            ends_ns = self._clock.time_ns() + self.rotates_after_s * 1_000_000_000
            response.rotate_time.CopyFrom(timestamp(ends_ns))
        return response


def key_of(key_id: str) -> bytes:
    """Return the key of an id."""
    return key_id.encode().ljust(32, b".")


@pytest.fixture
def clock() -> HandClock:
    """A clock that stands."""
    return HandClock()


@pytest.fixture
def address(tmp_path: Path) -> Path:
    """Where the service listens."""
    return tmp_path / "s"


@pytest.fixture
async def service(clock: HandClock, address: Path) -> AsyncIterator[KeyService]:
    """The credential service."""
    servicer = KeyService(clock)  # type: ignore[abstract] # abstract for the checker only
    server = grpc.aio.server()
    credential_service_pb2_grpc.add_CredentialServiceServicer_to_server(servicer, server)
    server.add_insecure_port(prepare_socket(address))
    await server.start()
    yield servicer
    servicer.gate.set()
    await server.stop(0)


@pytest.fixture
async def view(address: Path, clock: HandClock) -> AsyncIterator[CredentialView]:
    """What is told of content keys: nothing yet."""
    async with connect(address) as channel:
        yield CredentialView(channel, clock, max_staleness_s=30)


@pytest.fixture
async def keys(address: Path, view: CredentialView, clock: HandClock) -> AsyncIterator[ContentKeys]:
    """The keys."""
    async with connect(address) as channel:
        yield ContentKeys(channel, view, clock)


def current_is(keys: ContentKeys, key_id: str) -> Callable[[], Awaitable[bool]]:
    """Return the condition that a key is current, for who asks again and again."""

    async def is_current() -> bool:
        return await keys.current() == (key_id, key_of(key_id))

    return is_current


async def test_the_current_key_is_asked_for_once(keys: ContentKeys, service: KeyService) -> None:
    """By all who need it at the same moment, and by those who come later; and to open with."""
    service.gate.clear()
    asking = [asyncio.create_task(keys.current()) for _ in range(10)]
    await eventually(_was_asked(service, 1))
    service.gate.set()
    assert set(await asyncio.gather(*asking)) == {("dek_1", key_of("dek_1"))}
    assert await keys.current() == ("dek_1", key_of("dek_1"))
    assert await keys.get("dek_1") == key_of("dek_1")
    assert [(each.purpose, each.key_id) for each in service.requests] == [("journal", "")]


async def test_an_earlier_key_is_asked_for_once(keys: ContentKeys, service: KeyService) -> None:
    """By its id; it does not become the current one."""
    given = await asyncio.gather(*(keys.get("dek_0") for _ in range(10)))
    assert set(given) == {key_of("dek_0")}
    assert await keys.get("dek_0") == key_of("dek_0")
    assert service.asked == ["dek_0"]
    assert (await keys.current())[0] == "dek_1"


async def test_a_caller_that_leaves_does_not_take_the_key_along(
    keys: ContentKeys, service: KeyService
) -> None:
    """Who waits with it gets it all the same."""
    service.gate.clear()
    first = asyncio.create_task(keys.current())
    await eventually(_was_asked(service, 1))
    second = asyncio.create_task(keys.current())
    first.cancel()
    await asyncio.wait([first])
    service.gate.set()
    assert (await second)[0] == "dek_1"
    assert len(service.requests) == 1


async def test_a_key_whose_time_is_over_is_replaced_without_a_wait(
    keys: ContentKeys, service: KeyService, clock: HandClock
) -> None:
    """The old one seals until the new one has come."""
    await keys.current()
    service.current = "dek_2"
    service.gate.clear()
    clock.pass_s(DAY_S - 1)
    assert (await keys.current())[0] == "dek_1"
    assert len(service.requests) == 1
    clock.pass_s(1)
    assert (await keys.current())[0] == "dek_1"
    await eventually(_was_asked(service, 2))
    assert (await keys.current())[0] == "dek_1"
    service.gate.set()
    await eventually(current_is(keys, "dek_2"))
    assert await keys.get("dek_1") == key_of("dek_1")
    assert service.asked == ["", ""]


async def test_a_key_that_the_view_tells_of_is_fetched(
    keys: ContentKeys, service: KeyService, view: CredentialView, clock: HandClock
) -> None:
    """As when another replica was the first to ask after the old one's time."""
    await keys.current()
    clock.pass_s(PAUSE_S)
    view.change("content_key_id", "dek_1")
    assert (await keys.current())[0] == "dek_1"
    assert len(service.requests) == 1
    service.current = "dek_2"
    view.change("content_key_id", "dek_2")
    await eventually(current_is(keys, "dek_2"))
    assert service.asked == ["", ""]


async def test_an_old_key_goes_on_while_the_service_is_away(
    keys: ContentKeys, service: KeyService, clock: HandClock
) -> None:
    """It is asked again after a pause, and not with every chat."""
    await keys.current()
    service.failure = Unavailable("STORE_UNAVAILABLE", "Not now.")
    clock.pass_s(DAY_S)
    for _ in range(5):
        assert (await keys.current())[0] == "dek_1"
    await eventually(_was_asked(service, 2))
    assert (await keys.current())[0] == "dek_1"
    assert len(service.requests) == 2
    service.failure = None
    service.current = "dek_2"
    clock.pass_s(PAUSE_S)
    await eventually(current_is(keys, "dek_2"))


async def test_a_clock_that_is_ahead_does_not_ask_with_every_chat(
    keys: ContentKeys, service: KeyService, clock: HandClock
) -> None:
    """A key that seems to be over when it comes is taken all the same."""
    service.rotates_after_s = -600
    for _ in range(5):
        assert (await keys.current())[0] == "dek_1"
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    "failure",
    [
        Unavailable("STORE_UNAVAILABLE", "Not now."),
        DataLoss("SEAL_BROKEN", "It does not open."),
    ],
    ids=lambda failure: failure.reason,
)
async def test_without_a_first_key_nothing_can_be_sealed(
    keys: ContentKeys, service: KeyService, failure: TrunklineError
) -> None:
    """The missing peer is named; with the next ask it may be there."""
    service.failure = failure
    with pytest.raises(Unavailable) as refused:
        await keys.current()
    assert refused.value.reason == "PEER_UNAVAILABLE"
    assert refused.value.metadata == {"peer": "credential"}
    service.failure = None
    assert (await keys.current())[0] == "dek_1"


async def test_a_service_that_is_not_there_is_named(keys: ContentKeys) -> None:
    """For the current key and for an earlier one."""
    for asking in (keys.current(), keys.get("dek_0")):
        with pytest.raises(Unavailable) as refused:
            await asking
        assert refused.value.metadata == {"peer": "credential"}


@pytest.mark.parametrize(
    "failure",
    [
        NotFound("CONTENT_KEY_NOT_FOUND", "There is none."),
        DataLoss("SEAL_BROKEN", "It does not open."),
    ],
    ids=lambda failure: failure.reason,
)
async def test_a_lost_key_is_no_outage(
    keys: ContentKeys, service: KeyService, failure: TrunklineError
) -> None:
    """What it sealed never opens again; what only passes is told as such."""
    service.failure = failure
    with pytest.raises(SealBroken) as broken:
        await keys.get("dek_0")
    assert broken.value.reason is SealReason.KEY_LOST
    service.failure = Unavailable("NOT_SERVING", "Not yet.")
    with pytest.raises(Unavailable):
        await keys.get("dek_0")


async def test_memory_is_bounded(keys: ContentKeys, service: KeyService) -> None:
    """The key that was not used for longest goes first, and can be had again."""
    for number in range(MAX_KEYS):
        await keys.get(f"dek_{number}x")
    await keys.get("dek_0x")
    await keys.get("dek_more")
    del service.requests[:]
    await keys.get("dek_0x")
    await keys.get("dek_1x")
    assert service.asked == ["dek_1x"]


async def test_no_key_is_shown(keys: ContentKeys, service: KeyService) -> None:
    """Not by what keeps it."""
    await keys.current()
    assert key_of("dek_1")[:8] not in repr(vars(keys)["_current"]).encode()


def _was_asked(service: KeyService, times: int) -> Callable[[], Awaitable[bool]]:
    """Return the condition that the service was asked so often."""

    async def was_asked() -> bool:
        return len(service.requests) == times

    return was_asked

"""Who may call what: every RPC, on every kind of listener, by everybody.

What is expected is computed from the options of the methods in the contract, and from
nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor

import trunkline.suite
from support import matrix
from support.certificates import Files, make_authority, write, write_service
from support.deployment import ADMIN, DEVELOPER, Deployment, Metadata, bearer, eventually
from support.fleet import FleetStubs
from trunkline.kernel.channel import connect
from trunkline.kernel.settings import Source
from trunkline.kernel.status import error_info, read_status
from trunkline.options.v1 import options_pb2
from trunkline.suite import SERVICES, Suite

SERVICE = options_pb2.CALLER_ROLE_SERVICE
STRANGER = "stranger"

_LIMIT_S = 10.0
_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Door:
    """A listener, as somebody comes to it.

    Attributes:
        process: the service of its process; empty: all of them.
        kind: `public`, `socket` or `mutual-tls`.
        caller: who comes: a role, a service, or nobody that is known.
        channel: to it.
        metadata: that come along.
    """

    process: str
    kind: str
    caller: str
    channel: Any
    metadata: Metadata = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended.

    Attributes:
        code: its status.
        reason: of its ErrorInfo; empty: it has none.
    """

    code: grpc.StatusCode
    reason: str = ""


def methods() -> Iterator[MethodDescriptor]:
    """Yield every method of the contract."""
    root = Path(trunkline.suite.__file__).parent
    for path in sorted(root.glob("*/v1/*_pb2.py")):
        module = import_module(f"trunkline.{path.parent.parent.name}.v1.{path.stem}")
        for service in module.DESCRIPTOR.services_by_name.values():
            yield from service.methods


def expected(method: MethodDescriptor, door: Door) -> Outcome | None:
    """Return how a call has to be refused; None: it has not to be."""
    options = method.GetOptions()
    roles = set(options.Extensions[options_pb2.callers])
    peers = set(options.Extensions[options_pb2.peers])
    owner = method.containing_service.file.package.split(".")[1]
    # What is told of a process is told by each.
    is_here = door.process in ("", owner) or owner not in SERVICES
    stands = roles & {ADMIN, DEVELOPER} if door.kind == "public" else SERVICE in roles
    if not (is_here and stands):
        return Outcome(grpc.StatusCode.UNIMPLEMENTED)
    if door.caller == "nobody":
        return Outcome(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING")
    if door.caller == STRANGER:
        return Outcome(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")
    if door.kind == "public":
        allowed = options_pb2.CallerRole.Value(f"CALLER_ROLE_{door.caller}") in roles
    else:
        allowed = not peers or door.caller in peers
    if allowed:
        return None
    return Outcome(grpc.StatusCode.PERMISSION_DENIED, "CALLER_NOT_ALLOWED")


def is_right(outcome: Outcome, refusal: Outcome | None) -> bool:
    """Tell whether a call ended as it had to."""
    if refusal is not None:
        return outcome == refusal
    never = (
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    )
    return outcome.code not in never


async def call(method: MethodDescriptor, door: Door) -> Outcome:
    """Call a method with an empty request; read one message of a stream, and leave."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    facts: Any = method  # its stub does not know what kind a method is
    kind = "_".join(
        "stream" if streams else "unary"
        for streams in (facts.client_streaming, facts.server_streaming)
    )
    begin = getattr(door.channel, kind)(path)
    request = _one() if facts.client_streaming else b""
    under_way = begin(request, metadata=door.metadata, timeout=_LIMIT_S)
    try:
        if facts.server_streaming:
            if await under_way.read() is not grpc.aio.EOF:
                return Outcome(grpc.StatusCode.OK)
        else:
            await under_way
    except grpc.aio.AioRpcError as error:
        status = read_status(error)
        info = error_info(status) if status is not None else None
        return Outcome(error.code(), info.reason if info is not None else "")
    finally:
        under_way.cancel()
    return Outcome(await under_way.code())


async def _one() -> AsyncIterator[bytes]:
    """Yield an empty request."""
    yield b""


async def check(doors: list[Door]) -> None:
    """Go through every door with every method, and say which let in whom they must not."""
    await settle(doors)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def look(method: MethodDescriptor, door: Door) -> str:
        async with gate:
            outcome = await call(method, door)
        matrix.ran("callers")
        refusal = expected(method, door)
        if is_right(outcome, refusal):
            return ""
        where = f"{door.kind} of {door.process or 'all'} as {door.caller}"
        return f"{method.full_name}, {where}: {outcome}, and not {refusal}"

    every = list(methods())
    assert len(every) > 30
    wrong = await asyncio.gather(*(look(method, door) for method in every for door in doors))
    assert not [line for line in wrong if line]


async def settle(doors: list[Door]) -> None:
    """Wait until each public listener knows the tokens that hold."""
    for door in doors:
        if door.caller not in ("ADMIN", "DEVELOPER"):
            continue
        method = next(each for each in methods() if expected(each, door) is None)

        async def is_known(method: MethodDescriptor = method, door: Door = door) -> bool:
            return (await call(method, door)).reason != "TOKEN_INVALID"

        await eventually(is_known)


def public(process: str, address: str, tokens: Mapping[str, str]) -> list[Door]:
    """Return a public listener as everybody comes to it."""
    channel = grpc.aio.insecure_channel(address)
    given: dict[str, Metadata] = {"nobody": (), STRANGER: bearer("tl_" + "x" * 43)}
    given |= {caller: bearer(token) for caller, token in tokens.items()}
    return [
        Door(process, "public", caller, channel, metadata) for caller, metadata in given.items()
    ]


def sockets(process: str, directory: Path, callee: str) -> list[Door]:
    """Return the sockets of a service, one for each that calls."""
    return [
        Door(process, "socket", caller, connect(directory / f"{callee}.{caller}.sock"))
        for caller in SERVICES
    ]


class Apart(Deployment):
    """Four suites of one service each, which listen on mutual TLS too.

    Attributes:
        suites: by service.
    """

    def __init__(self) -> None:
        super().__init__(connected=False)
        self.authority = make_authority()
        self.suites: dict[str, Suite] = {}

    async def start(self, *names: str) -> None:
        """Start them."""
        for name in names or SERVICES:
            files = self.issue_to(name)
            settings = {
                "internal_listen": "127.0.0.1:0",
                "internal_certificate_file": files.chain,
                "internal_key_file": files.key,
                "internal_ca_file": files.authority,
            }
            source = Source(
                environment={},
                file={},
                file_path=None,
                overrides={**self.source.overrides, **settings},
            )
            suite = Suite(source, [name])
            await suite.start()
            self.suites[name] = suite
        self._stubs = FleetStubs(
            {name: grpc.aio.insecure_channel(each.address) for name, each in self.suites.items()}
        )

    async def stop(self) -> None:
        """Stop them."""
        if hasattr(self, "_stubs"):
            await self._stubs.close()
            del self._stubs
        await asyncio.gather(*(suite.stop(0.0) for suite in self.suites.values()))
        self.suites.clear()

    def issue_to(self, service: str) -> Files:
        """Issue a certificate to a service."""
        return write_service(self.authority, self.root / f"pki-{service}", service)

    def secure(self, process: str) -> list[Door]:
        """Return a listener on mutual TLS, with the certificate of everybody."""
        shown = {name: self.issue_to(name) for name in SERVICES}
        shown[STRANGER] = write(
            self.authority,
            self.root / "pki-stranger",
            ["inference.elsewhere"],
            ["spiffe://elsewhere/inference"],
        )
        (address,) = (
            each.address for each in self.suites[process].listeners() if each.internal and each.tls
        )
        options = [("grpc.ssl_target_name_override", f"{process}.trunkline")]
        doors = []
        for caller, files in shown.items():
            credentials = grpc.ssl_channel_credentials(
                files.authority.read_bytes(), files.key.read_bytes(), files.chain.read_bytes()
            )
            channel = grpc.aio.secure_channel(address, credentials, options=options)
            doors.append(Door(process, "mutual-tls", caller, channel))
        return doors


async def tokens(deployment: Deployment) -> dict[str, str]:
    """Return a token of each role that holds."""
    issued = await deployment.issue("dora")
    metadata = {"ADMIN": deployment.admin, "DEVELOPER": issued.metadata}
    return {role: each[0][1].removeprefix("Bearer ") for role, each in metadata.items()}


@contextlib.asynccontextmanager
async def closing(doors: list[Door]) -> AsyncIterator[list[Door]]:
    """Give doors, and close what leads to them."""
    try:
        yield doors
    finally:
        for channel in {id(door.channel): door.channel for door in doors}.values():
            await channel.close()


async def test_in_one_process_the_contract_says_who_may_call() -> None:
    """On its public listener, and on its sockets, of which each has all methods for services."""
    async with Deployment(connected=False) as deployment:
        doors = public("", deployment.suite.address, await tokens(deployment))
        for name in SERVICES:
            doors += sockets("", deployment.root / "data" / "run", name)
        async with closing(doors):
            await check(doors)


@pytest.mark.parametrize("process", SERVICES)
async def test_in_each_of_four_the_contract_says_who_may_call(process: str) -> None:
    """Public, by socket and on mutual TLS; what is another process's is not there."""
    async with Apart() as deployment:
        given = await tokens(deployment)
        doors = public(process, deployment.suites[process].address, given)
        doors += sockets(process, deployment.root / "data" / "run", process)
        doors += deployment.secure(process)
        async with closing(doors):
            await check(doors)

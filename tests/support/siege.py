"""A deployment under hostile calls: who calls it, by which door, and what may come of a call."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import time
from collections.abc import Coroutine, Sequence
from typing import Any, Final, Self, TypeVar

import grpc
from google.protobuf.message import Message

from support.chats import ask, leaving, read, run_id_of, stream
from support.contract import Method, list_methods
from support.deployment import ADMIN, DEVELOPER, Deployment, Metadata, Token, patiently
from support.oracle import LIMIT_S, SERVICES, Answer, judge
from support.right_requests import Surroundings
from trunkline.catalog.provider_types import SERVED_FORMATS
from trunkline.catalog.v1 import provider_pb2
from trunkline.credential.v1 import save_pb2
from trunkline.inference.v1 import chat_pb2
from trunkline.kernel.channel import connect

T = TypeVar("T")

_MESSAGES: Final = 8
_QUIET_S: Final = 0.2
_WATCH_QUIET_S: Final = 0.005
_STEADY: Final = "steady"
_DOOMED: Final = "doomed"
_OWNER: Final = "owner"
_MODELS: Final = ("ok", "tool")


class LoopbackLoop(asyncio.SelectorEventLoop):
    """An event loop that knows the names of this machine alone, and reaches nothing beyond it."""

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """Look up a name, if it is one of this machine."""
        if not _is_near(host):
            raise socket.gaierror(socket.EAI_NONAME, "only this machine is known here")
        return await super().getaddrinfo(host, port, **options)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect, if it is to this machine."""
        if sock.family != socket.AF_UNIX and not _is_near(address[0]):
            raise OSError(f"{address[0]} is not this machine")
        await super().sock_connect(sock, address)


class Siege:
    """A deployment that is driven from plain functions, as hypothesis calls them.

    Attributes:
        deployment: all services in this process.
        around: what there is that requests can name.
        words: texts of it that look right: ids, names, page tokens.
    """

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=LoopbackLoop)
        self._stack = contextlib.AsyncExitStack()
        self._doors: dict[str, tuple[grpc.aio.Channel, Metadata]] = {}
        self._bystander: Token
        self.deployment: Deployment
        self.around: Surroundings
        self.words: Sequence[str]

    def __enter__(self) -> Self:
        self._runner.__enter__()
        try:
            self.run(self._prepare())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.run(self._stack.aclose())
        finally:
            self._runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the deployment live until some work is done."""
        return self._runner.run(work)

    def call(
        self, identity: str, method: Method, request: bytes, metadata: Metadata | None = None
    ) -> Answer:
        """Make a call, and return what came of it, which must be what the contract allows.

        Args:
            identity: one of `IDENTITIES`.
            method: which.
            request: as it goes over the wire.
            metadata: in place of the identity's own.
        """
        answer = self.run(self._call(identity, method, request, metadata))
        judge(identity, method, request, answer)
        return answer

    def ask(self, request: Message, name: str = "", metadata: Metadata | None = None) -> Answer:
        """Make a right call as ADMIN, as `call` does.

        Args:
            request: of a method.
            name: of the method; empty: the one that takes such requests.
            metadata: in place of the ADMIN's.
        """
        (method,) = (
            each
            for each in list_methods()
            if each.descriptor.input_type is request.DESCRIPTOR and name in str(each)
        )
        return self.call("ADMIN", method, request.SerializeToString(), metadata)

    def chat(self) -> None:
        """Chat as somebody who has nothing to do with all this; it must go well."""
        assert self.run(self._chat()).completed.HasField("message")

    async def _chat(self) -> chat_pb2.ChatResponse:
        """Chat as the bystander."""
        return await self.deployment.inference.Chat(
            ask(f"{_STEADY}/ok"), metadata=self._bystander.metadata, timeout=LIMIT_S
        )

    async def _call(
        self, identity: str, method: Method, request: bytes, instead: Metadata | None
    ) -> Answer:
        channel, metadata = self._doors[identity]
        metadata = metadata if instead is None else instead
        began = time.monotonic()
        messages: list[bytes] = []
        seconds: float | None = None
        try:
            if method.descriptor.server_streaming:
                reading: Any
                if method.descriptor.client_streaming:
                    both: Any = channel.stream_stream(method.path)
                    reading = both(iter((request,)), metadata=metadata, timeout=LIMIT_S)
                else:
                    opened: Any = channel.unary_stream(method.path)
                    reading = opened(request, metadata=metadata, timeout=LIMIT_S)
                # What is watched has no end, and soon nothing new.
                is_watch = method.descriptor.name.startswith("Watch")
                quiet = _WATCH_QUIET_S if is_watch else _QUIET_S
                limit = LIMIT_S
                try:
                    while len(messages) < _MESSAGES:
                        async with asyncio.timeout(limit):
                            message = await reading.read()
                        seconds = seconds or time.monotonic() - began
                        if message is grpc.aio.EOF:
                            break
                        messages.append(message)
                        limit = quiet
                except TimeoutError:
                    assert messages, f"{method} was silent for {LIMIT_S:g} s"
                finally:
                    reading.cancel()
            else:
                asking: Any = channel.unary_unary(method.path)
                messages.append(await asking(request, metadata=metadata, timeout=LIMIT_S))
        except grpc.aio.AioRpcError as error:
            return Answer(messages, error, seconds or time.monotonic() - began)
        return Answer(messages, None, seconds or time.monotonic() - began)

    async def _prepare(self) -> None:
        """Start the deployment, and have something of everything in it."""
        self.deployment = deployment = Deployment(connected=False, time_scale=0.01)
        await self._stack.enter_async_context(deployment)
        sandbox = deployment.sandbox
        formats = [each for each in sandbox.addresses if each in SERVED_FORMATS]
        await self._connect(_STEADY, "openai")
        await self._connect(_DOOMED, "openai")
        asked = [f"asked-{each}" for each in formats]
        for name, wire_format in zip(asked, formats, strict=True):
            await self._connect(name, wire_format)
        self._bystander = await deployment.issue("bystander")
        admin = await deployment.issue("besieger", ADMIN, impersonate=True)
        developer = await deployment.issue("developer", DEVELOPER)
        self._doors = {
            "ADMIN": (deployment.channel, admin.metadata),
            "DEVELOPER": (deployment.channel, developer.metadata),
        }
        for service in SERVICES:
            path = deployment.root / "data" / "run" / f"inference.{service}.sock"
            channel = connect(path)
            self._stack.push_async_callback(channel.close)
            self._doors[service] = channel, ()
        credentials = await deployment.credentials.ListCredentials(
            save_pb2.ListCredentialsRequest(provider=_DOOMED), metadata=deployment.admin
        )
        self.around = Surroundings(
            base_url=sandbox.base_url,
            api_key=sandbox.api_key,
            asked=asked,
            doomed=_DOOMED,
            credential=credentials.credentials[0].id,
            token=(await deployment.issue(_OWNER)).id,
            owner=_OWNER,
            runs=[await self._leave_run(asked[0], each.metadata) for each in (admin, developer)],
        )
        self.words = (
            _DOOMED,
            f"{_DOOMED}/ok",
            self.around.credential,
            self.around.token,
            *self.around.runs,
            sandbox.base_url,
            f"{sandbox.base_url}/chat/completions",
        )

    async def _connect(self, name: str, wire_format: str) -> None:
        """Connect the sandbox by one of its formats."""
        deployment = self.deployment
        endpoint = provider_pb2.ProviderEndpoint(
            base_url=deployment.sandbox.addresses[wire_format], format=wire_format
        )
        await deployment.catalog.CreateProvider(
            provider_pb2.CreateProviderRequest(
                provider=provider_pb2.Provider(
                    name=name, type="openai-compatible", endpoint=endpoint
                ),
                models=_MODELS,
            ),
            metadata=deployment.admin,
        )
        # Of a format whose lists need no key, nobody can tell whether it is good.
        key = save_pb2.SaveApiKeyRequest(
            provider=name, api_key=deployment.sandbox.api_key, allow_unverified=True
        )
        await patiently(
            lambda: deployment.credentials.SaveApiKey(key, metadata=deployment.admin),
            "PROVIDER_NOT_FOUND",
        )
        await patiently(
            lambda: deployment.inference.Chat(ask(f"{name}/ok"), metadata=deployment.admin),
            "MODEL_NOT_FOUND",
            "NO_CREDENTIAL",
        )

    async def _leave_run(self, provider: str, metadata: Metadata) -> str:
        """Make a run of somebody's that has ended; return its id."""
        request = ask(f"{provider}/ok", disconnect=leaving(60))
        call = stream(self.deployment.channel, "StreamChat", request, metadata)
        run_id = run_id_of(await call.initial_metadata())
        assert (await read(call)).completed.HasField("message")
        return run_id


def _is_near(host: Any) -> bool:
    """Tell whether a name or an address is this machine's."""
    text = host.decode() if isinstance(host, bytes) else str(host)
    if text == "localhost":
        return True
    try:
        return ipaddress.ip_address(text.strip("[]")).is_loopback
    except ValueError:
        return False

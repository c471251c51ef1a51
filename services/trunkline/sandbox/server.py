"""The sandbox server: a model provider whose behaviour the model's name chooses."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import ClassVar, Final

from trunkline.sandbox import keys
from trunkline.sandbox.behaviours import Behaviour
from trunkline.sandbox.chat_completions import ChatCompletions
from trunkline.sandbox.connection import Connection
from trunkline.sandbox.delivery import Delivery
from trunkline.sandbox.face import Document, Face, Operation, Route
from trunkline.sandbox.faults import Refusal, Trouble
from trunkline.sandbox.models import find, list_names
from trunkline.sandbox.outlet import Outlet
from trunkline.sandbox.request import Bounds, Request
from trunkline.sandbox.scripts import perform
from trunkline.sandbox.sightings import Sighting, Sightings

_STOP_SECONDS: Final = 5.0
_MAX_COUNTERS: Final = 10_000
_RESET_PATH: Final = "/sandbox/attempts"


class Sandbox:
    """Serve OpenAI Chat Completions on a real socket.

    `GET /v1/models`, `GET /v1/models/{id}` and `POST /v1/chat/completions` are those of the
    format. `DELETE /sandbox/attempts` forgets the attempts that `once-…` and `fail-K-…` count.

    Args:
        host: address to listen on.
        port: port to listen on; 0 for a free one.
        api_key: the key that is accepted, not empty.
        time_scale: factor of every pause, at least 0. It changes no wait that is only announced
            (`retry-after`) and no bound.

    Raises:
        ValueError: the key is empty or the factor negative.
    """

    REVOKED_KEY: ClassVar[str] = keys.REVOKED_KEY
    """A revoked key: everything is 401 `invalid_api_key`."""

    UNSCOPED_KEY: ClassVar[str] = keys.UNSCOPED_KEY
    """A restricted key: chat works, listing models is 403 and names the missing scope."""

    NO_CREDIT_KEY: ClassVar[str] = keys.NO_CREDIT_KEY
    """A key without credit: models are listed, chat is 429 `insufficient_quota`."""

    bounds: ClassVar[Bounds] = Bounds()
    """What one connection may cost; a subclass may say otherwise."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str = "sandbox-key",
        time_scale: float = 1.0,
    ) -> None:
        if not api_key:
            raise ValueError("The sandbox needs an API key that is not empty.")
        if time_scale < 0:
            raise ValueError("The sandbox's time scale cannot be negative.")
        self.api_key = api_key
        """The accepted key."""
        self.seen = Sightings()
        """The requests received, oldest first."""
        self.base_url = ""
        """Where the API is, with `/v1`; empty before the start."""
        self._host = host
        self._port = port
        self._time_scale = time_scale
        self._face: Face = ChatCompletions()
        self._server: asyncio.Server | None = None
        self._open = False
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._attempts: Counter[tuple[str, str]] = Counter()

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be listened on.
            RuntimeError: it was started before and not stopped.
        """
        if self._server is not None:
            raise RuntimeError("The sandbox is already running.")
        # Before listening: the first client may come while the listener is being made.
        self._open = True
        self._server = await asyncio.start_server(self._accept, self._host, self._port)
        address = self._server.sockets[0].getsockname()
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        self.base_url = f"http://{host}:{address[1]}/v1"

    async def stop(self) -> None:
        """Stop listening, close all connections and wait, at most 5 seconds, for their end."""
        server, self._server, self._open = self._server, None, False
        if server is None:
            return
        server.close()
        tasks = list(self._connections)
        for connection in self._connections.values():
            connection.abort()
        if tasks:
            # They end by themselves, as if the client had left. Cancelled ones would make the
            # callback of `asyncio.start_server` complain in Python 3.11.
            await asyncio.wait(tasks, timeout=_STOP_SECONDS)

    async def __aenter__(self) -> Sandbox:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    def reset_attempts(self) -> None:
        """Forget the attempts that `once-…` and `fail-K-…` count."""
        self._attempts.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, in the task that the listener made for it."""
        connection = Connection(
            reader,
            writer,
            bounds=self.bounds,
            answer=self._answer,
            refuse=self._face.refuse,
        )
        task = asyncio.current_task()
        if task is None or not self._open:
            # Accepted while stopping.
            connection.abort()
            return
        self._connections[task] = connection
        try:
            await connection.serve()
        finally:
            del self._connections[task]

    async def _answer(self, request: Request, sighting: Sighting, outlet: Outlet) -> None:
        """Answer one request; a refusal is an answer as well."""
        route = self._face.route(request.method, request.path)
        body = sighting.body if route else None
        if route:
            sighting.model = self._face.model(route, body)
        self.seen.record(sighting)
        key = self._face.key(request.headers)
        try:
            if route is None:
                await self._answer_elsewhere(request, key, outlet)
            else:
                keys.admit(key, self.api_key, route.operation)
                await self._perform(route, body, key, outlet)
        except Refusal as refusal:
            await outlet.answer(self._face.refuse(refusal))

    async def _answer_elsewhere(self, request: Request, key: str, outlet: Outlet) -> None:
        """Answer a request outside the format: the sandbox's own, or none."""
        if (request.method, request.path) != ("DELETE", _RESET_PATH):
            raise Refusal(
                Trouble.NO_SUCH_ROUTE, f"Invalid URL ({request.method} {request.path[:200]})."
            )
        keys.admit(key, self.api_key, Operation.CHAT)
        self.reset_attempts()
        await outlet.answer(Document(200, "application/json", b"{}"))

    async def _perform(self, route: Route, body: object, key: str, outlet: Outlet) -> None:
        """Do what a route asks for."""
        match route.operation:
            case Operation.LIST_MODELS:
                await outlet.answer(self._face.list_models(list_names()))
            case Operation.SHOW_MODEL:
                name = route.model or ""
                _find(name)
                await outlet.answer(self._face.show_model(name))
            case Operation.CHAT:
                await self._chat(route, body, key, outlet)

    async def _chat(self, route: Route, body: object, key: str, outlet: Outlet) -> None:
        prompt = self._face.read(route, body)
        behaviour = self._count(_find(prompt.model), prompt.model, key)
        delivery = Delivery(
            outlet,
            self._face.voice(prompt),
            stream_type=self._face.stream_type,
            pace=behaviour.pace,
            fault=behaviour.fault,
            time_scale=self._time_scale,
        )
        await delivery.deliver(perform(behaviour.script, prompt), stream=prompt.stream)

    def _count(self, behaviour: Behaviour, model: str, key: str) -> Behaviour:
        """Count an attempt; return the behaviour that it meets."""
        if behaviour.failures is None:
            return behaviour
        if len(self._attempts) >= _MAX_COUNTERS:
            # Far more than a test names: forgetting some would not be less surprising.
            self._attempts.clear()
        self._attempts[model, key] += 1
        return behaviour if self._attempts[model, key] <= behaviour.failures else behaviour.heal()


async def serve(
    host: str,
    port: int,
    api_key: str,
    time_scale: float,
    ready: Callable[[Sandbox], None],
) -> None:
    """Run a sandbox until cancelled.

    Args:
        host: address to listen on.
        port: port to listen on; 0 for a free one.
        api_key: the key that is accepted, not empty.
        time_scale: factor of every pause, at least 0.
        ready: called once it listens.

    Raises:
        OSError: the address cannot be listened on.
        ValueError: the key is empty or the factor negative.
    """
    async with Sandbox(host=host, port=port, api_key=api_key, time_scale=time_scale) as sandbox:
        ready(sandbox)
        await asyncio.Event().wait()


def _find(name: str) -> Behaviour:
    """Return what a model does.

    Raises:
        Refusal: there is no such model.
    """
    behaviour = find(name)
    if behaviour is None:
        raise Refusal(
            Trouble.MODEL_NOT_FOUND,
            f"The model '{name[:200]}' does not exist or you do not have access to it.",
            param="model",
        )
    return behaviour

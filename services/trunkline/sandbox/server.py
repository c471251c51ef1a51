"""The sandbox server: a model provider whose behaviour the model's name chooses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import ClassVar, Final

from trunkline.sandbox import keys
from trunkline.sandbox.attempts import Attempts
from trunkline.sandbox.behaviours import Behaviour
from trunkline.sandbox.connection import Connection
from trunkline.sandbox.delivery import Delivery
from trunkline.sandbox.face import Document, Face, Head, ModelCard, Occasion, Operation, Route
from trunkline.sandbox.faces.all import FACES, OPENAI, place
from trunkline.sandbox.faults import Refusal, Refuse, Trouble
from trunkline.sandbox.models import find, list_names
from trunkline.sandbox.outlet import Outlet
from trunkline.sandbox.prompt import Prompt
from trunkline.sandbox.request import Bounds, Request
from trunkline.sandbox.scripts import perform
from trunkline.sandbox.sightings import Sighting, Sightings, Veiled
from trunkline.sandbox.speech import Finish, FinishReason, Usage
from trunkline.sandbox.vectors import PLAIN, Texts, VectorForm, VectorVoice

_STOP_SECONDS: Final = 5.0
_RESET_PATH: Final = "/sandbox/attempts"


class Sandbox:
    """Serve every face on one real socket.

    OpenAI Chat Completions is under `/v1`, Anthropic Messages under `/anthropic/v1`, Gemini under
    `/google/v1beta` (and `/google/v1`), Ollama under `/ollama`. `DELETE /sandbox/attempts` forgets
    the attempts that `once-…`, `fail-K-…` and `for-S-…` count, for each face apart.

    Args:
        host: address to listen on.
        port: port to listen on; 0 for a free one.
        api_key: the key that is accepted, not empty.
        time_scale: factor of every pause, at least 0. It changes no bound.
        announced_scale: factor of every wait that is only announced (`retry-after`), at least 0.
        aliases: further names of models, and what each one stands for.

    Raises:
        ValueError: the key is empty or a factor negative.
    """

    REVOKED_KEY: ClassVar[str] = keys.REVOKED_KEY
    """A revoked key: everything is refused, 401 in most formats."""

    UNSCOPED_KEY: ClassVar[str] = keys.UNSCOPED_KEY
    """A restricted key: chat works, listing models is 403."""

    NO_CREDIT_KEY: ClassVar[str] = keys.NO_CREDIT_KEY
    """A key without credit: models are listed, chat is refused as the vendor does it."""

    bounds: ClassVar[Bounds] = Bounds()
    """What one connection may cost; a subclass may say otherwise."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str = "sandbox-key",
        time_scale: float = 1.0,
        announced_scale: float = 1.0,
        aliases: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        if not api_key:
            raise ValueError("The sandbox needs an API key that is not empty.")
        if min(time_scale, announced_scale) < 0:
            raise ValueError("The sandbox's time scale cannot be negative.")
        self.api_key = api_key
        """The accepted key."""
        self.seen = Sightings()
        """The requests received, oldest first."""
        self.base_url = ""
        """Where the OpenAI face is, with `/v1`; empty before the start."""
        self.addresses: Mapping[str, str] = MappingProxyType({})
        """The base address of each face by its format's name; empty before the start."""
        self._host = host
        self._port = port
        self._time_scale = time_scale
        self._announced_scale = announced_scale
        self._aliases = dict(aliases)
        self._server: asyncio.Server | None = None
        self._open = False
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._attempts = Attempts(time_scale)

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
        origin = f"http://{host}:{address[1]}"
        self.addresses = MappingProxyType({face.name: origin + face.base_path for face in FACES})
        self.base_url = self.addresses[OPENAI.name]

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
        """Forget the attempts that `once-…`, `fail-K-…` and `for-S-…` count."""
        self._attempts.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, in the task that the listener made for it."""
        connection = Connection(
            reader,
            writer,
            bounds=self.bounds,
            answer=self._answer,
            # What is no request has no path, and so no face of its own.
            refuse=OPENAI.refuse,
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
        face, head = place(request)
        outlet.request_id_header = face.request_id_header
        route = face.route(head)
        body = sighting.body if route else None
        if route:
            sighting.model = face.model(route, body)
            sighting.face = face.name
            sighting.key = Veiled(face.key(head))
        self.seen.record(sighting)
        occasion = Occasion(outlet.request_id, route, sighting.model)
        try:
            if route is None:
                await self._answer_elsewhere(request, face.key(head), outlet)
            elif route.operation is Operation.GREET and route.document is not None:
                await outlet.answer(route.document)
            else:
                keys.admit(face.key(head), self.api_key, route.operation, keyless=face.keyless)
                face.check(head)
                await self._perform(face, head, route, occasion, sighting, body, outlet)
        except Refusal as refusal:
            await outlet.answer(face.refuse(refusal, occasion))

    async def _answer_elsewhere(self, request: Request, key: str, outlet: Outlet) -> None:
        """Answer a request outside the format: the sandbox's own, or none."""
        if (request.method, request.path) != ("DELETE", _RESET_PATH):
            raise Refusal(
                Trouble.NO_SUCH_ROUTE, f"Invalid URL ({request.method} {request.path[:200]})."
            )
        keys.admit(key, self.api_key, Operation.CHAT)
        self.reset_attempts()
        await outlet.answer(Document(200, "application/json", b"{}"))

    async def _perform(
        self,
        face: Face,
        head: Head,
        route: Route,
        occasion: Occasion,
        sighting: Sighting,
        body: object,
        outlet: Outlet,
    ) -> None:
        """Do what a route asks for."""
        name = occasion.model or ""
        match route.operation:
            case Operation.LIST_MODELS:
                cards = [
                    self._describe(name) for name in dict.fromkeys((*list_names(), *self._aliases))
                ]
                await outlet.answer(face.list_models(head, cards))
            case Operation.SHOW_MODEL:
                await outlet.answer(face.show_model(self._describe(name)))
            case Operation.SHOW_KEY if route.document is not None:
                await outlet.answer(route.document)
            case Operation.CHAT:
                asked = face.read(head, route, body)
                if isinstance(asked, Document):
                    self._find(name)
                    await outlet.answer(asked)
                    return
                sighting.prefill = asked.history.prefill
                await self._chat(face, asked, occasion, face.key(head), outlet)

            case Operation.EMBED:
                assert face.vectors is not None
                texts = face.vectors.read(body, route.model or "")
                await self._embed(face, face.vectors, texts, face.key(head), outlet)

    async def _embed(
        self, face: Face, form: VectorForm, asked: Texts, key: str, outlet: Outlet
    ) -> None:
        found = self._find(asked.model)
        behaviour = self._attempts.meet(found, (face.name, asked.model, key), time.monotonic())
        delivery = Delivery(
            outlet,
            VectorVoice(form, asked, behaviour.vectors),
            pace=behaviour.pace,
            fault=behaviour.fault,
            time_scale=self._time_scale,
            announced_scale=self._announced_scale,
        )
        finish = Finish(FinishReason.STOP, Usage(asked.word_count, 0, 0))
        await delivery.deliver(iter((finish,)), stream=False)

    async def _chat(
        self, face: Face, prompt: Prompt, occasion: Occasion, key: str, outlet: Outlet
    ) -> None:
        found = self._find(prompt.model)
        if prompt.demands_thinking and not found.script.thinks:
            raise Refusal(Trouble.NO_THINKING, f'"{prompt.model}" does not support thinking')
        behaviour = self._attempts.meet(found, (face.name, prompt.model, key), time.monotonic())
        if behaviour.refuses_prefill and prompt.history.prefill is not None:
            raise Refusal(
                Trouble.INVALID_REQUEST,
                "This model does not take a transcript that ends with an assistant message.",
                param="messages",
            )
        delivery = Delivery(
            outlet,
            face.voice(prompt, occasion),
            pace=behaviour.pace,
            fault=behaviour.fault,
            time_scale=self._time_scale,
            announced_scale=self._announced_scale,
        )
        await delivery.deliver(perform(behaviour.script, prompt), stream=prompt.stream)

    def _find(self, name: str) -> Behaviour:
        """Return what a model does.

        Raises:
            Refusal: there is no such model.
        """
        behaviour = find(self._aliases.get(name, name))
        if behaviour is None:
            raise Refusal(
                Trouble.MODEL_NOT_FOUND,
                f"The model '{name[:200]}' does not exist or you do not have access to it.",
                param="model",
            )
        return behaviour

    def _describe(self, name: str) -> ModelCard:
        """Describe a model for a list.

        Raises:
            Refusal: there is no such model.
        """
        behaviour = self._find(name)
        fault = behaviour.fault
        is_cramped = isinstance(fault, Refuse) and fault.trouble is Trouble.CONTEXT_TOO_LONG
        embeds = behaviour.vectors is not PLAIN
        return ModelCard(name, behaviour.script.thinks, is_cramped, embeds)


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

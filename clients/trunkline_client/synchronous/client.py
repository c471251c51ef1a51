"""What a program calls."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from trunkline.inference.v1 import embedding_pb2, run_pb2
from trunkline.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from trunkline_client.address import find_addresses, find_authority
from trunkline_client.answer import Answer
from trunkline_client.embedding import Collector, Embeddings, EmbedFields, build_embedding
from trunkline_client.reading import LoopReading, Reading
from trunkline_client.request import ChatFields, ToolLike, build_request
from trunkline_client.resumption import Patience
from trunkline_client.synchronous.lines import Lines
from trunkline_client.synchronous.stream import Stream, ToolLoop
from trunkline_client.terms import CHAT_S, CONVERSE_S, build_start
from trunkline_client.token import Metadata, Token, TokenSource
from trunkline_client.tool import Functions, Toolbox


class Client:
    """The chats and embeddings of one deployment, safe to use in many threads. Close it, or use it
    as a context manager.

    Args:
        address: `host:port`; None: of `TRUNKLINE_ADDRESS`, else this machine's default.
        token: an access token, or what returns one, asked for each call; None: of
            `TRUNKLINE_TOKEN`, else the one that `trunkline up` wrote on this machine.
        addresses: further replicas, tried in this order when one does not answer.
        ca_file: PEM of the authorities that servers are checked by; None: of
            `TRUNKLINE_CA_FILE`. Without one, other machines are checked by everybody's.
        patience: how long a chat tries to come back.

    Raises:
        TokenMissing: there is no token.
        ValueError: an address is none.
    """

    def __init__(
        self,
        address: str | None = None,
        token: TokenSource = None,
        *,
        addresses: Sequence[str] = (),
        ca_file: str | Path | None = None,
        patience: Patience | None = None,
    ) -> None:
        found = find_addresses(address, addresses)
        self._lines = Lines(
            found, Token(token, found), find_authority(ca_file), patience or Patience()
        )

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._lines.close()

    def chat(
        self,
        model: str = "",
        text: str | None = None,
        *,
        tools: Sequence[ToolLike] = (),
        timeout_s: float = CHAT_S,
        **fields: Unpack[ChatFields],
    ) -> Answer:
        """Ask, and return the whole answer.

        Args:
            model: `provider/model`; empty: `role`, `agent` or `chain` name who answers, or the
                deployment does.
            text: what the user says last.
            tools: that the model may call: functions, or the contract's messages.
            timeout_s: the longest wait for the answer in seconds.
            fields: the rest of the request.

        Raises:
            TrunklineError: there is no answer.
        """
        request = build_request(model, text, tools, fields)
        reading = Reading(self._lines.budget(), time.monotonic() + timeout_s, request)
        response = self._lines.ask(
            reading,
            lambda stub, left_s, caller: stub.Chat(request, timeout=left_s, metadata=caller),
        )
        if response.completed.HasField("message"):
            return Answer(response.run_id, response.completed, response.completed.message)
        # It is over 1 MiB; the run's events have it.
        left_s = max(0.0, reading.deadline_s - time.monotonic())
        resumed = self.resume(response.run_id, on_behalf_of=request.on_behalf_of, timeout_s=left_s)
        return resumed.answer()

    def stream(
        self,
        model: str = "",
        text: str | None = None,
        *,
        tools: Sequence[ToolLike] = (),
        timeout_s: float = CHAT_S,
        **fields: Unpack[ChatFields],
    ) -> Stream:
        """Return a chat that is read event by event; the arguments are those of `chat`."""
        request = build_request(model, text, tools, fields)
        deadline_s = time.monotonic() + timeout_s
        return Stream(self._lines, Reading(self._lines.budget(), deadline_s, request))

    def resume(
        self,
        run_id: str,
        *,
        after_sequence: int = 0,
        on_behalf_of: str = "",
        timeout_s: float = CHAT_S,
    ) -> Stream:
        """Return the rest of a run that began before, of another process maybe.

        Args:
            run_id: `run_…`.
            after_sequence: of the last event that is known; 0: all of them come. The stream's
                message and text are made of what comes after it.
            on_behalf_of: as in the request that began it.
            timeout_s: the longest time to read in seconds.
        """
        rest = run_pb2.ResumeChatRequest(
            run_id=run_id, after_sequence=after_sequence, on_behalf_of=on_behalf_of
        )
        deadline_s = time.monotonic() + timeout_s
        return Stream(self._lines, Reading(self._lines.budget(), deadline_s, resume=rest))

    def converse(
        self,
        model: str = "",
        text: str | None = None,
        *,
        tools: Functions,
        max_turns: int = 0,
        max_parallel_calls: int = 0,
        tool_timeout: timedelta | None = None,
        timeout_s: float = CONVERSE_S,
        **fields: Unpack[ChatFields],
    ) -> ToolLoop:
        """Return a tool loop: the model calls functions until it has its answer.

        Args:
            model: as of `chat`.
            text: as of `chat`.
            tools: the functions by name; async ones run in a loop of their own.
            max_turns: 0: the server's bound.
            max_parallel_calls: in one turn; 0: the server's bound.
            tool_timeout: the longest wait for a turn's results; None: the server's.
            timeout_s: the longest time of all in seconds.
            fields: the rest of the request.

        Raises:
            TypeError: a function's signature cannot be told to a model.
        """
        toolbox = Toolbox.of(tools)
        request = build_request(model, text, toolbox.tools, fields)
        start = build_start(request, max_turns, max_parallel_calls, tool_timeout)
        deadline_s = time.monotonic() + timeout_s
        reading = LoopReading(self._lines.budget(), deadline_s, start, toolbox)
        return ToolLoop(self._lines, reading)

    def embed(
        self,
        model: str,
        texts: Sequence[str],
        *,
        timeout_s: float = CHAT_S,
        **fields: Unpack[EmbedFields],
    ) -> Embeddings:
        """Return one vector for each text, in their order.

        Args:
            model: `provider/model`.
            texts: 1 to 100,000, none of them empty.
            timeout_s: the longest wait for all vectors in seconds.
            fields: the rest of the request.

        Raises:
            NoEmbeddings: the model makes none; `metadata["capable"]` names some that do.
            BadVector: the provider gave what is no vector.
            TrunklineError: there are no vectors for another reason.
        """
        request = build_embedding(model, texts, fields)
        reading = Reading(self._lines.budget(), time.monotonic() + timeout_s)
        return self._lines.ask(
            reading, lambda stub, left_s, caller: _embed(stub, request, left_s, caller)
        )

    def cancel(self, run_id: str, *, on_behalf_of: str = "") -> run_pb2.Run:
        """End a run, and return how it stands.

        Raises:
            RunNotFound: there is none.
        """
        return self._lines.cancel(run_id, on_behalf_of, self._lines.preferred)


def _embed(
    stub: InferenceServiceStub,
    request: embedding_pb2.EmbedRequest,
    left_s: float,
    caller: Metadata,
) -> Embeddings:
    """Read all vectors in batches: a single message would be too long for the channel."""
    collector = Collector(request)
    for message in stub.StreamEmbed(request, timeout=left_s, metadata=caller):
        collector.take(message)
    return collector.end()

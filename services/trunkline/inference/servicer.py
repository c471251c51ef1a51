"""InferenceService: gRPC in and out."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import grpc

from trunkline.inference import transcript, unserved
from trunkline.inference.answers import wait_end
from trunkline.inference.conversation import Loop
from trunkline.inference.converse import converse
from trunkline.inference.description import describe
from trunkline.inference.embedding.servicer import ATTACHED, RUN_ID, EmbeddingMethods
from trunkline.inference.following import follow
from trunkline.inference.journal.store import RunQuery
from trunkline.inference.pages import PAGE_BYTES, cut_message
from trunkline.inference.registry import Registry
from trunkline.inference.run import Run
from trunkline.inference.runner import Runner
from trunkline.inference.runs import Runs
from trunkline.inference.settings import InferenceSettings
from trunkline.inference.terms import Owner, Terms, own
from trunkline.inference.v1 import (
    chat_pb2,
    embedding_pb2,
    event_pb2,
    inference_service_pb2_grpc,
    run_pb2,
)
from trunkline.kernel.bounds import read_time
from trunkline.kernel.call import Caller, current_call, current_caller
from trunkline.kernel.clock import to_seconds
from trunkline.kernel.errors import InvalidArgument, PermissionDenied, Violation

Context = grpc.aio.ServicerContext[Any, Any]

MAX_TURNS = 32
MAX_PARALLEL_CALLS = 16
TOOL_TIMEOUT_S = 600.0
_DEFAULT_PAGE = 50
# What stands around a run in a list.
_FRAME_BYTES = 8
_RUN = re.compile(r"run_[0-9A-Za-z]{1,64}")


class InferenceServicer(inference_service_pb2_grpc.InferenceServiceServicer):
    """Chats and their runs, and embeddings.

    Args:
        runs: of this process.
        registry: of all runs.
        runner: tells whether chats can begin.
        settings: default waits.
        embedding: makes embeddings.
    """

    def __init__(
        self,
        runs: Runs,
        registry: Registry,
        runner: Runner,
        settings: InferenceSettings,
        embedding: EmbeddingMethods,
    ) -> None:
        self._embedding = embedding
        self._runs = runs
        self._registry = registry
        self._runner = runner
        self._settings = settings

    async def Chat(self, request: chat_pb2.ChatRequest, context: Context) -> chat_pb2.ChatResponse:
        """Answer in one piece."""
        run, attached = await self._begin(request, unary=True)
        if not run.terms.in_parts and not attached:
            completed = await self._runs.carry(run)
            return chat_pb2.ChatResponse(run_id=run.id, completed=completed)
        async with _reading(run, context, attached=attached):
            completed = await wait_end(run)
        return chat_pb2.ChatResponse(run_id=run.id, completed=completed)

    async def StreamChat(
        self, request: chat_pb2.ChatRequest, context: Context
    ) -> AsyncIterator[event_pb2.ChatEvent]:
        """Answer event by event."""
        run, attached = await self._begin(request, unary=False)
        async with (
            _reading(run, context, attached=attached),
            contextlib.aclosing(follow(run, 0)) as events,
        ):
            async for event in events:
                yield event  # type: ignore[misc] # serialised already; the listener passes it on

    async def ResumeChat(
        self, request: run_pb2.ResumeChatRequest, context: Context
    ) -> AsyncIterator[event_pb2.ChatEvent]:
        """Send the events after the last one that the caller has."""
        owner = own(current_caller(), request.on_behalf_of)
        run = await self._registry.find(request.run_id, owner)
        after = request.after_sequence
        async with _reading(run, context), contextlib.aclosing(follow(run, after)) as events:
            async for event in events:
                yield event  # type: ignore[misc] # serialised already; the listener passes it on

    async def Converse(
        self, request_iterator: AsyncIterator[run_pb2.ConverseRequest], context: Context
    ) -> AsyncIterator[event_pb2.ChatEvent]:
        """Hold a whole tool loop in one run."""
        events = converse(
            request_iterator,
            self._registry,
            self._open_loop,
            lambda run, attached: _reading(run, context, attached=attached),
        )
        async with contextlib.aclosing(events):
            async for event in events:
                yield event  # type: ignore[misc] # serialised already; the listener passes it on

    async def CancelChat(
        self, request: run_pb2.CancelChatRequest, context: Context
    ) -> run_pb2.CancelChatResponse:
        """End a run; one that has ended stays as it is."""
        del context
        caller = current_caller()
        owner = own(caller, request.on_behalf_of)
        run = await self._registry.find_any(request.run_id, owner, caller)
        await self._registry.cancel(run)
        return run_pb2.CancelChatResponse(run=describe(run))

    async def GetRun(
        self, request: run_pb2.GetRunRequest, context: Context
    ) -> run_pb2.GetRunResponse:
        """Tell how a run stands, and its answer to whom it belongs."""
        del context
        caller = current_caller()
        owner = own(caller, request.on_behalf_of)
        run = await self._registry.find_any(request.run_id, owner, caller)
        if run.terms.owner != owner:
            unserved.check_get_run(request, caller)
            return run_pb2.GetRunResponse(run=describe(run))
        described = describe(run)
        response = run_pb2.GetRunResponse(run=described)
        answered = await self._registry.answer(run)
        if answered is not None:
            completed, answer = answered
            start = _read_token(request.page_token)
            page, token = cut_message(answer, start)
            described.completed.CopyFrom(completed)
            described.completed.message.CopyFrom(page)
            response.run.CopyFrom(described)
            response.next_page_token = _write_token(token) if token else ""
            response.first_part_continues = bool(start) and not start.endswith(":0")
        elif request.page_token:
            raise _bad_token()
        return response

    async def ListRuns(
        self, request: run_pb2.ListRunsRequest, context: Context
    ) -> run_pb2.ListRunsResponse:
        """Page through runs, newest first."""
        del context
        caller = current_caller()
        owner = own(caller, request.on_behalf_of)
        principal = request.principal
        if principal and principal != caller.principal and not caller.is_admin:
            raise PermissionDenied(
                "CALLER_NOT_ALLOWED",
                "Only an ADMIN lists the runs of another principal.",
                metadata={
                    "method": "trunkline.inference.v1.InferenceService/ListRuns",
                    "role": caller.role_name,
                },
            )
        before = _read_token(request.page_token)
        if before and not _RUN.fullmatch(before):
            raise _bad_token()
        since = 0
        if request.HasField("start_time"):
            since = read_time(request.start_time, "start_time")
        size = request.page_size or _DEFAULT_PAGE
        response = run_pb2.ListRunsResponse()
        room = PAGE_BYTES
        sees_all = caller.is_admin and not request.on_behalf_of
        query = RunQuery(
            principal=principal if sees_all else owner.principal,
            on_behalf_of=None if sees_all else owner.on_behalf_of,
            before=before,
            state=request.state,
            since_ns=since,
            limit=size + 1,
        )
        for described in await self._registry.newest_first(query):
            room -= described.ByteSize() + _FRAME_BYTES
            if len(response.runs) == size or (room < 0 and response.runs):
                response.next_page_token = _write_token(response.runs[-1].id)
                break
            response.runs.append(described)
        return response

    async def Embed(
        self, request: embedding_pb2.EmbedRequest, context: Context
    ) -> embedding_pb2.EmbedResponse:
        """Answer with all vectors at once."""
        # Serialised already; the listener passes it on.
        return await self._embedding.embed(request, context)  # type: ignore[return-value]

    async def StreamEmbed(
        self, request: embedding_pb2.EmbedRequest, context: Context
    ) -> AsyncIterator[embedding_pb2.StreamEmbedResponse]:
        """Answer with vectors as they come, batch by batch."""
        async with contextlib.aclosing(self._embedding.stream_embed(request, context)) as messages:
            async for message in messages:
                yield message  # type: ignore[misc] # serialised already; the listener passes it on

    async def _open_loop(self, request: run_pb2.ConverseRequest) -> tuple[Run, int, bool]:
        """Begin a tool loop, or find the one that is asked for."""
        if request.HasField("attach"):
            attach = request.attach
            owner = own(current_caller(), attach.on_behalf_of)
            return await self._registry.find(attach.run_id, owner), attach.after_sequence, False
        start = request.start
        loop = Loop(
            max_turns=start.max_turns or MAX_TURNS,
            max_parallel_calls=start.max_parallel_calls or MAX_PARALLEL_CALLS,
            tool_timeout_s=to_seconds(start.tool_timeout)
            if start.HasField("tool_timeout")
            else TOOL_TIMEOUT_S,
        )
        try:
            run, attached = await self._begin(start.chat, unary=False, loop=loop)
        except InvalidArgument as error:
            raise error.within("start.chat") from None
        return run, 0, attached

    async def _begin(
        self, request: chat_pb2.ChatRequest, *, unary: bool, loop: Loop | None = None
    ) -> tuple[Run, bool]:
        """Check a chat request and begin its run, or find the one that its key began.

        Returns:
            The run, and whether it was there.

        Raises:
            InvalidArgument: naming every field that is wrong or not served yet.
        """
        unserved.check_chat(request)
        violations = transcript.check(request)
        if violations:
            raise violations.to_error()
        caller = current_caller()
        owner = own(caller, request.on_behalf_of)
        await self._runner.check_ready()
        self._runner.check_options(request)
        return await self._registry.begin(
            self._settle(request, owner, caller, unary=unary, loop=loop)
        )

    def _settle(
        self,
        request: chat_pb2.ChatRequest,
        owner: Owner,
        caller: Caller,
        *,
        unary: bool,
        loop: Loop | None = None,
    ) -> Terms:
        """Return the terms of a run: the request's, else the deployment's."""
        call = current_call()
        settings = self._settings
        key = bool(request.idempotency_key)
        continues = request.disconnect.action == chat_pb2.DisconnectPolicy.ACTION_CONTINUE
        grace = 0.0 if unary and not key else settings.run_grace_s
        if request.disconnect.HasField("grace"):
            grace = to_seconds(request.disconnect.grace)
        total = settings.run_total_s
        remaining = call.remaining() if call is not None else None
        if request.limits.HasField("total"):
            total = to_seconds(request.limits.total)
        elif remaining is not None and not continues:
            total = min(total, remaining + grace)
        durable = request.durability == chat_pb2.DURABILITY_DURABLE
        if not request.durability:
            shared = settings.journal_url is not None
            durable = settings.default_durability == "durable" or (
                settings.default_durability == "method"
                and (shared or not unary or key or continues)
            )
        return Terms(
            owner=owner,
            caller=caller,
            request_id=call.request_id if call is not None else "",
            target=request.model or (f"chain/{request.chain}" if request.chain else "default"),
            request=request,
            grace_s=grace,
            total_s=total,
            retention_s=settings.durable_retention_s if durable else settings.run_retention_s,
            # Without grace nobody can come back to a unary chat's run.
            in_parts=not unary or grace > 0 or durable or continues,
            durable=durable,
            continues=continues,
            loop=loop,
        )


@contextlib.asynccontextmanager
async def _reading(run: Run, context: Context, *, attached: bool = False) -> AsyncGenerator[None]:
    """Count among a run's readers for as long as a call reads it, and tell it the run's id."""
    run.add_reader()
    told = ((RUN_ID, run.id), (ATTACHED, "true")) if attached else ((RUN_ID, run.id),)
    try:
        await context.send_initial_metadata(told)
        yield
    finally:
        run.remove_reader()


def _write_token(key: str) -> str:
    """Return a page token for where the next page begins."""
    return base64.urlsafe_b64encode(key.encode()).decode()


def _read_token(token: str) -> str:
    """Return where a page begins; empty: at the start.

    Raises:
        InvalidArgument: naming `page_token`.
    """
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise _bad_token() from None


def _bad_token() -> InvalidArgument:
    """Return the error for a page token that is none of ours."""
    return InvalidArgument.of(Violation("page_token", "is not a token of this list"))

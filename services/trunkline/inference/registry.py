"""All runs that a caller can reach: those of this process alone, and those in the store."""

from __future__ import annotations

import contextlib

from trunkline.inference.answers import read_end, read_message
from trunkline.inference.conversation import unexpected
from trunkline.inference.description import describe, to_failure
from trunkline.inference.durable_runs import DurableRuns
from trunkline.inference.journal.store import JournalUnavailable, RunQuery, RunRecord
from trunkline.inference.refusals import not_found, other_request
from trunkline.inference.run import Run
from trunkline.inference.runs import Runs
from trunkline.inference.terms import Owner, Terms
from trunkline.inference.v1 import chat_pb2, message_pb2, result_pb2, run_pb2
from trunkline.kernel.call import Caller
from trunkline.kernel.clock import timestamp
from trunkline.kernel.errors import DataLoss, Unavailable


class Registry:
    """Begins, finds, ends and lists runs.

    Args:
        runs: of this process.
        durable: of all processes.
    """

    def __init__(self, runs: Runs, durable: DurableRuns) -> None:
        self._runs = runs
        self._durable = durable

    async def begin(self, terms: Terms) -> tuple[Run, bool]:
        """Begin a run, or find the one that its idempotency key began.

        Returns:
            The run, and whether it was there.

        Raises:
            AlreadyExists: IDEMPOTENCY_MISMATCH.
            ResourceExhausted: LIMIT_REACHED.
            Unavailable: NOT_SERVING, JOURNAL_UNAVAILABLE, PEER_UNAVAILABLE.
        """
        if terms.durable:
            return await self._durable.start(terms)
        if not terms.request.idempotency_key:
            return self._runs.start(terms), False
        found = self._runs.find_key(terms.key_digest)
        if found is None:
            return self._runs.start(terms), False
        if found.terms.request_digest != terms.request_digest:
            raise other_request(found.id)
        return found, True

    async def find(self, run_id: str, owner: Owner) -> Run:
        """Return a run to its owner.

        Raises:
            NotFound: RUN_NOT_FOUND: there is none, or it is another's.
            Unavailable: JOURNAL_UNAVAILABLE, PEER_UNAVAILABLE.
        """
        run = self._runs.known(run_id)
        if run is not None and (run.is_owned or not run.is_durable or not run.is_live):
            if run.terms.owner != owner:
                raise not_found(run_id)
            return run
        return await self._durable.find(run_id, owner)

    async def find_any(self, run_id: str, owner: Owner, caller: Caller) -> Run:
        """Return a run to its owner, or to an ADMIN.

        Raises:
            NotFound: RUN_NOT_FOUND.
            Unavailable: JOURNAL_UNAVAILABLE, PEER_UNAVAILABLE.
        """
        if caller.is_admin:
            run = self._runs.known(run_id)
            if run is not None:
                owner = run.terms.owner
            else:
                record = await self._durable.load(run_id)
                owner = record.owner if record is not None else owner
        return await self.find(run_id, owner)

    async def cancel(self, run: Run) -> None:
        """End a run, whoever carries it; one that has ended stays as it is.

        Raises:
            Unavailable: JOURNAL_UNAVAILABLE.
        """
        sentence = "The run was cancelled."
        if run.is_durable:
            await self._durable.cancel(run, "cancel", sentence)
        else:
            run.cancel("cancel", sentence)

    async def offer(self, run: Run, result: message_pb2.ToolResult) -> None:
        """Give a tool's result to a run, whoever carries it.

        Raises:
            FailedPrecondition: UNEXPECTED_TOOL_RESULT.
            AlreadyExists: TOOL_RESULT_MISMATCH.
            Unavailable: JOURNAL_UNAVAILABLE.
        """
        if run.terms.loop is None:
            raise unexpected(result.call_id)
        if not run.is_live:
            # It may have come before: how the run ended says more.
            return
        if run.is_owned:
            run.take_result(result)
        else:
            await self._durable.offer(run, result)

    async def end_loop(self, run: Run) -> None:
        """Let a run know that no more results come, whoever carries it.

        Raises:
            Unavailable: JOURNAL_UNAVAILABLE.
        """
        if run.is_owned and run.conversation is not None:
            run.conversation.end()
        # Who carries it may be gone before it matters.
        if run.is_durable and run.is_live and run.terms.loop is not None:
            await self._durable.end_loop(run)

    async def answer(self, run: Run) -> tuple[result_pb2.Completed, message_pb2.Message] | None:
        """Return how a run ended and its whole answer; None: it has none, or none is kept.

        Raises:
            Unavailable: JOURNAL_UNAVAILABLE.
            DataLoss: what lies in the store is not what was written.
        """
        completed = await read_end(run)
        if completed is None:
            return None
        if completed.HasField("message"):
            return completed, completed.message
        if run.answer is not None:
            return completed, run.answer
        message = await read_message(run)
        self._runs.keep_answer(run, message)
        return completed, message

    async def newest_first(self, query: RunQuery) -> list[run_pb2.Run]:
        """Return runs, newest first, without their answers.

        A store that does not answer has none to list.

        Args:
            query: which.
        """
        found: dict[str, run_pb2.Run] = {}
        try:
            for record in await self._durable.list_runs(query):
                found[record.run_id] = described = _describe(record)
                if record.state == run_pb2.RUN_STATE_FAILED:
                    await self._tell_failure(described, record)
        except JournalUnavailable:
            pass
        for run in self._runs.newest_first():
            if len(found) >= query.limit and run.id < min(found):
                break
            if _fits(run, query) and (not run.is_durable or run.id in found):
                found[run.id] = describe(run)
        return [found[run_id] for run_id in sorted(found, reverse=True)][: query.limit]

    async def _tell_failure(self, described: run_pb2.Run, record: RunRecord) -> None:
        """Say why a run failed, as far as that can be read."""
        with contextlib.suppress(DataLoss, Unavailable):
            status = await self._durable.openings.status_of(record)
            if status is not None:
                described.failure.CopyFrom(to_failure(status))


def _fits(run: Run, query: RunQuery) -> bool:
    """Tell whether a run is asked for."""
    owner = run.terms.owner
    return (
        (not query.before or run.id < query.before)
        and (not query.principal or owner.principal == query.principal)
        and (query.on_behalf_of is None or owner.on_behalf_of == query.on_behalf_of)
        and (not query.state or run.state == query.state)
        and run.created_ns >= query.since_ns
    )


def _describe(record: RunRecord) -> run_pb2.Run:
    """Return how a run stands that lies in the store."""
    described = run_pb2.Run(
        id=record.run_id,
        state=record.state,
        principal=record.owner.principal,
        on_behalf_of=record.owner.on_behalf_of,
        target=record.target,
        create_time=timestamp(record.created_ns),
        last_sequence=record.last_sequence,
        first_sequence=1,
        durability=chat_pb2.DURABILITY_DURABLE,
        readers=record.readers,
    )
    if record.ended_ns:
        described.end_time.CopyFrom(timestamp(record.ended_ns))
        kept_ns = record.ended_ns + int(record.retention_s * 1e9)
        described.expire_time.CopyFrom(timestamp(kept_ns))
    return described

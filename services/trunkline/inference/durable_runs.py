"""Durable runs: begun in the store, followed from it, taken over when their process died."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Final

from google.rpc import status_pb2

from trunkline.inference.conversation import digest_result, mismatch
from trunkline.inference.following import unavailable
from trunkline.inference.journal.archive import Archive
from trunkline.inference.journal.content_keys import ContentKeys
from trunkline.inference.journal.durable import DurableJournal
from trunkline.inference.journal.seal import (
    STATUS,
    TERMS,
    RunSeal,
    SealBroken,
    inbox_kind,
    key_id_of,
    make_run_key,
    open_run_key,
)
from trunkline.inference.journal.store import (
    Append,
    Appended,
    End,
    JournalUnavailable,
    NewRun,
    Refusal,
    RunQuery,
    RunRecord,
    RunStore,
)
from trunkline.inference.journal.writer import Line, Writer
from trunkline.inference.run import DOMAIN, UNREAD, Run, cancelled
from trunkline.inference.runs import Runs
from trunkline.inference.settings import InferenceSettings
from trunkline.inference.takeover import recall
from trunkline.inference.terms import (
    Owner,
    Terms,
    read_terms,
    write_terms,
)
from trunkline.inference.v1 import event_pb2, message_pb2, run_pb2
from trunkline.kernel.clock import Clock
from trunkline.kernel.errors import (
    AlreadyExists,
    DataLoss,
    FailedPrecondition,
    NotFound,
    TrunklineError,
    Unavailable,
)
from trunkline.kernel.identifiers import new_id
from trunkline.kernel.log import get_logger
from trunkline.kernel.status import to_status

log = get_logger("trunkline.run")

_END_OF_LOOP: Final = "end"
_CLAIMS: Final = 16
_JITTER_S: Final = 0.1


class DurableRuns:
    """The durable runs of a deployment, as one process sees them.

    Args:
        runs: of this process.
        store: of all processes.
        keys: seal what is stored.
        settings: leases.
        clock: the time.
        may_run: tells whether a principal still has a valid token.
    """

    def __init__(
        self,
        runs: Runs,
        store: RunStore,
        keys: ContentKeys,
        settings: InferenceSettings,
        clock: Clock,
        may_run: Callable[[str], bool],
    ) -> None:
        self._runs = runs
        self._store = store
        self._keys = keys
        self._settings = settings
        self._clock = clock
        self._may_run = may_run
        self._writer = Writer(store, self._note_answer)
        self._lines: dict[str, Line] = {}
        self._followed: dict[str, Run] = {}
        self._woken: set[str] = set()
        self._something = asyncio.Event()
        self._claims = asyncio.Semaphore(_CLAIMS)
        self._answered_at = clock.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()
        self.process_id = new_id("proc")
        store.on_wake(self._wake)

    async def start(self, terms: Terms) -> tuple[Run, bool]:
        """Begin a run, or find the one that its idempotency key began.

        Returns:
            The run, and whether it was there.

        Raises:
            AlreadyExists: IDEMPOTENCY_MISMATCH.
            Unavailable: JOURNAL_UNAVAILABLE, PEER_UNAVAILABLE, NOT_SERVING.
            ResourceExhausted: LIMIT_REACHED.
        """
        self._runs.check(terms.owner.principal)
        key_id, content_key = await self._keys.current()
        run_id = new_id("run")
        wrapped, seal = make_run_key(key_id, content_key, run_id)
        digest = terms.request_digest
        new = NewRun(
            run_id=run_id,
            owner=terms.owner,
            target=terms.target,
            created_ns=self._clock.time_ns(),
            process_id=self.process_id,
            wrapped_key=wrapped,
            terms=seal.seal(TERMS, 0, 0, 0, write_terms(terms)),
            grace_s=terms.grace_s,
            continues=terms.continues,
            retention_s=terms.retention_s,
            idempotency_key=terms.key_digest,
            request_digest=digest,
        )
        found = await self._create(new)
        if found is not None and found.run_id != run_id:
            if found.request_digest != digest:
                raise other_request(found.run_id)
            return await self._bring(found), True
        run = self._make(terms, new.created_ns, seal, run_id, last_sequence=0)
        self._own(run, epoch=1)
        self._runs.begin(run)
        return run, False

    async def find(self, run_id: str, owner: Owner) -> Run:
        """Return a run to its owner, wherever it is carried.

        Raises:
            NotFound: RUN_NOT_FOUND.
            Unavailable: JOURNAL_UNAVAILABLE, PEER_UNAVAILABLE.
            DataLoss: what lies in the store is not what was written.
        """
        record = await self.load(run_id)
        if record is None or record.owner != owner:
            raise not_found(run_id)
        return await self._bring(record)

    async def load(self, run_id: str) -> RunRecord | None:
        """Return a run's record; None: there is none.

        Raises:
            Unavailable: JOURNAL_UNAVAILABLE.
        """
        try:
            return await self._store.load(run_id)
        except JournalUnavailable:
            raise unavailable(run_id, 0) from None

    async def list_runs(self, query: RunQuery) -> list[RunRecord]:
        """Return runs, newest first.

        Raises:
            JournalUnavailable: the store does not answer.
        """
        return await self._store.list_runs(query)

    async def cancel(self, run: Run, by: str, sentence: str) -> None:
        """End a run, whoever carries it; one that has ended stays as it is.

        Raises:
            Unavailable: JOURNAL_UNAVAILABLE.
        """
        if run.is_owned:
            run.cancel(by, sentence)
            await run.journal.settle()
            return
        if not run.is_live or run.archive is None:
            return
        status = run.to_status(cancelled(by, sentence))
        await self._end(run.id, 0, run.archive.seal, run_pb2.RUN_STATE_CANCELLED, status)
        await self._pull(run)

    async def offer(self, run: Run, result: message_pb2.ToolResult) -> None:
        """Give a tool's result to the process that carries a run.

        Raises:
            AlreadyExists: TOOL_RESULT_MISMATCH.
            Unavailable: JOURNAL_UNAVAILABLE.
        """
        await self._send(run, result.call_id, digest_result(result), result.SerializeToString())

    async def end_loop(self, run: Run) -> None:
        """Let the process that carries a run know that no more results come.

        Raises:
            Unavailable: JOURNAL_UNAVAILABLE.
        """
        await self._send(run, _END_OF_LOOP, b"", b"")

    async def run(self) -> None:
        """Store, follow, renew and sweep, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._writer.run())
            group.create_task(self._renew())
            group.create_task(self._follow())
            group.create_task(self._sweep())

    async def release(self) -> None:
        """Give all runs free for other processes, and send their readers there."""
        for run_id in list(self._lines):
            run = self._runs.known(run_id)
            if run is not None and run.is_live:
                run.leave()
        try:
            async with asyncio.timeout(1.0):
                await self._writer.flush()
        except TimeoutError:
            log.warning("journal_not_flushed")
        for line in self._lines.values():
            line.is_open = False
        for run in self._runs.durable():
            if run.is_live:
                self._part(run, stopping())
        try:
            await self._store.retire(self.process_id)
        except JournalUnavailable:
            log.warning("leases_not_released")

    async def _create(self, new: NewRun) -> RunRecord | None:
        """Write a run that begins; one whose answer was lost is asked for again.

        Raises:
            Unavailable: JOURNAL_UNAVAILABLE.
        """
        try:
            return await self._store.create(new)
        except JournalUnavailable:
            pass
        try:
            return await self._store.create(new)
        except JournalUnavailable:
            # It may have been written: nobody will carry it, and its key must be free again.
            self._spawn(self._withdraw(new))
            raise _away() from None

    async def _withdraw(self, new: NewRun) -> None:
        """End a run that was perhaps begun, as soon as the store can be told."""
        end = End(run_pb2.RUN_STATE_CANCELLED, frees_key=True)
        withdrawn = Append(new.run_id, 1, 0, -1, b"", end=end)
        while True:
            await asyncio.sleep(self._settings.run_lease_s / 5)
            try:
                await self._store.append([withdrawn])
            except JournalUnavailable:
                continue
            return

    # --- following

    async def _bring(self, record: RunRecord) -> Run:
        """Return a run here: carried by this process, taken over, followed, or ended.

        Raises:
            Unavailable: JOURNAL_UNAVAILABLE, PEER_UNAVAILABLE.
            DataLoss: what lies in the store is not what was written.
        """
        run = self._runs.known(record.run_id)
        if run is None:
            seal = await self._open(record)
            run = self._runs.known(record.run_id)  # somebody else may have brought it meanwhile
            if run is None:
                run = self._recall(record, seal)
        if run.is_owned or not run.is_live:
            return run
        try:
            if not record.ended_ns and not record.is_owned:
                await self._claim(run)
            elif record.last_sequence > run.journal.visible or record.ended_ns:
                await self._pull(run)
        except JournalUnavailable:
            raise unavailable(run.id, run.journal.visible) from None
        return run

    async def _open(self, record: RunRecord) -> RunSeal:
        """Return what opens a run.

        Raises:
            DataLoss: the key is lost, or not the run's.
            Unavailable: PEER_UNAVAILABLE.
        """
        try:
            content_key = await self._keys.get(key_id_of(record.wrapped_key))
            return open_run_key(record.wrapped_key, record.run_id, content_key)
        except SealBroken as broken:
            log.error("run_cannot_be_opened", run_id=record.run_id, reason=str(broken))
            raise DataLoss(
                "INTERNAL", "What lies in the journal is not what was written."
            ) from None

    def _recall(self, record: RunRecord, seal: RunSeal) -> Run:
        """Return a run as it lies in the store, followed from there."""
        data = seal.open(TERMS, 0, 0, 0, record.terms)
        terms = read_terms(
            data,
            record.owner,
            record.target,
            record.grace_s,
            record.retention_s,
            continues=record.continues,
        )
        run = self._make(
            terms,
            record.created_ns,
            seal,
            record.run_id,
            last_sequence=record.last_sequence if not record.ended_ns else 0,
            is_owned=False,
        )
        self._runs.know(run)
        self._followed[run.id] = run
        return run

    def _make(
        self,
        terms: Terms,
        created_ns: int,
        seal: RunSeal,
        run_id: str,
        *,
        last_sequence: int,
        is_owned: bool = True,
    ) -> Run:
        """Return a run with a journal that begins after a sequence."""
        journal = self._runs.make_durable_journal(last_sequence)
        run = Run(
            run_id,
            terms,
            journal,
            self._clock,
            self._runs.note_end,
            Archive(self._store, run_id, seal),
            created_ns=created_ns,
            is_owned=is_owned,
        )
        run.on_unread = self._end_unread
        run.on_readers = self._note_readers
        return run

    def _wake(self, run_id: str) -> None:
        """Look at a run soon."""
        self._woken.add(run_id)
        self._something.set()

    async def _follow(self) -> None:
        """Pull what other processes wrote, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._settings.journal_look_s):
                    await self._something.wait()
            except TimeoutError:
                self._woken.update(self._followed)
            self._something.clear()
            woken, self._woken = self._woken, set()
            for run_id in woken:
                run = self._runs.known(run_id)
                if run is None or not run.is_live:
                    self._followed.pop(run_id, None)
                    continue
                try:
                    await self._look(run)
                except JournalUnavailable:
                    break
                except SealBroken as broken:
                    log.error("run_cannot_be_opened", run_id=run_id, reason=str(broken))
                    self._part(run, damaged())

    async def _look(self, run: Run) -> None:
        """See what became of a run."""
        record = await self._store.load(run.id)
        if record is None:
            self._part(run, not_found(run.id))
        elif run.is_owned:
            line = self._lines.get(run.id)
            if line is None or record.epoch != line.epoch:
                await self._lose(run)
            elif record.ended_ns and _is_settled(run):
                await self._adopt_end(run, record)
            else:
                await self._empty_inbox(run)
        elif not record.ended_ns and not record.is_owned:
            await self._pull(run)
            if run.readers:
                await asyncio.sleep(random.random() * _JITTER_S)  # noqa: S311 - not a secret
                await self._claim(run)
        else:
            await self._pull(run)
            if not run.readers and not record.ended_ns:
                await self._leave(run)

    async def _send(self, run: Run, item_id: str, digest: bytes, data: bytes) -> None:
        """Put something into a run's inbox."""
        assert run.archive is not None
        sealed = run.archive.seal.seal(inbox_kind(item_id), 0, 0, 0, data)
        try:
            taken = await self._store.put(run.id, item_id, digest, sealed)
        except JournalUnavailable:
            raise unavailable(run.id, run.journal.visible) from None
        if not taken:
            raise mismatch(item_id)

    async def _empty_inbox(self, run: Run) -> None:
        """Take what others sent for a loop that this process carries; again is no error."""
        conversation, archive = run.conversation, run.archive
        if conversation is None or archive is None or not run.is_live:
            return
        for item_id, sealed in await self._store.inbox(run.id):
            if item_id == _END_OF_LOOP:
                conversation.end()
                continue
            data = archive.seal.open(inbox_kind(item_id), 0, 0, 0, sealed)
            try:
                run.take_result(message_pb2.ToolResult.FromString(data))
            except (FailedPrecondition, AlreadyExists) as refused:
                log.warning("tool_result_refused", run_id=run.id, reason=refused.reason)

    async def _pull(self, run: Run) -> None:
        """Take over what the store has of a run that another process carries."""
        journal, archive = run.journal, run.archive
        assert isinstance(journal, DurableJournal)
        assert archive is not None
        record = await self._store.load(run.id)
        if record is None or run.is_owned:
            return
        if record.ended_ns and not journal.visible:
            # Nobody followed it while it went on: all of it is read from the store.
            journal.skip_to(record.last_sequence)
        while journal.visible < record.last_sequence and not run.is_owned:
            before = journal.visible
            async for stored in archive.records(before):
                if stored.sequence == journal.last_sequence + 1:
                    journal.adopt(stored.data)
            if journal.visible == before:
                break
        if record.ended_ns and run.is_live:
            await self._adopt_end(run, record)

    async def _adopt_end(self, run: Run, record: RunRecord) -> None:
        """Let a run end here as it ended in the store."""
        archive = run.archive
        assert archive is not None
        status = completed = None
        if record.status:
            status = status_pb2.Status.FromString(archive.seal.open(STATUS, 0, 0, 0, record.status))
        elif record.last_sequence:
            async for stored in archive.records(record.last_sequence - 1):
                if stored.sequence == record.last_sequence:
                    completed = event_pb2.ChatEvent.FromString(stored.data).completed
        if run.is_live or run.status is None:
            if run.is_owned and isinstance(run.journal, DurableJournal):
                run.journal.retreat()
            run.accept_end(record.state, record.ended_ns, status, completed)
        self._drop(run)

    async def _leave(self, run: Run) -> None:
        """Follow a run no more that nobody reads here."""
        self._drop(run)
        self._runs.drop(run)
        await self._store.unfollow(run.id)

    # --- owning

    def _own(self, run: Run, epoch: int) -> None:
        """Carry a run from now on."""
        journal, archive = run.journal, run.archive
        assert isinstance(journal, DurableJournal)
        assert archive is not None
        line = Line(
            run.id,
            epoch,
            journal,
            archive.seal,
            on_refused=lambda result: self._note_refused(run, result),
            on_ended=lambda: self._note_ended(run),
        )
        self._lines[run.id] = line
        self._followed.pop(run.id, None)
        journal.connect(lambda: self._writer.poke(line))

    async def _claim(self, run: Run) -> None:
        """Take a run over whose process died, and carry it on; a run that lives is followed.

        Raises:
            JournalUnavailable: the store does not answer.
        """
        async with self._claims:
            if run.is_owned or not run.is_live:
                return
            claimed = await self._store.claim(run.id, self.process_id)
            match claimed:
                case RunRecord():
                    await self._take_over(run, claimed)
                case Refusal.EXHAUSTED:
                    await self._exhaust(run)
                case _:
                    await self._store.follow(run.id)
                    await self._pull(run)

    async def _take_over(self, run: Run, record: RunRecord) -> None:
        """Carry on what a dead process left."""
        archive, journal = run.archive, run.journal
        assert archive is not None
        assert isinstance(journal, DurableJournal)
        await self._pull(run)
        recalled = await recall(archive, run.terms)
        journal.skip_to(record.last_sequence)
        run.is_owned = True
        self._own(run, record.epoch)
        run.supersede(recalled)
        lived_s = (self._clock.time_ns() - run.created_ns) / 1e9
        run.limit(run.terms.total_s - lived_s)
        log.info("run_taken_over", run_id=run.id, epoch=record.epoch, takeovers=record.takeovers)
        if not self._may_run(run.terms.owner.principal):
            run.cancel("revoked", "The run's principal has no valid token left.")
            return
        await self._empty_inbox(run)
        self._runs.carry_on(run)
        run.await_reader(run.terms.grace_s)

    async def _exhaust(self, run: Run) -> None:
        """End a run whose processes died too often."""
        assert run.archive is not None
        status = run.to_status(
            Unavailable(
                "TAKEOVERS_EXHAUSTED",
                "The processes that carried the run died too often.",
                metadata={"takeovers": "3"},
            )
        )
        await self._end(run.id, 0, run.archive.seal, run_pb2.RUN_STATE_FAILED, status)
        await self._pull(run)

    async def _end(
        self,
        run_id: str,
        epoch: int,
        seal: RunSeal,
        state: run_pb2.RunState.ValueType,
        status: status_pb2.Status,
        *,
        frees_key: bool = False,
    ) -> Appended:
        """Write the end of a run that this process does not carry."""
        sealed = seal.seal(STATUS, 0, 0, 0, status.SerializeToString())
        end = End(state, sealed, frees_key=frees_key)
        try:
            (result,) = await self._store.append([Append(run_id, epoch, 0, -1, b"", end=end)])
        except JournalUnavailable:
            raise unavailable(run_id, 0) from None
        return result

    def _note_refused(self, run: Run, result: Appended) -> None:
        """Take in that the store has another opinion of a run."""
        if result is Appended.READ:
            return
        self._spawn(self._look_again(run))

    async def _look_again(self, run: Run) -> None:
        """See what became of a run whose write was refused."""
        record = await self._store.load(run.id)
        if record is not None and record.ended_ns:
            await self._adopt_end(run, record)
        else:
            await self._lose(run)

    async def _lose(self, run: Run) -> None:
        """Follow a run from now on that another process carries."""
        self._lines.pop(run.id, None)
        run.disown()
        run.revive()
        self._followed[run.id] = run
        log.warning("run_superseded", run_id=run.id)
        await self._store.follow(run.id)
        await self._pull(run)

    def _note_ended(self, run: Run) -> None:
        """Take in that a run's end is stored."""
        self._drop(run)
        run.close()

    def _end_unread(self, run: Run) -> None:
        """End a run that nobody reads here, unless somebody reads it elsewhere."""
        self._spawn(self._end_if_unread(run))

    async def _end_if_unread(self, run: Run) -> None:
        """End a run in one conditional write that finds no reader anywhere."""
        await run.journal.settle()
        line = self._lines.get(run.id)
        if not run.is_live or not run.is_owned or run.readers or line is None:
            return
        assert run.archive is not None
        run.cancelled_by = "disconnect"
        status = run.foresee_end("disconnect", UNREAD)
        sealed = run.archive.seal.seal(STATUS, 0, 0, 0, status.SerializeToString())
        end = End(run_pb2.RUN_STATE_CANCELLED, sealed, True, unread_for_s=run.terms.grace_s)
        append = Append(run.id, line.epoch, 0, -1, b"", end=end)
        try:
            (result,) = await self._store.append([append])
        except JournalUnavailable:
            result = Appended.READ
        if result is Appended.READ:
            run.cancelled_by = ""
            run.await_reader(min(1.0, run.terms.grace_s))
        else:
            await self._look_again(run)

    def _note_readers(self, run: Run) -> None:
        """Let the owner of a run know how many read it here."""
        if run.is_live and not run.is_owned:
            self._spawn(self._store.set_readers(run.id, self.process_id, run.readers))

    # --- living

    def _note_answer(self) -> None:
        """Note that the store answers."""
        self._answered_at = self._clock.monotonic()

    async def _renew(self) -> None:
        """Say each second that this process lives; give its runs up when the store is away."""
        lease_s = self._settings.run_lease_s
        while True:
            before = self._answered_at
            try:
                await self._store.renew(self.process_id, lease_s)
            except JournalUnavailable:
                if self._clock.monotonic() - self._answered_at > 0.8 * lease_s:
                    self._give_up()
            else:
                self._note_answer()
                if self._answered_at - before > 0.8 * lease_s:
                    # It stood still, or was cut off: others may have taken its runs over.
                    self._woken.update(self._lines)
                    self._something.set()
            await asyncio.sleep(lease_s / 5)

    def _give_up(self) -> None:
        """Give all runs free, since nothing of them can be stored.

        Under a new name, this process can claim them back like any other.
        """
        if not self._lines:
            return
        abandoned, self.process_id = self.process_id, new_id("proc")
        for line in self._lines.values():
            line.is_open = False
        for run in list(self._runs.durable()):
            if run.is_live:
                self._part(run, unavailable(run.id, run.journal.visible))
        log.warning("runs_given_up", process_id=abandoned)
        self._spawn(self._retire(abandoned))

    async def _retire(self, process_id: str) -> None:
        """Say that a process lives no longer, as soon as the store can be told."""
        while True:
            try:
                await self._store.retire(process_id)
            except JournalUnavailable:
                await asyncio.sleep(self._settings.run_lease_s / 5)
            else:
                return

    async def _sweep(self) -> None:
        """End or take over what dead processes left, and trim, while it is this one's turn."""
        every_s = self._settings.run_lease_s / 5
        while True:
            await asyncio.sleep(every_s)
            try:
                if await self._store.take_turn(
                    "sweep", self.process_id, self._settings.run_lease_s
                ):
                    await self._sweep_once()
            except JournalUnavailable:
                continue
            except TrunklineError as error:
                log.warning("sweep_failed", reason=error.reason)

    async def _sweep_once(self) -> None:
        """Look at what dead processes left."""
        for record, gone_s in await self._store.abandoned(_CLAIMS):
            if record.continues:
                await self._bring(record)
            elif not record.readers and gone_s >= record.grace_s:
                seal = await self._open(record)
                status = to_status(cancelled("disconnect", UNREAD), domain=DOMAIN, request_id="")
                await self._end(
                    record.run_id,
                    record.epoch,
                    seal,
                    run_pb2.RUN_STATE_CANCELLED,
                    status,
                    frees_key=True,
                )
        await self._store.trim(_CLAIMS)

    def _part(self, run: Run, error: TrunklineError) -> None:
        """Carry and follow a run no more."""
        self._drop(run)
        run.part(error)
        self._runs.drop(run)

    def _drop(self, run: Run) -> None:
        """Keep no line to a run, and follow it no more."""
        line = self._lines.pop(run.id, None)
        if line is not None:
            line.is_open = False
        self._followed.pop(run.id, None)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done in the background."""
        task = asyncio.ensure_future(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Let nothing that is done in the background fail unseen."""
        try:
            await work
        except JournalUnavailable:
            pass
        except Exception as error:
            log.error("journal_work_failed", exc_info=error)


def _is_settled(run: Run) -> bool:
    """Tell whether nothing of a run waits to be stored."""
    return isinstance(run.journal, DurableJournal) and run.journal.is_settled


def damaged() -> DataLoss:
    """Return the error for a run whose journal is not what was written."""
    return DataLoss("INTERNAL", "What lies in the journal is not what was written.")


def stopping() -> Unavailable:
    """Return the error for readers of a process that stops."""
    return Unavailable(
        "NOT_SERVING", "The service is stopping; resume the run elsewhere.", retry_after=timedelta()
    )


def other_request(run_id: str) -> AlreadyExists:
    """Return the error for an idempotency key that belongs to another request."""
    return AlreadyExists(
        "IDEMPOTENCY_MISMATCH",
        "The idempotency key belongs to another request.",
        metadata={"run_id": run_id},
    )


def not_found(run_id: str) -> NotFound:
    """Return the error for a run that is not there, or another's."""
    return NotFound(
        "RUN_NOT_FOUND", "There is no such run, or it is not yours.", metadata={"run_id": run_id}
    )


def _away() -> Unavailable:
    """Return the error for a run that cannot begin."""
    return Unavailable(
        "JOURNAL_UNAVAILABLE",
        "The journal of durable runs does not answer; try again.",
        retry_after=timedelta(seconds=1),
    )

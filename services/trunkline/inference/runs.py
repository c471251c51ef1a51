"""All runs of this process: who may have how many, and how they are carried to their end."""

from __future__ import annotations

import asyncio
import contextvars
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta

from trunkline.inference.journal.durable import DurableJournal
from trunkline.inference.journal.memory import Allowance, MemoryJournal
from trunkline.inference.kept import Kept
from trunkline.inference.ledger import describe
from trunkline.inference.run import Run
from trunkline.inference.settings import InferenceSettings
from trunkline.inference.terms import Terms
from trunkline.inference.v1 import result_pb2, run_pb2, usage_pb2
from trunkline.kernel.clock import Clock
from trunkline.kernel.errors import (
    ResourceExhausted,
    TrunklineError,
    Unavailable,
)
from trunkline.kernel.identifiers import new_id
from trunkline.kernel.log import get_logger

log = get_logger("trunkline.run")

_RETRY_AFTER = timedelta(seconds=1)

# What is said is held twice: as events, and as the answer that they come to.
_COPIES = 2
_LEAST_UNTAKEN = 16 * 1024

# Asks providers until the run has its answer, and ends it; raises what ends it otherwise.
Carry = Callable[[Run], Awaitable[None]]
Enter = Callable[[Iterable[usage_pb2.LedgerEntry]], None]


class Runs(Kept):
    """The runs of this process.

    Args:
        settings: bounds.
        clock: the time.
        carry: carries one run to its end.
        enter: enters attempts into the ledger; those of durable runs come there from the journal.
    """

    def __init__(
        self, settings: InferenceSettings, clock: Clock, carry: Carry, enter: Enter
    ) -> None:
        super().__init__(settings, clock)
        self._enter = enter
        self._carry = carry
        self._live: set[Run] = set()
        self._live_of: Counter[str] = Counter()
        # Embeddings, which have places among the runs and are none of these.
        self._others = 0
        self._draining = False
        self._allowance = Allowance(settings.journal_untaken_bytes)
        # Bound once: the lazy logger costs as much as the line.
        self._log = log.bind()

    def start(self, terms: Terms) -> Run:
        """Begin a MEMORY run; its first event is written before this returns.

        Raises:
            ResourceExhausted: LIMIT_REACHED.
            Unavailable: NOT_SERVING: the process is stopping.
        """
        self.check(terms.owner.principal)
        settings = self._settings
        journal = MemoryJournal(
            self._clock,
            allowance=self._allowance,
            kept_bytes=settings.journal_run_bytes,
            count=self._count,
        )
        run = Run(new_id("run"), terms, journal, self._clock, self.note_end)
        key = terms.key_digest
        if key:
            self._keys[key] = run
        self.begin(run)
        return run

    def make_durable_journal(self, last_sequence: int) -> DurableJournal:
        """Return the journal of a durable run that goes on after a sequence."""
        return DurableJournal(
            self._clock,
            allowance=self._allowance,
            kept_bytes=self._settings.journal_run_bytes,
            count=self._count,
            last_sequence=last_sequence,
        )

    def check(self, principal: str) -> None:
        """Refuse a run too many, or any when the process is stopping.

        Raises:
            ResourceExhausted: LIMIT_REACHED.
            Unavailable: NOT_SERVING.
        """
        if self._draining:
            raise Unavailable(
                "NOT_SERVING", "The service is stopping; try again.", retry_after=timedelta()
            )
        self._check_limits(principal)

    def take_place(self, principal: str) -> None:
        """Count work among the runs that is no chat; `check` says whether there is a place."""
        self._others += 1
        self._live_of[principal] += 1

    def free_place(self, principal: str) -> None:
        """Count it among them no more."""
        self._others -= 1
        self._uncount(principal)

    def begin(self, run: Run) -> None:
        """Write the first event of a run, and carry it."""
        self.know(run)
        self._count_in(run)
        run.begin()
        if run.terms.in_parts:
            self._set_off(run)

    def carry_on(self, run: Run) -> None:
        """Carry a run that another process began."""
        self._count_in(run)
        self._set_off(run)

    def drop(self, run: Run) -> None:
        """Know a run no more; it lies in the store, or its time is over."""
        self._count_out(run)
        super().drop(run)

    def _set_off(self, run: Run) -> None:
        """Carry a run in a task of its own."""
        if run.terms.continues:
            run.journal.wait_for_nobody()
        # A context of its own: what bounds the call that began it does not bound the run.
        run.task = asyncio.get_running_loop().create_task(
            self._complete(run), context=contextvars.Context()
        )

    def _count_in(self, run: Run) -> None:
        """Count a run among those that this process carries."""
        if run not in self._live:
            self._live.add(run)
            self._live_of[run.terms.owner.principal] += 1
            self._share_out()

    def _count_out(self, run: Run) -> None:
        """Count it among them no more."""
        if run in self._live:
            self._live.discard(run)
            self._uncount(run.terms.owner.principal)
            self._share_out()

    def _uncount(self, principal: str) -> None:
        """Count one less of a principal's."""
        self._live_of[principal] -= 1
        if self._live_of[principal] <= 0:
            del self._live_of[principal]

    async def carry(self, run: Run) -> result_pb2.Completed:
        """Carry a run that ends with its call to its end, in the call's own task.

        Raises:
            Ended: the run ended without an answer.
            CancelledError: the caller left, and the run with it.
        """
        run.task = task = asyncio.current_task()
        run.add_reader()
        with run.journal.taking():
            try:
                await self._complete(run, "disconnect")
            except asyncio.CancelledError:
                if task is None or run.cancelled_by == "disconnect":
                    raise
                # Somebody else ended the run: its caller is told how.
                task.uncancel()
            finally:
                run.task = None
                run.readers -= 1
        return run.outcome()

    def end_runs_of(self, principal: str) -> None:
        """End the runs of a principal that has no valid token left."""
        for run in [run for run in self._live if run.terms.owner.principal == principal]:
            run.cancel("revoked", "The run's principal has no valid token left.")

    def refuse(self) -> None:
        """Begin no new run from now on."""
        self._draining = True

    async def drain(self, grace: float) -> None:
        """Begin no new run, wait for those that go on, and end what is left after `grace` s."""
        self.refuse()
        tasks = [run.task for run in self._live if run.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
        for run in list(self._live):
            run.stop(
                Unavailable(
                    "NOT_SERVING",
                    "The service stopped before the answer was whole.",
                    retry_after=timedelta(),
                )
            )
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _complete(self, run: Run, by: str = "cancel") -> None:
        """Carry a run to its end, whatever happens.

        Args:
            run: that begins.
            by: who ends it when its task is cancelled.
        """
        try:
            await self._carry(run)
        except TrunklineError as error:
            run.fail(error)
        except Exception as error:
            log.error("run_failed_unexpectedly", run_id=run.id, exc_info=error)
            run.fail(
                TrunklineError(
                    "INTERNAL",
                    f"Something failed here; the log has it under {run.terms.request_id}.",
                )
            )
        finally:
            run.task = None
            if run.is_owned and run.is_live:
                # A task must never end and leave its run live.
                run.cancel(by, "The run was stopped.")

    def _check_limits(self, principal: str) -> None:
        """Refuse a run too many.

        Raises:
            ResourceExhausted: LIMIT_REACHED.
        """
        settings = self._settings
        for count, limit, subject in (
            (len(self._live) + self._others, settings.max_runs, "deployment"),
            (self._live_of[principal], settings.max_runs_per_principal, "principal"),
        ):
            if count >= limit:
                raise ResourceExhausted(
                    "LIMIT_REACHED",
                    f"{limit} runs are going on, which is the most.",
                    metadata={"limit": str(limit), "subject": subject},
                    retry_after=_RETRY_AFTER,
                )

    def note_end(self, run: Run) -> None:
        """Take a run that has ended out of those that go on, and write its line."""
        if self._runs.get(run.id) is not run:
            return
        was_ours = run in self._live
        self._count_out(run)
        self._keep_ended(run)
        if not was_ours:
            return
        if not run.is_durable:
            self._enter(describe(run.id, run.terms, run.rows.values()))
        self._log.info(
            "run",
            run_id=run.id,
            request_id=run.terms.request_id,
            principal=run.terms.owner.principal,
            target=run.terms.target,
            state=run_pb2.RunState.Name(run.state).removeprefix("RUN_STATE_"),
            events=run.journal.last_sequence,
            ms=(run.ended_ns - run.created_ns) // 1_000_000,
        )

    def _share_out(self) -> None:
        """Let the runs that go on hold together no more than all may, though nobody read them."""
        settings = self._settings
        share = settings.journal_total_bytes // (_COPIES * len(self._live) or 1)
        least = min(_LEAST_UNTAKEN, settings.journal_untaken_bytes)
        self._allowance.untaken_bytes = max(least, min(share, settings.journal_untaken_bytes))

"""All runs of this process: who may have how many, who sees which, how long they are kept."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import heapq
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import timedelta

from trunkline.inference.journal.durable import DurableJournal
from trunkline.inference.journal.memory import Allowance, MemoryJournal
from trunkline.inference.ledger import describe
from trunkline.inference.run import Run
from trunkline.inference.settings import InferenceSettings
from trunkline.inference.terms import Terms
from trunkline.inference.v1 import message_pb2, result_pb2, run_pb2, usage_pb2
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
# Who has not read the end of a run so long after it stands still.
_STALLED_NS = 5_000_000_000
# So long after its end, and its last reader, a durable run is not read from the store.
_LINGER_NS = 5_000_000_000

# Asks providers until the run has its answer, and ends it; raises what ends it otherwise.
Carry = Callable[[Run], Awaitable[None]]
Enter = Callable[[Iterable[usage_pb2.LedgerEntry]], None]


class Runs:
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
        self._enter = enter
        self._settings = settings
        self._clock = clock
        self._carry = carry
        self._runs: dict[str, Run] = {}
        self._keys: dict[bytes, Run] = {}
        self._live: set[Run] = set()
        self._live_of: Counter[str] = Counter()
        self._size = 0
        self._room_at = settings.journal_total_bytes
        self._draining = False
        self._allowance = Allowance(settings.journal_untaken_bytes)
        # Ended runs by when they go, at the earliest; a number tells two of one moment apart.
        self._ended: list[tuple[int, int, Run]] = []
        self._numbers = itertools.count()
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

    def find_key(self, key: bytes) -> Run | None:
        """Return the MEMORY run that an idempotency key began; None: there is none."""
        run = self._keys.get(key)
        if run is None or run.frees_key or run.id not in self._runs:
            self._keys.pop(key, None)
            return None
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

    def know(self, run: Run) -> None:
        """Have a run found by its id."""
        self._runs[run.id] = run

    def known(self, run_id: str) -> Run | None:
        """Return a run that this process knows; None: it does not."""
        return self._runs.get(run_id)

    def drop(self, run: Run) -> None:
        """Know a run no more; it lies in the store."""
        self._count_out(run)
        if self._runs.get(run.id) is run:
            del self._runs[run.id]
            self._forget(run)

    def keep_answer(self, run: Run, answer: message_pb2.Message) -> None:
        """Keep the whole answer of a run that has ended, as long as there is room."""
        if self._runs.get(run.id) is run and run.answer is None:
            run.answer, run.answer_bytes = answer, answer.ByteSize()
            self._count(run.answer_bytes)

    def durable(self) -> list[Run]:
        """Return the durable runs that this process knows."""
        return [run for run in self._runs.values() if run.is_durable]

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
            principal = run.terms.owner.principal
            self._live_of[principal] -= 1
            if self._live_of[principal] <= 0:
                del self._live_of[principal]
            self._share_out()

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

    def newest_first(self) -> Iterator[Run]:
        """Yield every run that is kept, newest first."""
        for run_id in sorted(self._runs, reverse=True):
            yield self._runs[run_id]

    def end_runs_of(self, principal: str) -> None:
        """End the runs of a principal that has no valid token left."""
        for run in [run for run in self._live if run.terms.owner.principal == principal]:
            run.cancel("revoked", "The run's principal has no valid token left.")

    def expire(self) -> None:
        """Forget runs whose time is over; to be called about once a second."""
        now = self._clock.time_ns()
        while self._ended and (
            self._ended[0][0] <= now or len(self._ended) > self._settings.max_kept_runs
        ):
            due_ns, _, run = heapq.heappop(self._ended)
            if self._runs.get(run.id) is not run:
                continue
            if run.is_durable and run.readers and due_ns <= now:
                self._expect_to_go(run)
                continue
            self.drop(run)
            if self._keys.get(run.terms.key_digest) is run:
                del self._keys[run.terms.key_digest]

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
            if run.is_owned:
                # A task must never end and leave its run live.
                run.cancel(by, "The run was stopped.")

    def _check_limits(self, principal: str) -> None:
        """Refuse a run too many.

        Raises:
            ResourceExhausted: LIMIT_REACHED.
        """
        settings = self._settings
        for count, limit, subject in (
            (len(self._live), settings.max_runs, "deployment"),
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
        self._expect_to_go(run)
        self._count(run.answer_bytes)
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

    def _expect_to_go(self, run: Run) -> None:
        """Know an ended run until its time is over; one that lies in the store, a while longer."""
        due_ns = self._clock.time_ns() + _LINGER_NS if run.is_durable else run.kept_until_ns
        heapq.heappush(self._ended, (due_ns, next(self._numbers), run))

    def _share_out(self) -> None:
        """Let the runs that go on hold together no more than all may, though nobody read them."""
        settings = self._settings
        share = settings.journal_total_bytes // (_COPIES * len(self._live) or 1)
        least = min(_LEAST_UNTAKEN, settings.journal_untaken_bytes)
        self._allowance.untaken_bytes = max(least, min(share, settings.journal_untaken_bytes))

    def _count(self, size: int) -> None:
        """Keep what all runs hold within its bound."""
        self._size += size
        if size > 0 and self._size > self._room_at:
            self._make_room()

    def _make_room(self) -> None:
        """Forget what is missed least, until all is within its bound."""
        bound = self._settings.journal_total_bytes
        for relief in self._reliefs():
            relief()
            if self._size <= bound:
                break
        # Where nothing can be forgotten, looking again with every event would not help.
        self._room_at = max(bound, self._size + bound // 64)

    def _reliefs(self) -> Iterator[Callable[[], None]]:
        """Yield what can be forgotten, each a step, what is missed least first.

        Ended runs that nobody reads, oldest end first; events that were taken; ended runs whose
        readers do not read on, who are told that they are too late.
        """
        runs = self._runs.values()
        ended = sorted(filter(_is_over, runs), key=lambda run: run.ended_ns)
        for run in ended:
            if not run.readers:
                yield functools.partial(self._let_go, run)
        for run in sorted(runs, key=lambda run: run.journal.size, reverse=True):
            yield functools.partial(run.journal.trim, 0)
        late = self._clock.time_ns() - _STALLED_NS
        for run in ended:
            if run.readers and run.ended_ns < late:
                yield functools.partial(self._let_go, run)

    def _let_go(self, run: Run) -> None:
        """Keep nothing of what was said in a run that has ended.

        One that lies in the store is known no more: who asks for it gets it from there.
        """
        if run.is_durable:
            self.drop(run)
        else:
            self._forget(run)

    def _forget(self, run: Run) -> None:
        """Keep nothing of what was said in a run."""
        self._size -= run.answer_bytes
        run.forget()


def _is_over(run: Run) -> bool:
    """Tell whether a run has ended, also in the store, and something of it is kept."""
    return run.journal.closed and bool(run.journal.size or run.answer_bytes)

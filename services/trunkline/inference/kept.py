"""The runs that a process knows: for how long, and how much it holds of them in all."""

from __future__ import annotations

import functools
import heapq
import itertools
from collections.abc import Callable, Iterator

from trunkline.inference.run import Run
from trunkline.inference.settings import InferenceSettings
from trunkline.inference.v1 import message_pb2
from trunkline.kernel.clock import Clock

# Who has not read the end of a run so long after it stands still.
_STALLED_NS = 5_000_000_000
# So long after its end, and its last reader, a durable run is not read from the store.
_LINGER_NS = 5_000_000_000


class Kept:
    """Knows runs by their ids and keys, and forgets them in time.

    Args:
        settings: bounds.
        clock: the time.
    """

    def __init__(self, settings: InferenceSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._runs: dict[str, Run] = {}
        self._keys: dict[bytes, Run] = {}
        self._size = 0
        self._room_at = settings.journal_total_bytes
        # Ended runs by when they go, at the earliest; a number tells two of one moment apart.
        self._ended: list[tuple[int, int, Run]] = []
        self._numbers = itertools.count()

    def know(self, run: Run) -> None:
        """Have a run found by its id."""
        self._runs[run.id] = run

    def known(self, run_id: str) -> Run | None:
        """Return a run that this process knows; None: it does not."""
        return self._runs.get(run_id)

    def drop(self, run: Run) -> None:
        """Know a run no more; it lies in the store, or its time is over."""
        if self._runs.get(run.id) is run:
            del self._runs[run.id]
            self._forget(run)

    def find_key(self, key: bytes) -> Run | None:
        """Return the MEMORY run that an idempotency key began; None: there is none."""
        run = self._keys.get(key)
        if run is None or run.frees_key or run.id not in self._runs:
            self._keys.pop(key, None)
            return None
        return run

    def keep_answer(self, run: Run, answer: message_pb2.Message) -> None:
        """Keep the whole answer of a run that has ended, as long as there is room."""
        if self._runs.get(run.id) is run and run.answer is None:
            run.answer, run.answer_bytes = answer, answer.ByteSize()
            self._count(run.answer_bytes)

    def durable(self) -> list[Run]:
        """Return the durable runs that this process knows."""
        return [run for run in self._runs.values() if run.is_durable]

    def newest_first(self) -> Iterator[Run]:
        """Yield every run that is kept, newest first."""
        for run_id in sorted(self._runs, reverse=True):
            yield self._runs[run_id]

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

    def _keep_ended(self, run: Run) -> None:
        """Keep a run that has ended for a while."""
        self._expect_to_go(run)
        self._count(run.answer_bytes)

    def _expect_to_go(self, run: Run) -> None:
        """Know an ended run until its time is over; one that lies in the store, a while longer."""
        due_ns = self._clock.time_ns() + _LINGER_NS if run.is_durable else run.kept_until_ns
        heapq.heappush(self._ended, (due_ns, next(self._numbers), run))

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

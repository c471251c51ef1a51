"""What a store promises, as plain as it can be said: dictionaries, and a clock that counts."""

from __future__ import annotations

from dataclasses import dataclass, field

from trunkline.inference.journal.store import (
    MAX_TAKEOVERS,
    Append,
    Appended,
    End,
    NewRun,
    Refusal,
)
from trunkline.inference.v1 import run_pb2

_LIVE = (run_pb2.RUN_STATE_RUNNING, run_pb2.RUN_STATE_WAITING)


@dataclass
class Process:
    """A process of the fleet; `until` is None while it lives, else the moment of its end."""

    until: int | None = None
    is_retired: bool = False


@dataclass
class Run:
    """A run; moments are counted from 1, and 0 is none."""

    new: NewRun
    process_id: str
    owned: int
    epoch: int = 1
    takeovers: int = 0
    state: int = run_pb2.RUN_STATE_RUNNING
    last: int = 0
    ended: int = 0
    status: bytes = b""
    key: bytes = b""
    read: int = 0
    is_ledgered: bool = False
    segments: list[tuple[int, int, int, bytes]] = field(default_factory=list)
    inbox: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    readers: dict[str, int] = field(default_factory=dict)


class Model:
    """All runs and processes, and what becomes of what is asked."""

    def __init__(self) -> None:
        self.now = 1
        self.runs: dict[str, Run] = {}
        self.processes: dict[str, Process] = {}
        self.turns: dict[str, str] = {}

    def lives(self, process_id: str) -> bool:
        """Tell whether a process lives."""
        return self.processes[process_id].until is None

    def renew(self, process_id: str) -> None:
        """Let a process live."""
        self.processes[process_id] = Process()

    def end_process(self, process_id: str, *, is_retired: bool) -> None:
        """Let a process be gone from now on."""
        self.processes[process_id] = Process(self.now, is_retired)
        if is_retired:
            self.turns = {
                name: holder for name, holder in self.turns.items() if holder != process_id
            }

    def create(self, new: NewRun) -> str | None:
        """Begin a run; return the one that has the key."""
        for run_id, run in self.runs.items():
            if new.idempotency_key and run.key == new.idempotency_key:
                return run_id
        made = Run(new, new.process_id, self.now, key=new.idempotency_key)
        self.runs[new.run_id] = made
        return None

    def append(self, entry: Append) -> Appended:
        """Write one append."""
        run = self.runs.get(entry.run_id)
        if run is None:
            return Appended.SUPERSEDED
        if run.ended:
            return Appended.ENDED
        holds_events = entry.epoch and entry.first
        if entry.epoch and entry.epoch != run.epoch:
            return Appended.SUPERSEDED
        if holds_events:
            if run.segments and run.segments[-1] == _segment(entry):
                return Appended.DONE
            if entry.first != run.last + 1:
                return Appended.SUPERSEDED
        if entry.end is not None and self._is_read(run, entry.end):
            return Appended.READ
        if holds_events:
            run.last = entry.last
            if entry.data:
                run.segments.append(_segment(entry))
            run.state = entry.state or run.state
        if entry.end is not None:
            run.state, run.status, run.ended = entry.end.state, entry.end.status, self.now
            run.key = b"" if entry.end.frees_key else run.key
        return Appended.DONE

    def compact(self, run_id: str, epoch: int, data: bytes) -> None:
        """Make one segment of all."""
        run = self.runs.get(run_id)
        if run is not None and run.ended and run.epoch == epoch:
            run.segments = [(epoch, 1, run.last, data)]

    def read(self, run_id: str, after: int) -> list[tuple[int, int, int, bytes]]:
        """Return segments after a sequence."""
        run = self.runs.get(run_id)
        return [part for part in run.segments if max(part[1:3]) > after] if run else []

    def claim(self, run_id: str, process_id: str, epoch: int) -> int | Refusal:
        """Return the new epoch, or why not."""
        run = self.runs.get(run_id)
        if run is None or run.ended:
            return Refusal.ENDED
        if (run.process_id, run.epoch) != (process_id, epoch):
            if self.lives(run.process_id):
                return Refusal.OWNED
            if not self.processes[run.process_id].is_retired:
                if run.takeovers >= MAX_TAKEOVERS:
                    return Refusal.EXHAUSTED
                run.takeovers += 1
        run.epoch += 1
        run.process_id, run.owned = process_id, self.now
        return run.epoch

    def set_readers(self, run_id: str, process_id: str, count: int) -> None:
        """Note readers."""
        run = self.runs.get(run_id)
        if run is None:
            return
        if count:
            run.readers[process_id] = count
        elif run.readers.pop(process_id, 0):
            run.read = self.now

    def put(self, run_id: str, item_id: str, digest: bytes, data: bytes) -> bool:
        """Put an item."""
        run = self.runs.get(run_id)
        if run is None or run.ended:
            return True
        return run.inbox.setdefault(item_id, (digest, data))[0] == digest

    def mark_ledgered(self, run_id: str) -> None:
        """Note that a run's attempts are in the ledger."""
        run = self.runs.get(run_id)
        if run is not None and run.ended:
            run.is_ledgered = True

    def trim(self) -> int:
        """Destroy all runs that are kept no longer."""
        gone = [
            run_id
            for run_id, run in self.runs.items()
            if run.is_ledgered and run.new.retention_s == 0
        ]
        for run_id in gone:
            del self.runs[run_id]
        return len(gone)

    def take_turn(self, name: str, process_id: str) -> bool:
        """Take a turn that does not end by itself."""
        return self.turns.setdefault(name, process_id) == process_id

    def abandoned(self) -> list[str]:
        """Return runs without an owner, the longest gone first."""
        gone = []
        for run_id, run in self.runs.items():
            until = self.processes[run.process_id].until
            if not run.ended and until is not None:
                gone.append((max(until, run.owned), run_id))
        return [run_id for _, run_id in sorted(gone)]

    def unledgered(self) -> list[str]:
        """Return ended runs that the ledger does not know, oldest first."""
        waiting = [
            (run.ended, run_id)
            for run_id, run in self.runs.items()
            if run.ended and not run.is_ledgered
        ]
        return [run_id for _, run_id in sorted(waiting)]

    def readers(self, run_id: str) -> int:
        """Return how many readers a run has."""
        run = self.runs[run_id]
        return sum(count for process, count in run.readers.items() if self.lives(process))

    def is_read_elsewhere(self, run_id: str) -> bool:
        """Tell whether another process than a run's owner has readers of it."""
        run = self.runs[run_id]
        return any(self.lives(process) for process in run.readers if process != run.process_id)

    def _is_read(self, run: Run, end: End) -> bool:
        """Tell whether a run has a reader, or had one when no moment is too long ago."""
        if end.unread_for_s is None:
            return False
        if any(self.lives(process) for process in run.readers):
            return True
        return end.unread_for_s > 0 and bool(run.read or run.readers)


def _segment(entry: Append) -> tuple[int, int, int, bytes]:
    """Return what a segment says."""
    return (entry.epoch, entry.first, entry.last, entry.data)

"""The end of a run and its whole answer: as they are kept here, else as they lie in the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trunkline.inference.journal.seal import SealBroken
from trunkline.inference.journal.store import JournalUnavailable
from trunkline.inference.openings import damaged
from trunkline.inference.refusals import journal_away
from trunkline.inference.run import Run
from trunkline.inference.takeover import recall
from trunkline.inference.v1 import event_pb2, message_pb2, result_pb2, run_pb2


async def wait_end(run: Run) -> result_pb2.Completed:
    """Return how a run ended with its answer, when it has; takes every event as it comes.

    Raises:
        Ended: the run ended without an answer.
        OutOfRange: EVENTS_TRIMMED.
        Unavailable: JOURNAL_UNAVAILABLE, or this process follows the run no more.
        DataLoss: what lies in the store is not what was written.
    """
    with run.journal.taking():
        await run.journal.wait_closed()
    completed = await read_end(run)
    return run.outcome() if completed is None else completed


async def read_end(run: Run) -> result_pb2.Completed | None:
    """Return how a run ended with its answer; None: it has none, or it is not kept any more.

    Raises:
        Unavailable, DataLoss: as `wait_end`.
    """
    archive, is_closed = run.archive, run.journal.closed
    succeeded = run.state == run_pb2.RUN_STATE_SUCCEEDED
    if run.completed is not None or archive is None or not (succeeded and is_closed):
        return run.completed
    with _reading(run):
        data = await archive.event(run.journal.visible)
    return None if data is None else event_pb2.ChatEvent.FromString(data).completed


async def read_message(run: Run) -> message_pb2.Message:
    """Return the whole answer of a durable run that ended with one, folded from its events.

    Raises:
        Unavailable, DataLoss: as `wait_end`.
    """
    assert run.archive is not None
    with _reading(run):
        recalled = await recall(run.archive, run.terms)
    conversation = recalled.conversation
    if conversation is not None and conversation.is_waiting:
        # Of a loop that its client ended the answer is the last turn's.
        return conversation.last_message
    return recalled.progress.fold.message()


@contextmanager
def _reading(run: Run) -> Iterator[None]:
    """Tell a caller why what lies in the store cannot be read."""
    try:
        yield
    except JournalUnavailable:
        raise journal_away(run.id, run.journal.visible) from None
    except SealBroken as broken:
        raise damaged(run.id, broken) from None

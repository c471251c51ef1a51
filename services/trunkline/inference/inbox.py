"""What clients of a tool loop say at a process that does not carry it."""

from __future__ import annotations

from typing import Final

from trunkline.inference.conversation import digest_result, mismatch
from trunkline.inference.journal.seal import inbox_kind
from trunkline.inference.journal.store import RunStore
from trunkline.inference.run import Run
from trunkline.inference.takeover import recall
from trunkline.inference.v1 import message_pb2
from trunkline.kernel.errors import AlreadyExists, FailedPrecondition
from trunkline.kernel.log import get_logger

log = get_logger("trunkline.run")

_END: Final = "end"


class Inbox:
    """Carries results from the process that heard them to the one that waits for them.

    Args:
        store: of all processes.
    """

    def __init__(self, store: RunStore) -> None:
        self._store = store

    async def put(self, run: Run, result: message_pb2.ToolResult) -> None:
        """Put a tool's result where the process that carries the run finds it.

        Raises:
            FailedPrecondition: UNEXPECTED_TOOL_RESULT.
            AlreadyExists: TOOL_RESULT_MISMATCH.
            JournalUnavailable: the store does not answer.
            SealBroken: what lies there is not what was written.
        """
        assert run.archive is not None
        conversation = (await recall(run.archive, run.terms)).conversation
        if conversation is None or not conversation.offer(result):
            return
        data = result.SerializeToString()
        if not await self._put(run, result.call_id, digest_result(result), data):
            raise mismatch(result.call_id)

    async def put_end(self, run: Run) -> None:
        """Let the process that carries the run know that no more results come.

        Raises:
            JournalUnavailable: the store does not answer.
        """
        await self._put(run, _END, b"", b"")

    async def empty(self, run: Run) -> None:
        """Take what was put for a run that this process carries; again is no error.

        Raises:
            JournalUnavailable: the store does not answer.
            SealBroken: what lies there is not what was put.
        """
        conversation, archive = run.conversation, run.archive
        if conversation is None or archive is None or not run.is_live:
            return
        for item_id, sealed in await self._store.inbox(run.id):
            if item_id == _END:
                conversation.end()
                continue
            data = archive.seal.open(inbox_kind(item_id), 0, 0, 0, sealed)
            try:
                run.take_result(message_pb2.ToolResult.FromString(data))
            except (FailedPrecondition, AlreadyExists) as refused:
                log.warning("tool_result_refused", run_id=run.id, reason=refused.reason)

    async def _put(self, run: Run, item_id: str, digest: bytes, data: bytes) -> bool:
        """Seal something and put it."""
        assert run.archive is not None
        sealed = run.archive.seal.seal(inbox_kind(item_id), 0, 0, 0, data)
        return await self._store.put(run.id, item_id, digest, sealed)

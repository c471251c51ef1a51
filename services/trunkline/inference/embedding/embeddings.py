"""All embeddings of this process: begun, found by their idempotency keys, and carried."""

from __future__ import annotations

import asyncio
import contextvars
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Final

import msgspec

from trunkline.inference.adapters.embedder import Embedder
from trunkline.inference.embedding.pursuit import EmbeddingPursuit
from trunkline.inference.embedding.run import EmbeddingRun, unread
from trunkline.inference.embedding.terms import EmbeddingTerms
from trunkline.inference.embedding.ways import Ways, draw_up
from trunkline.inference.embedding.wire import size_of
from trunkline.inference.means import Means
from trunkline.inference.refusals import other_request
from trunkline.inference.run import cancelled
from trunkline.inference.runs import Runs
from trunkline.inference.v1 import result_pb2, usage_pb2
from trunkline.kernel.errors import (
    DeadlineExceeded,
    InvalidArgument,
    TrunklineError,
    Unavailable,
    Violation,
)
from trunkline.kernel.identifiers import new_id
from trunkline.kernel.log import get_logger
from trunkline.views.catalog import CatalogView
from trunkline.views.credentials import CredentialView

log = get_logger("trunkline.embedding")

_MIB: Final = 1024 * 1024

Enter = Callable[[Iterable[usage_pb2.LedgerEntry]], None]


class _Kept(msgspec.Struct):
    """An embedding that an idempotency key began.

    Attributes:
        run: that is kept.
        request_digest: of the request as far as the key covers it.
        until: monotonic seconds; None: it has not ended.
    """

    run: EmbeddingRun
    request_digest: bytes
    until: float | None = None


class Embeddings:
    """The embeddings of this process.

    Args:
        means: shared by all runs.
        embedders: by wire format.
        catalog, credentials: who can be asked.
        runs: has places for them among its own.
        enter: enters attempts into the ledger.
        max_message_bytes: the longest answer in one piece.
    """

    def __init__(
        self,
        means: Means,
        embedders: Mapping[str, Embedder],
        catalog: CatalogView,
        credentials: CredentialView,
        runs: Runs,
        enter: Enter,
        *,
        max_message_bytes: int,
    ) -> None:
        self.max_message_bytes = max_message_bytes
        self._means = means
        self._embedders = embedders
        self._catalog = catalog
        self._credentials = credentials
        self._runs = runs
        self._enter = enter
        self._live: set[EmbeddingRun] = set()
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._kept_bytes = 0
        # Bound once: the lazy logger costs as much as the line.
        self._log = log.bind()

    def begin(self, terms: EmbeddingTerms, *, unary: bool) -> tuple[EmbeddingRun, bool]:
        """Begin an embedding, or find the one that its idempotency key began.

        Whoever calls this counts among its readers before anything else happens.

        Args:
            terms: what was settled.
            unary: the answer comes in one piece.

        Returns:
            The embedding, and whether it was there.

        Raises:
            AlreadyExists: IDEMPOTENCY_MISMATCH.
            InvalidArgument: INVALID_REQUEST naming `inputs`: the answer would be too long.
            NotFound, FailedPrecondition, PermissionDenied: as `draw_up`.
            ResourceExhausted: LIMIT_REACHED.
            Unavailable: NOT_SERVING: the process is stopping.
        """
        self._expire()
        if terms.key_digest:
            known = self._kept.get(terms.key_digest)
            if known is not None and not known.run.frees_key:
                if known.request_digest != terms.request_digest:
                    raise other_request(known.run.id)
                if known.run.is_whole:
                    return known.run, True
        self._runs.check(terms.owner.principal)
        ways = draw_up(
            terms.request, terms.caller, self._catalog, self._credentials, self._embedders
        )
        if unary:
            self.check_size(len(terms.request.inputs), ways.dimensions)
        run = EmbeddingRun(new_id("run"), terms, ahead=self._means.settings.embed_parallel)
        if terms.key_digest:
            self._drop(terms.key_digest)
            self._kept[terms.key_digest] = _Kept(run, terms.request_digest)
        self._means.budget.earn()
        self._live.add(run)
        self._runs.take_place(terms.owner.principal)
        # A context of its own: what bounds the call that began it does not bound it.
        run.task = asyncio.get_running_loop().create_task(
            self._carry(run, ways), context=contextvars.Context()
        )
        began = self._means.clock.monotonic()
        # Also of one that is stopped before it has begun.
        run.task.add_done_callback(lambda _: self._note_end(run, terms, began))
        return run, False

    def check_size(self, count: int, dimensions: int) -> None:
        """Refuse what an answer in one piece does not hold.

        Args:
            count: how many vectors there are.
            dimensions: length of each; 0: not known.

        Raises:
            InvalidArgument: INVALID_REQUEST naming `inputs`.
        """
        size = size_of(count, dimensions) if dimensions else 0
        if size > self.max_message_bytes:
            raise InvalidArgument.of(
                Violation(
                    "inputs",
                    f"come to {size / _MIB:,.1f} MiB of vectors, and an answer holds"
                    f" {self.max_message_bytes / _MIB:g}; use StreamEmbed, or send fewer",
                )
            )

    def end_runs_of(self, principal: str) -> None:
        """End the embeddings of a principal that has no valid token left."""
        for run in [run for run in self._live if run.terms.owner.principal == principal]:
            self._stop(run, cancelled("revoked", "The run's principal has no valid token left."))

    async def drain(self, grace: float) -> None:
        """Wait for those that go on, and end what is left after `grace` s."""
        tasks = [run.task for run in self._live if run.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
        for run in list(self._live):
            sentence = "The service stopped before the vectors were there."
            self._stop(run, Unavailable("NOT_SERVING", sentence, retry_after=timedelta()))
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(self, run: EmbeddingRun, ways: Ways) -> None:
        """Carry an embedding to its end."""
        terms = run.terms
        pursuit = EmbeddingPursuit(run, ways, self._means, self._embedders, self._enter_attempt)
        timer = asyncio.timeout(terms.total_s)
        try:
            async with timer:
                await pursuit.carry()
        except TrunklineError as error:
            self._fail(run, error)
        except Exception as error:
            if timer.expired():
                self._fail(run, _timed_out(terms.total_s, pursuit.trail()))
                return
            log.error("embedding_failed_unexpectedly", run_id=run.id, exc_info=error)
            sentence = f"Something failed here; the log has it under {terms.request_id}."
            self._fail(run, TrunklineError("INTERNAL", sentence))

    def _stop(self, run: EmbeddingRun, error: TrunklineError) -> None:
        """End an embedding in the midst of its work."""
        task = run.task
        self._fail(run, error)
        if task is not None:
            task.cancel()

    def _fail(self, run: EmbeddingRun, error: TrunklineError) -> None:
        """End an embedding with an error, unless it has ended."""
        if run.is_live:
            run.fail(error)

    def _enter_attempt(self, run: EmbeddingRun, attempt: result_pb2.Attempt) -> None:
        """Enter an attempt into the ledger."""
        owner = run.terms.owner
        self._enter(
            (
                usage_pb2.LedgerEntry(
                    run_id=run.id,
                    principal=owner.principal,
                    on_behalf_of=owner.on_behalf_of,
                    attempt=attempt,
                ),
            )
        )

    def _note_end(self, run: EmbeddingRun, terms: EmbeddingTerms, began: float) -> None:
        """Take an embedding that has ended out of those that go on, and write its line."""
        # Whoever stops it otherwise has said why.
        self._fail(run, unread())
        self._live.discard(run)
        self._runs.free_place(terms.owner.principal)
        kept = self._kept.get(terms.key_digest)
        if kept is not None and kept.run is run:
            self._keep(terms.key_digest, kept)
        self._log.info(
            "embedding",
            run_id=run.id,
            request_id=terms.request_id,
            principal=terms.owner.principal,
            target=terms.request.model,
            state="FAILED" if run.summary is None else "SUCCEEDED",
            texts=len(terms.request.inputs),
            ms=int((self._means.clock.monotonic() - began) * 1000),
        )

    def _keep(self, key: bytes, kept: _Kept) -> None:
        """Keep an embedding that has ended for its key, as long as there is room."""
        if kept.run.frees_key:
            del self._kept[key]
            return
        settings = self._means.settings
        kept.until = self._means.clock.monotonic() + settings.run_retention_s
        self._kept.move_to_end(key)
        self._kept_bytes += kept.run.kept_bytes
        for oldest, each in list(self._kept.items()):
            is_over = self._kept_bytes > settings.embed_kept_bytes
            if not is_over and len(self._kept) <= settings.max_kept_runs:
                break
            if each.until is not None:
                self._drop(oldest)

    def _expire(self) -> None:
        """Forget what was kept for long enough; those that ended first stand first."""
        now = self._means.clock.monotonic()
        for key, each in list(self._kept.items()):
            if each.until is None:
                continue
            if each.until > now:
                break
            self._drop(key)

    def _drop(self, key: bytes) -> None:
        """Forget an embedding by its key."""
        kept = self._kept.pop(key, None)
        if kept is None:
            return
        if kept.until is not None:
            self._kept_bytes -= kept.run.kept_bytes
        kept.run.forget()


def _timed_out(limit_s: float, trail: result_pb2.AttemptTrail) -> DeadlineExceeded:
    """Return the error of an embedding whose time is over."""
    limit = f"{limit_s:g}s"
    return DeadlineExceeded(
        "RUN_TIMED_OUT",
        f"The run took longer than its {limit}.",
        metadata={"limit": limit},
        details=(trail,),
    )

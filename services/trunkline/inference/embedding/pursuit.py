"""One embedding on its way: batches side by side, asked again or elsewhere when they fail."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Final

from trunkline.inference.adapters.adapter import ProviderFailed
from trunkline.inference.adapters.embedder import BadVector, Batch, Embedded, Embedder
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.vectors import FLOAT_BYTES, bad_vector
from trunkline.inference.attempt import show_failure
from trunkline.inference.embedding.account import Account, Enter, OpenAttempt
from trunkline.inference.embedding.asking import EmbeddingWaits, Way, ask
from trunkline.inference.embedding.run import EmbeddingRun, Piece
from trunkline.inference.embedding.split import estimate_usage, fit, split
from trunkline.inference.embedding.ways import Ways
from trunkline.inference.endings import no_place, nothing_left, to_limit
from trunkline.inference.failure_table import find_next
from trunkline.inference.means import Means
from trunkline.inference.plan import Plan
from trunkline.inference.selection import Choice, Selection
from trunkline.inference.targets import make_target
from trunkline.inference.trail import make_trail
from trunkline.inference.transport import NoPlace
from trunkline.inference.v1 import failure_pb2, result_pb2
from trunkline.kernel.clock import to_seconds
from trunkline.kernel.errors import DataLoss, FailedPrecondition, TrunklineError, Unavailable
from trunkline.planning.candidates import Candidate

_COMPLETED: Final = result_pb2.ATTEMPT_OUTCOME_COMPLETED
_FAILED: Final = result_pb2.ATTEMPT_OUTCOME_FAILED
_CANCELLED: Final = result_pb2.ATTEMPT_OUTCOME_CANCELLED


class _Died(Exception):
    """A request came to no vectors.

    Args:
        attempt: that it was.
        failure: why.
        bad: the vector that is none; None: that is not why.
        is_ours: no connection was free: nothing is said about the provider.
    """

    def __init__(
        self,
        attempt: OpenAttempt,
        failure: failure_pb2.AttemptFailure,
        *,
        bad: BadVector | None = None,
        is_ours: bool = False,
    ) -> None:
        super().__init__(failure.message)
        self.attempt = attempt
        self.failure = failure
        self.bad = bad
        self.is_ours = is_ours


class EmbeddingPursuit:
    """Carries one embedding.

    Args:
        run: that goes on.
        ways: who may be asked.
        means: shared by all runs.
        embedders: by wire format.
        enter: enters attempts into the ledger.
    """

    def __init__(
        self,
        run: EmbeddingRun,
        ways: Ways,
        means: Means,
        embedders: Mapping[str, Embedder],
        enter: Enter,
    ) -> None:
        self._run = run
        self._ways = ways
        self._means = means
        self._embedders = embedders
        self._account = Account(run, means, enter)
        self._began = means.clock.monotonic()

    async def carry(self) -> None:
        """Ask for all vectors, and end the run with them.

        Raises:
            TrunklineError: what it ends with otherwise.
        """
        run, request = self._run, self._run.terms.request
        cuts = Losses()
        texts = fit(request, self._ways.limits, cuts)
        self._account.lose(cuts.collected())
        batches = split(request, texts, self._ways.limits, self._ways.dimensions)
        under_way: deque[tuple[int, asyncio.Task[list[bytes]]]] = deque()
        loop = asyncio.get_running_loop()
        try:
            while True:
                await run.wait_room()
                while len(under_way) < self._means.settings.embed_parallel:
                    batch = next(batches, None)
                    if batch is None:
                        break
                    under_way.append((batch.first_index, loop.create_task(self._embed(batch))))
                if not under_way:
                    break
                await _wait_first([task for _, task in under_way])
                first_index, task = under_way.popleft()
                run.add(Piece(first_index, task.result()))
        finally:
            tasks = [task for _, task in under_way]
            for task in tasks:
                task.cancel()
            # Cancelled in their waits, they end at once.
            await asyncio.gather(*tasks, return_exceptions=True)
        run.finish(self._account.sum_up())

    def trail(self) -> result_pb2.AttemptTrail:
        """Return the attempts so far, as an error tells them."""
        return make_trail(self._account.in_order(), self._ways.plan().skipped)

    async def _embed(self, batch: Batch) -> list[bytes]:
        """Ask until there are the vectors of a batch.

        Raises:
            TrunklineError: nobody is left to ask.
        """
        plan = self._ways.plan()
        selection = Selection(plan, self._means.cooling, self._means.budget)
        choice = await selection.next()
        obstacle: TrunklineError | None = None
        last: _Died | None = None
        while choice is not None:
            try:
                way = await self._way(choice.candidate)
            except (FailedPrecondition, Unavailable) as error:
                # The key is gone, or nobody can say it now.
                obstacle = error
                reason = failure_pb2.SKIP_REASON_NO_CREDENTIAL
                plan.skip(choice.candidate, reason, error.message)
                plan.close(choice.candidate)
                choice = await selection.next()
                continue
            plan.note_asked(choice.candidate)
            try:
                return await self._ask(batch, choice, way)
            except _Died as died:
                last = died
                choice = await self._recover(died, plan, selection)
        raise self._nothing_left(plan, last, obstacle)

    async def _ask(self, batch: Batch, choice: Choice, way: Way) -> list[bytes]:
        """Make one attempt.

        Raises:
            _Died: it came to no vectors.
        """
        built = way.embedder.build(way.target, batch)
        attempt = self._account.open(choice)
        try:
            embedded = await ask(built.request, way, batch, self._means.transport)
            self._check_length(way, batch, embedded)
        except BadVector as bad:
            raise _Died(attempt, bad.failure, bad=bad) from None
        except ProviderFailed as failed:
            raise _Died(attempt, failed.failure) from None
        except NoPlace as fault:
            raise _Died(attempt, no_place(fault), is_ours=True) from None
        except BaseException:
            self._account.note(attempt, _CANCELLED)
            raise
        self._account.note(attempt, _COMPLETED, usage=embedded.usage or _estimate(batch))
        self._account.report(attempt, None)
        self._account.lose(built.losses, attempt.number)
        self._account.model = choice.candidate.name
        return embedded.vectors

    async def _way(self, candidate: Candidate) -> Way:
        """Return how a candidate is asked.

        Raises:
            FailedPrecondition, Unavailable: there is no key.
        """
        limits, settings = self._run.terms.request.limits, self._means.settings
        connect_s, answer_s = settings.connect_s, settings.embed_answer_s
        if limits.HasField("connect"):
            connect_s = to_seconds(limits.connect)
        if limits.HasField("attempt"):
            answer_s = to_seconds(limits.attempt)
        form = candidate.provider.endpoint.format
        return Way(
            target=await make_target(candidate, self._run.terms.owner, self._means),
            embedder=self._embedders[form],
            adapter=self._means.adapters[form],
            waits=EmbeddingWaits(connect_s, answer_s),
        )

    def _check_length(self, way: Way, batch: Batch, embedded: Embedded) -> None:
        """Hold the vectors to the length of those before them (N13); the first ones set it.

        Raises:
            BadVector: they have another.
        """
        came = len(embedded.vectors[0]) // FLOAT_BYTES
        run = self._run
        run.dimensions = run.dimensions or came
        if came != run.dimensions:
            what = f"holds vectors of {came} numbers, and those before have {run.dimensions}"
            raise bad_vector(way.target, batch.first_index, what)

    async def _recover(self, died: _Died, plan: Plan, selection: Selection) -> Choice | None:
        """Write down a failed attempt; return who is asked next, after a pause where one is due."""
        attempt, settings = died.attempt, self._means.settings
        candidate = attempt.candidate
        pause_s = None
        if not died.is_ours:
            spent_s = self._means.clock.monotonic() - self._began
            pause_s = selection.again(
                candidate,
                died.failure,
                is_trial=bool(attempt.trial_id),
                pause_s=settings.retry_pause_s,
                longest_s=settings.retry_wait_s,
                within_s=self._run.terms.total_s - spent_s,
            )
            self._account.report(attempt, died.failure, will_retry=pause_s is not None)
        self._account.note(attempt, _FAILED, failure=died.failure)
        if pause_s is not None:
            await asyncio.sleep(pause_s)
            return Choice(candidate)
        plan.rule_out(candidate, find_next(died.failure, candidate.scope, chain_allows=False))
        self._ways.rule_out(plan)
        return await selection.next()

    def _nothing_left(
        self, plan: Plan, died: _Died | None, obstacle: TrunklineError | None
    ) -> TrunklineError:
        """Return the error of a batch that nobody is left to ask for."""
        trail = make_trail(self._account.in_order(), plan.skipped)
        if died is None:
            return obstacle or nothing_left(None, is_alone=plan.is_alone, trail=trail)
        if died.is_ours:
            return to_limit(self._means.settings.connections_per_provider)
        candidate = died.attempt.candidate
        shown = show_failure(died.failure, self._run.terms.caller)
        if died.bad is not None:
            return DataLoss(
                "BAD_VECTOR",
                f"{candidate.name}, for inputs[{died.bad.index}]: {shown.message}",
                metadata={"model": candidate.name, "index": str(died.bad.index)},
                details=(trail,),
            )
        return nothing_left((shown, candidate), is_alone=plan.is_alone, trail=trail)


async def _wait_first(tasks: list[asyncio.Task[list[bytes]]]) -> None:
    """Wait until the first of several tasks is done.

    Raises:
        TrunklineError: one of them failed, the first or another.
    """
    while True:
        for task in tasks:
            if task.done():
                task.result()
        if tasks[0].done():
            return
        going_on = [task for task in tasks if not task.done()]
        await asyncio.wait(going_on, return_when=asyncio.FIRST_COMPLETED)


def _estimate(batch: Batch) -> result_pb2.Usage:
    """Return about what a batch took whose provider does not say."""
    return result_pb2.Usage(
        input_tokens=estimate_usage(batch.texts), source=result_pb2.USAGE_SOURCE_ESTIMATED
    )

"""Carry runs to their end: draw up who may be asked, and set off."""

from __future__ import annotations

import random

from trunkline.inference.conversation import call_ids, check_turn
from trunkline.inference.means import Means
from trunkline.inference.model_settings import check_options
from trunkline.inference.plan import draw_up
from trunkline.inference.pursuit import Pursuit
from trunkline.inference.run import Run
from trunkline.inference.v1 import chat_pb2, result_pb2
from trunkline.planning.prices import compare_by
from trunkline.views.catalog import CatalogView
from trunkline.views.credentials import CredentialView


class Runner:
    """Asks providers for the answers of runs.

    Args:
        means: shared by all runs.
        catalog, credentials: who can be asked.
    """

    def __init__(self, means: Means, catalog: CatalogView, credentials: CredentialView) -> None:
        self._means = means
        self._catalog = catalog
        self._credentials = credentials

    async def check_ready(self) -> None:
        """Wait for the views that every chat needs.

        Raises:
            Unavailable: PEER_UNAVAILABLE, SECURITY_VIEW_STALE.
        """
        if not (self._catalog.follower.is_ready and self._credentials.follower.is_ready):
            await self._catalog.follower.wait_ready()
            await self._credentials.follower.wait_ready()
        self._credentials.check_fresh()

    def check_options(self, request: chat_pb2.ChatRequest) -> None:
        """Refuse options that no candidate could take.

        Raises:
            InvalidArgument: naming each of them.
        """
        check_options(request, self._catalog.providers)

    async def carry(self, run: Run) -> None:
        """Ask until the run has its answer, turn by turn where it is a loop, and end it.

        Raises:
            TrunklineError: what the run ends with otherwise.
        """
        conversation = run.conversation
        if conversation is None:
            run.finish(await self._answer(run))
            return
        while True:
            if not conversation.is_waiting:
                completed = await self._answer(run)
                calls = len(call_ids(run.progress.fold.message()))
                if not calls or conversation.is_ending:
                    run.finish(completed)
                    return
                check_turn(conversation, calls)
                run.complete_turn()
            if not await conversation.wait():
                run.finish(self._last_turn(run))
                return
            run.next_turn()

    async def _answer(self, run: Run) -> result_pb2.Completed:
        """Ask until there is a whole answer to the question under way.

        Raises:
            TrunklineError: there is none.
        """
        self._means.budget.earn()
        plan = draw_up(
            run.question,
            run.terms.caller,
            self._catalog,
            self._credentials,
            random.random,
            self._means.latencies.of,
            self._compare_by_price,
        )
        return await Pursuit(run, plan, self._means).answer()

    def _compare_by_price(self, name: str) -> int | None:
        """Return one figure of what a model costs now; None: it is unknown."""
        return compare_by(self._means.prices.of(name), self._means.clock.time_ns())

    def _last_turn(self, run: Run) -> result_pb2.Completed:
        """Return the end of a loop whose client sends no more results."""
        return run.progress.complete(result_pb2.FINISH_REASON_TOOL_CALLS, run.progress.speaker)

"""Carry runs to their end: draw up who may be asked, and set off."""

from __future__ import annotations

import random

from trunkline.inference.plan import draw_up
from trunkline.inference.pursuit import Means, Pursuit
from trunkline.inference.run import Run
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

    async def carry(self, run: Run) -> None:
        """Ask until the run has its answer, and end it.

        Raises:
            TrunklineError: what the run ends with otherwise.
        """
        self._means.budget.earn()
        plan = draw_up(
            run.terms.request,
            run.terms.caller,
            self._catalog,
            self._credentials,
            random.random,
            self._means.latencies.of,
        )
        await Pursuit(run, plan, self._means).carry()

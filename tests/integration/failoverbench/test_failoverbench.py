"""FailoverBench over gRPC: all sixteen pass with defaults and one fallback, in every format."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from integration.failoverbench.benched import (
    SLOW_THINKER,
    TEMPO,
    Benched,
    open_bench,
    scale_cooldowns,
)
from integration.failoverbench.cells import CELLS, FORMATS, INEXPRESSIBLE
from support import matrix
from support.folding import fold
from trunkline.benchmark.judge import Verdict
from trunkline.benchmark.observation import End
from trunkline.benchmark.scenarios import SCENARIOS
from trunkline.sandbox.scripts import OK_TEXT

_MATRIX = "failoverbench"
_THINKING = "silent-thinkers"
# Words that the caller has when the stream is lost, which the fallback gets to go on from.
_DELIVERED = {"S08": 40, "S09": 20, "S14": 40}
_LIMIT_S = 180 if matrix.is_full() else 60
_BY_ID = {scenario.id: scenario for scenario in SCENARIOS}


class Benches:
    """The deployments of this file, each made when its format is first asked for."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._made: dict[str, Benched] = {}

    async def get(self, name: str) -> Benched:
        """Return the deployment of a format."""
        if name not in self._made:
            self._made[name] = await self._stack.enter_async_context(open_bench(name))
        return self._made[name]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def benches() -> AsyncIterator[Benches]:
    """Yield the deployments; their waits are at the scale of this run."""
    with pytest.MonkeyPatch.context() as patch:
        scale_cooldowns(patch.setattr)
        async with AsyncExitStack() as stack:
            yield Benches(stack)


def _sample() -> list[tuple[str, str]]:
    """Return the cells of this run: of each scenario one format, in a full run all."""
    chosen: list[tuple[str, str]] = []
    for scenario in SCENARIOS:
        formats = [cell for cell in CELLS if cell[0] == scenario.id]
        chosen += matrix.cells(f"{_MATRIX}-{scenario.id}", formats, sample=1)
    return chosen


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.timeout(_LIMIT_S)
@pytest.mark.parametrize(("scenario", "name"), _sample())
async def test_a_scenario_passes(benches: Benches, scenario: str, name: str) -> None:
    """The caller gets the whole answer, or in one the reason, and every check holds."""
    bench = await benches.get(name)
    bench.driver.events.clear()
    judged = await bench.play(_BY_ID[scenario])
    assert (judged.verdict, judged.findings) == (Verdict.PASSED, ())
    for events in bench.driver.events:
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert [event.HasField("run_started") for event in events].count(True) == 1
        if events[-1].HasField("completed"):
            assert fold(events) == events[-1].completed.message
    if scenario in _DELIVERED:
        first = bench.provider.seen.of_model(_BY_ID[scenario].fallback)[0]
        assert first.prefill == " ".join(OK_TEXT.split()[: _DELIVERED[scenario]])
    matrix.ran(_MATRIX)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.timeout(_LIMIT_S)
@pytest.mark.parametrize("name", matrix.cells(_THINKING, FORMATS, sample=1))
async def test_a_silent_thinker_finishes_what_it_began(benches: Benches, name: str) -> None:
    """A reasoning model that is silent for a minute is waited for, and nobody else is asked."""
    bench = await benches.get(name)
    bench.provider.seen.clear()
    call = await bench.driver.ask(SLOW_THINKER, "ok", TEMPO.at_most(100))
    assert (call.end, call.model, call.text) == (End.ANSWERED, f"primary/{SLOW_THINKER}", OK_TEXT)
    assert call.seconds >= TEMPO.at_least(60)
    assert [seen.model for seen in bench.provider.seen if seen.method == "POST"] == [SLOW_THINKER]
    matrix.ran(_THINKING)


def test_every_cell_is_played_or_has_its_reason() -> None:
    """Sixteen scenarios in four formats, of which few cannot be expressed."""
    assert len(CELLS) + len(INEXPRESSIBLE) == len(SCENARIOS) * len(FORMATS)
    assert len(CELLS) == matrix.declared()[_MATRIX]

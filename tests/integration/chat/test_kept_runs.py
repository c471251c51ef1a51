"""How many ended runs are kept: a bound, and the oldest go first."""

from __future__ import annotations

from support.chats import ask
from support.deployment import Deployment
from support.waiting import eventually
from trunkline.inference.v1 import run_pb2


async def test_the_oldest_ended_runs_go_first() -> None:
    """Of four runs the last two are kept, where two is the most."""
    async with Deployment(default_durability="memory", max_kept_runs=2) as deployment:
        ids = [
            (await deployment.inference.Chat(ask("sandbox/ok"), metadata=deployment.admin)).run_id
            for _ in range(4)
        ]

        async def kept() -> list[str]:
            listed = await deployment.inference.ListRuns(
                run_pb2.ListRunsRequest(), metadata=deployment.admin
            )
            return [run.id for run in listed.runs]

        async def bounded() -> bool:
            return len(await kept()) == 2

        await eventually(bounded)
        assert await kept() == [ids[3], ids[2]]

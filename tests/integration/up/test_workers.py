"""`trunkline serve inference --workers`: several processes behind one address."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from support.chats import ask, failure_of, read, run_id_of, stream
from support.deployment import Deployment, eventually, patiently
from support.fleet import FleetStubs
from support.process import Done, environment, run
from support.program import Program
from trunkline.inference.v1 import chat_pb2, inference_service_pb2_grpc, run_pb2
from trunkline.process.v1 import process_pb2, process_pb2_grpc

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORKERS = 2
SLOW = "tokens-20-per-second"
HUB = ("credential", "catalog", "health")
_LIMIT_S = 40.0
_MANY = 64


class Site(Deployment):
    """Three services in this process, and inference in several.

    Attributes:
        parent: the process that was started.
        told: its first line.
    """

    parent: Program
    told: dict[str, object]

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a process of this deployment."""
        return {
            "TRUNKLINE_DATA_DIR": str(self.root / "data"),
            "TRUNKLINE_CONFIG_DIR": str(self.root / "config"),
            "TRUNKLINE_RUN_LEASE_S": "1",
        }

    @property
    def address(self) -> str:
        """Where inference listens."""
        return str(self.told["address"])

    async def start(self, *_: str) -> None:
        """Start everything."""
        await super().start(*HUB)
        await self._stubs.close()
        with (self.root / "inference.log").open("ab") as log:
            self.parent = await Program.start(
                [
                    "serve",
                    "inference",
                    "--json",
                    "--workers",
                    str(WORKERS),
                    "--listen",
                    "127.0.0.1:0",
                ],
                environment(self.variables),
                stderr=log,
            )
        async with asyncio.timeout(_LIMIT_S):
            line = await self.parent.stdout.readline()
        assert line, (self.root / "inference.log").read_text()
        self.told = json.loads(line)
        hub = grpc.aio.insecure_channel(self.suite.address)
        self._stubs = FleetStubs({**dict.fromkeys(HUB, hub), "inference": self.open_channel()})

    async def stop(self) -> None:
        """Stop everything."""
        if hasattr(self, "parent") and self.parent.returncode is None:
            self.parent.terminate()
            await asyncio.wait_for(self.parent.wait(), _LIMIT_S)
        await super().stop()

    def open_channel(self) -> grpc.aio.Channel:
        """Return a connection of one's own to one of the processes."""
        return grpc.aio.insecure_channel(
            self.address, options=[("grpc.use_local_subchannel_pool", 1)]
        )

    def children(self) -> list[int]:
        """Return the processes, by their ids."""
        return _children(self.parent.pid)

    async def reach_all(self) -> dict[int, grpc.aio.Channel]:
        """Return a connection to each process, by when it began; connections come as they may."""
        found: dict[int, grpc.aio.Channel] = {}
        for _ in range(_MANY):
            channel = self.open_channel()
            stub = process_pb2_grpc.ProcessServiceStub(channel)
            asking = stub.GetProcess(
                process_pb2.GetProcessRequest(), metadata=self.admin, wait_for_ready=True
            )
            try:
                began = (await asking).process.start_time.ToNanoseconds()
            except grpc.aio.AioRpcError as error:
                # One that was just started may not know the token yet.
                if failure_of(error).reason not in ("TOKEN_INVALID", "PEER_UNAVAILABLE"):
                    raise
                await channel.close()
                continue
            if began in found:
                await channel.close()
            else:
                found[began] = channel
            if len(found) == WORKERS:
                break
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncIterator[Site]:
    """A deployment with two processes of inference."""
    async with Site(models=[SLOW]) as running:
        yield running


async def _serve(variables: Mapping[str, str], *arguments: str) -> Done:
    return await run("serve", *arguments, env=variables)


async def test_both_answer_and_either_goes_on_with_what_the_other_began(site: Site) -> None:
    """Connections are spread, and a run of one can be read at the other: it is durable."""
    assert site.told["workers"] == WORKERS
    channels = await site.reach_all()
    assert len(channels) == WORKERS
    first, second = channels.values()
    stubs = [inference_service_pb2_grpc.InferenceServiceStub(each) for each in (first, second)]

    for stub in stubs:
        await patiently(
            lambda asked=stub: asked.Chat(ask(), metadata=site.admin),  # type: ignore[misc] # mypy cannot infer what is bound
            "MODEL_NOT_FOUND",
            "NO_CREDENTIAL",
        )
    # Unary, without a key: elsewhere such a run would be its process's alone.
    chat = await stubs[0].Chat(ask(), metadata=site.admin)
    got = await stubs[1].GetRun(run_pb2.GetRunRequest(run_id=chat.run_id), metadata=site.admin)
    assert got.run.durability == chat_pb2.DURABILITY_DURABLE
    assert got.run.completed == chat.completed
    call = stream(first, "StreamChat", ask(f"sandbox/{SLOW}"), site.admin)
    run_id = run_id_of(await call.initial_metadata())
    request = run_pb2.ResumeChatRequest(run_id=run_id)
    followed = await read(stream(second, "ResumeChat", request, site.admin), 5)
    assert followed.sequences == [1, 2, 3, 4, 5]
    await site.cancel(run_id)
    await read(call)
    for channel in channels.values():
        await channel.close()


async def test_one_that_is_killed_is_started_again(site: Site) -> None:
    """The other one keeps its connections, and goes on with the runs of the dead one."""
    before = await site.reach_all()
    victim = site.children()[-1]
    calls = [
        stream(channel, "StreamChat", ask(f"sandbox/{SLOW}"), site.admin)
        for channel in before.values()
    ]
    runs = [run_id_of(await call.initial_metadata()) for call in calls]
    os.kill(victim, signal.SIGKILL)
    readings = await asyncio.gather(*(read(call, 20) for call in calls))
    assert sorted(reading.failure is None for reading in readings) == [False, True]
    (lost,) = [
        run_id
        for run_id, reading in zip(runs, readings, strict=True)
        if reading.failure is not None
    ]
    await eventually(
        lambda: len(site.children()) == WORKERS and victim not in site.children(), 20.0
    )

    async def is_whole() -> bool:
        after = await site.reach_all()
        for channel in after.values():
            await channel.close()
        return len(after) == WORKERS and len(set(after) - set(before)) == 1

    await eventually(is_whole, 20.0)
    for channel in (*before.values(),):
        await channel.close()
    request = run_pb2.ResumeChatRequest(run_id=lost)
    fresh = site.open_channel()
    resumed = await read(stream(fresh, "ResumeChat", request, site.admin), 30)
    assert resumed.sequences == list(range(1, 31))
    for run_id in runs:
        await site.cancel(run_id)
    await fresh.close()


async def test_operators_see_it_as_one(site: Site) -> None:
    """`status` and `doctor` call the shared address like any other."""
    addresses = ",".join([*(f"{name}={site.suite.address}" for name in HUB), site.address])
    client = {
        "TRUNKLINE_ADDRESS": addresses.replace(f",{site.address}", f",inference={site.address}"),
        "TRUNKLINE_TOKEN": site.admin[0][1].removeprefix("Bearer "),
    }
    for command in ("status", "doctor"):
        done = await run(command, env=client)
        assert done.code == 0, done.out + done.err


async def test_address_that_is_shared_is_taken_all_the_same(site: Site, tmp_path: Path) -> None:
    """Another deployment on the same address would get half of the connections."""
    variables = {"TRUNKLINE_DATA_DIR": str(tmp_path / "data")}
    variables["TRUNKLINE_CONFIG_DIR"] = str(tmp_path / "config")
    done = await _serve(variables, "inference", "--workers", "2", "--listen", site.address)
    assert done.code == 1
    assert site.address in done.err
    assert "it is taken" in done.err
    assert done.out == ""


async def test_only_inference_is_served_by_several(tmp_path: Path) -> None:
    """The other services own what they serve: two of them would both write it."""
    done = await _serve({}, "inference", "health", "--workers", "2", "--data-dir", str(tmp_path))
    assert done.code == 2
    assert "--workers" in done.err


async def test_none_of_them_is_left_when_one_does_not_start(site: Site) -> None:
    """What the first one says is told, and the others are not begun."""
    done = await _serve(site.variables, "inference", "--workers", "2", "--listen", "127.0.0.1:0")
    assert done.code == 1
    assert "is in use by another Trunkline" in done.err
    assert "did not start" in done.err


async def test_all_of_them_end_when_told() -> None:
    """SIGTERM ends all in order, within the limit, and with 0; readers are sent elsewhere."""
    async with Site(models=[SLOW]) as site:
        children = site.children()
        assert len(children) == WORKERS
        call = stream(site.open_channel(), "StreamChat", ask(f"sandbox/{SLOW}"), site.admin)
        await call.initial_metadata()
        site.parent.send_signal(signal.SIGTERM)
        reading = await read(call)
        async with asyncio.timeout(_LIMIT_S):
            assert await site.parent.wait() == 0
        assert reading.failed.reason == "NOT_SERVING"
        assert not [each for each in children if Path(f"/proc/{each}").exists()]


async def test_none_of_them_outlives_who_started_them() -> None:
    """They end in order, as when told, and leave the address to the next ones."""
    async with Site(models=[SLOW]) as site:
        children = site.children()
        call = stream(site.open_channel(), "StreamChat", ask(f"sandbox/{SLOW}"), site.admin)
        await call.initial_metadata()
        site.parent.send_signal(signal.SIGKILL)
        reading = await read(call)
        assert reading.failed.reason == "NOT_SERVING"
        await eventually(
            lambda: not [each for each in children if Path(f"/proc/{each}").exists()], _LIMIT_S
        )


def _children(pid: int) -> list[int]:
    """Return the ids of a process's children."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(each) for each in (task / "children").read_text().split()]
    return sorted(found)

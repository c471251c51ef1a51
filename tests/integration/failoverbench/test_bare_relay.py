"""The control: what knows no failover does not pass."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from bench.answers import KEY
from integration.failoverbench.chat_driver import ChatDriver
from trunkline.benchmark.bench import make_provider, play
from trunkline.benchmark.judge import Tempo, Verdict
from trunkline.benchmark.scenarios import SCENARIOS
from trunkline.sandbox.server import Sandbox

_SCALE = 0.01
_LIMIT_S = 30.0
_TESTS = Path(__file__).resolve().parents[2]
_PLAYED = {"S08", "S09", "S14", "S11"}


@pytest.fixture
async def provider() -> AsyncIterator[Sandbox]:
    """Yield the benchmark's provider."""
    async with make_provider(host="127.0.0.1", port=0, api_key=KEY, scale=_SCALE) as running:
        yield running


@pytest.fixture
async def relay(provider: Sandbox) -> AsyncIterator[str]:
    """Yield the address of the bare relay of the bench, which asks that provider."""
    address = provider.base_url.removeprefix("http://").removesuffix("/v1")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.relay",
        address,
        cwd=_TESTS,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # What a call ends with is logged there, and is of no interest.
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_LIMIT_S):
            line = await process.stdout.readline()
        yield json.loads(line)["address"]
    finally:
        process.stdin.close()
        async with asyncio.timeout(_LIMIT_S):
            await process.wait()


async def test_a_bare_relay_does_not_pass(provider: Sandbox, relay: str) -> None:
    """A lost or silent stream is no whole answer behind it, while a mere flaw is."""
    async with grpc.aio.insecure_channel(relay) as channel:
        driver = ChatDriver(channel, ())
        verdicts = {
            scenario.id: (await play(scenario, driver, provider, Tempo(_SCALE, 1.0))).verdict
            for scenario in SCENARIOS
            if scenario.id in _PLAYED
        }
    assert all(verdicts[name] is not Verdict.PASSED for name in ("S08", "S09", "S14"))
    assert verdicts["S11"] is not Verdict.FAILED

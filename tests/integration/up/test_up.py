"""`trunkline up` as a newcomer meets it: a real process, its words, its files."""

from __future__ import annotations

import asyncio
import contextlib
import json
import stat
import sys
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from support.canary import MARK
from support.postgres import PostgresServer
from support.process import Up, environment, run
from support.waiting import eventually
from trunkline.sandbox.server import Sandbox


async def test_a_fresh_start_says_where_everything_is(tmp_path: Path) -> None:
    """The first lines name address, data, token, key-encryption key and providers."""
    async with Up(tmp_path) as up:
        text = "\n".join(up.output)
        assert up.output[0] == f"Trunkline is serving on {up.address}."
        assert str(tmp_path / "data") in text
        assert str(tmp_path / "config" / "admin-token") in text
        assert str(tmp_path / "config" / "key-encryption-keys.json") in text
        assert "  providers           sandbox" in text
        assert "trunkline connect openai" in text
        assert up.token not in text
        assert "sandbox-key" not in text
    for name in ("admin-token", "key-encryption-keys.json"):
        mode = (tmp_path / "config" / name).stat().st_mode
        assert stat.S_IMODE(mode) == 0o600, name


async def test_the_first_chat_needs_no_key(tmp_path: Path) -> None:
    """On a fresh data directory `chat` streams an answer of the sandbox."""
    async with Up(tmp_path) as up:
        done = await run("chat", "--model", "sandbox/ok", "Hello", env=up.client)
        assert done.code == 0, done.err
        assert len(done.out.split()) == 60
        assert "sandbox/ok" in done.err


async def test_every_service_is_serving(tmp_path: Path) -> None:
    """`grpc.health.v1` answers SERVING for the process and each service, without a token."""
    names = [
        "",
        "trunkline.credential.v1.CredentialService",
        "trunkline.credential.v1.AccessService",
        "trunkline.catalog.v1.CatalogService",
        "trunkline.health.v1.HealthService",
        "trunkline.inference.v1.InferenceService",
    ]
    async with Up(tmp_path) as up, grpc.aio.insecure_channel(up.address) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        for name in names:
            answer = await check(health_pb2.HealthCheckRequest(service=name), timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING, name


async def test_a_second_start_keeps_everything(tmp_path: Path) -> None:
    """Token, key and sandbox are the same after a restart, and nothing is made anew."""
    async with Up(tmp_path) as up:
        token = up.token
        keys = (tmp_path / "config" / "key-encryption-keys.json").read_bytes()
    async with Up(tmp_path) as up:
        assert up.token == token
        assert (tmp_path / "config" / "key-encryption-keys.json").read_bytes() == keys
        done = await run("chat", "--model", "sandbox/ok", "Hello", env=up.client)
        assert done.code == 0, done.err


async def test_it_stops_when_it_is_told_to(tmp_path: Path) -> None:
    """SIGTERM ends it with 0, and its sockets are gone."""
    async with Up(tmp_path) as up:
        assert await up.stop() == 0
    assert list((tmp_path / "data").rglob("*.sock")) == []


async def test_the_sandbox_leaves_when_a_real_provider_comes(tmp_path: Path) -> None:
    """Connecting a provider that is no sandbox removes the sandbox and its key."""
    async with Sandbox(api_key=f"{MARK}-real-provider") as provider, Up(tmp_path) as up:
        done = await run(
            "connect",
            "mine",
            "--base-url",
            provider.base_url,
            env=up.client,
            stdin=provider.api_key,
        )
        assert done.code == 0, done.err

        async def left() -> bool:
            return '"sandbox"' not in (await run("status", "--json", env=up.client)).out

        await eventually(left)
        done = await run("chat", "--model", "mine/ok", "Hello", env=up.client)
        assert done.code == 0, done.err


async def test_a_program_is_told_in_one_line_of_json(tmp_path: Path) -> None:
    """With `--json` the first line holds all that a program needs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "trunkline",
        "up",
        "--json",
        env=environment(
            {
                "TRUNKLINE_DATA_DIR": str(tmp_path / "data"),
                "TRUNKLINE_CONFIG_DIR": str(tmp_path / "config"),
                "TRUNKLINE_LISTEN": "127.0.0.1:0",
            }
        ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            told = json.loads(await process.stdout.readline())
    finally:
        process.terminate()
        code = await asyncio.wait_for(process.wait(), 30)
    assert code == 0
    assert told.pop("address").startswith("127.0.0.1:")
    assert told == {
        "data_dir": str(tmp_path / "data"),
        "admin_token_file": str(tmp_path / "config" / "admin-token"),
        "key_encryption_key": f"the file {tmp_path / 'config' / 'key-encryption-keys.json'}",
        "providers": ["sandbox"],
    }


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
async def test_a_sandbox_that_was_removed_stays_away(
    request: pytest.FixtureRequest, tmp_path: Path, store: str
) -> None:
    """Only a deployment that never was has a sandbox made for it, wherever its data are."""
    async with contextlib.AsyncExitStack() as stack:
        env = {}
        if store == "postgresql":
            postgres: PostgresServer = request.getfixturevalue("postgres")
            env["TRUNKLINE_DATABASE_URL"] = await stack.enter_async_context(postgres.database(None))
        async with Up(tmp_path, env=env) as up:
            done = await run("disconnect", "sandbox", "--yes", env=up.client)
            assert done.code == 0, done.err
        async with Up(tmp_path, env=env) as up:
            done = await run("status", "--json", env=up.client)
            assert json.loads(done.out) == {"providers": []}

"""Every command against a real `trunkline up`, from start to end."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.canary import MARK
from support.process import Up, environment, run
from support.waiting import eventually
from trunkline.sandbox.server import Sandbox

KEY = f"{MARK}-commands"
_LIMIT_S = 30.0


@pytest.fixture
async def up(tmp_path: Path) -> AsyncIterator[Up]:
    """Give a running `trunkline up`."""
    async with Up(tmp_path) as running:
        yield running


async def test_a_provider_from_connect_to_disconnect(up: Up) -> None:
    """Connect with a key on standard input, look, choose, chat, disconnect."""
    async with Sandbox(api_key=KEY) as provider:
        env = up.client
        wrong = await run(
            "connect", "mine", "--base-url", provider.base_url, env=env, stdin="sk-wrong"
        )
        assert wrong.code == 1
        assert "invalid_api_key" in wrong.err
        assert "Incorrect API key" in wrong.err
        listed = json.loads((await run("status", "--json", env=env)).out)
        assert "mine" not in json.dumps(listed)

        done = await run(
            "connect", "mine", "--base-url", f"{provider.base_url}/chat/completions",
            env=env, stdin=KEY,
        )  # fmt: skip
        assert done.code == 0, done.err
        assert "mine" in done.out
        status = await run("status", env=env)
        assert re.search(r"mine +openai-compatible +verified", status.out), status.out
        checked = await run("check", "mine", env=env)
        assert re.search(r"mine +ok, [\d.]+ s +100 %", checked.out), checked.out + checked.err
        models = await run("models", "--provider", "mine", env=env)
        assert "mine/ok" in models.out
        chosen = await run("models", "default", "mine/ok", env=env)
        assert chosen.code == 0, chosen.err

        taken = await run("models", "options", "mine/ok", env=env)
        assert re.search(r"temperature +- +0 to 2", taken.out), taken.out + taken.err
        assert re.search(r"reasoning_effort +- +minimal, low, medium, high, xhigh", taken.out)
        wrong = await run("models", "set", "mine/ok", "reasoning_effort=huge", env=env)
        assert wrong.code == 2
        assert "provider_options.reasoning_effort" in wrong.err
        unknown = await run("models", "set", "mine/ok", "warmth=1", env=env)
        assert unknown.code == 2
        assert "warmth cannot be set" in unknown.err
        told = await run(
            "models", "set", "mine/ok", "temperature=0.2", "reasoning_effort=low",
            "max_output_tokens=99", env=env,
        )  # fmt: skip
        assert told.out == "mine/ok: temperature 0.2, max_output_tokens 99, reasoning_effort low.\n"

        async def asked_as_set() -> bool:
            await run("chat", "Hello", env=env)
            return "reasoning_effort" in provider.seen[-1].body

        chat = await run("chat", "Hello", env=env)
        assert chat.code == 0, chat.err
        assert len(chat.out.split()) == 60
        await eventually(asked_as_set)
        sent = provider.seen[-1].body
        assert (sent["temperature"], sent["max_tokens"], sent["reasoning_effort"]) == (
            0.2,
            99,
            "low",
        )
        cleared = await run(
            "models", "set", "mine/ok", "temperature=", "reasoning_effort=", "max_output_tokens=",
            env=env,
        )  # fmt: skip
        assert cleared.out == "mine/ok: nothing is set.\n"
        assert re.search(r"mine/ok, \d+ tokens in, 60 out, first token after [\d.]+ s", chat.err)
        events = await run("chat", "--model", "mine/tool", "--json", "Hello", env=env)
        kinds = [json.loads(line) for line in events.out.splitlines()]
        assert "run_started" in kinds[0]
        assert "completed" in kinds[-1]
        sick = await run("chat", "--model", "mine/cut-after-40", "Hello", env=env)
        assert sick.code == 1
        assert len(sick.out.split()) == 40
        assert "run_" in sick.err

        cleared = await run("models", "default", "--none", env=env)
        assert cleared.code == 0, cleared.err
        gone = await run("disconnect", "mine", "--yes", env=env)
        assert gone.code == 0, gone.err
        after = await run("chat", "--model", "mine/ok", "Hello", env=env)
        assert after.code == 1
        assert "There is no model mine/ok" in after.err
    assert KEY.encode() not in up.log.read_bytes()


async def test_a_token_from_issue_to_revoke(up: Up) -> None:
    """A developer's token chats and does not administer; revoked, it does neither."""
    issued = await run("token", "issue", "ana@example.com", "--lifetime", "30d", env=up.client)
    assert issued.code == 0, issued.err
    token = issued.out.strip()
    assert re.fullmatch(r"tl_[A-Za-z0-9_-]{43}", token)
    ana = {**up.client, "TRUNKLINE_TOKEN": token}

    async def chats() -> bool:
        return (await run("chat", "--model", "sandbox/ok", "Hello", env=ana)).code == 0

    await eventually(chats)
    refused = await run("token", "issue", "bob", env=ana)
    assert refused.code == 4
    assert "DEVELOPER" in refused.err
    listed = await run("token", "list", "--json", env=up.client)
    found = re.search(r'"(tok_\w+)"[^}]*?ana@example\.com', listed.out, re.DOTALL)
    assert found is not None, listed.out
    assert token not in listed.out
    revoked = await run("token", "revoke", found[1], env=up.client)
    assert revoked.code == 0, revoked.err

    async def is_refused() -> bool:
        return (await run("chat", "--model", "sandbox/ok", "Hello", env=ana)).code == 4

    await eventually(is_refused)


async def test_services_run_in_processes_of_their_own(tmp_path: Path) -> None:
    """`serve` twice on one data directory: the halves find each other, in either order."""
    async with Up(tmp_path):
        pass
    processes = []
    addresses = []
    try:
        for names in (("health", "inference"), ("credential", "catalog")):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "trunkline", "serve", *names,
                "--data-dir", str(tmp_path / "data"),
                "--config-dir", str(tmp_path / "config"),
                "--listen", "127.0.0.1:0",
                env=environment(),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            processes.append(process)
            assert process.stdout is not None
            async with asyncio.timeout(_LIMIT_S):
                line = (await process.stdout.readline()).decode()
            found = re.fullmatch(rf"Trunkline {', '.join(names)} is serving on (\S+)\.\n", line)
            assert found is not None, line
            addresses.append(found[1])
        token = (tmp_path / "config" / "admin-token").read_text().strip()
        inference = {"TRUNKLINE_ADDRESS": addresses[0], "TRUNKLINE_TOKEN": token}

        async def knows_the_others() -> bool:
            # The sandbox's provider is known and its server is not running here.
            done = await run("chat", "--model", "sandbox/ok", "Hello", env=inference)
            return "refuses the connection" in done.err

        await eventually(knows_the_others, limit=30.0)
    finally:
        for process in processes:
            process.terminate()
        codes = [await asyncio.wait_for(process.wait(), _LIMIT_S) for process in processes]
    assert codes == [0, 0]


async def test_the_sandbox_runs_by_itself(up: Up) -> None:
    """`trunkline sandbox` prints where it is, and can be connected as any provider."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "trunkline", "sandbox", "--port", "0",
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        text = ""
        async with asyncio.timeout(_LIMIT_S):
            while (found := re.search(r"http://127\.0\.0\.1:\d+/v1", text)) is None:
                text += (await process.stdout.readline()).decode()
        done = await run(
            "connect", "own", "--base-url", found[0], env=up.client, stdin="sandbox-key"
        )
        assert done.code == 0, done.err
        chat = await run("chat", "--model", "own/ok", "Hello", env=up.client)
        assert chat.code == 0, chat.err
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), _LIMIT_S)


async def test_a_chain_from_create_to_delete(up: Up) -> None:
    """Two providers stand in for each other, are explained, and stay while the chain does."""
    async with Sandbox(api_key=KEY) as provider, Sandbox(api_key=KEY) as other:
        env = up.client
        for name, server in (("one", provider), ("two", other)):
            done = await run("connect", name, "--base-url", server.base_url, env=env, stdin=KEY)
            assert done.code == 0, done.err
        alone = await run("chain", "create", "alone", "one/ok", env=env)
        assert alone.code == 0, alone.err
        assert "Only one/ok can be asked" in alone.err
        made = await run("chain", "create", "main", "one/ok", "two/ok", env=env)
        assert (made.code, made.err) == (0, "")
        near = await run("chain", "create", "wrong", "one/okk", env=env)
        assert near.code == 1
        assert "one/ok" in near.err
        listed = await run("chain", "list", env=env)
        assert re.search(r"main +one/ok, two/ok +order", listed.out), listed.out
        explained = await run("explain", "--chain", "main", "--json", env=env)
        document = json.loads(explained.out)
        assert document["chosen"] == "one/ok"
        assert [each["model"] for each in document["candidates"]] == ["one/ok", "two/ok"]
        told = await run("explain", "--model", "nobody/x", "--fallback", "two/ok", env=env)
        assert re.search(r"nobody/x +unknown model", told.out), told.out
        assert re.search(r"two/ok +1 +cred_", told.out), told.out
        kept = await run("disconnect", "two", "--yes", env=env)
        assert kept.code == 1
        assert "trunkline chain delete main" in kept.err
        assert (await run("chain", "delete", "main", env=env)).code == 0
        gone = await run("disconnect", "two", "--yes", env=env)
        assert gone.code == 0, gone.err

"""`trunkline serve` as a process: what it prints, how it is reached, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest

from support.certificates import make_authority, write, write_service
from support.process import Up, environment, run
from support.program import Program
from support.waiting import eventually
from trunkline.suite import SERVICES

LOG = "serve.log"
_LIMIT_S = 40.0


@pytest.fixture
def root() -> Iterator[Path]:
    """A short path, as the sockets below it need."""
    with tempfile.TemporaryDirectory(prefix="tl-") as directory:
        yield Path(directory)


@contextlib.asynccontextmanager
async def serving(
    root: Path, *arguments: str, env: dict[str, str] | None = None
) -> AsyncIterator[tuple[Program, str]]:
    """Run `trunkline serve`; give the process and its first line."""
    with (root / LOG).open("ab") as log:
        process = await Program.start(
            [
                "serve",
                *arguments,
                "--data-dir",
                str(root / "data"),
                "--config-dir",
                str(root / "config"),
            ],
            environment(env),
            stderr=log,
        )
    try:
        async with asyncio.timeout(_LIMIT_S):
            line = (await process.stdout.readline()).decode()
        assert line, (root / LOG).read_text()
        yield process, line
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ended(process: Program, number: int) -> int:
    """Send a signal; return the exit code."""
    process.send_signal(number)
    async with asyncio.timeout(_LIMIT_S):
        rest = await process.stdout.read()
        code = await process.wait()
    assert rest == b""
    return code


async def shown(address: str, authority: Path, name: str) -> str:
    """Return the certificate that a listener shows, as PEM, after checking it."""
    context = ssl.create_default_context(cafile=str(authority))
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(_LIMIT_S):
        _, writer = await asyncio.open_connection(
            host, int(port), ssl=context, server_hostname=name
        )
    try:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return ssl.DER_cert_to_PEM_cert(der)
    finally:
        writer.close()
        with contextlib.suppress(ssl.SSLError, OSError):
            await writer.wait_closed()


async def test_each_service_says_that_it_serves_and_ends_when_told(root: Path) -> None:
    """One line; `trunkline ready` agrees; SIGTERM ends it with 0, and its sockets are gone."""
    run_dir = root / "data" / "run"
    async with contextlib.AsyncExitStack() as stack:
        started = await asyncio.gather(
            *(
                stack.enter_async_context(serving(root, name, "--listen", "127.0.0.1:0"))
                for name in SERVICES
            )
        )
        addresses = []
        for name, (_, line) in zip(SERVICES, started, strict=True):
            found = re.fullmatch(
                rf"Trunkline {name} is serving on (127\.0\.0\.1:[1-9]\d*)\.\n", line
            )
            assert found is not None, line
            addresses.append(f"{name}={found[1]}")
        assert len(list(run_dir.glob("*.sock"))) == 16
        ready = await run("ready", "--address", ",".join(addresses))
        assert ready.code == 0, ready.err
        codes = await asyncio.gather(*(ended(process, signal.SIGTERM) for process, _ in started))
        assert codes == [0, 0, 0, 0]
    assert not list(run_dir.glob("*.sock"))


async def test_programs_are_told_in_json(root: Path) -> None:
    """One line; services once each, in the order in which they were named; Ctrl-C ends it."""
    arguments = ("health", "catalog", "health", "--json", "--listen", "127.0.0.1:0")
    async with serving(root, *arguments) as (process, line):
        told = json.loads(line)
        assert told["services"] == ["health", "catalog"]
        assert re.fullmatch(r"127\.0\.0\.1:[1-9]\d*", told["address"])
        assert set(told) == {"address", "services"}
        assert await ended(process, signal.SIGINT) == 0


async def test_certificates_are_taken_anew_without_a_restart(root: Path) -> None:
    """The public listener speaks TLS, to other machines too; new files are shown within a second.

    What half of the files would say is never shown.
    """
    authority = make_authority()
    public = write(authority, root / "public", ["trunkline.example"])
    internal = write_service(authority, root / "internal", "health")
    env = {
        "TRUNKLINE_PUBLIC_CERTIFICATE_FILE": str(public.chain),
        "TRUNKLINE_PUBLIC_KEY_FILE": str(public.key),
        "TRUNKLINE_INTERNAL_LISTEN": "127.0.0.1:0",
        "TRUNKLINE_INTERNAL_CERTIFICATE_FILE": str(internal.chain),
        "TRUNKLINE_INTERNAL_KEY_FILE": str(internal.key),
        "TRUNKLINE_INTERNAL_CA_FILE": str(internal.authority),
        "TRUNKLINE_CREDENTIAL_ADDRESS": "127.0.0.1:1",
    }
    arguments = ("health", "--listen", "0.0.0.0:0", "--json")
    async with serving(root, *arguments, env=env) as (process, line):
        address = json.loads(line)["address"]
        first = await shown(address, public.authority, "trunkline.example")
        assert first.split() == public.chain.read_text().split()
        credentials = grpc.ssl_channel_credentials(public.authority.read_bytes())
        options = [("grpc.ssl_target_name_override", "trunkline.example")]
        async with grpc.aio.secure_channel(address, credentials, options=options) as channel:
            await asyncio.wait_for(channel.channel_ready(), _LIMIT_S)
            new = write(authority, root / "new", ["trunkline.example"])
            public.chain.write_bytes(new.chain.read_bytes())

            async def is_told() -> bool:
                return "certificates_not_taken" in (root / LOG).read_text()

            await eventually(is_told)
            assert await shown(address, public.authority, "trunkline.example") == first
            public.key.write_bytes(new.key.read_bytes())

            async def is_taken() -> bool:
                return await shown(address, public.authority, "trunkline.example") != first

            await eventually(is_taken)
            second = await shown(address, public.authority, "trunkline.example")
            assert second.split() == public.chain.read_text().split()
            # The connection of before is as good as it was.
            assert channel.get_state() is grpc.ChannelConnectivity.READY
        assert await ended(process, signal.SIGTERM) == 0


async def test_up_serves_on_tls_too(root: Path) -> None:
    """It says how to call it then, and a chat comes through; in the clear nobody does."""
    made = await run("pki", "init", "--directory", str(root / "pki"))
    assert made.code == 0, made.err
    env = {
        "TRUNKLINE_PUBLIC_CERTIFICATE_FILE": str(root / "pki" / "inference" / "public.pem"),
        "TRUNKLINE_PUBLIC_KEY_FILE": str(root / "pki" / "inference" / "public-key.pem"),
    }
    async with Up(root / "up", env=env) as up:
        assert any("TRUNKLINE_CA_FILE" in line for line in up.output), up.output
        assert not any("-plaintext" in line for line in up.output)
        secure = {**up.client, "TRUNKLINE_CA_FILE": str(root / "pki" / "ca.pem")}
        chat = await run("chat", "--model", "sandbox/ok", "Hello", env=secure)
        assert chat.code == 0, chat.err
        assert len(chat.out.split()) == 60
        clear = await run("status", env=up.client)
        assert (clear.code, "TRUNKLINE_CA_FILE" in clear.err) == (3, True)
        (socket,) = (up.directory / "data" / "run").glob("*.public.sock")
        assert socket.parent.stat().st_mode & 0o777 == 0o700
        assert await up.stop() == 0
        assert not socket.exists()


async def test_up_calls_itself_without_a_proxy(root: Path) -> None:
    """A proxy of the environment would be given the admin's token."""
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "grpc_proxy"), "http://127.0.0.1:1")
    async with Up(root, env=proxies) as up:
        assert any("sandbox/ok" in line for line in up.output)

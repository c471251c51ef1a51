"""`trunkline up` and `trunkline serve`: run services in this process until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc

from trunkline.catalog.v1 import catalog_service_pb2_grpc, provider_pb2
from trunkline.cli.failures import Failure
from trunkline.cli.first_chat import FirstChat
from trunkline.cli.workers import Workers
from trunkline.credential.app import CredentialService
from trunkline.kernel import log
from trunkline.kernel.settings import ProcessSettings, Source
from trunkline.suite import Suite

_HELLO = '{"model":"sandbox/ok","messages":[{"role":"ROLE_USER","content":[{"text":"Hello"}]}]}'
_STREAM_CHAT = "trunkline.inference.v1.InferenceService/StreamChat"
_TIMEOUT_S = 5.0
# Where services listen that are alone in their process, when nothing else is said.
_PORTS = {"inference": 50051, "credential": 50052, "catalog": 50053, "health": 50054}
_YOUNG_OBJECTS = 50_000
# A proxy of the environment would read the token.
_CHANNEL_OPTIONS = (("grpc.enable_http_proxy", 0),)


def up(
    *,
    data_dir: Path | None = None,
    config_dir: Path | None = None,
    listen: str | None = None,
    sandbox: bool = True,
    as_json: bool = False,
) -> None:
    """Run all four services, and on a fresh data directory the sandbox provider.

    With `as_json` what is said at first is one line of JSON.

    Raises:
        StartupError, DatabaseError, SettingsError: what is wrong and what to do.
    """
    source = _read(data_dir, config_dir, listen)
    _run(_up(source, sandbox=sandbox, as_json=as_json))


def serve(
    names: Sequence[str],
    *,
    data_dir: Path | None = None,
    config_dir: Path | None = None,
    listen: str | None = None,
    workers: int = 1,
    as_json: bool = False,
    until_stdin_ends: bool = False,
) -> None:
    """Run some of the services; the others run in processes on the same data directory.

    With several `workers` each is a process, behind one address; it stops when its standard
    input, a pipe of ours, ends.

    Raises:
        StartupError, DatabaseError, SettingsError: what is wrong and what to do.
    """
    source = _read(data_dir, config_dir, listen)
    if source.origin("listen") == "default":
        source = _read(data_dir, config_dir, f"127.0.0.1:{_PORTS[names[0]]}")
    if workers > 1:
        _run(_serve_by_workers(source, workers, data_dir, config_dir, as_json=as_json))
    else:
        _run(_serve(source, names, as_json=as_json, until_stdin_ends=until_stdin_ends))


def _read(data_dir: Path | None, config_dir: Path | None, listen: str | None) -> Source:
    """Read the settings, and set up logging by them."""
    source = Source.read(
        overrides={"data_dir": data_dir, "config_dir": config_dir, "listen": listen}
    )
    process = source.load(ProcessSettings)
    log.configure(process.log_level, process.log_format)
    return source


def _run(main: Any) -> None:
    """Run a program on the fastest loop there is, with as many open files as are allowed."""
    # Each chat is two connections, and the usual limit of 1,024 is there to be raised.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


async def _up(source: Source, *, sandbox: bool, as_json: bool) -> None:
    """Run everything until told to stop."""
    suite = Suite(source)
    await suite.start()
    _settle_collector()
    credential = suite.services["credential"]
    assert isinstance(credential, CredentialService)
    catalog = suite.services["catalog"].database
    fresh = catalog is not None and catalog.is_new
    if not as_json:
        _say(f"Trunkline is serving on {suite.address}.")
    own = grpc.aio.insecure_channel(suite.own_address, options=_CHANNEL_OPTIONS)
    async with _stopping() as stop, own as channel:
        token = _admin_token(credential)
        first_chat = FirstChat(channel, token)
        leaving: asyncio.Task[None] | None = None
        try:
            try:
                if sandbox:
                    await first_chat.start(fresh=fresh)
                    leaving = asyncio.create_task(first_chat.leave_when_real())
                connected = await _connected(channel, token)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
                    raise
                connected = None  # the operator took the first token away
            greet = _greet_program if as_json else _greet
            greet(suite, credential, connected)
            await _until_stopped(suite, stop)
            sys.stderr.write("Stopping.\n")
        finally:
            if leaving is not None:
                leaving.cancel()
            await suite.stop()
            await first_chat.stop()


async def _serve(
    source: Source, names: Sequence[str], *, as_json: bool, until_stdin_ends: bool
) -> None:
    """Run some services until told to stop."""
    suite = Suite(source, names)
    await suite.start()
    _settle_collector()
    async with _stopping() as stop:
        if until_stdin_ends:
            _stop_when_stdin_ends(stop)
        try:
            if as_json:
                _say(json.dumps({"address": suite.address, "services": list(names)}))
            else:
                _say(f"Trunkline {', '.join(names)} is serving on {suite.address}.")
            await _until_stopped(suite, stop)
        finally:
            await suite.stop()


async def _serve_by_workers(
    source: Source, count: int, data_dir: Path | None, config_dir: Path | None, *, as_json: bool
) -> None:
    """Run inference in several processes until told to stop."""
    arguments = ["serve", "inference"]
    for option, path in (("--data-dir", data_dir), ("--config-dir", config_dir)):
        arguments += [option, str(path)] if path is not None else []
    environment = dict(os.environ)
    if source.origin("default_durability") == "default":
        # Any of them may be asked for what another one began.
        environment["TRUNKLINE_DEFAULT_DURABILITY"] = "durable"

    def tell(address: str) -> None:
        if as_json:
            _say(json.dumps({"address": address, "services": ["inference"], "workers": count}))
        else:
            _say(f"Trunkline inference is serving on {address}, in {count} processes.")

    workers = Workers(arguments, environment, source.load(ProcessSettings).listen, count)
    async with _stopping() as stop:
        # They do not hear when the terminal goes, only we do.
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, stop.set)
        await workers.run(stop, tell)


def _admin_token(credential: CredentialService) -> str:
    """Return the token of the config directory; empty: it is not there any more."""
    try:
        return credential.admin_token_path.read_text().strip()
    except OSError:
        return ""


async def _connected(channel: grpc.aio.Channel, token: str) -> list[str]:
    """Return the names of the providers that have a key."""
    stub = catalog_service_pb2_grpc.CatalogServiceStub(channel)
    listed = await stub.ListProviders(
        provider_pb2.ListProvidersRequest(page_size=1000),
        metadata=(("authorization", f"Bearer {token}"),),
        timeout=_TIMEOUT_S,
    )
    return [
        provider.name
        for provider in listed.providers
        if provider.state != provider_pb2.CONNECTION_STATE_NOT_CONNECTED
    ]


def _greet(suite: Suite, credential: CredentialService, connected: list[str] | None) -> None:
    """Say where everything is, and what to do next.

    Args:
        suite: that serves.
        credential: of it.
        connected: names of providers; None: we may not ask.
    """
    _say(f"  data                {suite.process.data_dir}")
    _say(f"  admin token         {credential.admin_token_path}")
    _say(f"  key-encryption key  {credential.key_location}")
    if connected is None:
        _say("  providers           only an administrator's token can tell: trunkline status")
    else:
        _say(f"  providers           {', '.join(connected) or 'none yet'}")
    if connected and "sandbox" in connected:
        how = "-plaintext"
        if suite.is_secure:
            how = '-cacert "${TRUNKLINE_CA_FILE}"'
            _say("Set TRUNKLINE_CA_FILE to the file of the authority of its certificate.")
        _say("Chat with the sandbox, which needs no key and no network:")
        _say("  trunkline chat --model sandbox/ok Hello")
        _say(
            f'  TRUNKLINE_TOKEN="$(cat {credential.admin_token_path})" grpcurl {how}'
            " -expand-headers -H 'authorization: Bearer ${TRUNKLINE_TOKEN}'"
            f" -d '{_HELLO}' {suite.address} {_STREAM_CHAT}"
        )
    _say("Connect a real provider (it asks for the key): trunkline connect openai")


def _greet_program(
    suite: Suite, credential: CredentialService, connected: list[str] | None
) -> None:
    """Say the same to a program, in one line."""
    _say(
        json.dumps(
            {
                "address": suite.address,
                "data_dir": str(suite.process.data_dir),
                "admin_token_file": str(credential.admin_token_path),
                "key_encryption_key": credential.key_location,
                "providers": connected,
            }
        )
    )


async def _until_stopped(suite: Suite, stop: asyncio.Event) -> None:
    """Wait until the process is told to stop.

    Raises:
        Failure: a part of it died; it must not go on as if it were whole.
    """
    waits = [asyncio.create_task(event.wait()) for event in (stop, suite.failed)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    if suite.failed.is_set():
        raise Failure(
            "A part of the server failed, and the process ends; the log says what it was.",
            "This is a fault of ours; please report it with the log, without secrets. Start again.",
        )


def _settle_collector() -> None:
    """Have Python's collector look at what comes and goes, and seldom at what stays.

    What was loaded until now is there for good, and runs that are kept are freed by
    reference: a full look would cost milliseconds in the midst of streams, and find
    nothing. docs/performance.md has what this saves.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 100)
    gc.enable()


def _say(line: str) -> None:
    """Print a line at once, whoever reads it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _stop_when_stdin_ends(stop: asyncio.Event) -> None:
    """Set an event when standard input, a pipe, ends."""
    loop, stdin = asyncio.get_running_loop(), sys.stdin.fileno()

    def look() -> None:
        if not os.read(stdin, 1):
            loop.remove_reader(stdin)
            stop.set()

    loop.add_reader(stdin, look)


@contextlib.asynccontextmanager
async def _stopping() -> Any:
    """Give an event that is set when the process is told to stop; a second time ends it."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask() -> None:
        if stop.is_set():
            sys.exit(130)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

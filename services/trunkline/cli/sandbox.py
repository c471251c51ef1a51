"""`trunkline sandbox`: a provider on this machine that behaves as the model's name says."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trunkline.cli.failures import Failure
from trunkline.cli.options import AsJson
from trunkline.cli.output import note, print_json, print_table, say

if TYPE_CHECKING:
    from trunkline.sandbox.server import Sandbox

# It protects nothing: what it opens answers fixed texts, on this machine.
_API_KEY: Final = "sandbox-key"


def sandbox(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")
    ] = 0,
    time_scale: Annotated[
        float, typer.Option(min=0, help="Factor of every pause: 0.1 is ten times faster.")
    ] = 1.0,
    show: Annotated[bool, typer.Option("--list", help="Only list the models.")] = False,
    as_json: AsJson = False,
) -> None:
    """Serve models that misbehave as their names say.

    It speaks real HTTP in the formats of OpenAI, Anthropic, Google and Ollama, each at an address
    of its own: the model `ok` answers, `cut-after-40` breaks off, and so on. It needs no network,
    and its key is no secret.
    """
    if show:
        _list(as_json=as_json)
        return
    import asyncio

    try:
        asyncio.run(_serve(host, port, time_scale, as_json=as_json))
    except OSError as error:
        raise Failure(
            f"The sandbox cannot listen on {host}, port {port}: {_name(error)}.",
            "Choose another port with --port; 0 picks a free one.",
            reason="ADDRESS_IN_USE",
            code="UNAVAILABLE",
        ) from None


async def _serve(host: str, port: int, time_scale: float, *, as_json: bool) -> None:
    """Serve until told to stop."""
    import asyncio
    import signal

    from trunkline.sandbox.server import serve

    def announce(running: Sandbox) -> None:
        _announce(running, as_json=as_json)

    loop = asyncio.get_running_loop()
    serving = asyncio.ensure_future(serve(host, port, _API_KEY, time_scale, announce))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        note("Stopped.")


def _announce(running: Sandbox, *, as_json: bool) -> None:
    """Tell where the sandbox serves and what it takes."""
    from trunkline.sandbox.models import ROWS, list_names

    if as_json:
        print_json(
            {
                "base_url": running.base_url,
                "addresses": dict(running.addresses),
                "api_key": running.api_key,
                "models": [row.example for row in ROWS],
            }
        )
        return
    say(f"The sandbox is serving on {running.base_url}.")
    for name, address in running.addresses.items():
        say(f"  {name:<10}{address}")
    say(f"  {'key':<10}{running.api_key}")
    say(f"  {'models':<10}{', '.join(list_names())}")
    say("`trunkline sandbox --list` tells what each model does. Ctrl-C ends it.")


def _name(error: OSError) -> str:
    """Return what is wrong with an address; asyncio's own text repeats the address."""
    # A name that is not found has a number of the resolver, below zero.
    number = error.errno or 0
    return os.strerror(number) if number > 0 else str(error.strerror)


def _list(*, as_json: bool) -> None:
    """List every behaviour."""
    from trunkline.sandbox.models import ROWS

    if as_json:
        rows = [
            {"model": row.pattern, "example": row.example, "does": row.sentence} for row in ROWS
        ]
        print_json({"models": rows})
    else:
        print_table(
            ("MODEL", "FOR EXAMPLE", "DOES"),
            ((row.pattern, row.example, row.sentence) for row in ROWS),
        )

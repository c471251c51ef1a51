"""The program `trunkline`: its commands, and the one place where an error becomes output."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from trunkline.cli import chains, models, pki, tokens
from trunkline.cli.attempts import attempts
from trunkline.cli.bench_failover import bench_failover
from trunkline.cli.chat import chat
from trunkline.cli.check import check
from trunkline.cli.config import config
from trunkline.cli.connect import connect
from trunkline.cli.demo import demo
from trunkline.cli.disconnect import disconnect
from trunkline.cli.doctor import doctor
from trunkline.cli.embed import embed
from trunkline.cli.explain import explain as explain_route
from trunkline.cli.failures import ExitCode, Failure, explain, interrupted, show, wrong_usage
from trunkline.cli.options import AsJson
from trunkline.cli.ready import ready
from trunkline.cli.sandbox import sandbox
from trunkline.cli.status import status

app = typer.Typer(
    name="trunkline",
    help="One gRPC trunk line to every model provider.",
    add_completion=False,
    # Plain help: rich is not imported for it.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

DataDir = Annotated[
    Path | None, typer.Option(help="Directory of databases.  [env var: TRUNKLINE_DATA_DIR]")
]
ConfigDir = Annotated[
    Path | None,
    typer.Option(help="Directory of keys and the admin token.  [env var: TRUNKLINE_CONFIG_DIR]"),
]
Listen = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Where to serve.  [env var: TRUNKLINE_LISTEN]"),
]


class ServiceName(StrEnum):
    """The four services."""

    CREDENTIAL = "credential"
    CATALOG = "catalog"
    HEALTH = "health"
    INFERENCE = "inference"


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """One gRPC trunk line to every model provider."""
    if version:
        _print_version()
        raise typer.Exit
    if context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")
        raise typer.Exit(ExitCode.USAGE)


@app.command()
def up(
    data_dir: DataDir = None,
    config_dir: ConfigDir = None,
    listen: Listen = None,
    no_sandbox: Annotated[
        bool, typer.Option("--no-sandbox", help="Do not connect the sandbox provider at first.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run all four services in one process, until Ctrl-C."""
    # Nothing that is loaded is garbage; `up` turns the collector on when it serves.
    gc.disable()
    from trunkline.cli.up import up as run

    run(
        data_dir=data_dir,
        config_dir=config_dir,
        listen=listen,
        sandbox=not no_sandbox,
        as_json=as_json,
    )


@app.command()
def serve(
    services: Annotated[
        list[ServiceName], typer.Argument(metavar="SERVICE…", help="Which of them.")
    ],
    data_dir: DataDir = None,
    config_dir: ConfigDir = None,
    listen: Listen = None,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes behind one address; inference only.")
    ] = 1,
    as_json: AsJson = False,
    until_stdin_ends: Annotated[bool, typer.Option("--until-stdin-ends", hidden=True)] = False,
) -> None:
    """Run some of the four services in this process, until Ctrl-C.

    The others run in further processes on the same data directory.
    """
    gc.disable()
    from trunkline.cli.up import serve as run

    names = [name.value for name in dict.fromkeys(services)]
    if workers > 1 and names != ["inference"]:
        raise typer.BadParameter("several processes serve inference only", param_hint="--workers")
    run(
        names,
        data_dir=data_dir,
        config_dir=config_dir,
        listen=listen,
        workers=workers,
        as_json=as_json,
        until_stdin_ends=until_stdin_ends,
    )


app.command()(sandbox)
app.command()(demo)
app.command()(bench_failover)
app.add_typer(tokens.app, name="token")
app.command()(config)
app.command()(connect)
app.command()(disconnect)
app.command()(status)
app.command()(check)
app.command()(ready)
app.command()(doctor)
app.add_typer(models.app, name="models")
app.add_typer(chains.app, name="chain")
app.command("explain")(explain_route)
app.add_typer(pki.app, name="pki")
app.command()(chat)
app.command()(embed)
app.command()(attempts)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Args:
        arguments: what was typed after the program's name; None: that of this process.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    # What gRPC's core logs is for its own developers, and would stand among what we print.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character is no reason to fail.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        # Typer reads any option with pydantic, whose import takes longer than the answer.
        code = _print_version() if arguments == ["--version"] else _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who read us has seen enough, as `head` has. Python would complain at its own flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.FAILED
    sys.exit(code)


def _run(arguments: Sequence[str]) -> int:
    """Run a command; return the process's exit code."""
    command = typer.main.get_command(app)
    try:
        # The command's own value, or the code of an exit on the way.
        code: Any = command.main(args=list(arguments), prog_name="trunkline", standalone_mode=False)
    except BrokenPipeError:
        raise
    except typer.Abort:
        failure = Failure("Nothing was entered.", "Run it again.", reason="ABORTED")
    except typer.TyperException as error:
        failure = _explain_usage(error)
    except Exception as error:
        failure = explain(error)
    else:
        if code != ExitCode.INTERRUPTED:
            return code or 0
        failure = interrupted("Interrupted.", "Run it again.")
    show(failure, as_json=_wants_json(arguments))
    return failure.exit_code


def _print_version() -> int:
    """Print the version; return the exit code of success."""
    from importlib.metadata import version

    sys.stdout.write(f"trunkline {version('trunkline')}\n")
    return 0


def _explain_usage(error: typer.TyperException) -> Failure:
    """Return the failure for arguments that are not understood."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "trunkline"
    what = error.format_message().strip()
    return wrong_usage(
        what if what.endswith((".", "?", ")")) else f"{what}.",
        f"`{path} --help` tells what it takes.",
    )


def _wants_json(arguments: Sequence[str]) -> bool:
    """Tell whether a failure is for a program, whatever became of the command."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options

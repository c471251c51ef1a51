"""`trunkline bench-failover`: FailoverBench against any OpenAI-compatible gateway."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trunkline.cli.failures import ExitCode, Failure, wrong_usage
from trunkline.cli.options import AsJson
from trunkline.cli.output import note, print_json, print_table, say

if TYPE_CHECKING:
    from trunkline.benchmark.judge import Judgement
    from trunkline.benchmark.scenarios import Scenario

# It protects nothing: what it opens answers fixed texts, on this machine.
_PROVIDER_KEY: Final = "sandbox-key"
_LISTEN: Final = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]]+)):(?P<port>\d{1,5})"
)


def bench_failover(
    url: Annotated[
        str, typer.Option(metavar="URL", help="The gateway's base address, with its /v1.")
    ] = "",
    api_key_stdin: Annotated[
        bool, typer.Option("--api-key-stdin", help="Read the gateway's key from standard input.")
    ] = False,
    only: Annotated[str, typer.Option(metavar="S01,S08,…", help="Play only these scenarios.")] = "",
    scale: Annotated[
        float,
        typer.Option(min=0.001, max=1, help="Factor of all times; the gateway's must fit it."),
    ] = 1.0,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where the gateway finds its provider.")
    ] = "127.0.0.1:4010",
    prefix: Annotated[
        str, typer.Option(help="Stands before each model's name in a request to the gateway.")
    ] = "",
    gate: Annotated[
        bool, typer.Option("--gate", help="Fail when a scenario does, for use in a pipeline.")
    ] = False,
    show: Annotated[
        bool, typer.Option("--list", help="Only list the models that the gateway must know.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Play sixteen failures of a provider to a gateway, and judge what its callers get.

    The provider is served on --listen, in OpenAI's format, with the key `sandbox-key`. The gateway
    must have it as its provider, know its models by their names, and fall back from each one as
    --list says. A whole run takes some minutes.
    """
    if show:
        _list(as_json=as_json)
        return
    if not url.startswith(("http://", "https://")):
        raise wrong_usage(
            "--url must be the gateway's base address.",
            "Write it like http://127.0.0.1:4000/v1.",
        )
    chosen = _choose(only)
    host, port = _parse_listen(listen)
    key = ""
    if api_key_stdin:
        from trunkline.cli.entry import Secret, read_secrets

        [key] = read_secrets([Secret("the gateway's key")])
    import asyncio

    judgements = asyncio.run(_run(url, key, prefix, chosen, scale, host, port))
    _show(judgements, scale, as_json=as_json)
    if gate:
        _check_gate(judgements)


def _choose(only: str) -> list[Scenario]:
    """Return the scenarios that are named, all for none."""
    from trunkline.benchmark.scenarios import SCENARIOS

    wanted = [name.strip().upper() for name in only.split(",") if name.strip()]
    unknown = sorted(set(wanted) - {scenario.id for scenario in SCENARIOS})
    if unknown:
        raise wrong_usage(
            f"There is no scenario {unknown[0]}.",
            f"They are {SCENARIOS[0].id} to {SCENARIOS[-1].id}.",
        )
    return [scenario for scenario in SCENARIOS if not wanted or scenario.id in wanted]


def _parse_listen(listen: str) -> tuple[str, int]:
    shape = _LISTEN.fullmatch(listen)
    if shape is None or int(shape["port"]) > 65_535:
        raise wrong_usage(f"{listen!r} is no address.", "Write it like 127.0.0.1:4010.")
    return shape["six"] or shape["host"], int(shape["port"])


async def _run(
    url: str,
    key: str,
    prefix: str,
    chosen: list[Scenario],
    scale: float,
    host: str,
    port: int,
) -> list[Judgement]:
    """Serve the provider, and play the scenarios one after the other."""
    from trunkline.benchmark.bench import make_provider, play
    from trunkline.benchmark.gateway import Gateway, Unreachable
    from trunkline.benchmark.judge import Tempo

    provider = make_provider(host=host, port=port, api_key=_PROVIDER_KEY, scale=scale)
    try:
        await provider.start()
    except OSError as error:
        raise Failure(
            f"The provider cannot listen on {host}, port {port}: {error.strerror}.",
            "Choose another address with --listen, and tell the gateway.",
            reason="ADDRESS_IN_USE",
            code="UNAVAILABLE",
        ) from None
    judgements = []
    try:
        note(f"The provider is serving on {provider.base_url}.")
        async with Gateway(url, key, prefix) as gateway:
            await gateway.check()
            for scenario in chosen:
                judgement = await play(scenario, gateway, provider, Tempo(scale))
                note(f"{scenario.id}  {judgement.verdict.value}")
                judgements.append(judgement)
    except Unreachable as error:
        raise Failure(
            str(error),
            "Check --url.",
            exit_code=ExitCode.UNREACHABLE,
            reason="UNREACHABLE",
            code="UNAVAILABLE",
        ) from None
    finally:
        await provider.stop()
    return judgements


def _show(judgements: list[Judgement], scale: float, *, as_json: bool) -> None:
    """Print the scorecard."""
    from trunkline.benchmark.scorecard import COLUMNS, list_rows, summarise, to_document

    if as_json:
        print_json(to_document(judgements, scale))
        return
    print_table(COLUMNS, list_rows(judgements))
    say(summarise(judgements))


def _check_gate(judgements: list[Judgement]) -> None:
    from trunkline.benchmark.judge import Verdict

    failed = [each.scenario.id for each in judgements if each.verdict is Verdict.FAILED]
    if failed:
        raise Failure(
            f"The gateway failed {', '.join(failed)}.",
            "The scorecard says why.",
            reason="GATE",
            code="FAILED_PRECONDITION",
            metadata={"failed": ",".join(failed)},
        )


def _list(*, as_json: bool) -> None:
    """List the models that a gateway must know, and what each one falls back to."""
    from trunkline.benchmark.scenarios import MODELS, SCENARIOS

    fallbacks = {scenario.model: scenario.fallback for scenario in SCENARIOS}
    titles = {scenario.model: scenario.title for scenario in SCENARIOS}
    rows = [(name, fallbacks.get(name, ""), titles.get(name, "It answers")) for name in MODELS]
    if as_json:
        print_json(
            {
                "models": [
                    {"model": name, "fallback": fallback or None, "does": does}
                    for name, fallback, does in rows
                ]
            }
        )
        return
    print_table(("MODEL", "FALLBACK", "DOES"), rows)

"""`trunkline demo`: break providers and processes in front of a person, and lose nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from trunkline.cli.failures import Failure, interrupted
from trunkline.cli.options import AsJson
from trunkline.cli.output import note, print_json, print_table, say

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from pathlib import Path

    from trunkline.cli.demo_acts import Act
    from trunkline.cli.demo_stage import Stage

# Between two words: what an eye can follow, and slow enough to break an answer in its middle.
_PACE_MS: Final = 20


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the directory with logs and databases.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Break providers and processes in mid-answer, and watch every answer arrive whole.

    It runs a provider, Trunkline, and one more process of inference, in a directory that is
    deleted at the end; a deployment of yours is not touched. A provider is cut in mid-sentence, the
    process that has the run is killed, the client leaves. Then it compares: exit code 0 means
    that no event and no word was lost or came twice.
    """
    import asyncio
    import os

    from trunkline_client import TrunklineError

    # What the user has set up is not ours to touch, neither here nor in the processes.
    for name in [name for name in os.environ if name.startswith("TRUNKLINE_")]:
        del os.environ[name]
    try:
        acts = asyncio.run(_interruptibly(_play(keep=keep, as_json=as_json)))
    except TrunklineError as error:
        raise Failure(
            f"A chat was lost: {error}",
            "`trunkline demo --keep` keeps the logs, which may tell why.",
            reason=error.reason or "FAILED",
            code=error.code.name,
        ) from None
    _show(acts, as_json=as_json)
    faults = [fault for act in acts for fault in act.faults]
    if faults:
        raise Failure(
            "Not every answer arrived as it should have.",
            "`trunkline demo --keep` keeps the logs, which may tell why.",
            details=tuple(faults),
        )


async def _interruptibly(play: Coroutine[object, object, list[Act]]) -> list[Act]:
    """Play until the end, or until told to stop; either way all processes have ended then.

    Raises:
        Failure: told to stop.
    """
    import asyncio
    import signal

    playing = asyncio.ensure_future(play)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, playing.cancel)
    try:
        return await playing
    except asyncio.CancelledError:
        raise interrupted(
            "The demonstration was stopped.", "Its processes have ended, too."
        ) from None


async def _play(*, keep: bool, as_json: bool) -> list[Act]:
    """Set everything up, play, and take everything down."""
    import shutil
    import tempfile
    from pathlib import Path

    from trunkline.cli.demo_stage import DarkStage, LitStage

    directory = Path(tempfile.mkdtemp(prefix="trunkline-demo-"))
    try:
        return await _play_in(directory, DarkStage() if as_json else LitStage())
    finally:
        if keep:
            note(f"Logs and databases are in {directory}.")
        else:
            shutil.rmtree(directory, ignore_errors=True)


async def _play_in(directory: Path, stage: Stage) -> list[Act]:
    """Play with everything in a directory."""
    import asyncio

    from trunkline.cli.demo_acts import Acts
    from trunkline.cli.demo_fleet import Fleet
    from trunkline.cli.demo_providers import Cast, await_models, connect
    from trunkline.sandbox.server import Sandbox

    cast = Cast.at(_PACE_MS)
    stage.say("Starting a provider, the four services, and one more process of inference …")
    async with Sandbox() as sandbox, Fleet(directory) as fleet:
        home = await fleet.start_all()
        owner, _ = await asyncio.gather(
            fleet.start_inference(), connect(cast, sandbox, home.address, fleet.token)
        )
        await await_models((home.address, owner.address), fleet.token)
        for process, what in ((home, "all services"), (owner, "inference")):
            stage.say(f"process {process.pid} serves {what} on {process.address}")
        acts = Acts(cast, sandbox, owner, home, fleet.token, stage, _PACE_MS / 1000)
        return await acts.play()


def _show(acts: Sequence[Act], *, as_json: bool) -> None:
    """Print what came of each chat, and the verdict where it is a good one."""
    from trunkline.cli.demo_evidence import describe

    is_whole = not any(act.faults for act in acts)
    if as_json:
        print_json(
            {
                "chats": [{**describe(act.evidence), "faults": act.faults} for act in acts],
                "nothing_lost": is_whole,
            }
        )
        return
    say("")
    columns = ("CHAT", "EVENTS", "ATTEMPT", "MODEL", "ENDED", "WENT ON BY")
    print_table(columns, (row for act in acts for row in _rows(act)))
    if is_whole:
        words = sum(len(act.evidence.text.split()) for act in acts)
        say(
            f"{len(acts)} answers, {words} words: compared with what the model says when nothing"
            " breaks, with a second reading at the other process, and with what the provider was"
            " asked."
        )
        say("Nothing lost, nothing repeated.")


def _rows(act: Act) -> list[tuple[str, ...]]:
    """Return a chat's rows of the table: one for each attempt."""
    from trunkline.cli.demo_evidence import name_kind, name_outcome, name_strategy

    evidence = act.evidence
    rows: list[tuple[str, ...]] = []
    for attempt in evidence.completed.attempts:
        ended = name_outcome(attempt.outcome)
        if ended == "failed":
            ended = f"{ended}: {name_kind(attempt.failure.kind)}"
        is_first = attempt.number == 1
        rows.append(
            (
                evidence.name if is_first else "",
                f"1 to {len(evidence.events)}" if is_first else "",
                str(attempt.number),
                attempt.model,
                ended,
                name_strategy(attempt.continuation),
            )
        )
    return rows

"""`trunkline chat`: the command; `conversation` does it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trunkline.cli.failures import wrong_usage
from trunkline.cli.options import DEFAULT_ADDRESS, Address, AsJson


def chat(
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="TEXT", help="What to say; else it is read from standard input, or asked for."
        ),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="PROVIDER/MODEL", help="Who is asked.")
    ] = "",
    fallback: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PROVIDER/MODEL",
            help="Who is asked when --model fails; may be repeated, in this order.",
        ),
    ] = None,
    chain: Annotated[
        str, typer.Option(metavar="NAME", help="A fallback chain, in place of --model.")
    ] = "",
    durable: Annotated[
        bool | None,
        typer.Option(
            "--durable/--memory",
            help="Whether the chat survives its process; else as the deployment has it.",
        ),
    ] = None,
    system: Annotated[str, typer.Option(help="Instructions for the model.")] = "",
    file: Annotated[
        list[Path] | None,
        typer.Option(help="A picture or document to go with it; may be repeated."),
    ] = None,
    tool: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE.json",
            help='A tool that the model may call: {"name":…,"description":…,"parameters":…}.',
        ),
    ] = None,
    max_output_tokens: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="The most tokens of the answer; 0: any.")
    ] = 0,
    temperature: Annotated[
        float | None, typer.Option(min=0, max=2, help="How freely the model chooses its words.")
    ] = None,
    reasoning: Annotated[
        str, typer.Option(metavar="EFFORT", help="How much it thinks: none, low, medium, high …")
    ] = "",
    no_stream: Annotated[
        bool, typer.Option("--no-stream", help="Print the answer when it is whole.")
    ] = False,
    resume: Annotated[
        str, typer.Option(metavar="run_…", help="Read on in a run that has begun.")
    ] = "",
    after: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="With --resume: the last event that was seen."),
    ] = 0,
    address: Address = DEFAULT_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Chat with a model, and watch its answer come.

    With a text, or one on standard input, it is one question and its answer. Without, on a
    terminal, it is a conversation: Ctrl-C stops an answer, Ctrl-D ends it. The answer goes
    to standard output without control characters; --json has it exactly, an event a line.

    When an answer breaks off, the same model or another one goes on or begins anew, as a line on
    standard error says. What is void by that is struck out on a terminal. In a file or pipe it
    could not be taken back: there the answer is printed when it is whole, or has failed.
    """
    from trunkline.cli.client import open_client
    from trunkline.cli.conversation import Conversation
    from trunkline.cli.entry import is_terminal
    from trunkline.cli.question import Question

    if after and not resume:
        raise wrong_usage("--after counts in a run.", "Name the run with --resume.")
    if resume and (text is not None or no_stream):
        raise wrong_usage(
            "--resume reads a run that was asked for before.",
            "Leave out the text and --no-stream.",
        )
    if resume:
        with open_client(address) as client:
            Conversation(client, Question(), as_json=as_json).resume(resume, after)
        return
    if chain and model:
        raise wrong_usage("--chain says which models are asked.", "Leave out --model.")
    if fallback and not model:
        raise wrong_usage("--fallback needs a model to fall back from.", "Name it with --model.")
    question = Question(
        model=model,
        fallbacks=tuple(fallback or ()),
        chain=chain,
        survives=durable,
        system=system,
        files=tuple(file or ()),
        tools=tuple(tool or ()),
        max_output_tokens=max_output_tokens,
        temperature=temperature,
        reasoning=reasoning,
    )
    is_talk = text is None and is_terminal()
    if is_talk and as_json:
        raise wrong_usage(
            "--json is for one question and its answer.",
            "Give the text as an argument or on standard input.",
        )
    with open_client(address) as client:
        conversation = Conversation(client, question, as_json=as_json, stream=not no_stream)
        if is_talk:
            conversation.talk()
        else:
            conversation.ask_once(text)

"""`trunkline embed`: vectors of texts."""

from __future__ import annotations

import secrets
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trunkline.cli.failures import Failure, wrong_usage
from trunkline.cli.options import DEFAULT_ADDRESS, Address, AsJson
from trunkline.cli.output import note, print_json, print_table, to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trunkline.cli.client import Client
    from trunkline.inference.v1.embedding_pb2 import (
        Embedding,
        EmbeddingSummary,
        EmbedRequest,
    )

_MAX_TEXTS: Final = 100_000
_SHOWN_NUMBERS: Final = 4
_SHOWN_CHARACTERS: Final = 32


class Task(StrEnum):
    """What vectors are for."""

    DOCUMENT = "document"
    QUERY = "query"
    SIMILARITY = "similarity"
    CLASSIFICATION = "classification"
    CLUSTERING = "clustering"


def embed(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Who is asked: PROVIDER/MODEL.")],
    text: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT]...", help="The texts; else each line of standard input is one."
        ),
    ] = None,
    dimensions: Annotated[
        int, typer.Option(min=0, max=65_536, help="Length of the vectors; 0: the model's own.")
    ] = 0,
    task: Annotated[
        Task | None, typer.Option(help="What the vectors are for; some models then differ.")
    ] = None,
    fallback: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PROVIDER/MODEL",
            help="The same model at another provider, asked when the first fails; may be repeated.",
        ),
    ] = None,
    truncate: Annotated[
        bool,
        typer.Option("--truncate", help="Cut texts that are too long for the model."),
    ] = False,
    address: Address = DEFAULT_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Turn texts into vectors, in their order.

    Shown is how each vector begins; --json has all numbers of all of them.
    """
    from trunkline.cli.client import open_client
    from trunkline.inference.v1 import embedding_pb2

    if text is not None and not all(text):
        raise wrong_usage("A text is empty.", "Give texts with something in them.")
    texts = text or _read_lines()
    if len(texts) > _MAX_TEXTS:
        raise wrong_usage(f"There are more than {_MAX_TEXTS:,} texts.", "Embed them in parts.")
    request = embedding_pb2.EmbedRequest(
        model=model,
        inputs=texts,
        dimensions=dimensions,
        fallbacks=fallback or (),
        idempotency_key=f"key_{secrets.token_hex(16)}",
        truncate=truncate,
    )
    if task is not None:
        request.task = embedding_pb2.EmbeddingTask.Value(f"EMBEDDING_TASK_{task.name}")
    with open_client(address) as client:
        vectors, summary = _ask(client, request)
    if as_json:
        each = [to_json(vector)["values"] for vector in vectors]
        print_json({"embeddings": each, "summary": to_json(summary)})
        return
    print_table(
        ("NO", "TEXT", "NUMBERS", "VECTOR"),
        (_row(number, *pair) for number, pair in enumerate(zip(texts, vectors, strict=True), 1)),
    )
    for loss in summary.losses:
        note(f"Not carried: {loss.path}. {loss.reason}")


def _ask(client: Client, request: EmbedRequest) -> tuple[list[Embedding], EmbeddingSummary]:
    """Return the vectors, and what they took.

    Raises:
        Failure: there are none, or not all.
    """
    import grpc

    from trunkline.cli.client import CHAT_S

    vectors: list[Embedding] = []
    summary: EmbeddingSummary | None = None
    call = client.inference.StreamEmbed(request, timeout=CHAT_S, metadata=client.token.metadata)
    try:
        for message in call:
            if message.HasField("summary"):
                summary = message.summary
            vectors.extend(message.batch.embeddings)
    except grpc.RpcError as error:
        raise client.refusal(error) from None
    if summary is None or len(vectors) != len(request.inputs):
        raise Failure("The vectors did not all come.", "Ask once more.")
    return vectors, summary


def _read_lines() -> list[str]:
    """Return the lines of standard input that are not empty.

    Raises:
        Failure: there are none, too many, or they are not UTF-8.
    """
    from trunkline.cli.question import read_text

    return [line for line in read_text().splitlines() if line.strip()]


def _row(number: int, text: str, vector: Embedding) -> Sequence[str]:
    """Return a vector as the table shows it: how it begins."""
    values = vector.values
    begins = " ".join(f"{value:.4f}" for value in values[:_SHOWN_NUMBERS])
    more = " …" if len(values) > _SHOWN_NUMBERS else ""
    shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
    return str(number), shown, f"{len(values):,}", begins + more

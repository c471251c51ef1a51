"""`trunkline attempts`: what was asked of providers, and what it took."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trunkline.cli.money import name_dollars
from trunkline.cli.options import DEFAULT_ADDRESS, Address, AsJson, parse_duration
from trunkline.cli.output import (
    name_value,
    note,
    print_json,
    print_table,
    say,
    to_json,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trunkline.cli.client import Client
    from trunkline.inference.v1.result_pb2 import Attempt
    from trunkline.inference.v1.usage_pb2 import LedgerEntry, UsageFilter

_MAX_LISTED: Final = 100_000


def attempts(
    run: Annotated[str, typer.Option(metavar="ID", help="Only of this run.")] = "",
    model: Annotated[
        str, typer.Option(metavar="PROVIDER/MODEL", help="Only those that asked this model.")
    ] = "",
    provider: Annotated[str, typer.Option(help="Only those that asked this provider.")] = "",
    principal: Annotated[str, typer.Option(help="Only of this one's runs.")] = "",
    since: Annotated[
        timedelta | None,
        typer.Option(
            metavar="DURATION",
            parser=parse_duration,
            help="Only those that began so long ago at most, such as 15m, 12h or 30d.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=_MAX_LISTED, help="How many to show at most.")
    ] = 100,
    address: Address = DEFAULT_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """List what was asked of providers, newest first: how it ended, and what it took."""
    from trunkline.cli.client import open_client
    from trunkline.inference.v1 import usage_pb2

    wanted = usage_pb2.UsageFilter(run_id=run, model=model, provider=provider, principal=principal)
    if since is not None:
        wanted.start_time.GetCurrentTime()
        # No time of a message lies before the year 1, and no ledger began before 1970.
        start_ns = wanted.start_time.ToNanoseconds() - int(since.total_seconds()) * 1_000_000_000
        wanted.start_time.FromNanoseconds(max(0, start_ns))
    with open_client(address) as client:
        entries, more = _list(client, wanted, limit)
    if as_json:
        print_json({"entries": [to_json(entry) for entry in entries]})
    elif entries:
        columns = ("BEGAN (UTC)", "RUN", "NO", "MODEL", "ENDED", "TOOK", "IN", "OUT", "COST", "FOR")
        print_table(columns, map(_row, entries))
    else:
        say("There are no such attempts.")
    if more:
        note(f"There are more than {limit}; --limit shows more of them.")


def _list(client: Client, wanted: UsageFilter, limit: int) -> tuple[Sequence[LedgerEntry], bool]:
    """Return the newest entries, and whether there are more of them."""
    from trunkline.cli.client import PAGE_SIZE
    from trunkline.inference.v1 import usage_pb2

    listed: list[LedgerEntry] = []
    request = usage_pb2.ListAttemptsRequest(filter=wanted)
    while True:
        request.page_size = min(PAGE_SIZE, limit - len(listed))
        page = client.ask(client.usage.ListAttempts, request)
        listed.extend(page.entries)
        if not (page.next_page_token and page.entries) or len(listed) >= limit:
            return listed[:limit], bool(page.next_page_token)
        request.page_token = page.next_page_token


def _row(entry: LedgerEntry) -> tuple[str, ...]:
    """Return an entry's row of the table."""
    attempt = entry.attempt
    user = f"{entry.principal}/{entry.on_behalf_of}" if entry.on_behalf_of else entry.principal
    return (
        attempt.start_time.ToDatetime().strftime("%Y-%m-%d %H:%M:%S"),
        entry.run_id,
        str(attempt.number),
        attempt.model,
        _name_end(attempt),
        f"{attempt.duration.ToMilliseconds() / 1000:.2f} s" if attempt.outcome else "",
        *_name_tokens(attempt),
        _name_cost(attempt),
        user,
    )


def _name_end(attempt: Attempt) -> str:
    """Return how an attempt ended, and why where it failed."""
    from trunkline.inference.v1 import failure_pb2, result_pb2

    if not attempt.outcome:
        return "going on"
    ended = name_value(result_pb2.AttemptOutcome.Name(attempt.outcome), "ATTEMPT_OUTCOME_")
    if attempt.outcome != result_pb2.ATTEMPT_OUTCOME_FAILED:
        return ended
    kind = name_value(failure_pb2.ErrorKind.Name(attempt.failure.kind), "ERROR_KIND_")
    status = attempt.failure.reply.http_status
    return f"{ended}: {kind}, {status}" if status else f"{ended}: {kind}"


def _name_tokens(attempt: Attempt) -> tuple[str, str]:
    """Return the tokens of prompt and answer; estimates are marked, what nobody knows is empty."""
    from trunkline.inference.v1 import result_pb2

    usage = attempt.usage
    if usage.source == result_pb2.USAGE_SOURCE_REPORTED:
        prompt = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
        return f"{prompt:,}", f"{usage.output_tokens:,}"
    if usage.source == result_pb2.USAGE_SOURCE_ESTIMATED:
        return "", f"~{usage.output_tokens:,}"
    return "", ""


def _name_cost(attempt: Attempt) -> str:
    """Return the cost in dollars; empty: no known price."""
    if not attempt.HasField("cost"):
        return ""
    return name_dollars(attempt.cost.nanodollars, estimated=attempt.cost.estimated)

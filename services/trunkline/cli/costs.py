"""What the last day took and cost, by provider and model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trunkline.cli.money import name_dollars
from trunkline.cli.output import name_time, note, print_json, print_table, say, to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trunkline.cli.client import Client
    from trunkline.inference.v1.usage_pb2 import UsageSum

_COLUMNS: Final = ("PROVIDER", "MODEL", "ATTEMPTS", "FAILED", "IN", "CACHED", "OUT", "COST")
# What can be added up; a run may be in several sums.
_ADDED: Final = (
    "attempts",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "nanodollars",
    "unpriced_attempts",
    "estimated_attempts",
    "failed_attempts",
)


def show_costs(client: Client, *, as_json: bool) -> None:
    """Print the sums of the last 24 hours, the dearest first, and their total."""
    from trunkline.inference.v1 import usage_pb2

    request = usage_pb2.QueryUsageRequest(
        group_by=[usage_pb2.USAGE_DIMENSION_PROVIDER, usage_pb2.USAGE_DIMENSION_MODEL]
    )
    sums = client.ask(client.usage.QueryUsage, request).sums
    total = _add(sums)
    if as_json:
        print_json({"sums": [to_json(each) for each in sums], "total": to_json(total)})
        return
    if not sums:
        say("Nothing was asked of a provider in the last 24 hours.")
        return
    print_table(_COLUMNS, [*map(_row, sums), _row(total)])
    note(f"Since {name_time(total.start_time)}.")
    if total.unpriced_attempts:
        models = ", ".join(each.model for each in sums if each.unpriced_attempts)
        note(
            f"Not in the cost: {_count(total.unpriced_attempts)} without a known price, of"
            f" {models}."
        )
    if total.estimated_attempts:
        note(f"~: {_count(total.estimated_attempts)} ended before the provider told its usage.")


def _add(sums: Sequence[UsageSum]) -> UsageSum:
    """Return the total of all sums."""
    from trunkline.inference.v1 import usage_pb2

    total = usage_pb2.UsageSum()
    for each in sums:
        total.start_time.CopyFrom(each.start_time)
        for name in _ADDED:
            setattr(total, name, getattr(total, name) + getattr(each, name))
    return total


def _row(each: UsageSum) -> Sequence[str]:
    """Return a sum's row of the table; the total's names no model."""
    return (
        each.provider or "total",
        each.model.partition("/")[2],
        f"{each.attempts:,}",
        f"{each.failed_attempts:,}",
        f"{each.input_tokens + each.cache_read_tokens + each.cache_write_tokens:,}",
        f"{each.cache_read_tokens:,}",
        f"{each.output_tokens:,}",
        _name_cost(each),
    )


def _name_cost(each: UsageSum) -> str:
    """Return what is known of a sum's cost, and whether something is not."""
    known = name_dollars(each.nanodollars, estimated=each.estimated_attempts > 0)
    if not each.unpriced_attempts:
        return known
    return f"{known} + unknown" if each.nanodollars else "unknown"


def _count(attempts: int) -> str:
    return "1 attempt" if attempts == 1 else f"{attempts:,} attempts"

"""`trunkline status --costs`: what the last day took and cost. And prices of models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from integration.cli.child import Cli, Result
from support.fake_suite import FakeSuite
from trunkline.catalog.v1 import model_pb2, provider_pb2
from trunkline.cli.money import name_dollars, name_rate
from trunkline.inference.v1 import usage_pb2
from trunkline.kernel.clock import timestamp

SINCE: Final = timestamp(1_800_000_000 * 10**9)


def cells(result: Result) -> list[list[str]]:
    """Return the cells of a table."""
    return [
        [cell.strip() for cell in line.split("  ") if cell.strip()]
        for line in result.out.splitlines()
    ]


@pytest.fixture
def used(suite: FakeSuite) -> FakeSuite:
    """Have sums of three models: known, estimated and in part unknown, unknown."""
    suite.usage.sums = [
        usage_pb2.UsageSum(
            start_time=SINCE,
            provider="openai",
            model="openai/a",
            attempts=1200,
            runs=1100,
            input_tokens=1000,
            cache_read_tokens=200,
            cache_write_tokens=34,
            output_tokens=56,
            nanodollars=12_345_678_901,
            failed_attempts=3,
        ),
        usage_pb2.UsageSum(
            start_time=SINCE,
            provider="groq",
            model="groq/x/y\x1b[2J",
            attempts=5,
            runs=5,
            nanodollars=1_000,
            estimated_attempts=1,
            unpriced_attempts=2,
        ),
        usage_pb2.UsageSum(
            start_time=SINCE,
            provider="mine",
            model="mine/m",
            attempts=1,
            runs=1,
            output_tokens=7,
            unpriced_attempts=1,
        ),
    ]
    return suite


def test_costs_are_a_table(cli: Cli, used: FakeSuite) -> None:
    """The dearest first, then the total; what is not known is no zero, an estimate is marked."""
    result = cli.run("status", "--costs")
    assert result.code == 0
    assert cells(result) == [
        ["PROVIDER", "MODEL", "ATTEMPTS", "FAILED", "IN", "CACHED", "OUT", "COST"],
        ["openai", "a", "1,200", "3", "1,234", "200", "56", "$12.345679"],
        ["groq", "x/y[2J", "5", "0", "0", "0", "0", "~$0.000001 + unknown"],
        ["mine", "m", "1", "0", "0", "0", "7", "unknown"],
        ["total", "-", "1,206", "3", "1,234", "200", "63", "~$12.345680 + unknown"],
    ]
    assert result.err == (
        "Since 2027-01-15 08:00 UTC.\n"
        "Not in the cost: 3 attempts without a known price, of groq/x/y[2J, mine/m.\n"
        "~: 1 attempt ended before the provider told its usage.\n"
    )
    [request] = used.requests("QueryUsage")
    assert request == usage_pb2.QueryUsageRequest(
        group_by=[usage_pb2.USAGE_DIMENSION_PROVIDER, usage_pb2.USAGE_DIMENSION_MODEL]
    )


def test_costs_are_json_for_programs(cli: Cli, used: FakeSuite) -> None:
    """The sums as the contract has them, and their total."""
    document = cli.run("status", "--costs", "--json").document
    assert [each["model"] for each in document["sums"]] == ["openai/a", "groq/x/y\x1b[2J", "mine/m"]
    total = document["total"]
    assert total["nanodollars"] == "12345679901"
    assert total["unpriced_attempts"] == "3"
    assert "runs" not in total
    assert used.requests("ListProviders") == []


def test_nothing_used_is_said_so(cli: Cli, suite: FakeSuite) -> None:
    """As a sentence, or as an empty list."""
    assert cli.run("status", "--costs").out == (
        "Nothing was asked of a provider in the last 24 hours.\n"
    )
    document = cli.run("status", "--costs", "--json").document
    assert document == {"sums": [], "total": {}}


def test_models_show_their_price(cli: Cli, suite: FakeSuite) -> None:
    """That of short prompts now; free is not unknown."""
    prices: dict[str, list[model_pb2.Price]] = {
        "dear": [
            model_pb2.Price(input=3_000_000_000, output=15_000_000_000),
            model_pb2.Price(
                input=6_000_000_000, output=22_500_000_000, above_prompt_tokens=200_000
            ),
        ],
        "embedder": [model_pb2.Price(input=20_000_000)],
        "flat": [model_pb2.Price(input=150_000_000, output=600_000_000)],
        "free": [model_pb2.Price(input=0, output=0)],
        "over": [model_pb2.Price(input=1, output=1, end_time=timestamp(10**9))],
        "unknown": [],
    }
    suite.catalog.providers["p"] = provider_pb2.Provider(name="p", type="openai")
    for name, each in prices.items():
        model = model_pb2.Model(name=f"p/{name}", prices=each, enabled=True, listed=True)
        suite.catalog.models[model.name] = model
    shown = {row[0]: row[3] for row in cells(cli.run("models"))[1:]}
    assert shown == {
        "p/dear": "from $3 / $15",
        "p/embedder": "$0.02 / ?",
        "p/flat": "$0.15 / $0.60",
        "p/free": "free",
        "p/over": "-",
        "p/unknown": "-",
    }


@pytest.mark.parametrize(
    ("name", "nanodollars", "shown"),
    [
        (name_dollars, 0, "$0.000000"),
        (name_dollars, 1, "$0.000000"),
        (name_dollars, 999_999, "$0.001000"),
        (name_dollars, 2**63 - 1, "$9,223,372,036.854776"),
        (name_rate, 0, "$0"),
        (name_rate, 10_000_000_000, "$10"),
        (name_rate, 1_250_000_000_000, "$1,250"),
        (name_rate, 3_625_000, "$0.003625"),
        (name_rate, 1, "$0.000000001"),
    ],
)
def test_money_is_shown_in_dollars(
    name: Callable[[int], str], nanodollars: int, shown: str
) -> None:
    """Costs to a millionth, prices as fine as they are."""
    assert name(nanodollars) == shown

"""`trunkline attempts`: what was asked of providers, and what it took."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from integration.cli.child import Cli, Result
from support.attempts import CANCELLED, FAILED, OPEN, attempt, entry
from support.fake_suite import FakeSuite
from trunkline.inference.v1 import failure_pb2, result_pb2, usage_pb2

FAILURE = failure_pb2.AttemptFailure(
    kind=failure_pb2.ERROR_KIND_RATE_LIMITED,
    reply=failure_pb2.ProviderReply(http_status=429),
)
REPORTED = result_pb2.Usage(
    input_tokens=1000,
    cache_read_tokens=200,
    cache_write_tokens=34,
    output_tokens=56,
    source=result_pb2.USAGE_SOURCE_REPORTED,
)
ESTIMATED = result_pb2.Usage(output_tokens=7, source=result_pb2.USAGE_SOURCE_ESTIMATED)
UNKNOWN = result_pb2.Usage(source=result_pb2.USAGE_SOURCE_UNKNOWN)


@pytest.fixture
def ledger(suite: FakeSuite) -> FakeSuite:
    """Have four attempts of one run."""
    cost = result_pb2.Cost(nanodollars=1_234_000, estimated=True)
    suite.usage.entries = [
        entry("run_1", attempt(4, OPEN, usage=UNKNOWN, model="a/x\x1b[2J"), on_behalf_of="una"),
        entry("run_1", attempt(3, CANCELLED, usage=ESTIMATED, cost=cost)),
        entry("run_1", attempt(2, usage=REPORTED)),
        entry("run_1", attempt(1, FAILED, failure=FAILURE, usage=UNKNOWN)),
    ]
    return suite


def test_attempts_are_a_table(cli: Cli, ledger: FakeSuite) -> None:
    """Newest first; an estimate is marked, and what nobody knows is no zero."""
    result = cli.run("attempts")
    assert (result.code, result.err) == (0, "")
    head, *rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in
                   result.out.splitlines()]  # fmt: skip
    assert head[:5] == ["BEGAN (UTC)", "RUN", "NO", "MODEL", "ENDED"]
    began, limited = "2027-01-15 08:00:00", "failed: rate limited, 429"
    assert rows == [
        [began, "run_1", "4", "a/x[2J", "going on", "-", "-", "-", "-", "dora/una"],
        [began, "run_1", "3", "openai/a", "cancelled", "1.50 s", "-", "~7", "~$0.001234", "dora"],
        [began, "run_1", "2", "openai/a", "completed", "1.50 s", "1,234", "56", "-", "dora"],
        [began, "run_1", "1", "openai/a", limited, "1.50 s", "-", "-", "-", "dora"],
    ]
    [request] = ledger.requests("ListAttempts")
    assert request == usage_pb2.ListAttemptsRequest(page_size=100, filter=usage_pb2.UsageFilter())


def test_what_is_wanted_is_asked_for(cli: Cli, ledger: FakeSuite) -> None:
    """As JSON all that the contract has comes."""
    before = time.time()
    result = cli.run(
        *("attempts", "--run", "run_1", "--model", "a/x", "--provider", "a"),
        *("--principal", "dora", "--since", "1h", "--json"),
    )
    assert result.err == ""
    first, *_ = result.document["entries"]
    assert first["run_id"] == "run_1"
    assert first["attempt"]["number"] == 4
    [request] = ledger.requests("ListAttempts")
    wanted = request.filter
    assert (wanted.run_id, wanted.model, wanted.provider) == ("run_1", "a/x", "a")
    assert wanted.principal == "dora"
    assert before - 3601 < wanted.start_time.seconds < time.time() - 3598


def test_no_more_are_shown_than_wanted(cli: Cli, ledger: FakeSuite) -> None:
    """Over as many pages as the server gives; that there are more is told beside them."""
    ledger.usage.most = 2
    result = cli.run("attempts", "--limit", "3")
    assert len(result.out.splitlines()) == 4
    assert result.err == "There are more than 3; --limit shows more of them.\n"
    asked = [(each.page_size, each.page_token) for each in ledger.requests("ListAttempts")]
    assert asked == [(3, ""), (1, "2")]


def test_nothing_is_said_to_be_nothing(cli: Cli, suite: FakeSuite) -> None:
    """As a sentence, or as an empty list."""
    assert cli.run("attempts", "--since", "100w").out == "There are no such attempts.\n"
    assert cli.run("attempts", "--json").document == {"entries": []}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--since", "yesterday"],
        ["--limit", "0"],
        ["run_1"],
    ],
)
def test_wrong_arguments_are_refused(type_in: Callable[..., Result], arguments: list[str]) -> None:
    """Before anybody is asked."""
    result = type_in("attempts", *arguments)
    assert result.code == 2
    result.assert_reads_well()

"""What a row holds of an attempt, and what it never holds."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from integration.inference_ledger.conftest import LedgerHarness
from support.attempts import CANCELLED, COMPLETED, FAILED, OPEN, attempt, entry
from support.canary import MARK, find_leaks, holds_canary
from support.chats import duration
from support.service_calls import running
from trunkline.inference.ledger_tables import Tables
from trunkline.inference.v1 import failure_pb2, result_pb2, usage_pb2

WORDS = f"{MARK}-words that the provider repeated"

USAGE = result_pb2.Usage(
    input_tokens=1,
    output_tokens=2**32 - 1,
    cache_read_tokens=3,
    cache_write_tokens=4,
    reasoning_tokens=5,
    cache_write_long_tokens=2,
    source=result_pb2.USAGE_SOURCE_REPORTED,
)
REFUSED = failure_pb2.AttemptFailure(
    kind=failure_pb2.ERROR_KIND_QUOTA,
    message="openai refuses: the quota is used up.",
    mid_stream=True,
    reply=failure_pb2.ProviderReply(http_status=429, code="insufficient_quota"),
)
SILENT = failure_pb2.AttemptFailure(kind=failure_pb2.ERROR_KIND_SILENT, message="It said nothing.")

KINDS: tuple[dict[str, Any], ...] = (
    {"usage": USAGE, "time_to_first_token": duration(0.25)},
    {"cost": result_pb2.Cost(nanodollars=2**62, price_version="2026-01", estimated=True)},
    {"cost": result_pb2.Cost()},
    {"outcome": FAILED, "failure": REFUSED},
    {"outcome": FAILED, "failure": SILENT},
    {"outcome": FAILED, "failure": failure_pb2.AttemptFailure()},
    {"outcome": CANCELLED, "continuation": result_pb2.CONTINUATION_STRATEGY_PREFILL},
    {"outcome": OPEN, "credential_scope": 0, "credential_id": ""},
)


async def kept(house: LedgerHarness, row: result_pb2.Attempt) -> result_pb2.Attempt:
    """Return a row as it comes back."""
    await house.put([entry(row=row)])
    (found,) = (await house.page()).entries
    return found.attempt


async def test_an_attempt_comes_back_as_it_was(house: LedgerHarness) -> None:
    """Usage by its classes, the cost or that none is known, the failure or that there is none."""
    made = [attempt(number, start_s=-number, **fields) for number, fields in enumerate(KINDS, 1)]
    await house.put(entry(row=row) for row in made)
    assert [found.attempt for found in (await house.page()).entries] == made


async def test_whom_it_served_comes_back(house: LedgerHarness) -> None:
    """Also a user whose name no database takes as it is."""
    made = entry(on_behalf_of="u\0ser", role="planner", agent="coder")
    await house.put([made])
    (found,) = (await house.page()).entries
    made.on_behalf_of = "u\N{REPLACEMENT CHARACTER}ser"
    assert found == made
    assert await house.runs("dora-for-users", "u\0ser") == ["run_1"]


async def test_a_closed_row_stays_closed(house: LedgerHarness) -> None:
    """What a slow process says of it too late is not taken; what closes it again is."""
    await house.put([entry(row=attempt(1, OPEN))])
    await house.put([entry(row=attempt(1, FAILED, failure=SILENT))])
    assert await kept(house, attempt(1, OPEN)) == attempt(1, FAILED, failure=SILENT)
    assert await kept(house, attempt(1, COMPLETED)) == attempt(1, COMPLETED)


@pytest.mark.both_stores
async def test_no_word_of_a_provider_is_kept(house: LedgerHarness) -> None:
    """Nor what is no name in the place of its code, nor its id of the request."""
    failure = failure_pb2.AttemptFailure(
        kind=failure_pb2.ERROR_KIND_INVALID_REQUEST,
        message="openai calls the request wrong.",
        reply=failure_pb2.ProviderReply(
            http_status=400, code=WORDS, message=WORDS, body=WORDS, request_id=WORDS
        ),
    )
    found = await kept(house, attempt(outcome=FAILED, failure=failure))
    assert found.failure == failure_pb2.AttemptFailure(
        kind=failure.kind,
        message=failure.message,
        reply=failure_pb2.ProviderReply(http_status=400),
    )
    rows = await house.store.run("SELECT * FROM attempt")
    assert len(rows) == 1
    # Not compared in the assertion, which would show the words.
    holds = holds_canary(repr(rows).encode())
    assert not holds
    # Of SQLite also the log beside the file.
    assert not list(find_leaks(house.data_dir))


async def test_our_own_sentence_has_a_bound(house: LedgerHarness) -> None:
    """As everything that is kept a million times."""
    failure = failure_pb2.AttemptFailure(message="x" * 10_000)
    found = await kept(house, attempt(outcome=FAILED, failure=failure))
    assert len(found.failure.message) == 500


@pytest.mark.both_stores
async def test_the_schema_is_the_one_that_the_tables_declare(house: LedgerHarness) -> None:
    """The migrations leave nothing to be changed."""
    assert await house.store.differences(Tables.metadata) == []


@pytest.mark.one_store
@pytest.mark.parametrize(
    ("fields", "index"),
    [
        ({}, "ix_attempt_newest"),
        ({"token": "dora"}, "ix_attempt_principal"),
        ({"token": "dora-for-users", "on_behalf_of": "una"}, "ix_attempt_user"),
    ],
)
async def test_a_page_is_read_from_an_index(
    house: LedgerHarness, monkeypatch: pytest.MonkeyPatch, fields: dict[str, str], index: str
) -> None:
    """In its order: a page of a ledger of millions of rows costs what the first one costs."""
    statements: list[tuple[str, Any]] = []

    def note(*arguments: Any) -> None:
        statements.append((arguments[2], arguments[3]))

    await house.put(entry(f"run_{number}", attempt(start_s=number)) for number in range(3))
    first = await house.page(page_size=1)
    event.listen(Engine, "before_cursor_execute", note)
    try:
        await house.page(page_size=1, page_token=first.next_page_token, **fields)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    statement, values = next(each for each in statements if "FROM attempt" in each[0])
    plan = await house.store.run(f"EXPLAIN QUERY PLAN {statement}", *values)
    told = " ".join(str(row[-1]) for row in plan)
    assert index in told
    assert "TEMP B-TREE" not in told


async def test_all_rows_of_a_large_batch_are_kept(house: LedgerHarness) -> None:
    """However many values that makes."""
    made = [entry(f"run_{number:04}", attempt(start_s=number)) for number in range(1000)]
    await house.put(made)
    page = await house.page(page_size=1000)
    assert list(page.entries) == list(reversed(made))


async def test_a_writer_that_waits_finds_its_rows(house: LedgerHarness) -> None:
    """At once, and not later."""
    made: list[usage_pb2.LedgerEntry] = [entry(f"run_{number}") for number in range(3)]
    async with running(house.ledger.run()):
        await house.ledger.write(made)
        assert sorted(await house.runs()) == ["run_0", "run_1", "run_2"]

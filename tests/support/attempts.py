"""Rows of the ledger as tests make them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.chats import duration
from trunkline.inference import app
from trunkline.inference.terms import Owner, Terms
from trunkline.inference.v1 import chat_pb2, failure_pb2, result_pb2, usage_pb2
from trunkline.kernel.call import Caller
from trunkline.kernel.clock import timestamp
from trunkline.kernel.database import Database, DatabaseSettings, choose_database
from trunkline.options.v1 import options_pb2

DORA = Owner("dora")
NOW_NS = 1_800_000_000 * 1_000_000_000
OPEN = result_pb2.ATTEMPT_OUTCOME_UNSPECIFIED
COMPLETED = result_pb2.ATTEMPT_OUTCOME_COMPLETED
FAILED = result_pb2.ATTEMPT_OUTCOME_FAILED
CANCELLED = result_pb2.ATTEMPT_OUTCOME_CANCELLED
SUPERSEDED = result_pb2.ATTEMPT_OUTCOME_SUPERSEDED

_MIGRATIONS = Path(app.__file__).parent / "migrations"


def make_database(data_dir: Path, url: str = "") -> Database:
    """Return the database of the inference service as it uses it; not open yet."""
    settings = DatabaseSettings.model_validate({"database_url": url})
    return choose_database("inference", data_dir, settings, _MIGRATIONS, is_exclusive=False)


def attempt(
    number: int = 1,
    outcome: result_pb2.AttemptOutcome.ValueType = COMPLETED,
    *,
    start_s: float = 0.0,
    **fields: Any,
) -> result_pb2.Attempt:
    """Return an attempt that began so many seconds after `NOW_NS`."""
    values: dict[str, Any] = {
        "model": "openai/a",
        "credential_scope": failure_pb2.CREDENTIAL_SCOPE_CENTRAL,
        "credential_id": "cred_central",
        "start_time": timestamp(NOW_NS + round(start_s * 1e9)),
        "duration": duration(1.5),
        "usage": result_pb2.Usage(source=result_pb2.USAGE_SOURCE_REPORTED),
        **fields,
    }
    return result_pb2.Attempt(number=number, outcome=outcome, **values)


def entry(
    run_id: str = "run_1",
    row: result_pb2.Attempt | None = None,
    *,
    principal: str = "dora",
    **fields: Any,
) -> usage_pb2.LedgerEntry:
    """Return an entry of a run."""
    return usage_pb2.LedgerEntry(
        run_id=run_id, principal=principal, attempt=row or attempt(), **fields
    )


def terms(owner: Owner = DORA, **fields: Any) -> Terms:
    """Return what was settled when a run began, whose request has some fields."""
    return Terms(
        owner=owner,
        caller=Caller(options_pb2.CALLER_ROLE_DEVELOPER, owner.principal),
        request_id="req_1",
        target="openai/a",
        request=chat_pb2.ChatRequest(model="openai/a", **fields),
        grace_s=15.0,
        total_s=600.0,
        retention_s=3600.0,
        durable=True,
    )


def places(entries: list[usage_pb2.LedgerEntry]) -> list[tuple[str, int]]:
    """Return of each entry its run and its number in it."""
    return [(each.run_id, each.attempt.number) for each in entries]

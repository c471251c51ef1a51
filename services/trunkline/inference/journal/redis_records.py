"""Runs as Redis gives them: lists of bytes, in the order of `redis_scripts/common.lua`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from trunkline.inference.journal.store import VERSION, NewRun, RunRecord, Segment
from trunkline.inference.terms import Owner
from trunkline.inference.v1 import run_pb2

_NANOSECONDS_IN_MS: Final = 1_000_000


def to_fields(run: NewRun) -> list[str | bytes | int]:
    """Return the fields of a run that begins: names and values in turn."""
    fields: dict[str, str | bytes | int] = {
        "run_id": run.run_id,
        "principal": run.owner.principal,
        "on_behalf_of": run.owner.on_behalf_of,
        "target": run.target,
        "created_ns": run.created_ns,
        "wrapped_key": run.wrapped_key,
        "terms": run.terms,
        "grace_s": repr(run.grace_s),
        "continues": int(run.continues),
        "retention_s": repr(run.retention_s),
        "idempotency_key": run.idempotency_key.hex(),
        "request_digest": run.request_digest,
        "epoch": 1,
        "takeovers": 0,
        "version": VERSION,
        "state": run_pb2.RUN_STATE_RUNNING,
        "last_sequence": 0,
        "segments": 0,
        "read_ms": 0,
        "ended_ms": 0,
        "status": b"",
        "is_ledgered": 0,
    }
    return [part for pair in fields.items() for part in pair]


def read_record(found: Sequence[Any]) -> RunRecord:
    """Return a record as a script gives it: the fields, readers in all and elsewhere, and whether
    it is owned."""
    values, readers, elsewhere, is_owned = found
    state = cast("run_pb2.RunState.ValueType", int(values[14]))
    return RunRecord(
        process_id=values[0].decode(),
        run_id=values[1].decode(),
        owner=Owner(values[2].decode(), values[3].decode()),
        target=values[4].decode(),
        created_ns=int(values[5]),
        wrapped_key=values[6],
        grace_s=float(values[7]),
        continues=values[8] == b"1",
        retention_s=float(values[9]),
        request_digest=values[10],
        epoch=int(values[11]),
        takeovers=int(values[12]),
        version=int(values[13]),
        state=state,
        last_sequence=int(values[15]),
        ended_ns=int(values[16]) * _NANOSECONDS_IN_MS,
        status=values[17],
        is_ledgered=values[18] == b"1",
        # Lists leave it out.
        terms=values[19] if len(values) > 19 else b"",
        readers=readers,
        is_read_elsewhere=elsewhere > 0,
        is_owned=bool(is_owned),
    )


def read_segment(found: Sequence[bytes]) -> Segment:
    """Return a segment as a script gives it."""
    epoch, first, last, data = found
    return Segment(int(epoch), int(first), int(last), data)

"""Tell how a run stands, as GetRun and ListRuns show it."""

from __future__ import annotations

from google.rpc import status_pb2

from trunkline.inference.run import Run
from trunkline.inference.v1 import chat_pb2, error_pb2, result_pb2, run_pb2
from trunkline.kernel.clock import timestamp
from trunkline.kernel.status import error_info, find_detail


def describe(run: Run) -> run_pb2.Run:
    """Return how a run stands, without its answer."""
    durable, memory = chat_pb2.DURABILITY_DURABLE, chat_pb2.DURABILITY_MEMORY
    described = run_pb2.Run(
        id=run.id,
        state=run.state,
        principal=run.terms.owner.principal,
        on_behalf_of=run.terms.owner.on_behalf_of,
        target=run.terms.target,
        create_time=timestamp(run.created_ns),
        last_sequence=run.journal.visible,
        first_sequence=1 if run.is_durable else run.journal.first_sequence,
        durability=durable if run.is_durable else memory,
        readers=run.readers,
    )
    if run.ended_ns:
        described.end_time.CopyFrom(timestamp(run.ended_ns))
        described.expire_time.CopyFrom(timestamp(run.kept_until_ns))
    if run.status is not None and run.state == run_pb2.RUN_STATE_FAILED:
        described.failure.CopyFrom(to_failure(run.status))
    return described


def to_failure(status: status_pb2.Status) -> run_pb2.RunFailure:
    """Return a run's stored status as GetRun shows it."""
    info = error_info(status)
    reason = f"ERROR_REASON_{info.reason}" if info is not None else "ERROR_REASON_UNSPECIFIED"
    failure = run_pb2.RunFailure(
        code=status.code, reason=error_pb2.ErrorReason.Value(reason), message=status.message
    )
    trail = find_detail(status.details, result_pb2.AttemptTrail())
    if trail is not None:
        failure.trail.CopyFrom(trail)
    return failure

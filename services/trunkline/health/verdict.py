"""What the outcome of an attempt says, and about whom.

Trouble of the address and trouble of a key are kept apart: a provider that refuses a key
or wants to be paid answers, and so its address is well (decision 19).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.inference.v1 import failure_pb2

Status: TypeAlias = "health_pb2.EndpointStatus.ValueType"
Kind: TypeAlias = "failure_pb2.ErrorKind.ValueType"

_OK: Final = health_pb2.ENDPOINT_STATUS_OK
_UNREACHABLE: Final = health_pb2.ENDPOINT_STATUS_UNREACHABLE

# What each kind says of the address; a kind that is not here says nothing.
_ENDPOINT: Final[Mapping[Kind, Status]] = {
    # In an outcome: it did not fail.
    failure_pb2.ERROR_KIND_UNSPECIFIED: _OK,
    # It answered, if not what was wanted.
    failure_pb2.ERROR_KIND_RATE_LIMITED: _OK,
    failure_pb2.ERROR_KIND_QUOTA: _OK,
    failure_pb2.ERROR_KIND_NOT_AUTHORIZED: _OK,
    failure_pb2.ERROR_KIND_CONTEXT_TOO_LONG: _OK,
    failure_pb2.ERROR_KIND_CONTENT_FILTERED: _OK,
    failure_pb2.ERROR_KIND_INVALID_REQUEST: _OK,
    failure_pb2.ERROR_KIND_MODEL_NOT_FOUND: _OK,
    # By its fault there was no answer, or none to be used.
    failure_pb2.ERROR_KIND_SERVER_ERROR: _UNREACHABLE,
    failure_pb2.ERROR_KIND_UNREACHABLE: _UNREACHABLE,
    failure_pb2.ERROR_KIND_SILENT: _UNREACHABLE,
    failure_pb2.ERROR_KIND_BROKEN_STREAM: _UNREACHABLE,
}

_REFUSED_KEY: Final[frozenset[Kind]] = frozenset(
    {failure_pb2.ERROR_KIND_NOT_AUTHORIZED, failure_pb2.ERROR_KIND_QUOTA}
)
# A provider reads a request only after it has accepted its key.
_ACCEPTED_KEY: Final[frozenset[Kind]] = frozenset(
    {
        failure_pb2.ERROR_KIND_UNSPECIFIED,
        failure_pb2.ERROR_KIND_CONTEXT_TOO_LONG,
        failure_pb2.ERROR_KIND_CONTENT_FILTERED,
        failure_pb2.ERROR_KIND_INVALID_REQUEST,
    }
)

_SENTENCES: Final[Mapping[Kind, str]] = {
    failure_pb2.ERROR_KIND_SERVER_ERROR: "The provider answers with errors.",
    failure_pb2.ERROR_KIND_UNREACHABLE: "The provider cannot be reached.",
    failure_pb2.ERROR_KIND_SILENT: "The provider does not answer in time.",
    failure_pb2.ERROR_KIND_BROKEN_STREAM: "The provider breaks off its answers.",
    failure_pb2.ERROR_KIND_NOT_AUTHORIZED: "The provider does not accept the key.",
    failure_pb2.ERROR_KIND_QUOTA: "The key's quota is used up, or an invoice is open.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one outcome says.

    Attributes:
        status: of the address.
        key: of the key that was used: unspecified when it was accepted, else why not;
            None: nothing is said of it.
        is_fault: the attempt failed by the provider's fault.
    """

    status: Status
    key: Kind | None
    is_fault: bool


def judge_outcome(outcome: health_service_pb2.Outcome) -> Verdict | None:
    """Tell what an outcome says; None: nothing about the provider."""
    status = _ENDPOINT.get(outcome.kind)
    if status is None:
        return None
    key: Kind | None = None
    if outcome.kind in _REFUSED_KEY:
        key = outcome.kind
    elif (
        outcome.kind in _ACCEPTED_KEY
        or outcome.mid_stream
        or outcome.HasField("time_to_first_token")
    ):
        key = failure_pb2.ERROR_KIND_UNSPECIFIED
    return Verdict(status, key, status == _UNREACHABLE)


def phrase(trouble: Kind, keys: Iterable[health_pb2.CredentialHealth]) -> str:
    """Return what is wrong with a provider in one sentence; empty: nothing is.

    Args:
        trouble: why its address does not answer; unspecified: it answers.
        keys: how its keys fare.
    """
    if trouble in _SENTENCES:
        return _SENTENCES[trouble]
    return next((_SENTENCES[key.kind] for key in keys if key.kind in _SENTENCES), "")

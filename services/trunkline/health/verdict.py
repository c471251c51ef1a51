"""What the outcome of an attempt and the answer to a probe say, and about whom.

Trouble of the address and trouble of a key are kept apart: a provider that refuses a key
or wants to be paid answers, and so its address is well (decision 19).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.inference.v1 import failure_pb2, provider_pb2

Status: TypeAlias = "health_pb2.EndpointStatus.ValueType"
Kind: TypeAlias = "failure_pb2.ErrorKind.ValueType"

_OK: Final = health_pb2.ENDPOINT_STATUS_OK
_DEGRADED: Final = health_pb2.ENDPOINT_STATUS_DEGRADED
_UNREACHABLE: Final = health_pb2.ENDPOINT_STATUS_UNREACHABLE

SLOW_NS: Final = 3_000_000_000
SLOW: Final = "The provider takes longer than 3 seconds to list its models."
_MAX_SENTENCE: Final = 512

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

# Verdicts of which the address was the bearer, whatever they say of the key.
_ANSWERED: Final = frozenset(
    {
        provider_pb2.VERDICT_VALID,
        provider_pb2.VERDICT_WRONG_SCOPE,
        provider_pb2.VERDICT_REVOKED,
        provider_pb2.VERDICT_BILLING,
        provider_pb2.VERDICT_RATE_LIMITED,
        provider_pb2.VERDICT_UNVERIFIABLE,
        provider_pb2.VERDICT_BILLING_NOT_CHECKED,
    }
)
_REFUSALS: Final[Mapping[int, str]] = {
    provider_pb2.VERDICT_WRONG_SCOPE: "The key lacks a permission at the provider.",
    provider_pb2.VERDICT_REVOKED: "The provider does not know the key, or no longer.",
    provider_pb2.VERDICT_BILLING: "The provider wants to be paid before the key is used.",
}
_NONSENSE: Final = "The address answers, and not as the provider would."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one outcome says.

    Attributes:
        status: of the address.
        key: of the key that was used: unspecified when it was accepted, else why not;
            None: nothing is said of it.
        trouble: what is wrong with the address, in one sentence; empty: nothing is.
    """

    status: Status
    key: Kind | None
    trouble: str = ""

    @property
    def is_fault(self) -> bool:
        """Tell whether the attempt failed by the provider's fault."""
        return self.status == _UNREACHABLE


@dataclass(frozen=True, slots=True)
class Answer:
    """What one probe says of the address.

    Attributes:
        status: of the address.
        trouble: what is wrong with it, in one sentence; empty: nothing is.
    """

    status: Status
    trouble: str = ""


def judge_outcome(outcome: health_service_pb2.Outcome) -> Verdict | None:
    """Tell what an outcome says; None: nothing about the provider."""
    has_spoken = outcome.mid_stream or outcome.HasField("time_to_first_token")
    return _judge(outcome.kind, has_spoken=has_spoken)


@cache
def _judge(kind: Kind, *, has_spoken: bool) -> Verdict | None:
    """Tell what an end of a kind says, of a provider that had begun to speak or had not."""
    status = _ENDPOINT.get(kind)
    if status is None:
        return None
    key: Kind | None = None
    if kind in _REFUSED_KEY:
        key = kind
    elif kind in _ACCEPTED_KEY or has_spoken:
        key = failure_pb2.ERROR_KIND_UNSPECIFIED
    return Verdict(status, key, _SENTENCES[kind] if status == _UNREACHABLE else "")


def judge_probe(response: provider_pb2.ProbeProviderResponse) -> Answer | None:
    """Tell what a probe says of the address; None: nothing, its verdict is none we know."""
    verification = response.verification
    match verification.verdict:
        case verdict if verdict in _ANSWERED:
            pass
        # A provider without a list says 404; what says it with another status is no provider.
        case provider_pb2.VERDICT_NOT_FOUND if 400 <= verification.reply.http_status < 500:
            pass
        case provider_pb2.VERDICT_NOT_FOUND:
            return Answer(_UNREACHABLE, _NONSENSE)
        case provider_pb2.VERDICT_PROVIDER_ERROR:
            return Answer(_UNREACHABLE, _SENTENCES[failure_pb2.ERROR_KIND_SERVER_ERROR])
        case provider_pb2.VERDICT_UNREACHABLE:
            sentence = verification.message or _SENTENCES[failure_pb2.ERROR_KIND_UNREACHABLE]
            return Answer(_UNREACHABLE, sentence[:_MAX_SENTENCE])
        case _:
            return None
    if response.latency.ToNanoseconds() > SLOW_NS:
        return Answer(_DEGRADED, SLOW)
    return Answer(_OK)


def phrase(trouble: str, keys: Iterable[health_pb2.CredentialHealth]) -> str:
    """Return what is wrong with a provider in one sentence; empty: nothing is.

    Args:
        trouble: of its address; empty: it has none.
        keys: how its keys fare.
    """
    return trouble or next(filter(None, map(_phrase_key, keys)), "")


def _phrase_key(key: health_pb2.CredentialHealth) -> str:
    """Return what is wrong with a key; empty: nothing is.

    What its use shows goes before what a probe does: many lists are open to any key, and a
    key that is good for chats may not be let see the list.
    """
    if key.kind in _SENTENCES:
        return _SENTENCES[key.kind]
    verdict = key.verification.verdict
    if verdict == provider_pb2.VERDICT_WRONG_SCOPE and key.HasField("kind_time"):
        return ""
    return _REFUSALS.get(verdict, "")

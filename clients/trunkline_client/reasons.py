"""One exception for each reason of the contract's `ErrorReason`, in its order."""

from __future__ import annotations

import re
from typing import Final

from trunkline_client.errors import TrunklineError


class TokenMissing(TrunklineError):
    """No access token came with the call, or none was found to send."""


class TokenInvalid(TrunklineError):
    """The access token is unknown, ended or revoked, or is none."""


class CallerNotAllowed(TrunklineError):
    """The caller's role may not call this."""


class InvalidRequest(TrunklineError):
    """Fields are out of their bounds; see `violations`."""


class Internal(TrunklineError):
    """A fault of Trunkline's own; its log has it under `request_id`."""


class NotServing(TrunklineError):
    """The service is starting or draining."""


class RunNotFound(TrunklineError):
    """No such run, or another's, or a MEMORY run whose process is gone or another one."""


class EventsTrimmed(TrunklineError):
    """The events asked for are kept no more."""


class SequenceAhead(TrunklineError):
    """The run has not as many events."""


class IdempotencyMismatch(TrunklineError):
    """The idempotency key belongs to another request."""


class ModelNotFound(TrunklineError):
    """There is no such model; `metadata["nearest"]` names similar ones."""


class ProviderNotFound(TrunklineError):
    """There is no such provider."""


class TargetNotFound(TrunklineError):
    """There is no such role, agent or chain."""


class NoProvider(TrunklineError):
    """The request names no model, and no provider answers by default."""


class NoCredential(TrunklineError):
    """Key policy leaves caller and user without a key."""


class NoCapableCandidate(TrunklineError):
    """No candidate can do what is asked."""


class WouldLose(TrunklineError):
    """The request is strict, and something would be lost."""


class AllCandidatesExhausted(TrunklineError):
    """Every candidate failed or was skipped; see `trail`."""


class NoFallback(TrunklineError):
    """The only provider failed, and there is no second one."""


class ProviderRejected(TrunklineError):
    """The provider calls the request wrong."""


class ProviderUnauthorized(TrunklineError):
    """The provider does not accept the key."""


class ProviderQuota(TrunklineError):
    """The provider's quota is used up, or an invoice is open."""


class ContentFiltered(TrunklineError):
    """The provider's filter refused the request."""


class ContextTooLong(TrunklineError):
    """No candidate's window holds the prompt."""


class ContinuationNotAllowed(TrunklineError):
    """The answer broke off, and the request does not let it be carried on."""


class RunCancelled(TrunklineError):
    """Somebody ended the run, nobody read it, or its principal has no valid token left."""


class RunTimedOut(TrunklineError):
    """The run's `limits.total` passed."""


class TurnLimitReached(TrunklineError):
    """The model still asks for tools after the last turn."""


class CallLimitReached(TrunklineError):
    """A turn has more calls than allowed."""


class UnexpectedToolResult(TrunklineError):
    """A result came for a call that does not wait for one."""


class LimitReached(TrunklineError):
    """Too many runs, or a rate limit or budget of the deployment is used up."""


class JournalUnavailable(TrunklineError):
    """The journal of durable runs is away; the run is not lost."""


class TakeoversExhausted(TrunklineError):
    """The run's processes died too often."""


class NoEmbeddings(TrunklineError):
    """The provider makes no embeddings, or this model does not."""


class AddressRefused(TrunklineError):
    """The address may not be asked."""


class OutOfScope(TrunklineError):
    """The token does not reach this provider or model, or may not ask for others."""


class BadVector(TrunklineError):
    """A provider gave an empty or non-finite vector."""


class ToolResultMismatch(TrunklineError):
    """The call has another result already."""


class ToolTimedOut(TrunklineError):
    """The results of a turn did not come in time."""


class SecurityViewStale(TrunklineError):
    """What is known of tokens and keys is too old to begin a run by."""


class PeerUnavailable(TrunklineError):
    """A service that inference needs does not answer."""


BY_REASON: Final = {
    re.sub(r"(?<=[a-z])(?=[A-Z])", "_", each.__name__).upper(): each
    for each in TrunklineError.__subclasses__()
    if each.__module__ == __name__
}
"""The exceptions by reason, such as `RUN_NOT_FOUND`."""

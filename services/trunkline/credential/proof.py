"""Prove a secret with its provider before it is saved, and judge what came of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import grpc
from google.protobuf.duration_pb2 import Duration

from trunkline.credential.providers import (
    VIEW_LAG_S,
    VIEW_LOOK_S,
    address_refused,
    provider_not_found,
)
from trunkline.credential.v1 import credential_pb2
from trunkline.inference.v1 import provider_pb2, provider_pb2_grpc
from trunkline.kernel.address import BaseUrl
from trunkline.kernel.channel import PeerRefused, ask
from trunkline.kernel.errors import FailedPrecondition, TrunklineError, Unavailable
from trunkline.kernel.status import error_info, read_status

PROBE_TIMEOUT_S = 10
# What the way to inference and back may take on top of the probe.
_HOP_S = 2.0

_PROVEN = frozenset({provider_pb2.VERDICT_VALID, provider_pb2.VERDICT_BILLING_NOT_CHECKED})
_REFUSED = frozenset(
    {
        provider_pb2.VERDICT_REVOKED,
        provider_pb2.VERDICT_WRONG_SCOPE,
        provider_pb2.VERDICT_BILLING,
    }
)
# Decision 1: only these say nothing against the secret and will not pass by themselves.
_EXCUSABLE = frozenset({provider_pb2.VERDICT_UNREACHABLE, provider_pb2.VERDICT_UNVERIFIABLE})


@dataclass(frozen=True, slots=True)
class Trial:
    """What is to be proven.

    Attributes:
        provider: its name in the catalog.
        address: where; the secret goes nowhere else.
        secret: what authenticates; nothing set: the provider takes none.
        purpose: which request proves it.
    """

    provider: str
    address: BaseUrl
    secret: provider_pb2.ProviderSecret = field(repr=False)
    purpose: provider_pb2.ProbePurpose.ValueType


class Prover:
    """Asks inference, which alone speaks to providers.

    Args:
        channel: to the inference service.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = provider_pb2_grpc.ProviderServiceStub(channel)

    async def prove(self, trial: Trial) -> provider_pb2.Verification:
        """Send the secret to its provider once and return what that says about it.

        Raises:
            InvalidArgument: ADDRESS_REFUSED: the address's name resolves to one that may
                not be asked.
            NotFound: PROVIDER_NOT_FOUND: the provider was removed meanwhile.
            Unavailable: PEER_UNAVAILABLE: inference does not answer, or cannot.
        """
        # The address is named even when it is the provider's own: what is proven is what
        # is saved, also when the provider's address is changed in between.
        request = provider_pb2.ProbeProviderRequest(
            name=trial.provider,
            base_url=trial.address.url,
            purpose=trial.purpose,
            timeout=Duration(seconds=PROBE_TIMEOUT_S),
        )
        if trial.secret.ByteSize():
            request.secret.CopyFrom(trial.secret)
        deadline = time.monotonic() + VIEW_LAG_S
        while True:
            try:
                response: provider_pb2.ProbeProviderResponse = await ask(
                    "inference",
                    self._stub.ProbeProvider,
                    request,
                    timeout=PROBE_TIMEOUT_S + _HOP_S,
                )
            except PeerRefused as refusal:
                if refusal.reason != "PROVIDER_NOT_FOUND" or time.monotonic() >= deadline:
                    raise _passed_on(refusal, trial.provider) from None
                await asyncio.sleep(VIEW_LOOK_S)
            else:
                return response.verification


def judge(
    trial: Trial, verification: provider_pb2.Verification, *, allow_unverified: bool
) -> credential_pb2.CredentialState.ValueType:
    """Return the state that a credential is saved in after its verification.

    Args:
        trial: what was to be proven. A list of models proves an endpoint by coming, whether
            or not it says anything about a key.
        verification: what its provider said.
        allow_unverified: save it also when the provider cannot be reached or cannot
            tell (decision 1).

    Raises:
        FailedPrecondition: VERIFICATION_FAILED: the provider does not accept it.
        Unavailable: VERIFICATION_IMPOSSIBLE: nothing can be said about it.
    """
    provider, verdict = trial.provider, verification.verdict
    lists = trial.purpose == provider_pb2.PROBE_PURPOSE_LIST_MODELS
    if verdict in _PROVEN or (lists and verdict == provider_pb2.VERDICT_UNVERIFIABLE):
        return credential_pb2.CREDENTIAL_STATE_VERIFIED
    if verdict in _EXCUSABLE and allow_unverified:
        return credential_pb2.CREDENTIAL_STATE_UNVERIFIED
    known = verdict in provider_pb2.Verdict.values()
    name = provider_pb2.Verdict.Name(verdict).removeprefix("VERDICT_") if known else str(verdict)
    metadata = {
        "provider": provider,
        "verdict": name,
        "http_status": str(verification.reply.http_status),
    }
    if verdict in _REFUSED:
        raise FailedPrecondition(
            "VERIFICATION_FAILED",
            _sentence(f"{provider} does not accept it ({name}).", verification),
            metadata=metadata,
            details=(verification,),
        )
    hint = " With allow_unverified it is saved all the same." if verdict in _EXCUSABLE else ""
    reply = verification.reply
    raise Unavailable(
        "VERIFICATION_IMPOSSIBLE",
        _sentence(f"{provider} could not be asked about it ({name}).", verification) + hint,
        metadata=metadata,
        retry_after=reply.retry_after.ToTimedelta() if reply.HasField("retry_after") else None,
        details=(verification,),
    )


def _sentence(opening: str, verification: provider_pb2.Verification) -> str:
    """Return what happened, and what inference says about it."""
    return f"{opening} Nothing was saved. {verification.message}".rstrip()


def _passed_on(refusal: PeerRefused, provider: str) -> TrunklineError:
    """Return our error for one of inference's."""
    match refusal.reason:
        case "PROVIDER_NOT_FOUND":
            return provider_not_found(provider)
        case "ADDRESS_REFUSED":
            status = read_status(refusal.error)
            info = error_info(status) if status is not None else None
            rule = info.metadata["rule"] if info is not None else ""
            return address_refused(rule, refusal.message)
        case _:
            # It is starting or stopping, knows too little yet, or failed: none of it is
            # the caller's doing, and all of it passes.
            return Unavailable(
                "PEER_UNAVAILABLE",
                "The inference service could not ask the provider.",
                metadata={"peer": "inference"},
            )

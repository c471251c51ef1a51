"""Say what a failure means in Azure; see `failures` for the order of judging."""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.adapter import Reply, Target
from trunkline.inference.adapters.azure.waits import read_wait
from trunkline.inference.adapters.failures import (
    MODEL_NOT_FOUND,
    NOT_AUTHORIZED,
    RATE_LIMITED,
    SERVER_ERROR,
    FailureTable,
    Kind,
    refusal,
)
from trunkline.inference.adapters.openai import errors as chat
from trunkline.inference.adapters.openai.words import read_words
from trunkline.inference.adapters.words import Words
from trunkline.inference.v1 import failure_pb2

# https://learn.microsoft.com/azure/ai-foundry/openai/quotas-limits and the pages beside it; codes
# are compared in small letters.
_CODES: Final[dict[str, Kind]] = {
    "deploymentnotfound": MODEL_NOT_FOUND,
    # The deployment's model makes embeddings or pictures.
    "operationnotsupported": MODEL_NOT_FOUND,
    "ratelimitreached": RATE_LIMITED,
    "too_many_requests": RATE_LIMITED,
    # Here it is the deployment's share of tokens per minute, and passes.
    "insufficient_quota": RATE_LIMITED,
    "unauthorized": NOT_AUTHORIZED,
    "permissiondenied": NOT_AUTHORIZED,
    "authenticationtypedisabled": NOT_AUTHORIZED,
}

# What Azure's own front says when what lies behind it fails or is being changed.
_STATUSES: Final[dict[int, Kind]] = {409: SERVER_ERROR, 424: SERVER_ERROR}

_TABLE: Final = FailureTable({**chat.CODES, **_CODES}, chat.PHRASES, _STATUSES)


def classify(target: Target, reply: Reply) -> failure_pb2.AttemptFailure:
    """Say what a refusal means; see `Adapter.classify`."""
    words = read_words(reply.body) or Words()
    kind = _TABLE.refused(reply, words)
    headers = reply.headers
    return refusal(
        target,
        reply,
        words,
        kind,
        wait=read_wait(headers, rate_limited=kind == RATE_LIMITED),
        # The first is the one that Azure's own people ask for.
        request_id=headers.get("apim-request-id") or headers.get("x-request-id") or "",
    )

"""Say what a failure means in Bedrock; see `failures` for the order of judging."""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.adapter import ProviderFailed, Reply, Target
from trunkline.inference.adapters.bedrock.words import refusal_words
from trunkline.inference.adapters.failures import (
    CONTENT_FILTERED,
    CONTEXT_TOO_LONG,
    INVALID_REQUEST,
    MODEL_NOT_FOUND,
    NOT_AUTHORIZED,
    QUOTA,
    RATE_LIMITED,
    SERVER_ERROR,
    FailureTable,
    Kind,
    refusal,
    stream_failure,
)
from trunkline.inference.adapters.waits import read_retry_after
from trunkline.inference.adapters.words import Words
from trunkline.inference.v1 import failure_pb2

# Codes that say the same under every status; `ValidationException` and `ThrottlingException` are
# left to phrases. https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html
_CODES: Final[dict[str, Kind]] = {
    "accessdeniedexception": NOT_AUTHORIZED,
    "expiredtoken": NOT_AUTHORIZED,
    "expiredtokenexception": NOT_AUTHORIZED,
    "incompletesignature": NOT_AUTHORIZED,
    "incompletesignatureexception": NOT_AUTHORIZED,
    "invalidclienttokenid": NOT_AUTHORIZED,
    "invalidsignatureexception": NOT_AUTHORIZED,
    "missingauthenticationtoken": NOT_AUTHORIZED,
    "missingauthenticationtokenexception": NOT_AUTHORIZED,
    "notauthorized": NOT_AUTHORIZED,
    "optinrequired": NOT_AUTHORIZED,
    "requestexpired": NOT_AUTHORIZED,
    "signaturedoesnotmatch": NOT_AUTHORIZED,
    "unrecognizedclientexception": NOT_AUTHORIZED,
    # The form that Anthropic wants filled in before its models are used.
    "ftuformnotfilled": NOT_AUTHORIZED,
    "servicequotaexceededexception": QUOTA,
    "resourcenotfoundexception": MODEL_NOT_FOUND,
    "internalfailure": SERVER_ERROR,
    "internalserverexception": SERVER_ERROR,
    "modelerrorexception": SERVER_ERROR,
    "modelnotreadyexception": SERVER_ERROR,
    "modelstreamerrorexception": SERVER_ERROR,
    "modeltimeoutexception": SERVER_ERROR,
    # A subscription is being made, which takes minutes.
    "mpagreementbeingcreated": SERVER_ERROR,
    "serviceunavailable": SERVER_ERROR,
    "serviceunavailableexception": SERVER_ERROR,
    # What a model makes of a question, by the words in which a stream ends.
    "malformed_model_output": SERVER_ERROR,
    "malformed_tool_use": SERVER_ERROR,
}

# (status, phrase in small letters, kind)
_PHRASES: Final[tuple[tuple[int, str, Kind], ...]] = (
    # https://github.com/Ivy-Interactive/Ivy-Tendril/issues/1756
    (429, "too many tokens per day", QUOTA),
    (400, "model identifier is invalid", MODEL_NOT_FOUND),
    # https://github.com/maximhq/bifrost/issues/1998
    (400, "with on-demand throughput isn", MODEL_NOT_FOUND),
    (400, "input is too long", CONTEXT_TOO_LONG),
    (400, "prompt is too long", CONTEXT_TOO_LONG),
    (400, "exceed context limit", CONTEXT_TOO_LONG),
    (400, "blocked by content filtering policy", CONTENT_FILTERED),
    # The account must choose how long data are kept.
    (400, "data retention mode", NOT_AUTHORIZED),
)

# Inside of a stream there is no status; the exception tells it.
_STREAM_STATUSES: Final[dict[str, int]] = {
    "validationexception": 400,
    "throttlingexception": 429,
}

# A model's own failure comes as 424.
_TABLE: Final = FailureTable(_CODES, _PHRASES, {424: SERVER_ERROR})


def classify(target: Target, reply: Reply) -> failure_pb2.AttemptFailure:
    """Say what a refusal means; see `Adapter.classify`."""
    words = refusal_words(reply.headers, reply.body)
    kind = _TABLE.refused(reply, words)
    if kind == INVALID_REQUEST and _names(words, "throttlingexception"):
        kind = RATE_LIMITED
    return refusal(
        target,
        reply,
        words,
        kind,
        # AWS gives no wait; what stands in between may.
        wait=read_retry_after(reply.headers),
        request_id=reply.headers.get("x-amzn-requestid", ""),
    )


def in_stream(target: Target, words: Words, frame: bytes) -> ProviderFailed:
    """Return the failure for an error inside of a reply with status 200."""
    status = next((each for code in words.codes if (each := _STREAM_STATUSES.get(code.lower()))), 0)
    kind = _TABLE.kind(words, status, words.message)
    return stream_failure(target, words, kind, frame)


def _names(words: Words, code: str) -> bool:
    """Tell whether a code is among those that were given."""
    return any(each.lower() == code for each in words.codes)

"""Say what the provider's failures mean."""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.adapter import ProviderFailed, Reply, Target
from trunkline.inference.adapters.failures import (
    CONTENT_FILTERED,
    CONTEXT_TOO_LONG,
    INVALID_REQUEST,
    NOT_AUTHORIZED,
    QUOTA,
    RATE_LIMITED,
    SERVER_ERROR,
    FailureTable,
    Kind,
    refusal,
    stream_failure,
)
from trunkline.inference.adapters.google.words import read_wait, read_words
from trunkline.inference.adapters.waits import read_retry_after
from trunkline.inference.adapters.words import Words
from trunkline.inference.v1 import failure_pb2

_CODES: Final[dict[str, Kind]] = {
    # Reasons of `ErrorInfo`: google/api/error_reason.proto. Bad keys come with status 400.
    "api_key_invalid": NOT_AUTHORIZED,
    "api_key_service_blocked": NOT_AUTHORIZED,
    "api_key_http_referrer_blocked": NOT_AUTHORIZED,
    "api_key_ip_address_blocked": NOT_AUTHORIZED,
    "api_key_android_app_blocked": NOT_AUTHORIZED,
    "api_key_ios_app_blocked": NOT_AUTHORIZED,
    "service_disabled": NOT_AUTHORIZED,
    "consumer_invalid": NOT_AUTHORIZED,
    "consumer_suspended": NOT_AUTHORIZED,
    "credentials_missing": NOT_AUTHORIZED,
    "billing_disabled": QUOTA,
    "rate_limit_exceeded": RATE_LIMITED,
    "location_policy_violated": NOT_AUTHORIZED,
    # https://github.com/google-gemini/gemini-cli/issues/23986: with status 429
    "model_capacity_exhausted": SERVER_ERROR,
    # Finish reasons: https://ai.google.dev/api/generate-content#FinishReason
    "missing_thought_signature": INVALID_REQUEST,
    "pup_limited_disabled": NOT_AUTHORIZED,
}

# (status, phrase in small letters, kind)
_PHRASES: Final[tuple[tuple[int, str, Kind], ...]] = (
    # "The input token count (N) exceeds the maximum number of tokens allowed (M)."
    # https://github.com/google-gemini/gemini-cli/issues/6678
    (400, "exceeds the maximum number of tokens", CONTEXT_TOO_LONG),
    # "API key not valid.", "API Key not found.", where no `ErrorInfo` came along:
    # https://github.com/google-gemini/gemini-cli/issues/25198
    (400, "pass a valid api key", NOT_AUTHORIZED),
    (400, "api key expired", NOT_AUTHORIZED),
    # https://ai.google.dev/gemini-api/docs/troubleshooting
    (400, "user location is not supported", NOT_AUTHORIZED),
    # "The free tier is not available in your country. Please enable billing …", same page
    (400, "enable billing", QUOTA),
    # A metric that the plan does not have at all; waiting does not help.
    (429, "limit: 0,", QUOTA),
    (429, "limit: 0\n", QUOTA),
)

# 499 is CANCELLED, by the provider, since a request that we gave up has no reply.
_TABLE: Final = FailureTable(_CODES, _PHRASES, {499: SERVER_ERROR})

# In the name of a quota: it is new at midnight in California
# (https://ai.google.dev/gemini-api/docs/rate-limits), though `RetryInfo` may say 5 s
# (https://github.com/voideditor/void/issues/557).
_DAILY: Final = "PerDay"


def classify(target: Target, reply: Reply) -> failure_pb2.AttemptFailure:
    """Say what a refusal means; see `Adapter.classify`."""
    words = read_words(reply.body) or Words()
    kind = QUOTA if _is_daily(words) else _TABLE.refused(reply, words)
    wait = None if kind == QUOTA else read_wait(reply.body)
    if wait is None:
        wait = read_retry_after(reply.headers)
    request_id = reply.headers.get("x-goog-request-id") or reply.headers.get("x-request-id") or ""
    return refusal(target, reply, words, kind, wait=wait, request_id=request_id)


def in_stream(target: Target, words: Words, frame: bytes) -> ProviderFailed:
    """Return the failure for an error inside of a reply with status 200."""
    kind = QUOTA if _is_daily(words) else _TABLE.kind(words, words.status, words.message)
    failed = stream_failure(target, words, kind, frame)
    wait = None if kind == QUOTA else read_wait(frame)
    if wait is not None:
        failed.failure.reply.retry_after.FromTimedelta(wait)
    return failed


def blocked(target: Target, words: Words, frame: bytes) -> ProviderFailed:
    """Return the failure for a prompt that the filter refused, which has status 200 too."""
    return stream_failure(target, words, CONTENT_FILTERED, frame)


def _is_daily(words: Words) -> bool:
    """Tell whether a quota of the day is used up."""
    return any(_DAILY in code for code in words.codes)

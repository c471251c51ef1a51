"""Say what a failure means in Messages; see `failures` for the order of judging."""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.adapter import ProviderFailed, Reply, Target
from trunkline.inference.adapters.anthropic.waits import read_wait
from trunkline.inference.adapters.anthropic.words import read_request_id, read_words
from trunkline.inference.adapters.failures import (
    CONTENT_FILTERED,
    CONTEXT_TOO_LONG,
    MAX_NAME,
    MODEL_NOT_FOUND,
    NOT_AUTHORIZED,
    QUOTA,
    RATE_LIMITED,
    SERVER_ERROR,
    FailureTable,
    Kind,
    refusal,
    show,
    stream_failure,
)
from trunkline.inference.adapters.words import Words
from trunkline.inference.masking import secrets_of
from trunkline.inference.v1 import failure_pb2

# Codes that say the same under every status; `invalid_request_error` says too little.
_CODES: Final[dict[str, Kind]] = {
    # Types, https://platform.claude.com/docs/en/api/errors
    "authentication_error": NOT_AUTHORIZED,
    "permission_error": NOT_AUTHORIZED,
    "billing_error": QUOTA,
    "not_found_error": MODEL_NOT_FOUND,
    "request_too_large": CONTEXT_TOO_LONG,
    "rate_limit_error": RATE_LIMITED,
    "conflict_error": SERVER_ERROR,
    "api_error": SERVER_ERROR,
    "timeout_error": SERVER_ERROR,
    "overloaded_error": SERVER_ERROR,
    # `details.error_code`, which tells kinds of a type apart; from the official client,
    # https://github.com/anthropics/anthropic-sdk-python, `types/shared`
    "enforced_spend_limit_reached": QUOTA,
    "contract_spend_limit_reached": QUOTA,
    "ramp_limit_exceeded": RATE_LIMITED,
    "organization_on_hold": NOT_AUTHORIZED,
    "claude_code_key_creator_not_member": NOT_AUTHORIZED,
    "cmek_key_disabled": NOT_AUTHORIZED,
    "cmek_key_network_blocked": NOT_AUTHORIZED,
    # llama.cpp, which has this format too, https://github.com/ggml-org/llama.cpp/pull/15780
    "exceed_context_size_error": CONTEXT_TOO_LONG,
}

# (status, phrase in small letters, kind)
_PHRASES: Final[tuple[tuple[int, str, Kind], ...]] = (
    # https://github.com/anthropics/claude-code/issues/4208
    (400, "credit balance is too low", QUOTA),
    # A limit that the customer set, https://github.com/anthropics/claude-code/issues/2127
    (400, "reached your specified api usage limits", QUOTA),
    # https://github.com/anthropics/claude-code/issues/12186
    (400, "prompt is too long", CONTEXT_TOO_LONG),
    # Older models count the token limit in, https://github.com/docker/docker-agent/issues/569
    (400, "exceed context limit", CONTEXT_TOO_LONG),
    # https://github.com/anthropics/claude-code/issues/6195
    (400, "blocked by content filtering policy", CONTENT_FILTERED),
)

# The official clients try 409 again like 408.
_TABLE: Final = FailureTable(_CODES, _PHRASES, {409: SERVER_ERROR})


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
        request_id=headers.get("request-id")
        or headers.get("x-request-id")
        or read_request_id(reply.body),
    )


def in_stream(target: Target, words: Words, frame: bytes) -> ProviderFailed:
    """Return the failure for an error inside of a reply with status 200."""
    kind = _TABLE.kind(words, words.status, words.message)
    failed = stream_failure(target, words, kind, frame)
    request_id = read_request_id(frame)
    failed.failure.reply.request_id = show(request_id, secrets_of(target.secret), MAX_NAME)
    return failed

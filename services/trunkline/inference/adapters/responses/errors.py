"""Say what a failure means in Responses; see `failures` for the order of judging."""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.adapter import ProviderFailed, Reply, Target
from trunkline.inference.adapters.failures import (
    CONTENT_FILTERED,
    INVALID_REQUEST,
    NOT_AUTHORIZED,
    QUOTA,
    FailureTable,
    Kind,
    stream_failure,
)
from trunkline.inference.adapters.openai import errors as chat
from trunkline.inference.adapters.words import Words
from trunkline.inference.v1 import failure_pb2

# What `response.failed` says without a status, and would otherwise be the server's fault.
_CODES: Final[dict[str, Kind]] = {
    # https://platform.openai.com/docs/api-reference/responses/object, `error.code`
    "bio_policy": CONTENT_FILTERED,
    "misalignment_policy_violation": CONTENT_FILTERED,
    "image_content_policy_violation": CONTENT_FILTERED,
    "data_residency_mismatch": INVALID_REQUEST,
    "invalid_image": INVALID_REQUEST,
    "invalid_image_format": INVALID_REQUEST,
    "invalid_base64_image": INVALID_REQUEST,
    "invalid_image_url": INVALID_REQUEST,
    "invalid_image_mode": INVALID_REQUEST,
    "image_too_large": INVALID_REQUEST,
    "image_too_small": INVALID_REQUEST,
    "image_parse_error": INVALID_REQUEST,
    "image_file_too_large": INVALID_REQUEST,
    "image_file_not_found": INVALID_REQUEST,
    "unsupported_image_media_type": INVALID_REQUEST,
    "empty_image_file": INVALID_REQUEST,
    "failed_to_download_image": INVALID_REQUEST,
    # https://github.com/openai/codex/issues/8126: thoughts of another account
    "invalid_encrypted_content": INVALID_REQUEST,
    # The backend of ChatGPT's subscriptions
    "usage_limit_reached": QUOTA,
    "usage_not_included": NOT_AUTHORIZED,
}

# What is the question's own fault, by codes that say the kind of it in words only; in a stream
# there is no status beside them.
_FAULTY: Final = frozenset({"invalid_prompt", "invalid_request_error"})

_TABLE: Final = FailureTable({**chat.CODES, **_CODES}, chat.PHRASES, chat.TABLE.statuses)


def classify(target: Target, reply: Reply) -> failure_pb2.AttemptFailure:
    """Say what a refusal means; see `Adapter.classify`."""
    return chat.classify(target, reply, _TABLE)


def in_stream(target: Target, words: Words, frame: bytes) -> ProviderFailed:
    """Return the failure for an error inside of a reply with status 200."""
    status = words.status or (400 if _FAULTY.intersection(words.codes) else 0)
    return stream_failure(target, words, _TABLE.kind(words, status, words.message), frame)

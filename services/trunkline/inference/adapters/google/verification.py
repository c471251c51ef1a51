"""Say what the reply to a probe of the Gemini API shows about a key."""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.adapter import Reply, Target
from trunkline.inference.adapters.google.errors import classify
from trunkline.inference.adapters.google.models import read_models
from trunkline.inference.adapters.verification import (
    accepted,
    has_key,
    is_list,
    refused,
    verification,
)
from trunkline.inference.v1 import failure_pb2, provider_pb2

# Keys that are of no use any more, though they are refused like those that lack a permission:
# the project was suspended, or the key was found in public
# (https://github.com/googleapis/python-genai/issues/1764).
_GONE: Final = ("has been suspended", "reported as leaked")


def verify(
    target: Target, purpose: provider_pb2.ProbePurpose.ValueType, reply: Reply
) -> provider_pb2.Verification:
    """Say what the reply to a probe shows about the key; see `Adapter.verify`.

    `time` is left to the caller. Without a key there is no list.
    """
    if reply.status == 200 and is_list(reply.body, read_models, b"models"):
        return verification(target, accepted(target, purpose), None)
    failure = classify(target, reply)
    verdict = refused(reply, failure)
    if verdict == provider_pb2.VERDICT_WRONG_SCOPE and (_is_gone(failure) or not has_key(target)):
        verdict = provider_pb2.VERDICT_REVOKED
    return verification(target, verdict, failure)


def _is_gone(failure: failure_pb2.AttemptFailure) -> bool:
    """Tell whether a refusal means that the key will never work again."""
    message = failure.reply.message.lower()
    return any(phrase in message for phrase in _GONE)

"""Say what the reply to a probe of Ollama shows about a key.

A server of one's own takes no key, and the cloud's list of models is public: a list says
nothing about a key. A chat of nothing does: the cloud looks at the key before it looks at the
request, which costs nothing (https://github.com/heypinchy/pinchy/pull/154).
"""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.adapter import Reply, Target
from trunkline.inference.adapters.ollama.cloud import is_cloud
from trunkline.inference.adapters.ollama.errors import classify
from trunkline.inference.adapters.ollama.lines import decode
from trunkline.inference.adapters.ollama.models import read_models
from trunkline.inference.adapters.ollama.words import read_words
from trunkline.inference.adapters.verification import (
    accepted,
    has_key,
    is_list,
    refused,
    verification,
)
from trunkline.inference.v1 import failure_pb2, provider_pb2

_UNVERIFIABLE: Final = provider_pb2.VERDICT_UNVERIFIABLE

# How a chat of nothing is refused once the key was let through.
_PAST_THE_KEY: Final = frozenset(
    {failure_pb2.ERROR_KIND_INVALID_REQUEST, failure_pb2.ERROR_KIND_MODEL_NOT_FOUND}
)


def proves_key(target: Target, purpose: provider_pb2.ProbePurpose.ValueType) -> bool:
    """Tell whether a probe is a chat of nothing; else it is the list of models."""
    return purpose == provider_pb2.PROBE_PURPOSE_PROVE_KEY and has_key(target)


def verify(
    target: Target, purpose: provider_pb2.ProbePurpose.ValueType, reply: Reply
) -> provider_pb2.Verification:
    """Say what the reply to a probe shows about the key; see `Adapter.verify`.

    `time` is left to the caller.
    """
    failure = classify(target, reply)
    if proves_key(target, purpose):
        if _is_past_the_key(reply, failure):
            verdict = accepted(target, purpose) if is_cloud(target) else _UNVERIFIABLE
            return verification(target, verdict, None)
    elif reply.status == 200 and is_list(reply.body, read_models, b"models"):
        return verification(target, _UNVERIFIABLE, None)
    return verification(target, refused(reply, failure), failure)


def _is_past_the_key(reply: Reply, failure: failure_pb2.AttemptFailure) -> bool:
    """Tell whether the reply to a chat of nothing is about the chat: a refusal, or an answer."""
    if reply.status != 200:
        return failure.kind in _PAST_THE_KEY and read_words(reply.body) is not None
    try:
        return decode(reply.body.partition(b"\n")[0]).message is not None
    except (ValueError, RecursionError):
        return False

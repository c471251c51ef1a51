"""Say what the reply to a probe of Messages shows about a key."""

from __future__ import annotations

from trunkline.inference.adapters.adapter import Reply, Target
from trunkline.inference.adapters.anthropic.errors import classify
from trunkline.inference.adapters.anthropic.models import read_models
from trunkline.inference.adapters.verification import accepted, is_list, refused, verification
from trunkline.inference.v1 import provider_pb2


def verify(
    target: Target, purpose: provider_pb2.ProbePurpose.ValueType, reply: Reply
) -> provider_pb2.Verification:
    """Say what the reply to a probe shows about the key; see `Adapter.verify`.

    `time` is left to the caller.
    """
    if reply.status == 200 and is_list(reply.body, read_models, b"data"):
        return verification(target, accepted(target, purpose), None)
    failure = classify(target, reply)
    return verification(target, refused(reply, failure), failure)

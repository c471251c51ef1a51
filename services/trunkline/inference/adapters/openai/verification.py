"""Say what the reply to a probe of Chat Completions shows about a key."""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.adapter import Reply, Target
from trunkline.inference.adapters.openai.errors import classify
from trunkline.inference.adapters.openai.models import read_models
from trunkline.inference.adapters.verification import accepted, is_list, refused, verification
from trunkline.inference.v1 import provider_pb2

# OpenAI's words for a key without the permission, which it sends with 401 as well as 403
# (https://github.com/bytedance/trae-agent/issues/162).
_SCOPES: Final = ("missing scopes",)


def verify(
    target: Target, purpose: provider_pb2.ProbePurpose.ValueType, reply: Reply
) -> provider_pb2.Verification:
    """Say what the reply to a probe shows about the key; see `Adapter.verify`.

    `time` is left to the caller.
    """
    if reply.status == 200 and is_list(reply.body, read_models, b"data"):
        return verification(target, accepted(target, purpose), None)
    failure = classify(target, reply)
    return verification(target, refused(reply, failure, scopes=_SCOPES), failure)

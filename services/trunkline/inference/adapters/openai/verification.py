"""Say what the reply to a probe of Chat Completions shows about a key."""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.adapter import Reply, Target
from trunkline.inference.adapters.openai.errors import classify
from trunkline.inference.adapters.openai.models import read_models
from trunkline.inference.adapters.openai.services import find_service
from trunkline.inference.adapters.values import load
from trunkline.inference.adapters.verification import accepted, is_list, refused, verification
from trunkline.inference.v1 import provider_pb2

# OpenAI's words for a key without the permission, which it sends with 401 as well as 403
# (https://github.com/bytedance/trae-agent/issues/162).
_SCOPES: Final = ("missing scopes",)

_NO_LIST: Final = (
    "{name} has no list of models, which would need the key; use shows how good it is."
)


def verify(
    target: Target, purpose: provider_pb2.ProbePurpose.ValueType, reply: Reply
) -> provider_pb2.Verification:
    """Say what the reply to a probe shows about the key; see `Adapter.verify`.

    `time` is left to the caller.
    """
    service = find_service(target.type, "")
    proves = purpose == provider_pb2.PROBE_PURPOSE_PROVE_KEY
    if reply.status == 200:
        if proves and service.proof:
            good = _is_object(reply.body)
        else:
            good = is_list(reply.body, read_models, b"data")
        if good and service.proof and not proves:
            # The list is public.
            return verification(target, provider_pb2.VERDICT_UNVERIFIABLE, None)
        if good:
            return verification(target, accepted(target, purpose), None)
    failure = classify(target, reply)
    if not service.has_list and reply.status == 404:
        found = verification(target, provider_pb2.VERDICT_UNVERIFIABLE, failure)
        found.message = _NO_LIST.format(name=target.provider or "The provider")
        return found
    return verification(target, refused(reply, failure, scopes=_SCOPES), failure)


def _is_object(body: bytes) -> bool:
    """Tell whether a body is an object that speaks of no error."""
    try:
        said = load(body)
    except ValueError:
        return False
    return isinstance(said, dict) and "error" not in said

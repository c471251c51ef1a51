"""Say what the reply to a probe of Azure shows about a key."""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.adapter import Reply, Target
from trunkline.inference.adapters.azure.errors import classify
from trunkline.inference.adapters.openai.models import read_models
from trunkline.inference.adapters.verification import accepted, is_list, refused, verification
from trunkline.inference.v1 import provider_pb2

# Of a token of Entra without the role, which comes with 401 as well as 403.
_SCOPES: Final = ("lacks the required data action",)


def verify(
    target: Target, purpose: provider_pb2.ProbePurpose.ValueType, reply: Reply
) -> provider_pb2.Verification:
    """Say what the reply to a probe shows about the key; see `Adapter.verify`.

    The list is of the models that Azure has, not of the deployments that can be asked: it proves
    a key and the address, and no deployment. `time` is left to the caller.
    """
    if reply.status == 200 and is_list(reply.body, read_models, b"data"):
        return verification(target, accepted(target, purpose), None)
    failure = classify(target, reply)
    return verification(target, refused(reply, failure, scopes=_SCOPES), failure)

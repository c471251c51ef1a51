"""Say what the reply to a probe of Bedrock's runtime shows about a key."""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.adapter import Reply, Target
from trunkline.inference.adapters.bedrock.errors import classify
from trunkline.inference.adapters.bedrock.words import refusal_words
from trunkline.inference.adapters.verification import has_key, refused, verification
from trunkline.inference.v1 import failure_pb2, provider_pb2

# What is said to a key that is known: the request makes no sense, or its model is not there.
_ACCEPTED: Final = frozenset({"validationexception", "resourcenotfoundexception"})

# Said to a key that is known, of the one model that was asked; others it may have.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
_NOT_THIS: Final = "is not authorized to perform"
_NOT_THIS_MODEL: Final = "{name} knows the key; which models it may ask shows in use."

# Said in place of 401 (https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html).
_UNKNOWN: Final = frozenset(
    {
        "expiredtoken",
        "expiredtokenexception",
        "incompletesignature",
        "incompletesignatureexception",
        "invalidclienttokenid",
        "invalidsignatureexception",
        "missingauthenticationtoken",
        "missingauthenticationtokenexception",
        "signaturedoesnotmatch",
        "unrecognizedclientexception",
    }
)
# Of a Bedrock API key: wrong, at its end, or of another region.
_WRONG_KEY: Final = "make sure your api key is valid"


def verify(target: Target, reply: Reply) -> provider_pb2.Verification:
    """Say what the reply to a probe shows about the key; see `Adapter.verify`.

    `time` is left to the caller.
    """
    words = refusal_words(reply.headers, reply.body)
    codes = {code.lower() for code in words.codes}
    said = words.message.lower()
    if reply.status == 200 or (reply.status in (400, 404) and codes & _ACCEPTED):
        verdict = (
            provider_pb2.VERDICT_BILLING_NOT_CHECKED
            if has_key(target)
            else provider_pb2.VERDICT_UNVERIFIABLE
        )
        return verification(target, verdict, None)
    failure = classify(target, reply)
    if codes & _UNKNOWN or _WRONG_KEY in said:
        return verification(target, provider_pb2.VERDICT_REVOKED, failure)
    if reply.status == 403 and _NOT_THIS in said and has_key(target):
        found = verification(target, provider_pb2.VERDICT_BILLING_NOT_CHECKED, failure)
        found.message = _NOT_THIS_MODEL.format(name=target.provider or "The provider")
        return found
    verdict = refused(reply, failure)
    if failure.kind == failure_pb2.ERROR_KIND_NOT_AUTHORIZED and not has_key(target):
        verdict = provider_pb2.VERDICT_REVOKED
    return verification(target, verdict, failure)

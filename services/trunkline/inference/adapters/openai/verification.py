"""Say what the reply to a probe shows about a key."""

from __future__ import annotations

from typing import Final, TypeAlias

from trunkline.inference.adapters.adapter import Reply, Target
from trunkline.inference.adapters.openai.errors import classify
from trunkline.inference.adapters.openai.models import read_models
from trunkline.inference.v1 import failure_pb2, provider_pb2

Verdict: TypeAlias = provider_pb2.Verdict.ValueType

_VALID: Final = provider_pb2.VERDICT_VALID
_WRONG_SCOPE: Final = provider_pb2.VERDICT_WRONG_SCOPE
_REVOKED: Final = provider_pb2.VERDICT_REVOKED
_BILLING: Final = provider_pb2.VERDICT_BILLING
_RATE_LIMITED: Final = provider_pb2.VERDICT_RATE_LIMITED
_NOT_FOUND: Final = provider_pb2.VERDICT_NOT_FOUND
_PROVIDER_ERROR: Final = provider_pb2.VERDICT_PROVIDER_ERROR
_UNVERIFIABLE: Final = provider_pb2.VERDICT_UNVERIFIABLE
_BILLING_NOT_CHECKED: Final = provider_pb2.VERDICT_BILLING_NOT_CHECKED

MAX_REPLY: Final = 64 * 1024
"""How much of a body a `Reply` holds; a longer list comes cut."""

_VERDICTS: Final[dict[int, Verdict]] = {
    failure_pb2.ERROR_KIND_RATE_LIMITED: _RATE_LIMITED,
    failure_pb2.ERROR_KIND_SERVER_ERROR: _PROVIDER_ERROR,
    failure_pb2.ERROR_KIND_QUOTA: _BILLING,
    failure_pb2.ERROR_KIND_NOT_AUTHORIZED: _REVOKED,
}

_SENTENCES: Final[dict[Verdict, str]] = {
    _VALID: "{name} accepts the key.",
    _BILLING_NOT_CHECKED: "{name} accepts the key; whether the account may spend shows in use.",
    _UNVERIFIABLE: "{name} answers without a key, so that this says nothing about one.",
    _WRONG_SCOPE: "{name} knows the key and does not let it do this. Give it the permission, "
    "or use a key that has it.",
    _REVOKED: "{name} does not know the key, or no longer. Create a new one there.",
    _BILLING: "{name} wants to be paid first: add credit or settle the invoice there.",
    _RATE_LIMITED: "{name} has too many requests at the moment; try again later.",
    _NOT_FOUND: "The address answers, and not as {name} would. Check the base URL.",
    _PROVIDER_ERROR: "{name} has failed; this says nothing about the key. Try again later.",
}
_KEY_NEEDED: Final = "{name} wants a key, and none was sent."

# OpenAI's words for a key without the permission, which it sends with 401 as well as 403
# (https://github.com/bytedance/trae-agent/issues/162).
_MISSING_SCOPES: Final = "missing scopes"


def verify(
    target: Target, purpose: provider_pb2.ProbePurpose.ValueType, reply: Reply
) -> provider_pb2.Verification:
    """Say what the reply to a probe shows about the key; see `Adapter.verify`.

    `time` is left to the caller.
    """
    has_key = bool(target.secret.api_key or target.secret.headers)
    verification = provider_pb2.Verification()
    if reply.status == 200 and _is_list(reply.body):
        if not has_key:
            verdict = _UNVERIFIABLE
        elif purpose == provider_pb2.PROBE_PURPOSE_PROVE_KEY:
            verdict = _BILLING_NOT_CHECKED
        else:
            verdict = _VALID
    else:
        failure = classify(target, reply)
        verdict = _refused(reply, failure)
        verification.reply.CopyFrom(failure.reply)
    verification.verdict = verdict
    sentence = _KEY_NEEDED if verdict == _REVOKED and not has_key else _SENTENCES[verdict]
    verification.message = sentence.format(name=target.provider or "The provider")
    return verification


def _refused(reply: Reply, failure: failure_pb2.AttemptFailure) -> Verdict:
    """Return the verdict of a reply that is no list of models."""
    verdict = _VERDICTS.get(failure.kind, _NOT_FOUND)
    if verdict != _REVOKED:
        return verdict
    if _MISSING_SCOPES in failure.reply.message.lower():
        return _WRONG_SCOPE
    if reply.status == 403:
        # A page comes from something in front of the provider, which knows no keys.
        return _NOT_FOUND if _is_page(reply.body) else _WRONG_SCOPE
    return _REVOKED


def _is_list(body: bytes) -> bool:
    """Tell whether a body is a list of models, as far as it can be seen."""
    try:
        read_models(body)
    except ValueError:
        start = body.lstrip()
        return len(body) >= MAX_REPLY and (
            start.startswith(b"[{") or (start.startswith(b"{") and b'"data"' in start)
        )
    return True


def _is_page(body: bytes) -> bool:
    """Tell whether a body is HTML."""
    return body.lstrip()[:1] == b"<"

"""Say what the reply to a probe shows about a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from trunkline.inference.adapters.adapter import Reply, Target
from trunkline.inference.v1 import failure_pb2, provider_pb2

Verdict: TypeAlias = provider_pb2.Verdict.ValueType

MAX_REPLY: Final = 64 * 1024
"""How much of a body a `Reply` holds; a longer list comes cut."""

_VALID: Final = provider_pb2.VERDICT_VALID
_WRONG_SCOPE: Final = provider_pb2.VERDICT_WRONG_SCOPE
_REVOKED: Final = provider_pb2.VERDICT_REVOKED
_BILLING: Final = provider_pb2.VERDICT_BILLING
_RATE_LIMITED: Final = provider_pb2.VERDICT_RATE_LIMITED
_NOT_FOUND: Final = provider_pb2.VERDICT_NOT_FOUND
_PROVIDER_ERROR: Final = provider_pb2.VERDICT_PROVIDER_ERROR
_UNVERIFIABLE: Final = provider_pb2.VERDICT_UNVERIFIABLE
_BILLING_NOT_CHECKED: Final = provider_pb2.VERDICT_BILLING_NOT_CHECKED

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


def accepted(target: Target, purpose: provider_pb2.ProbePurpose.ValueType) -> Verdict:
    """Return the verdict of a list of models: as far as a list proves the key that was sent."""
    if not has_key(target):
        return _UNVERIFIABLE
    proves = purpose == provider_pb2.PROBE_PURPOSE_PROVE_KEY
    return _BILLING_NOT_CHECKED if proves else _VALID


def refused(
    reply: Reply, failure: failure_pb2.AttemptFailure, *, scopes: tuple[str, ...] = ()
) -> Verdict:
    """Return the verdict of a reply that is no list of models.

    Args:
        reply: what came.
        failure: what it means.
        scopes: a vendor's phrases, in small letters, for a key that is known and lacks a
            permission, whatever the status.
    """
    verdict = _VERDICTS.get(failure.kind, _NOT_FOUND)
    if verdict != _REVOKED:
        return verdict
    message = failure.reply.message.lower()
    if any(phrase in message for phrase in scopes):
        return _WRONG_SCOPE
    if reply.status == 403:
        # A page comes from something in front of the provider, which knows no keys.
        return _NOT_FOUND if _is_page(reply.body) else _WRONG_SCOPE
    return _REVOKED


def verification(
    target: Target, verdict: Verdict, failure: failure_pb2.AttemptFailure | None
) -> provider_pb2.Verification:
    """Return a verdict with its sentence; `time` is left to the caller.

    Args:
        target: who was asked.
        verdict: as `accepted` or `refused` returned it.
        failure: of a refusal; None when the key was accepted.
    """
    sentence = _SENTENCES[verdict]
    if verdict == _REVOKED and not has_key(target):
        sentence = _KEY_NEEDED
    found = provider_pb2.Verification(
        verdict=verdict, message=sentence.format(name=target.provider or "The provider")
    )
    if failure is not None:
        found.reply.CopyFrom(failure.reply)
    return found


def is_list(body: bytes, read_models: Callable[[bytes], object], key: bytes) -> bool:
    """Tell whether a body is a list of models, as far as it can be seen.

    Args:
        body: whole, or cut at `MAX_REPLY` or later.
        read_models: reads a whole one; raises ValueError for what is none.
        key: under which the list stands, such as `data`, in case the body was cut.
    """
    try:
        read_models(body)
    except ValueError:
        start = body.lstrip()
        return len(body) >= MAX_REPLY and (
            start.startswith(b"[{") or (start.startswith(b"{") and b'"' + key + b'"' in start)
        )
    return True


def has_key(target: Target) -> bool:
    """Tell whether a probe of the target sends anything that authenticates."""
    kind = target.secret.WhichOneof("kind")
    return bool((kind and getattr(target.secret, kind)) or target.secret.headers)


def _is_page(body: bytes) -> bool:
    """Tell whether a body is HTML."""
    return body.lstrip()[:1] == b"<"

"""Name who made what only its maker can read, and tell who that is."""

from __future__ import annotations

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.v1 import message_pb2


def issuer_at(target: Target, vendor: str) -> message_pb2.Provenance:
    """Return who issues what an answer brings.

    Args:
        target: who answers.
        vendor: whose format it is, such as `anthropic`.
    """
    return message_pb2.Provenance(
        vendor=vendor,
        model=target.model,
        provider=target.provider,
        credential_id=target.credential_id,
    )


def is_issuer(target: Target, vendor: str, issuer: message_pb2.Provenance) -> bool:
    """Tell whether a target is the one who issued something.

    The model must be the same: to another one of the vendor a signature is worth nothing or
    is an error. A value without a provider or without a credential is not bound to one.
    """
    return (
        issuer.vendor == vendor
        and issuer.model == target.model
        and issuer.provider in ("", target.provider)
        and issuer.credential_id in ("", target.credential_id)
    )

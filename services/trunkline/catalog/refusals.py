"""What the catalog refuses for the state it is in."""

from __future__ import annotations

from typing import Final

from google.rpc import error_details_pb2

from trunkline.catalog.answers import Standing, choose_credential, judge_credential
from trunkline.kernel.errors import Aborted, FailedPrecondition, NotFound
from trunkline.views.credentials import CredentialView

# So many referrers are named, since a status has few kilobytes.
_NAMED_REFERRERS: Final = 16


def provider_not_found(name: str) -> NotFound:
    """Return the error for a provider that is not there."""
    return NotFound(
        "PROVIDER_NOT_FOUND", f"There is no provider {name}.", metadata={"provider": name}
    )


def chain_not_found(name: str) -> NotFound:
    """Return the error for a chain that is not there."""
    return NotFound("CHAIN_NOT_FOUND", f"There is no chain {name}.", metadata={"chain": name})


def check_etag(given: str, current: str) -> None:
    """Refuse a change that was made of an older version.

    Args:
        given: by the caller; empty: not checked.
        current: of what is stored.

    Raises:
        Aborted: ETAG_MISMATCH, with the current one.
    """
    if given and given != current:
        raise Aborted(
            "ETAG_MISMATCH",
            "Somebody changed it since you read it; read it again.",
            metadata={"etag": current},
        )


def check_verified(credentials: CredentialView, provider: str) -> None:
    """Refuse a default at a provider without a verified credential (K14).

    Raises:
        FailedPrecondition: NOT_VERIFIED.
    """
    chosen = choose_credential(credentials.central_keys(provider))
    if judge_credential(chosen) is not Standing.VERIFIED:
        raise FailedPrecondition(
            "NOT_VERIFIED",
            f"A default needs a verified credential first: `trunkline connect {provider}`.",
            metadata={"provider": provider},
        )


def still_referred_to(name: str, referrers: list[str]) -> FailedPrecondition:
    """Return the error for a provider that something refers to."""
    named = referrers[:_NAMED_REFERRERS]
    more = f" and {len(referrers) - len(named)} more" if len(referrers) > len(named) else ""
    return FailedPrecondition(
        "STILL_REFERRED_TO",
        f"The provider {name} is still in use by {', '.join(named)}{more}.",
        metadata={"referrers": ",".join(named)},
        details=(
            error_details_pb2.PreconditionFailure(
                violations=[
                    error_details_pb2.PreconditionFailure.Violation(
                        type="STILL_REFERRED_TO",
                        subject=referrer,
                        description=_what_to_do(referrer),
                    )
                    for referrer in named
                ]
            ),
        ),
    )


def _what_to_do(referrer: str) -> str:
    """Return what keeps a provider, and what to do about it."""
    if referrer == "default":
        return "is the deployment's default model; choose another one"
    if referrer.startswith("chains/"):
        return "names a model of the provider; change or delete it first"
    return "belongs to the provider; delete it first"

"""Put together where a request goes, with the key."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.formats import format_of
from trunkline.inference.means import Means
from trunkline.inference.terms import Owner
from trunkline.planning.candidates import Candidate


async def make_target(candidate: Candidate, owner: Owner, means: Means) -> Target:
    """Return where a candidate's requests go.

    Args:
        candidate: who is asked.
        owner: for whom.
        means: resolve the candidate's key, and tell when: a signature bears it.

    Raises:
        FailedPrecondition: NO_CREDENTIAL: the key is gone, or the machine has none.
        Unavailable: PEER_UNAVAILABLE, SECURITY_VIEW_STALE.
    """
    key = candidate.credential
    secret = await means.keys.resolve(key, owner, candidate.place.origin)
    provider = candidate.provider
    if means.aws_chain is not None:
        secret = await means.aws_chain.complete(
            provider.name, format_of(candidate), candidate.place.url, secret
        )
    return Target(
        provider=provider.name,
        model=candidate.model_id,
        base_url=candidate.place.url,
        headers=dict(provider.endpoint.headers),
        secret=secret,
        credential_id=_account(key.id),
        type=provider.type,
        modes=tuple(candidate.model.facts.reasoning_modes.values),
        time_ns=means.clock.time_ns(),
    )


@lru_cache(maxsize=1024)
def _account(credential_id: str) -> str:
    """Return what signatures are bound to: it tells accounts apart, and names none."""
    return hashlib.sha256(credential_id.encode()).hexdigest()[:16] if credential_id else ""

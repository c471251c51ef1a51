"""Put together where a request goes, with the key."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.keys import Keys
from trunkline.inference.terms import Owner
from trunkline.kernel.clock import Clock
from trunkline.planning.candidates import Candidate


async def make_target(candidate: Candidate, owner: Owner, keys: Keys, clock: Clock) -> Target:
    """Return where a candidate's requests go.

    Args:
        candidate: who is asked.
        owner: for whom.
        keys: resolves the candidate's.
        clock: tells when: a signature bears it.

    Raises:
        FailedPrecondition: NO_CREDENTIAL: the key is gone.
        Unavailable: PEER_UNAVAILABLE, SECURITY_VIEW_STALE.
    """
    key = candidate.credential
    secret = await keys.resolve(key, owner, candidate.place.origin)
    provider = candidate.provider
    return Target(
        provider=provider.name,
        model=candidate.model_id,
        base_url=candidate.place.url,
        headers=dict(provider.endpoint.headers),
        secret=secret,
        credential_id=_account(key.id),
        type=provider.type,
        modes=tuple(candidate.model.facts.reasoning_modes.values),
        time_ns=clock.time_ns(),
    )


@lru_cache(maxsize=1024)
def _account(credential_id: str) -> str:
    """Return what signatures are bound to: it tells accounts apart, and names none."""
    return hashlib.sha256(credential_id.encode()).hexdigest()[:16] if credential_id else ""

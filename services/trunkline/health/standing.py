"""What the views tell of the key and the provider of a route."""

from __future__ import annotations

from trunkline.health.cooldown import Witness
from trunkline.health.route import Route
from trunkline.inference.v1 import provider_pb2
from trunkline.views.catalog import CatalogView
from trunkline.views.credentials import CredentialView

_PAID = provider_pb2.VERDICT_VALID
_ACCEPTED = (_PAID, provider_pb2.VERDICT_BILLING_NOT_CHECKED)


class Standing:
    """Tells whose keys are, what speaks against a cooldown, and what is gone.

    Args:
        catalog: the view of providers.
        credentials: the view of keys.
    """

    def __init__(self, catalog: CatalogView, credentials: CredentialView) -> None:
        self._catalog = catalog
        self._credentials = credentials

    def is_personal(self, credential_id: str) -> bool:
        """Tell whether a key is somebody's own; one that is not known may be."""
        if not credential_id:
            return False
        entry = self._credentials.get(credential_id)
        return entry is None or bool(entry.owner)

    def speaks_for_others(self, credential_id: str) -> bool:
        """Tell whether what fails with a key would fail with others, too."""
        if not credential_id:
            return True
        entry = self._credentials.get(credential_id)
        return entry is not None and not entry.owner and not entry.base_url

    def has_own_address(self, credential_id: str) -> bool:
        """Tell whether a key is used at an address of its own, not the provider's."""
        entry = self._credentials.get(credential_id)
        return entry is not None and bool(entry.base_url)

    def is_gone(self, route: Route) -> bool:
        """Tell whether a route's provider or key is known to be there no more."""
        if self._catalog.follower.is_ready and route.provider not in self._catalog.providers:
            return True
        if not route.credential_id or not self._credentials.follower.is_ready:
            return False
        return self._credentials.get(route.credential_id) is None

    def witness(self, route: Route) -> Witness:
        """Return what is known now of a route's key and of its provider's list."""
        provider = self._catalog.providers.get(route.provider)
        list_ns = provider.refresh_time.ToNanoseconds() if provider is not None else 0
        entry = self._credentials.get(route.credential_id)
        if entry is None:
            return Witness(list_ns=list_ns)
        proof = entry.verification
        accepted = proof.verdict in _ACCEPTED
        return Witness(
            entry.version,
            proof.time.ToNanoseconds() if accepted else 0,
            proof.verdict == _PAID,
            list_ns,
        )

"""Which providers and keys there are, as the views tell; the board is held to it."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.health.board import Board
from trunkline.health.state import last_seen_ns
from trunkline.health.v1 import health_pb2
from trunkline.views.catalog import CatalogView
from trunkline.views.credentials import CredentialView


class Roster:
    """Holds the board to what there is.

    Args:
        catalog: the view of providers.
        credentials: the view of keys.
        board: forgets what is gone.
        notice: called when the views have changed.
    """

    def __init__(
        self,
        catalog: CatalogView,
        credentials: CredentialView,
        board: Board,
        notice: Callable[[], None],
    ) -> None:
        self._catalog = catalog
        self._credentials = credentials
        self._board = board
        self._notice = notice
        self._changed = False
        catalog.on_change(self._note_change)
        credentials.on_change(self._note_change)

    async def wait_known(self, provider: str = "") -> None:
        """Wait for the first view of the catalog, unless what is wanted is remembered.

        Args:
            provider: the one that is wanted; empty: any.

        Raises:
            Unavailable: PEER_UNAVAILABLE: it does not come.
        """
        if provider not in self._board if provider else not self._board:
            await self._catalog.follower.wait_ready()
        self.follow()

    def follow(self) -> None:
        """Take over which providers and keys there are, when that has changed."""
        if not self._changed:
            return
        self._changed = False
        if self._catalog.follower.is_ready:
            self._board.keep_only(self._catalog.providers.keys())
        for provider in self._board.names():
            self.drop_keys(provider)

    def drop_keys(self, provider: str) -> None:
        """Forget a provider's keys that are gone, or have another secret than was used."""
        state = self._board.state(provider)
        if state is None or not self._credentials.follower.is_ready:
            return
        gone = {key.credential_id for key in state.credentials if self._is_other(key)}
        if gone:
            self._board.drop_keys(provider, gone)

    def is_key(self, credential_id: str) -> bool:
        """Tell whether there is a credential, as far as that is known."""
        return (
            not self._credentials.follower.is_ready
            or self._credentials.get(credential_id) is not None
        )

    def _is_other(self, key: health_pb2.CredentialHealth) -> bool:
        """Tell whether a credential is gone, or has another secret than the one that was used."""
        credential = self._credentials.get(key.credential_id)
        return credential is None or credential.update_time.ToNanoseconds() > last_seen_ns(key)

    def _note_change(self) -> None:
        """Have a change of the views followed."""
        self._changed = True
        self._notice()

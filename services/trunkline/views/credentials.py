"""The view of which credentials exist, without their secrets, and which content key is current."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta

import grpc

from trunkline.credential.v1 import credential_pb2, credential_service_pb2_grpc, resolve_pb2
from trunkline.kernel.clock import Clock
from trunkline.kernel.errors import Unavailable
from trunkline.kernel.service import WatchedView
from trunkline.kernel.view import Follower


class CredentialView:
    """Holds every credential's entry by id.

    Args:
        channel: to the credential service.
        clock: measures age.
        max_staleness_s: the age up to which the view is trusted.

    Attributes:
        content_key_id: of the current content key, `dek_…`; empty: none is known of.
    """

    def __init__(self, channel: grpc.aio.Channel, clock: Clock, *, max_staleness_s: float) -> None:
        self._max_staleness_s = max_staleness_s
        self._entries: dict[str, credential_pb2.Credential] = {}
        self._next: dict[str, credential_pb2.Credential] = {}
        # By provider and in order: asked for by every chat, while personal ones may be many.
        self._central: dict[str, tuple[credential_pb2.Credential, ...]] = {}
        self.content_key_id = ""
        self._next_content_key_id = ""
        self._on_change: list[Callable[[], None]] = []
        self.follower = Follower(
            "credential",
            credential_service_pb2_grpc.CredentialServiceStub(channel).WatchCredentials,
            lambda revision: resolve_pb2.WatchCredentialsRequest(after_revision=revision),
            self,
            clock,
        )

    @property
    def watched(self) -> WatchedView:
        """Return what it watches, and how long that is trusted."""
        return WatchedView("credentials", self.follower, self._max_staleness_s)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have a function called after every change of the view."""
        self._on_change.append(listener)

    def get(self, credential_id: str) -> credential_pb2.Credential | None:
        """Return a credential's entry; None: there is none."""
        return self._entries.get(credential_id)

    def central(self, provider: str) -> credential_pb2.Credential | None:
        """Return the entry of a provider's first central credential; None: there is none."""
        keys = self._central.get(provider)
        return keys[0] if keys else None

    def central_keys(self, provider: str) -> Sequence[credential_pb2.Credential]:
        """Return the entries of a provider's central credentials, in the order of their use."""
        return self._central.get(provider, ())

    def of_provider(self, provider: str) -> list[credential_pb2.Credential]:
        """Return the entries of all credentials of a provider, whoever owns them."""
        return [entry for entry in self._entries.values() if entry.provider == provider]

    def check_fresh(self) -> None:
        """Refuse to trust a view that is too old.

        Raises:
            Unavailable: SECURITY_VIEW_STALE.
        """
        age = self.follower.age()
        if age > self._max_staleness_s:
            raise Unavailable(
                "SECURITY_VIEW_STALE",
                "What is known of credentials is too old to trust.",
                metadata={"view": "credentials", "age_ms": str(int(age * 1000))},
                retry_after=timedelta(seconds=1),
            )

    def add_page(self, page: resolve_pb2.CredentialPage) -> None:
        """Collect a page of a new view."""
        self._next.update((entry.id, entry) for entry in page.credentials)
        self._next_content_key_id = page.content_key_id or self._next_content_key_id

    def swap(self) -> None:
        """Let the new view hold."""
        self._entries, self._next = self._next, {}
        self.content_key_id, self._next_content_key_id = self._next_content_key_id, ""
        central = defaultdict(list)
        for entry in self._entries.values():
            if not entry.owner:
                central[entry.provider].append(entry)
        self._central = {name: _in_order(keys) for name, keys in central.items()}
        self._tell()

    def change(self, kind: str, value: credential_pb2.Credential | str) -> None:
        """Take one change."""
        if kind == "credential" and isinstance(value, credential_pb2.Credential):
            self._entries[value.id] = value
            if not value.owner:
                others = self._central_but(value)
                self._central[value.provider] = _in_order([*others, value])
        elif kind == "deleted_credential_id" and isinstance(value, str):
            entry = self._entries.pop(value, None)
            if entry is not None and not entry.owner:
                self._central[entry.provider] = self._central_but(entry)
        elif kind == "content_key_id" and isinstance(value, str):
            self.content_key_id = value
        self._tell()

    def _central_but(
        self, entry: credential_pb2.Credential
    ) -> tuple[credential_pb2.Credential, ...]:
        """Return the central credentials of an entry's provider without that one."""
        keys = self.central_keys(entry.provider)
        return tuple(each for each in keys if each.id != entry.id)

    def _tell(self) -> None:
        """Tell the listeners."""
        for listener in self._on_change:
            listener()


def _in_order(keys: list[credential_pb2.Credential]) -> tuple[credential_pb2.Credential, ...]:
    """Sort a provider's credentials as they are tried: by rank, equal ones by age."""
    return tuple(
        sorted(keys, key=lambda each: (each.rank, each.create_time.ToNanoseconds(), each.id))
    )

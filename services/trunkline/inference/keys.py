"""Plaintext keys, for as long as they are needed and no longer.

A key is resolved at first use and kept in memory by credential, version and owner for
at most 10 minutes. It is dropped at once when the watch names its credential.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import OrderedDict
from dataclasses import dataclass, field

import grpc

from trunkline.credential.v1 import credential_pb2, credential_service_pb2_grpc, resolve_pb2
from trunkline.inference.terms import Owner
from trunkline.inference.v1 import provider_pb2
from trunkline.kernel.channel import PeerRefused, ask
from trunkline.kernel.clock import Clock
from trunkline.kernel.errors import FailedPrecondition, Unavailable
from trunkline.views.credentials import CredentialView

KEPT_S = 600.0
MAX_KEYS = 10_000
_TIMEOUT_S = 5.0

# Credential id, version, principal, user, origin.
_Key = tuple[str, int, str, str, str]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A resolved key and when it must be resolved again."""

    secret: provider_pb2.ProviderSecret = field(repr=False)
    until: float


class Keys:
    """Resolves and keeps provider keys.

    Args:
        channel: to the credential service.
        view: which credentials exist; its changes drop what is kept.
        clock: measures how long.
    """

    def __init__(self, channel: grpc.aio.Channel, view: CredentialView, clock: Clock) -> None:
        self._stub = credential_service_pb2_grpc.CredentialServiceStub(channel)
        self._view = view
        self._clock = clock
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._resolving: dict[_Key, asyncio.Task[provider_pb2.ProviderSecret]] = {}
        view.on_change(self._drop_changed)

    async def resolve(
        self, credential: credential_pb2.Credential, owner: Owner, origin: str
    ) -> provider_pb2.ProviderSecret:
        """Return the secret of a credential for one owner and origin.

        Raises:
            FailedPrecondition: NO_CREDENTIAL: it is gone, not for this origin, or a token
                that has ended, which no provider is asked with.
            Unavailable: PEER_UNAVAILABLE, SECURITY_VIEW_STALE.
        """
        secret = await self._find(credential, owner, origin)
        token = secret.bearer_token
        if (
            token.HasField("expire_time")
            and token.expire_time.ToNanoseconds() <= self._clock.time_ns()
        ):
            raise FailedPrecondition(
                "NO_CREDENTIAL",
                f"The token of {credential.provider} has ended; save a new one.",
                metadata={"provider": credential.provider, "policy": "no_key"},
            )
        return secret

    async def _find(
        self, credential: credential_pb2.Credential, owner: Owner, origin: str
    ) -> provider_pb2.ProviderSecret:
        """Return the secret that is kept, or ask for it; raises as `resolve`."""
        key = (credential.id, credential.version, owner.principal, owner.on_behalf_of, origin)
        kept = self._kept.get(key)
        if kept is not None and kept.until > self._clock.monotonic():
            self._view.check_fresh()
            self._kept.move_to_end(key)
            return kept.secret
        # Many chats that need the same key at the same moment ask for it once.
        task = self._resolving.get(key)
        if task is None:
            # A context of its own: the deadline of the first to ask does not bound the others.
            task = asyncio.get_running_loop().create_task(
                self._ask(key, credential, owner, origin), context=contextvars.Context()
            )
            self._resolving[key] = task
            task.add_done_callback(lambda _: self._resolving.pop(key, None))
        return await asyncio.shield(task)

    async def _ask(
        self, key: _Key, credential: credential_pb2.Credential, owner: Owner, origin: str
    ) -> provider_pb2.ProviderSecret:
        """Ask the credential service, and keep the answer."""
        request = resolve_pb2.ResolveCredentialRequest(
            provider=credential.provider,
            principal=owner.principal,
            on_behalf_of=owner.on_behalf_of,
            credential_id=credential.id,
            origin=origin,
        )
        try:
            answer = await ask(
                "credential", self._stub.ResolveCredential, request, timeout=_TIMEOUT_S
            )
        except PeerRefused as refused:
            if refused.reason in ("CREDENTIAL_NOT_FOUND", "ORIGIN_CHANGED"):
                raise FailedPrecondition(
                    "NO_CREDENTIAL",
                    f"There is no usable key for {credential.provider}: {refused.message}",
                    metadata={"provider": credential.provider, "policy": "no_key"},
                ) from None
            raise Unavailable(
                "PEER_UNAVAILABLE",
                f"The credential service cannot give the key: {refused.message}",
                metadata={"peer": "credential"},
            ) from None
        secret: provider_pb2.ProviderSecret = answer.secret
        if not self._holds(key):
            return secret  # it went meanwhile: the chats that wait for it are the last
        self._kept[key] = _Kept(secret, self._clock.monotonic() + KEPT_S)
        while len(self._kept) > MAX_KEYS:
            self._kept.popitem(last=False)
        return secret

    def _drop_changed(self) -> None:
        """Forget keys of credentials that are gone or have another version."""
        for key in list(self._kept):
            if not self._holds(key):
                del self._kept[key]

    def _holds(self, key: _Key) -> bool:
        """Tell whether a credential still exists in the version and for the origin of a key."""
        entry = self._view.get(key[0])
        return entry is not None and entry.version == key[1] and key[4] in entry.origins

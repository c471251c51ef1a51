"""What is settled when a run begins: whose it is, what it asks, how long it may take."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from trunkline.inference.conversation import Loop
from trunkline.inference.v1 import chat_pb2
from trunkline.kernel.call import Caller
from trunkline.kernel.errors import PermissionDenied

_FREE_FIELDS: Final = ("idempotency_key", "limits", "disconnect")


class Owner(msgspec.Struct, frozen=True):
    """Whose a run is: caller and user together.

    Attributes:
        principal: the caller.
        on_behalf_of: the user that it named; empty: itself.
    """

    principal: str
    on_behalf_of: str = ""


class Terms(msgspec.Struct, frozen=True):
    """What was settled when a run began.

    Attributes:
        owner: whose it is.
        caller: who began it; its role decides what the run's events show.
        request_id: of the call that began it.
        target: what was asked for, for people.
        request: the question.
        grace_s: how long it waits for a reader when it has none.
        total_s: how long it may take.
        retention_s: how long it is kept after its end.
        in_parts: somebody may read the answer while it comes; else its provider is asked
            for it in one piece.
        durable: it survives the death of its process.
        continues: it goes on without readers.
        loop: of a Converse; None: it is a single turn.
        settled_digest: of the request that was let go; empty: it was not.
    """

    owner: Owner
    caller: Caller
    request_id: str
    target: str
    request: chat_pb2.ChatRequest
    grace_s: float
    total_s: float
    retention_s: float
    in_parts: bool = True
    durable: bool = False
    continues: bool = False
    loop: Loop | None = None
    settled_digest: bytes = b""

    @property
    def key_digest(self) -> bytes:
        """Return the digest of the idempotency key, which is its owner's alone; empty: none."""
        key = self.request.idempotency_key
        family = "chat" if self.loop is None else "converse"
        return digest_key(self.owner, family, key) if key else b""

    @property
    def request_digest(self) -> bytes:
        """Return the digest of the request as far as the key covers it; empty: there is none."""
        if self.settled_digest or not self.request.idempotency_key:
            return self.settled_digest
        return _digest_request(self.request, self.loop)

    def without_question(self) -> Terms:
        """Return what matters of a run that has ended: no longer what was asked."""
        asked = self.request
        kept = chat_pb2.ChatRequest(
            idempotency_key=asked.idempotency_key, role=asked.role, agent=asked.agent
        )
        return msgspec.structs.replace(self, request=kept, settled_digest=self.request_digest)


class _Stored(msgspec.Struct, array_like=True):
    """Terms as they lie in the store, but for what the run's record has itself.

    Whose it is stands in both, so that a record that was given another owner does not open.
    """

    principal: str
    on_behalf_of: str
    request: bytes
    role: int
    token_id: str
    providers: list[str]
    models: list[str]
    impersonate: bool
    request_id: str
    total_s: float
    in_parts: bool
    loop: Loop | None = None


def write_terms(terms: Terms) -> bytes:
    """Return terms as they are sealed."""
    caller = terms.caller
    return msgspec.msgpack.encode(
        _Stored(
            terms.owner.principal,
            terms.owner.on_behalf_of,
            terms.request.SerializeToString(),
            caller.role,
            caller.token_id,
            sorted(caller.providers),
            sorted(caller.models),
            caller.impersonate,
            terms.request_id,
            terms.total_s,
            terms.in_parts,
            terms.loop,
        )
    )


def read_terms(
    data: bytes, owner: Owner, target: str, grace_s: float, retention_s: float, *, continues: bool
) -> Terms:
    """Return terms as they were sealed, with what the run's record has.

    Raises:
        ValueError: the data are none of ours, or of another owner.
    """
    stored = msgspec.msgpack.decode(data, type=_Stored)
    if (stored.principal, stored.on_behalf_of) != (owner.principal, owner.on_behalf_of):
        raise ValueError("the run is another's")
    role: Any = stored.role
    return Terms(
        owner=owner,
        caller=Caller(
            role,
            owner.principal,
            stored.token_id,
            frozenset(stored.providers),
            frozenset(stored.models),
            stored.impersonate,
        ),
        request_id=stored.request_id,
        target=target,
        request=chat_pb2.ChatRequest.FromString(stored.request),
        grace_s=grace_s,
        total_s=stored.total_s,
        retention_s=retention_s,
        in_parts=stored.in_parts,
        durable=True,
        continues=continues,
        loop=stored.loop,
    )


def _digest_request(request: chat_pb2.ChatRequest, loop: Loop | None) -> bytes:
    """Return the digest of a request as far as an idempotency key covers it."""
    covered = chat_pb2.ChatRequest()
    covered.CopyFrom(request)
    for field in _FREE_FIELDS:
        covered.ClearField(field)
    settled = msgspec.msgpack.encode(loop)
    return hashlib.sha256(settled + covered.SerializeToString(deterministic=True)).digest()


def digest_key(owner: Owner, family: str, key: str) -> bytes:
    """Return the digest of an idempotency key, which is its owner's alone.

    Args:
        owner: whose.
        family: of the methods that share keys.
        key: the caller's.
    """
    parts = (owner.principal, owner.on_behalf_of, family, key)
    framed = b"".join(
        len(part).to_bytes(4, "big") + part for part in (each.encode() for each in parts)
    )
    return hashlib.sha256(framed).digest()


def own(caller: Caller, on_behalf_of: str) -> Owner:
    """Return whose a run is that a caller names.

    Raises:
        PermissionDenied: OUT_OF_SCOPE: the token may not name users.
    """
    if on_behalf_of and not caller.impersonate:
        raise PermissionDenied(
            "OUT_OF_SCOPE",
            "The access token may not name a user in on_behalf_of.",
            metadata={"on_behalf_of": on_behalf_of},
        )
    return Owner(caller.principal, on_behalf_of)

"""What is settled when an embedding begins."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from trunkline.inference.terms import Owner, digest_key
from trunkline.inference.v1 import embedding_pb2
from trunkline.kernel.call import Caller

_FAMILY: Final = "embed"
_FREE_FIELDS: Final = ("idempotency_key", "limits")


class EmbeddingTerms(msgspec.Struct, frozen=True):
    """What was settled when an embedding began.

    Attributes:
        owner: whose it is.
        caller: who began it; its role decides what is shown of attempts.
        request_id: of the call that began it.
        request: what is asked for.
        total_s: how long it may take.
        key_digest: of the idempotency key, which is its owner's alone; empty: none.
        request_digest: of the request as far as the key covers it; empty: there is no key.
    """

    owner: Owner
    caller: Caller
    request_id: str
    request: embedding_pb2.EmbedRequest
    total_s: float
    key_digest: bytes = b""
    request_digest: bytes = b""

    def __repr__(self) -> str:
        """Show whose it is, and nothing of the texts."""
        return f"EmbeddingTerms({self.owner!r}, {self.request.model!r})"

    def without_question(self) -> EmbeddingTerms:
        """Return what matters of an embedding that has ended: no longer what was asked."""
        kept = embedding_pb2.EmbedRequest(model=self.request.model)
        return msgspec.structs.replace(self, request=kept)


def digest_request(request: embedding_pb2.EmbedRequest) -> bytes:
    """Return the digest of a request as far as an idempotency key covers it."""
    covered = embedding_pb2.EmbedRequest()
    covered.CopyFrom(request)
    for field in _FREE_FIELDS:
        covered.ClearField(field)
    return hashlib.sha256(covered.SerializeToString(deterministic=True)).digest()


def digest_embedding_key(owner: Owner, key: str) -> bytes:
    """Return the digest of an embedding's idempotency key; empty: there is none."""
    return digest_key(owner, _FAMILY, key) if key else b""

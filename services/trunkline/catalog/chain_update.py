"""Make a chain of a request, or change one by it. Pure: nothing is read or written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from trunkline.catalog.field_mask import read_mask
from trunkline.catalog.records import StoredChain
from trunkline.catalog.v1 import chain_pb2
from trunkline.kernel.errors import InvalidArgument, Violation

PATHS: Final = ("candidates", "balance", "fall_back_on_credential_failure", "description")


def read_new(chain: chain_pb2.Chain, now_ns: int, etag: str) -> StoredChain:
    """Check a chain that is to be made.

    Args:
        chain: of the request.
        now_ns: nanoseconds since 1970.
        etag: of its first version.

    Raises:
        InvalidArgument: INVALID_REQUEST naming the candidates: there are none, or one twice.
    """
    _check_candidates(chain.candidates)
    return StoredChain(
        name=chain.name,
        update_time_ns=now_ns,
        etag=etag,
        candidates=tuple(chain.candidates),
        balance=chain.balance,
        fall_back_on_credential_failure=chain.fall_back_on_credential_failure,
        description=chain.description,
    )


def apply_update(stored: StoredChain, request: chain_pb2.UpdateChainRequest) -> StoredChain:
    """Return a chain as a request changes it, with its etag and time as they were.

    Raises:
        InvalidArgument: as `read_new`; INVALID_REQUEST naming `update_mask`.
    """
    given = request.chain
    paths = read_mask(request.update_mask, PATHS)
    if paths is None:
        paths = frozenset(path for path in PATHS if getattr(given, path))
    changes: dict[str, Any] = {path: getattr(given, path) for path in paths}
    if "candidates" in paths:
        _check_candidates(given.candidates)
        changes["candidates"] = tuple(given.candidates)
    return replace(stored, **changes)


def _check_candidates(candidates: Sequence[chain_pb2.Candidate]) -> None:
    """Refuse a chain that asks nobody, or somebody twice.

    Raises:
        InvalidArgument: INVALID_REQUEST naming each of them.
    """
    if not candidates:
        raise InvalidArgument.of(Violation("chain.candidates", "must name at least one model"))
    models = [candidate.model for candidate in candidates]
    again = [index for index, model in enumerate(models) if model in models[:index]]
    if again:
        raise InvalidArgument.of(
            *(
                Violation(f"chain.candidates[{index}].model", "stands in the chain already")
                for index in again
            )
        )

"""Which fields an update changes."""

from __future__ import annotations

from collections.abc import Collection

from google.protobuf.field_mask_pb2 import FieldMask

from trunkline.kernel.errors import InvalidArgument, Violation


def read_mask(mask: FieldMask, known: Collection[str]) -> frozenset[str] | None:
    """Return the paths that a mask names.

    Args:
        mask: of the request; one that is absent names nothing.
        known: paths that can be changed.

    Returns:
        The paths. None: the mask is absent or empty, so every field that is set counts.

    Raises:
        InvalidArgument: INVALID_REQUEST naming `update_mask`, for a path that cannot be
            changed or that nobody knows.
    """
    unknown = sorted({path for path in mask.paths if path not in known})
    if unknown:
        raise InvalidArgument.of(
            *(
                Violation(
                    "update_mask", f"{path[:128]} cannot be changed; what can: {', '.join(known)}"
                )
                for path in unknown
            )
        )
    return frozenset(mask.paths) or None

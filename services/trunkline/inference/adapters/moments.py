"""Read when something happens, as services write it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from google.protobuf import timestamp_pb2


def read_moment(value: Any) -> timestamp_pb2.Timestamp | None:
    """Return a moment: from seconds since 1970, or from a date of ISO 8601.

    Args:
        value: as it came; a date without an offset is taken for UTC.

    Returns:
        None when it is neither, or out of range.
    """
    moment = timestamp_pb2.Timestamp()
    try:
        if type(value) in (int, float) and value > 0:
            moment.FromSeconds(int(value))
            return moment
        if isinstance(value, str) and value:
            moment.FromDatetime(datetime.fromisoformat(value))
            return moment
    except (ValueError, OverflowError):
        return None
    return None

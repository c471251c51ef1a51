"""Pages of a list, bounded in items and bytes, and the tokens of those that follow.

A token says where the next page begins, and is opaque to who carries it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import TypeVar

from google.protobuf.message import Message

from trunkline.kernel.errors import InvalidArgument, Violation

DEFAULT_PAGE_SIZE = 100
# A default client reads 4 MiB and no more.
MAX_PAGE_BYTES = 1024 * 1024
_FRAME_BYTES = 8

M = TypeVar("M", bound=Message)


def cut_page(found: Sequence[M], size: int) -> tuple[list[M], bool]:
    """Return a page of what was found, and whether anything is left for the next one.

    Args:
        found: in the order of the list, one more than a page if there are as many.
        size: how many items the page has at most. It has fewer when they would be over
            1 MiB together, and one at least when there is any.
    """
    page: list[M] = []
    room = MAX_PAGE_BYTES
    for item in found[:size]:
        room -= item.ByteSize() + _FRAME_BYTES
        if room < 0 and page:
            break
        page.append(item)
    return page, len(page) < len(found)


def encode_page_token(key: str) -> str:
    """Return the token of the page after a key.

    Args:
        key: of the last item of the page before.
    """
    return base64.urlsafe_b64encode(key.encode()).decode("ascii")


def decode_page_token(token: str, form: re.Pattern[str]) -> str | None:
    """Return the key that a page begins after; None: it is the first page.

    Args:
        token: as the caller gave it.
        form: of such keys, as a whole.

    Raises:
        InvalidArgument: INVALID_REQUEST naming `page_token`: it is none of ours.
    """
    if not token:
        return None
    try:
        key = base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError:
        key = ""
    if form.fullmatch(key) is None:
        raise InvalidArgument.of(
            Violation("page_token", "is not a token that a page of this list gave")
        )
    return key

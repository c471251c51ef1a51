"""Page tokens: where the next page begins, opaque to who carries it."""

from __future__ import annotations

import base64
import re

from trunkline.kernel.errors import InvalidArgument, Violation

DEFAULT_PAGE_SIZE = 100


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

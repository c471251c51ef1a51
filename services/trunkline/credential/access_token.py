"""What an access token looks like, and what is kept of it."""

from __future__ import annotations

import hashlib
import secrets

_PREFIX = "tl_"
_RANDOM_BYTES = 32


def mint_token() -> str:
    """Return a new access token.

    It is `tl_` and the URL-safe base64 of 256 random bits, 43 characters without
    padding (RFC 4648 §5): letters, digits, `-` and `_`, which no shell reads as
    anything else. The prefix makes it findable where it should not be, and keeps a
    `-` from standing first.
    """
    return _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def hash_token(token: str) -> bytes:
    """Return the SHA-256 of a token, all that is kept of it.

    No salt and no slow hash: 256 random bits cannot be guessed.
    """
    return hashlib.sha256(token.encode()).digest()

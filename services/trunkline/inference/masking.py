"""Take a secret out of a text that somebody else wrote.

Providers repeat in their errors what they were sent, and proxies repeat it encoded. What is
masked is every spelling that gives the secret back without guessing.

Nothing here keeps a secret: no cache, and no compiled pattern, since `re` would keep its text.
"""

from __future__ import annotations

import base64
import html
import json
from typing import Final
from urllib.parse import quote, quote_plus

from trunkline.inference.v1 import provider_pb2

MASK: Final = "[masked]"
"""What stands in the place of a secret."""

_MIN_CUT: Final = 8
"""The shortest beginning of a secret, in characters, that is masked where a text is cut."""

_MIN_INNER: Final = 8
"""The shortest secret, in bytes, that is looked for inside of other text in base64."""

_URL_SAFE: Final = str.maketrans("+/", "-_")

# Go's encoding/json writes these so by default, lest a browser take them for HTML.
_FOR_HTML: Final = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&"})


def secrets_of(secret: provider_pb2.ProviderSecret) -> tuple[str, ...]:
    """Return what of a provider's secret must never be shown, without duplicates.

    Of a header also its last word, since `Bearer` stands beside the secret and is none.
    """
    keys = secret.aws_keys
    found = [secret.api_key, secret.bearer_token.token]
    found += [keys.secret_access_key, keys.session_token, keys.access_key_id]
    for value in secret.headers.values():
        found += [value, value.rpartition(" ")[2]]
    return tuple(dict.fromkeys(value for value in found if value))


def mask(text: str, secrets: tuple[str, ...]) -> str:
    """Replace every spelling of the secrets in a text.

    Spellings: plain, as a URL's part, escaped as JSON and HTML do, hexadecimal, and base64
    also where it stands in the middle of something longer. A text that was cut in the middle
    of a secret loses the beginning of it that it ends with.

    Args:
        text: what somebody else wrote, of any length.
        secrets: as `secrets_of` returns them.

    Returns:
        The text with `MASK` for each occurrence.
    """
    # The longest first: one secret may stand inside of another.
    spellings = sorted({s for secret in secrets for s in _spellings(secret)}, key=len, reverse=True)
    for spelling in spellings:
        text = text.replace(spelling, MASK)
    cut = max((_overlap(text, spelling) for spelling in spellings), default=0)
    return text[:-cut] + MASK if cut else text


def _spellings(secret: str) -> set[str]:
    """Return the ways to write a secret."""
    raw = secret.encode()
    quoted = json.dumps(secret)[1:-1]
    return {
        secret,
        *_url(secret),
        quoted,
        quoted.replace("/", "\\/"),
        quoted.translate(_FOR_HTML),
        html.escape(secret),
        html.escape(secret).replace("&#x27;", "&#39;"),
        raw.hex(),
        raw.hex().upper(),
        *(spelling for inner in _base64(raw) for spelling in (inner, *_url(inner))),
    }


def _url(text: str) -> set[str]:
    """Return the ways to write a text into a URL."""
    escaped = {quote(text, safe=""), quote(text), quote_plus(text)}
    return escaped | {_lower_escapes(each) for each in escaped}


def _lower_escapes(text: str) -> str:
    """Write percent escapes with small letters."""
    head, *rest = text.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in rest)])


def _base64(raw: bytes) -> set[str]:
    """Return what base64 makes of bytes, wherever they stand in what is encoded.

    Three bytes become four characters, so that there are three ways, by where the secret
    begins; characters that hold bits of its neighbours are left out.
    """
    found = set()
    for offset in range(3 if len(raw) >= _MIN_INNER else 1):
        encoded = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        # The first `offset` bytes reach into that many characters and one more.
        start = offset + 1 if offset else 0
        # Without its end a lone secret could be matched, but not one with a neighbour.
        end = len(encoded) - 1 if (offset + len(raw)) % 3 else len(encoded)
        inner = encoded[start:end] if len(raw) >= _MIN_INNER else encoded
        found |= {encoded[start:], inner}
    return found | {each.translate(_URL_SAFE) for each in found}


def _overlap(text: str, spelling: str) -> int:
    """Return how many characters at the end of a text begin a spelling."""
    for length in range(min(len(spelling) - 1, len(text)), _MIN_CUT - 1, -1):
        if text.endswith(spelling[:length]):
            return length
    return 0

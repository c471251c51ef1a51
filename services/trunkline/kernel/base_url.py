"""Turn what a person pastes into a base URL.

People paste the address of a request, an address without its scheme, or one with a line break
behind it. `clean_base_url` makes of these what an adapter appends its paths to (D8, D9). The
rules on where a request may go hold here too (D6, D7, decision 10).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from trunkline.kernel.address import (
    AddressRefused,
    AddressRule,
    BaseUrl,
    check_url,
    parse_base_url,
)
from trunkline.kernel.reach import Reach, classify_host


class Format(StrEnum):
    """A wire format that an address can tell; the values are those of the contract's `format`."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GOOGLE = "google"
    OLLAMA = "ollama"
    AZURE = "azure"
    BEDROCK = "bedrock"


@dataclass(frozen=True, slots=True)
class CleanedUrl:
    """A base URL, and what was done to get it.

    Attributes:
        base_url: checked, and without the path of a request.
        format_hint: the format whose path was cut off; None when the address did not say. A format
            that a person chose goes before it (D27), the recognised one after it.
        notes: what was assumed or changed, each in one sentence for people.
    """

    base_url: BaseUrl
    format_hint: Format | None
    notes: tuple[str, ...]


_REQUEST_PATHS: Final = (
    (re.compile(r"/chat/completions\Z", re.IGNORECASE), Format.OPENAI),
    (re.compile(r"/messages\Z", re.IGNORECASE), Format.ANTHROPIC),
    (re.compile(r"/models/[^/]+:(stream)?generatecontent\Z", re.IGNORECASE), Format.GOOGLE),
    (re.compile(r"/api/(chat|generate|tags)\Z", re.IGNORECASE), Format.OLLAMA),
    (re.compile(r"/model/[^/]+/converse(-stream)?\Z", re.IGNORECASE), Format.BEDROCK),
)


def clean_base_url(text: str, *, private_allowed: bool = True) -> CleanedUrl:
    """Make a base URL of what a person pasted.

    Cleaning the result again changes nothing. Without a scheme, http is assumed for the hosts that
    D7 lists and https for all others.

    Args:
        text: an address, with or without scheme, at most 2,048 characters; space around it is
            dropped.
        private_allowed: as for `check_url`.

    Raises:
        AddressRefused: `responses_path` for an address of the Responses API (D8); else as
            `parse_base_url` and `check_url` say.
    """
    notes = []
    text = text.strip()
    if "://" in text:
        url = parse_base_url(text)
    else:
        url = _assume_scheme(text)
        notes.append(f"{url.scheme}:// was assumed.")
    if not text.isascii():
        notes.append(f"The host is {url.host} in the spelling of DNS.")
    check_url(url, private_allowed=private_allowed)
    path, hint = url.path, None
    while (found := _find_request_path(path)) is not None:
        start, fmt = found
        path, hint = path[:start].rstrip("/"), hint or fmt
    if hint is not None:
        notes.append(f"The path of a request was cut from the end; its format is {hint}.")
    if path.lower().endswith("/responses"):
        raise AddressRefused(
            AddressRule.RESPONSES_PATH,
            "Endpoints that end in /responses are not supported.",
            "Give the base URL, such as https://api.openai.com/v1, or the path that ends in "
            "/chat/completions.",
        )
    return CleanedUrl(replace(url, path=path), hint, tuple(notes))


def _assume_scheme(text: str) -> BaseUrl:
    local = parse_base_url(f"http://{text}")
    if classify_host(local.host) in (Reach.LOOPBACK, Reach.LAN):
        return local
    # One word can be a machine of the network, but is more often a key in the wrong field.
    if not {".", ":"} & set(local.host):
        raise AddressRefused(
            AddressRule.MALFORMED,
            "The address is one word without https:// before it.",
            "Write the whole address, such as https://gateway/v1.",
        )
    return parse_base_url(f"https://{text}")


def _find_request_path(path: str) -> tuple[int, Format] | None:
    """Return where the path of a request begins at the end of a path, and its format."""
    for ending, fmt in _REQUEST_PATHS:
        match = ending.search(path)
        if match is not None:
            return match.start(), fmt
    return None

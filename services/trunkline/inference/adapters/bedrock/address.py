"""Name a model in the address, and read the region from one.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and
https://docs.aws.amazon.com/general/latest/gr/bedrock.html.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

import httpx

DEFAULT_REGION: Final = "us-east-1"
"""Where nothing else is said (O19)."""

_HOST: Final = re.compile(
    r"bedrock-(?:runtime|mantle)(?:-fips)?\.([a-z0-9-]{1,32})"
    r"\.(?:amazonaws\.com(?:\.cn)?|api\.aws|api\.amazonwebservices\.com\.cn)"
)


def model_path(model: str) -> str:
    """Return where a model stands in the address: one segment, whatever the model is called.

    A model is named by its id, by the id of an inference profile such as
    `us.anthropic.claude-sonnet-4-20250514-v1:0`, or by an ARN, which has slashes.
    """
    # Dots alone would lead elsewhere, and `quote` takes them for letters.
    segment = quote(model, safe="") if model.strip(".") else model.replace(".", "%2E")
    return f"/model/{segment}"


def region_of(base_url: str, wanted: str) -> str:
    """Return the region to sign for.

    Args:
        base_url: where the request goes. Where its host names a region, it is that one: it
            refuses what is signed for another.
        wanted: the region of the keys; empty: not said.
    """
    named = _HOST.fullmatch(httpx.URL(base_url).host)
    return named[1] if named else wanted or DEFAULT_REGION


def is_of_aws(base_url: str) -> bool:
    """Tell whether an address is one of Bedrock's own, reached by TLS."""
    url = httpx.URL(base_url)
    return url.scheme == "https" and _HOST.fullmatch(url.host) is not None

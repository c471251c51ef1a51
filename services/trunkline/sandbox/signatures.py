"""Signatures of reasoning that the sandbox can tell from all others.

A provider takes its signatures back only unchanged and only for the model that they were made by.
These are HMACs under a constant: a test that sees one accepted has proof that it came back whole.
"""

from __future__ import annotations

import base64
import hmac
from typing import Final

_SECRET: Final = b"sandbox signatures protect nothing"


def sign(vendor: str, model: str, content: str) -> str:
    """Sign what a model said.

    Args:
        vendor: the face's name.
        model: the model's name.
        content: what is bound to the signature; empty for none of it.

    Returns:
        Base64 in the standard alphabet.
    """
    # Encoded with `surrogatepass`, because JSON can bring lone surrogates back.
    said = "\0".join((vendor, model, content)).encode("utf-8", "surrogatepass")
    return base64.b64encode(hmac.digest(_SECRET, said, "sha256")).decode()


def is_signed(signature: str, vendor: str, model: str, content: str) -> bool:
    """Tell whether a signature is the one that `sign` gives."""
    return signature == sign(vendor, model, content)

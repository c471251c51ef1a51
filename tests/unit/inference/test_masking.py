"""Taking secrets out of what providers write."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.masking import MASK, mask, secrets_of
from trunkline.inference.v1 import provider_pb2

KEY = 'sk-Ab+/=&<"\\_9 z'.replace(" ", "")

# What a key may be made of by the contract.
KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=60)


@pytest.mark.parametrize(
    "spelling",
    [
        KEY,
        quote(KEY, safe=""),
        quote(KEY),
        quote_plus(KEY),
        quote(KEY, safe="").lower().replace("sk-ab", "sk-Ab"),
        json.dumps(KEY)[1:-1],
        json.dumps(KEY)[1:-1].replace("/", "\\/"),
        json.dumps(KEY)[1:-1].replace("<", "\\u003c").replace("&", "\\u0026"),
        html.escape(KEY),
        KEY.encode().hex(),
        KEY.encode().hex().upper(),
        base64.b64encode(KEY.encode()).decode(),
        base64.urlsafe_b64encode(KEY.encode()).decode(),
        quote(base64.b64encode(KEY.encode()).decode(), safe="").replace("%3D", ""),
    ],
)
def test_every_spelling_is_masked(spelling: str) -> None:
    """A secret is masked however it is written, and the rest of the text stays."""
    masked = mask(f"You sent >{spelling}< to us.", (KEY,))
    assert masked.replace("=", "") == f"You sent >{MASK}< to us."


@given(KEYS, st.binary(max_size=7), st.binary(max_size=7))
def test_base64_of_something_longer_is_masked(key: str, before: bytes, after: bytes) -> None:
    """A secret in the middle of what was encoded, such as `user:key`, is masked."""
    encoded = base64.b64encode(before + key.encode() + after).decode()
    masked = mask(encoded, (key,))
    assert MASK in masked
    # At either end a character may hold some of the secret's bits, and no more.
    left = masked.split(MASK)
    assert sum(map(len, left)) <= 4 * (len(before) + len(after) + 4) // 3 + 6


@given(KEYS, st.text(max_size=50), st.text(max_size=50))
def test_no_secret_is_left(key: str, before: str, after: str) -> None:
    """Whatever stands around it, the secret does not stand in a masked text."""
    masked = mask(before + key + after, (key,))
    assert key not in masked.replace(MASK, "\0")


def test_a_secret_that_a_cut_went_through_is_masked() -> None:
    """The beginning of a secret at the end of a text that was cut is masked."""
    assert mask(f"Your key is {KEY[:10]}", (KEY,)) == f"Your key is {MASK}"
    assert mask(f"Your key is {KEY.encode().hex()[:-1]}", (KEY,)) == f"Your key is {MASK}"


def test_a_secret_within_a_secret_is_masked() -> None:
    """The longer of two secrets is masked first, so that nothing of it is left."""
    assert mask("Bearer sk-12345678", ("sk-12345678", "Bearer sk-12345678")) == MASK


def test_nothing_is_masked_without_secrets() -> None:
    """A text stays as it is when there is nothing to hide."""
    assert mask("Hello", ()) == "Hello"


def test_a_text_without_the_secret_stays_as_it_is() -> None:
    """What only begins like a secret says nothing."""
    assert mask("sk-is how keys begin", (KEY,)) == "sk-is how keys begin"


def test_the_secrets_of_a_provider_secret() -> None:
    """Key and header values are secret, and so is what follows `Bearer`."""
    secret = provider_pb2.ProviderSecret(
        api_key="key-1", headers={"authorization": "Bearer key-2", "x-key": "key-3"}
    )
    assert set(secrets_of(secret)) == {"key-1", "Bearer key-2", "key-2", "key-3"}
    assert secrets_of(provider_pb2.ProviderSecret()) == ()

"""The suite's own search for leaked keys finds them, and nothing else."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest

from support.canary import MARK, find_leaks, holds_canary

LEAKED = f"{MARK}-0123456789"


@pytest.mark.parametrize("before", ["", "a", "ab", "Bearer "])
def test_a_key_is_found_in_every_encoding(before: str) -> None:
    """Plain, in base64 at every alignment, URL-encoded and in hex."""
    text = f"{before}{LEAKED} and more".encode()
    assert holds_canary(text)
    assert holds_canary(base64.b64encode(text))
    assert holds_canary(base64.urlsafe_b64encode(text))
    assert holds_canary(quote(text.decode(), safe="").encode())
    assert holds_canary(text.hex().encode())
    assert not holds_canary(b"Bearer sk-proj-0123456789 and more")


def test_a_file_is_found_wherever_the_key_stands_in_it(tmp_path: Path) -> None:
    """Also across the seam of two pieces that are read one after the other."""
    clean = tmp_path / "clean.db"
    clean.write_bytes(b"\0" * (1 << 21))
    assert list(find_leaks(tmp_path)) == []
    seam = (1 << 20) - len(MARK) // 2
    clean.write_bytes(b"\0" * seam + LEAKED.encode() + b"\0" * 100)
    try:
        assert list(find_leaks(tmp_path)) == ["a canary lies in clean.db"]
    finally:
        clean.unlink()

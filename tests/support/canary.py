"""Find keys where none may be: in files, logs and process arguments."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psutil

# Every provider key of the tests begins so: no other text does.
MARK = "sk-canary"
_POLL_S = 0.2
_CHUNK = 1 << 20


def encodings(text: str) -> set[bytes]:
    """Return a text as it is and in every encoding a leak could have.

    Of base64 there are three alignments, and of each only the part that does not depend
    on what stands beside it.
    """
    raw = text.encode()
    found = {raw, raw.hex().encode(), quote(text, safe="").encode()}
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw)
        start = (shift * 8 + 5) // 6
        found.add(encoded[start : -4 if len(encoded) > 8 else None])
    return {needle for needle in found if len(needle) >= 8}


_NEEDLES = sorted(encodings(MARK))


def holds_canary(data: bytes) -> bool:
    """Tell whether bytes hold a canary in any encoding."""
    return any(needle in data for needle in _NEEDLES)


def find_leaks(directory: Path) -> Iterator[str]:
    """Yield the files below a directory that hold a canary."""
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not path.is_symlink() and _file_holds_canary(path):
            yield f"a canary lies in {path.relative_to(directory)}"


def _file_holds_canary(path: Path) -> bool:
    """Search one file in pieces that overlap."""
    overlap = max(len(needle) for needle in _NEEDLES)
    tail = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            if holds_canary(tail + chunk):
                return True
            tail = chunk[-overlap:]
    return False


class ArgumentWatch:
    """Reads the arguments of this process's descendants again and again, for canaries."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._found: set[str] = set()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> list[str]:
        """End, and return what was found."""
        self._stop.set()
        self._thread.join(timeout=5)
        return sorted(self._found)

    def _watch(self) -> None:
        """Look until told to stop."""
        own = psutil.Process()
        while not self._stop.wait(_POLL_S):
            for child in own.children(recursive=True):
                try:
                    arguments = child.cmdline()
                except psutil.Error:
                    continue  # it ended meanwhile
                if holds_canary("\0".join(arguments).encode(errors="surrogateescape")):
                    self._found.add(f"a canary is an argument of {arguments[0]}")

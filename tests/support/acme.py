"""The adapter of docs/adapters.md, as somebody else would install it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trunkline.kernel.extensions import installed_adapters

ROOT = Path(__file__).parents[1] / "extensions" / "acme"


@contextmanager
def acme_installed(root: Path = ROOT) -> Iterator[None]:
    """Have a directory of distributions among those that are installed."""
    sys.path.insert(0, str(root))
    installed_adapters.cache_clear()
    try:
        yield
    finally:
        sys.path.remove(str(root))
        sys.modules.pop("trunkline_acme", None)
        installed_adapters.cache_clear()

"""What else is installed that serves providers: adapters of others, by entry point (O42).

A distribution names its wire format and the class that speaks it in the group below. Installing
it is trusting it: it runs in the process that holds keys.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Final

GROUP: Final = "trunkline.adapters"

# As the contract bounds the name of a format.
_FORMAT: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@cache
def installed_adapters() -> MappingProxyType[str, EntryPoint]:
    """Return what is installed by the name of its format, nothing of it imported."""
    found = {each.name: each for each in entry_points(group=GROUP) if _FORMAT.fullmatch(each.name)}
    return MappingProxyType(found)

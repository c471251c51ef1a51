"""The error for a model that is not there, with the names that are nearest."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Sequence
from typing import Final

from trunkline.kernel.errors import NotFound

# So many names are compared at most; comparing takes some 20 µs each.
COMPARED_NAMES: Final = 5_000
_NEAREST: Final = 3
_LIKENESS: Final = 0.5


async def model_not_found(name: str, names: Sequence[str]) -> NotFound:
    """Return MODEL_NOT_FOUND for a name.

    Args:
        name: `provider/model`, as it was asked for.
        names: of the models that there are; only the first `COMPARED_NAMES` count.
    """
    # Off the loop: comparing thousands of names would hold up every stream.
    near = await asyncio.to_thread(
        difflib.get_close_matches, name, names[:COMPARED_NAMES], _NEAREST, _LIKENESS
    )
    hint = f"Nearest: {', '.join(near)}." if near else "`trunkline models` lists what there is."
    return NotFound(
        "MODEL_NOT_FOUND",
        f"There is no model {name}. {hint}",
        metadata={"model": name, "nearest": ",".join(near)},
    )

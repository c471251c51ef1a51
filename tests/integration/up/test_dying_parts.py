"""A process of which a part died does not go on serving as if it were whole."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from support.process import environment

_LIMIT_S = 40.0
_PROGRAM = """
from trunkline.catalog.app import CatalogService
from trunkline.cli.main import main

async def fail(self):
    raise RuntimeError("no such luck")

CatalogService.run = fail
main()
"""


async def test_fault_in_the_background_ends_the_process(tmp_path: Path) -> None:
    """The log has the fault, standard error a sentence, and the exit code is that of a failure."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROGRAM, "serve", "credential", "catalog",
        "--data-dir", str(tmp_path / "data"), "--config-dir", str(tmp_path / "config"),
        "--listen", "127.0.0.1:0",
        env=environment(),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_LIMIT_S):
            _, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    told = err.decode()
    assert process.returncode == 1, told
    assert "background_work_failed" in told
    assert "no such luck" in told
    assert "A part of the server failed" in told

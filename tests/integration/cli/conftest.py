"""A fake suite, and the command line in front of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.cli.child import Cli, Result
from support.fake_suite import ADMIN_TOKEN, FakeSuite
from trunkline.cli.main import main


@pytest.fixture
def suite() -> Iterator[FakeSuite]:
    """Serve a fake suite."""
    with FakeSuite() as running:
        yield running


@pytest.fixture
def cli(suite: FakeSuite, tmp_path: Path) -> Cli:
    """Give the command line of an admin of the fake suite."""
    return Cli(tmp_path, {"TRUNKLINE_ADDRESS": suite.address, "TRUNKLINE_TOKEN": ADMIN_TOKEN})


@pytest.fixture
def type_in(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run the command line here, which is faster, for what ends before it calls anybody."""

    def run(*arguments: str) -> Result:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        shown = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Result(ended.value.code, shown.out, shown.err)

    return run

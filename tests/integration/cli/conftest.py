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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where certificates go."""
    return tmp_path / "pki"


@pytest.fixture
def init(type_in: Callable[..., Result], folder: Path) -> Callable[..., Result]:
    """Run `trunkline pki init` for the folder, as it must not fail."""

    def run(*arguments: str) -> Result:
        result = type_in("pki", "init", "--directory", str(folder), *arguments)
        assert result.code == 0, result.err
        return result

    return run


@pytest.fixture
def refuse(type_in: Callable[..., Result], folder: Path) -> Callable[..., Result]:
    """Run `trunkline pki init` for the folder, as it must fail."""

    def run(*arguments: str) -> Result:
        result = type_in("pki", "init", "--directory", str(folder), *arguments)
        result.assert_reads_well()
        assert result.out == ""
        return result

    return run

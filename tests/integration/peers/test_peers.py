"""How a program that is not ours is found, started and ended."""

from __future__ import annotations

import os
import sys

import psutil
import pytest

from support.peer import Peer, find_peer


@pytest.mark.every_run
async def test_program_that_does_not_start_says_why() -> None:
    """What it said last stands in the failure, and nothing of it stays."""
    peer = Peer([sys.executable, "-c", "raise SystemExit('out of order')"], ready="/", limit_s=30.0)
    with pytest.raises(AssertionError, match="ended with 1:\nout of order"):
        await peer.__aenter__()
    assert not peer.root.exists()


@pytest.mark.every_run
async def test_program_that_serves_too_late_is_ended() -> None:
    """The wait for it has a limit, and its process goes with it."""
    peer = Peer(["/bin/sh", "-c", "echo $$; exec sleep 60"], ready="/", limit_s=2.0)
    with pytest.raises(AssertionError, match="does not serve in time") as raised:
        await peer.__aenter__()
    number = int(str(raised.value).split()[-1])
    assert number != os.getpid()
    assert not psutil.pid_exists(number)


@pytest.mark.every_run
@pytest.mark.parametrize("optional", [True, False])
def test_missing_program_says_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, optional: bool
) -> None:
    """Where all is required it fails, however optional it is."""
    monkeypatch.setenv("TRUNKLINE_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match="nothing is missing: `make peers`"):
        find_peer("nothing/there", optional=optional)


@pytest.mark.every_run
def test_optional_program_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tests are skipped, with the same words."""
    monkeypatch.delenv("TRUNKLINE_REQUIRE_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception, match="nothing is missing: `make peers`"):
        find_peer("nothing/there", optional=True)

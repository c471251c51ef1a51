"""What holds for the whole suite: nothing skips where all is required, and no key leaks.

Every key that a test uses holds one of the canaries of `support.canary`. What the suite
wrote is searched for them when it ends, and the arguments of its processes while it
runs. Matrices are sampled by a seed that is printed, or run whole and counted.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from support import matrix
from support.canary import ArgumentWatch, find_leaks, holds_canary

# Tests that take their time, and how many cases of a table all of them run at least.
_SLOW = (
    "tests/chaos/",
    "tests/client/",
    "tests/integration/",
    "tests/sandbox/",
    "tests/unit/inference/",
    "tests/unit/kernel/",
)
_FEW = 2
# What a machine with Linux keeps in memory, and what a run needs of it.
_MEMORY = "/dev/shm"
_ROOM_BYTES = 2 * 1024**3


def pytest_configure() -> None:
    """Choose the seed of the samples, before workers start and tests are collected."""
    matrix.choose_seed()
    _keep_files_in_memory()
    # How long an example takes says more about the machine than about the code.
    settings.register_profile("sampled", max_examples=15, deadline=None)
    settings.register_profile("whole", max_examples=150, deadline=None)
    settings.load_profile("whole" if matrix.is_full() else "sampled")


def pytest_report_header() -> str:
    """Say by what matrices are sampled."""
    if matrix.is_full():
        return "matrices: whole"
    return f"matrices: sampled, {matrix.SEED}={matrix.choose_seed()}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out five of six cases of each longer table, where there are many."""
    if matrix.is_full() or config.args != config.getini("testpaths"):
        return
    tables: defaultdict[str, list[str]] = defaultdict(list)
    for item in items:
        if item.nodeid.startswith(_SLOW):
            tables[item.nodeid.partition("[")[0]].append(item.nodeid)
    chosen: set[str] = set()
    for name, cases in tables.items():
        most = max(_FEW, len(cases) // 6)
        # By name: a worker may have them in another order, and must choose the same.
        chosen.update(matrix.cells(name, sorted(cases), sample=most))
    gone = [each for each in items if each.nodeid.startswith(_SLOW) and each.nodeid not in chosen]
    config.hook.pytest_deselected(items=gone)
    left_out = set(gone)
    items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where everything is required, and a leaked key always."""
    report = yield
    if any(holds_canary(text.encode(errors="replace")) for _, text in report.sections):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} printed or logged a canary"
        report.sections = []
    if report.skipped and not hasattr(report, "wasxfail") and _all_required():
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and TRUNKLINE_REQUIRE_ALL is set"
    return report


def pytest_sessionstart(session: pytest.Session) -> None:
    """Begin to watch the arguments of this session's processes."""
    # A worker's processes are descendants of the one that the run was started as.
    if not hasattr(session.config, "workerinput"):
        watch = ArgumentWatch()
        watch.start()
        session.config.stash[_WATCH] = watch


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Search what the session wrote; a leak fails it."""
    watch = session.config.stash.get(_WATCH, None)
    seen = watch.stop() if watch is not None else []
    factory = getattr(session.config, "_tmp_path_factory", None)
    base: Path | None = getattr(factory, "_basetemp", None)
    leaks = [*seen, *(find_leaks(base) if base is not None else ())]
    worker = getattr(session.config, "workeroutput", None)
    if worker is not None:
        worker["cells"] = matrix.counted()
    if leaks:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        session.config.stash[_LEAKS] = leaks
        if worker is not None:
            worker["leaks"] = leaks


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Take over what a worker found and counted."""
    output = getattr(node, "workeroutput", {})
    for name, count in output.get("cells", {}).items():
        matrix.ran(name, count)
    leaks = output.get("leaks", [])
    if leaks:
        config: pytest.Config = node.config  # type: ignore[attr-defined] # xdist's WorkerController
        config.stash.setdefault(_LEAKS, []).extend(leaks)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say where a canary was found."""
    for leak in terminalreporter.config.stash.get(_LEAKS, []):
        terminalreporter.write_line(f"LEAK {leak}", red=True)
    counted = matrix.counted()
    if counted:
        cells = ", ".join(f"{name} {count}" for name, count in sorted(counted.items()))
        terminalreporter.write_line(f"CELLS {sum(counted.values())}: {cells}")
    for name, count, least in _too_few(terminalreporter.config):
        terminalreporter.write_line(f"CELLS of {name}: {count} ran, {least} declared", red=True)


@pytest.hookimpl(trylast=True, specname="pytest_sessionfinish")
def fail_on_leaks(session: pytest.Session) -> None:
    """Let a leak that a worker found, or a matrix that did not run whole, fail the run."""
    if session.config.stash.get(_LEAKS, []) or _too_few(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _too_few(config: pytest.Config) -> list[tuple[str, int, int]]:
    """Return the matrices of which too few cells ran where all had to: name, ran, declared."""
    is_worker = hasattr(config, "workeroutput")
    if not matrix.is_full() or is_worker or config.args != config.getini("testpaths"):
        return []
    counted = matrix.counted()
    return [
        (name, counted.get(name, 0), least)
        for name, least in matrix.declared().items()
        if counted.get(name, 0) < least
    ]


def _keep_files_in_memory() -> None:
    """Have temporary files lie in memory, where a disk takes a third of the time of a run.

    Who has set `TMPDIR` means it.
    """
    if "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK):
        return
    if shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES:
        # The workers and all processes inherit it.
        os.environ["TMPDIR"] = _MEMORY
        tempfile.tempdir = None


def _all_required() -> bool:
    """Tell whether nothing may skip."""
    return os.environ.get("TRUNKLINE_REQUIRE_ALL") == "1"


_WATCH = pytest.StashKey[ArgumentWatch]()
_LEAKS = pytest.StashKey[list[str]]()

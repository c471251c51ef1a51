"""Log lines, as a process writes them to its standard error."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

LIMIT_S = 30


def run(level: str, style: str, *lines: str) -> subprocess.CompletedProcess[str]:
    """Run lines of Python in a process with logging set up."""
    program = "\n".join(
        [
            "from trunkline.kernel import log",
            f"log.configure({level!r}, {style!r})",
            "logger = log.get_logger('trunkline.test')",
            *lines,
        ]
    )
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=LIMIT_S, check=True
    )


def test_a_line_is_one_json_object_with_constant_event_and_facts() -> None:
    """On standard error, with level, source and the time in UTC."""
    before = datetime.now(UTC)
    done = run("info", "auto", "logger.info('call', code='OK', ms=1.5, principal=None)")
    assert done.stdout == ""
    line = json.loads(done.stderr)
    assert before <= datetime.fromisoformat(line.pop("timestamp")) <= datetime.now(UTC)
    assert line == {
        "event": "call",
        "code": "OK",
        "ms": 1.5,
        "principal": None,
        "level": "info",
        "source": "trunkline.test",
    }


def test_lines_below_the_level_are_not_written() -> None:
    """And those at it are."""
    done = run("warning", "json", "logger.info('a')", "logger.warning('b')", "logger.error('c')")
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["b", "c"]


def test_lines_of_a_running_loop_keep_their_order() -> None:
    """Though they are written together; none is lost at the end of the process."""
    done = run(
        "info",
        "json",
        "import asyncio",
        "other = log.get_logger('trunkline.other')",
        "async def main():",
        "    logger.info('a', n=1)",
        "    other.info('b')",
        "    logger.error('c')",
        "    await asyncio.sleep(0.1)",
        "    logger.info('d')",
        "    other.info('e')",
        "asyncio.run(main())",
        "logger.info('f')",
    )
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == list("abcdef")


def test_a_fact_is_told_as_it_was() -> None:
    """A line that waits to be written tells the time at which it happened."""
    done = run(
        "info",
        "json",
        "import asyncio, time",
        "async def main():",
        "    logger.info('a')",
        "    time.sleep(0.2)",
        "    logger.info('b')",
        "asyncio.run(main())",
    )
    first, second = [
        datetime.fromisoformat(json.loads(line)["timestamp"]) for line in done.stderr.splitlines()
    ]
    assert (second - first).total_seconds() >= 0.19


@pytest.mark.parametrize("style", ["json", "console"])
def test_an_exception_is_told_without_the_values_around_it(style: str) -> None:
    """A traceback that showed local variables would show keys and prompts."""
    done = run(
        "info",
        style,
        "def fail(key):",
        "    held = key",
        "    raise ValueError('the sentence')",
        "try:",
        "    fail('canary' + '-local')",
        "except ValueError as error:",
        "    logger.error('failed', exc_info=error)",
    )
    assert "the sentence" in done.stderr
    assert "Traceback" in done.stderr
    assert "canary-local" not in done.stderr


def test_what_is_no_plain_fact_shows_only_its_type() -> None:
    """Somebody who hands a message to the log by mistake gives nothing away."""
    done = run(
        "info",
        "json",
        "from trunkline.inference.v1 import provider_pb2",
        "logger.info('x', what=provider_pb2.ProviderSecret(api_key='canary-message'))",
    )
    assert json.loads(done.stderr)["what"] == "<ProviderSecret>"


def test_half_of_a_surrogate_pair_does_not_lose_the_line() -> None:
    """File names can hold what is no Unicode."""
    done = run("info", "json", "logger.info('x', path='a\\udcff', what=object())")
    line = json.loads(done.stderr)
    assert (line["path"], line["what"]) == ("a\udcff", "<object>")


def test_text_outside_ascii_stays_readable() -> None:
    """In both styles."""
    for style in ("json", "console"):
        assert "Zürich" in run("info", style, "logger.info('x', place='Zürich')").stderr


def test_a_reader_of_the_log_who_leaves_fails_nobody() -> None:
    """A closed pipe loses the line, and what it tells of goes on."""
    done = run(
        "info",
        "json",
        "import os, sys",
        "reading, writing = os.pipe()",
        "os.dup2(writing, 2)",
        "os.close(reading)",
        "os.close(writing)",
        "logger.info('lost')",
        "print('went on')",
        "sys.stdout.flush()",
        "os._exit(0)",
    )
    assert done.stdout == "went on\n"


def test_libraries_are_heard_only_when_something_fails() -> None:
    """They log requests and responses below that."""
    done = run(
        "debug",
        "json",
        "import logging",
        "logging.getLogger('httpx').info('canary-request')",
        "logging.getLogger('httpx').error('broke')",
    )
    assert "canary-request" not in done.stderr
    assert "httpx: broke" in done.stderr

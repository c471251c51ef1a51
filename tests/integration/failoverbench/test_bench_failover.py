"""`trunkline bench-failover`: the benchmark against a gateway that knows no fallback."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from integration.failoverbench.relay_gateway import serve_relay
from support.ports import free_ports
from support.process import Done, run
from trunkline.cli.main import main

PLAYED = "S01,S03,S05,S08,S09,S10,S11,S13,S14,S16"

KEY = "a-key-of-the-gateway"


def verdicts_of(document: Any) -> dict[str, str]:
    """Return the verdict of each scenario."""
    return {each["id"]: each["verdict"] for each in document["scenarios"]}


def findings_of(document: Any, name: str) -> str:
    """Return what was found in one scenario."""
    [found] = [each["findings"] for each in document["scenarios"] if each["id"] == name]
    return " ".join(found)


@pytest.fixture(name="port")
def _port() -> int:
    [port] = free_ports(1)
    return port


@pytest.fixture(name="type_in")
def _type_in(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run the command here, which is faster, for what ends before it asks anybody."""

    def run_here(*arguments: str) -> Done:
        with pytest.raises(SystemExit) as ended:
            main(["bench-failover", *arguments])
        shown = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, shown.out, shown.err)

    return run_here


async def bench(
    port: int, *arguments: str, stdin: str = "", scale: float = 0.01, last: int | None = None
) -> tuple[Done, Any]:
    """Run the command against the relay; return how it ended and the requests of the relay."""
    async with serve_relay(f"http://127.0.0.1:{port}/v1", "sandbox-key", last) as (url, seen):
        done = await run(
            "bench-failover",
            "--url",
            url,
            "--listen",
            f"127.0.0.1:{port}",
            "--scale",
            str(scale),
            *arguments,
            stdin=stdin,
        )
    return done, seen


async def test_a_bare_relay_rescues_nothing(port: int) -> None:
    """Cut answers are given as whole ones, errors are passed on, and all of it is said."""
    done, seen = await bench(port, "--only", PLAYED, "--json", "--api-key-stdin", stdin=KEY)
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert verdicts_of(document) == {
        "S01": "safe",
        "S03": "safe",
        "S05": "safe",
        "S08": "fail",
        "S09": "fail",
        "S10": "safe",
        "S11": "pass",
        "S13": "pass",
        "S14": "fail",
        "S16": "safe",
    }
    for name, words in (("S08", 40), ("S09", 20), ("S14", 40)):
        said = f"{words} of 60 words were given as the whole answer."
        assert said in findings_of(document, name)
    assert "server_is_overloaded" in findings_of(document, "S16")
    assert {request.headers["authorization"] for request in seen} == {f"Bearer {KEY}"}
    assert KEY not in done.out + done.err


async def test_the_scorecard_is_for_people(port: int) -> None:
    """A row for each scenario, a line of counts, and progress on standard error."""
    done, _ = await bench(port, "--only", "s08, s13")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].split()[:2] == ["SCENARIO", "VERDICT"]
    assert [line.split()[:2] for line in lines[1:3]] == [["S08", "fail"], ["S13", "pass"]]
    assert lines[3] == "2 scenarios: 1 pass, 0 partial, 0 safe, 1 fail."
    assert done.err.splitlines() == [
        f"The provider is serving on http://127.0.0.1:{port}/v1.",
        "S08  fail",
        "S13  pass",
    ]


async def test_a_gate_fails_with_a_scenario(port: int) -> None:
    """The scorecard is printed all the same, and the error names the scenario."""
    done, _ = await bench(port, "--only", "S08,S13", "--gate", "--json")
    assert done.code == 1
    assert verdicts_of(json.loads(done.out)) == {"S08": "fail", "S13": "pass"}
    error = json.loads(done.err[done.err.index("{") :])["error"]
    assert (error["reason"], error["metadata"]) == ("GATE", {"failed": "S08"})
    done, _ = await bench(port, "--only", "S13", "--gate")
    assert done.code == 0


async def test_a_gateway_that_goes_away_fails_what_it_misses(port: int) -> None:
    """The scorecard has what was seen before, and the gate names what failed."""
    done, seen = await bench(port, "--only", "S04,S11,S13", "--gate", "--json", last=1)
    assert len(seen) == 1
    assert done.code == 1, done.err
    document = json.loads(done.out)
    assert verdicts_of(document) == {"S04": "safe", "S11": "fail", "S13": "fail"}
    assert findings_of(document, "S11") == "The gateway took no connection."
    error = json.loads(done.err[done.err.index("{") :])["error"]
    assert (error["reason"], error["metadata"]) == ("GATE", {"failed": "S11,S13"})


async def test_a_prefix_stands_before_the_models(port: int) -> None:
    """The gateway is asked by its own names; here it passes them on, and they are unknown."""
    done, _ = await bench(port, "--only", "S16", "--prefix", "bench/", "--json")
    assert "The model 'bench/s16' does not exist" in findings_of(json.loads(done.out), "S16")


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ((), 2, "USAGE"),
        (("--url", "127.0.0.1:1"), 2, "USAGE"),
        (("--url", "http://127.0.0.1:1/v1", "--only", "S17"), 2, "USAGE"),
        (("--url", "http://127.0.0.1:1/v1", "--listen", "4010"), 2, "USAGE"),
        (("--url", "http://127.0.0.1:1/v1", "--listen", "203.0.113.1:4010"), 1, "ADDRESS_IN_USE"),
        (("--url", "http://127.0.0.1:1/v1", "--listen", "127.0.0.1:0"), 3, "UNREACHABLE"),
    ],
)
def test_it_says_why_it_cannot_run(
    type_in: Callable[..., Done], arguments: tuple[str, ...], code: int, reason: str
) -> None:
    """In one sentence, with what to do."""
    done = type_in(*arguments, "--json")
    assert (done.code, done.out) == (code, "")
    error = json.loads(done.err[done.err.index("{") :])["error"]
    assert (error["reason"], bool(error["advice"])) == (reason, True)


def test_it_lists_the_models_to_configure(type_in: Callable[..., Done]) -> None:
    """Each with its fallback, which refuses a continuation in one scenario."""
    done = type_in("--list", "--json")
    models = {each["model"]: each["fallback"] for each in json.loads(done.out)["models"]}
    assert len(models) == 18
    assert (models["ok"], models["s08"], models["s14"]) == (None, "ok", "no-prefill")
    lines = type_in("--list").out.splitlines()
    assert lines[0].split() == ["MODEL", "FALLBACK", "DOES"]
    assert len(lines) == 19

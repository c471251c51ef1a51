"""The command line against four processes: each service at an address of its own."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.fleet import Fleet, Shape, make_fleet
from support.process import Done, run
from support.service_calls import eventually


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(request: pytest.FixtureRequest) -> AsyncIterator[Fleet]:
    """Yield four processes on mutual TLS and PostgreSQL."""
    async with make_fleet(request, Shape.FOUR_SECURE) as running:
        yield running


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def type_in(fleet: Fleet, *arguments: str, **env: str) -> Done:
    """Run a command as an operator of the fleet."""
    return await run(*arguments, env={**fleet.client, **env})


async def test_chat_goes_through_four_processes(fleet: Fleet) -> None:
    """A question is answered, and the providers are listed with their health."""
    done = await type_in(fleet, "chat", "--model", "sandbox/ok", "Hello")
    assert done.code == 0, done.err
    assert done.out.startswith("The line is open")
    done = await type_in(fleet, "status")
    assert done.code == 0, done.err
    assert "sandbox" in done.out


async def test_ready_tells_which_processes_serve(fleet: Fleet) -> None:
    """`ready` needs no token, and names every address."""
    done = await type_in(fleet, "ready", TRUNKLINE_TOKEN="")
    assert done.code == 0, done.err
    for member in fleet.members.values():
        assert member.address in done.out
    done = await type_in(fleet, "ready", "--address", "127.0.0.1:1", "--timeout", "0.3")
    assert done.code == 3
    assert "does not serve at 127.0.0.1:1" in done.err


async def test_doctor_finds_nothing_wrong(fleet: Fleet) -> None:
    """Every address, clock, certificate, database, view and provider is looked at."""
    # A provider that was just connected is asked within moments.
    done = await eventually(
        lambda: type_in(fleet, "doctor"), lambda done: "sandbox answers." in done.out
    )
    assert done.code == 0, done.out + done.err
    assert "WRONG" not in done.out
    for line in (
        "serves credential.",
        "Every process is of release",
        "The postgresql database of catalog",
        "What inference knows of keys is up to date.",
        "internal.pem",
        "sandbox answers.",
    ):
        assert line in done.out, line
    assert "nothing wrong" in done.err
    done = await type_in(fleet, "doctor", "--json")
    document = json.loads(done.out)
    assert {each["severity"] for each in document["findings"]} == {"ok"}
    processes = [each["process"] for each in document["processes"]]
    assert sorted(name for each in processes for name in each["services"]) == [
        "catalog",
        "credential",
        "health",
        "inference",
    ]
    for each in processes:
        secure = [at for at in each["listeners"] if at.get("tls")]
        assert [at.get("internal", False) for at in secure] == [False, True]
        clear = [at["address"] for at in each["listeners"] if not at.get("tls")]
        assert all(address.startswith("unix:") for address in clear)


async def test_doctor_says_what_is_wrong_and_what_to_do(fleet: Fleet) -> None:
    """A service that is away, and an address that is mixed up, are told in sentences."""
    swapped = fleet.client["TRUNKLINE_ADDRESS"].split(",")
    places = [part.partition("=")[2] for part in swapped]
    names = [part.partition("=")[0] for part in swapped]
    crossed = ",".join(
        f"{name}={place}"
        for name, place in zip(names, [places[1], places[0], *places[2:]], strict=True)
    )
    done = await type_in(fleet, "doctor", TRUNKLINE_ADDRESS=crossed)
    assert done.code == 1
    assert "serves catalog, and not credential." in done.out
    assert "Correct TRUNKLINE_ADDRESS" in done.out
    await fleet.members["catalog"].end(signal.SIGKILL)
    try:
        done = await type_in(fleet, "doctor")
        assert done.code == 1
        assert f"Nothing answers gRPC at {fleet.members['catalog'].address}." in done.out
        assert "No process that answered runs the catalog service." in done.out
        assert "trunkline serve catalog" in done.out
        assert "found something wrong" in done.err
    finally:
        member = fleet.members["catalog"]
        await member.start()
        await member.serving()


async def test_doctor_is_for_admins(fleet: Fleet) -> None:
    """Another's token is told as such, once for each process."""
    done = await type_in(fleet, "token", "issue", "agent", "--json")
    token = json.loads(done.out)["token"]
    done = await type_in(fleet, "doctor", TRUNKLINE_TOKEN=token)
    assert done.code == 1
    assert done.out.count("is not for DEVELOPER") == 4

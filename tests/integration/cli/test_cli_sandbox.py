"""`trunkline sandbox`: the provider whose models misbehave."""

from __future__ import annotations

import json
import signal
import socket
import urllib.request

from integration.cli.child import Cli
from trunkline.sandbox.models import ROWS


def test_it_lists_its_models(cli: Cli) -> None:
    """Each with an example and what it does."""
    result = cli.run("sandbox", "--list")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].split() == ["MODEL", "FOR", "EXAMPLE", "DOES"]
    assert len(lines) == 1 + len(ROWS)
    assert any(line.startswith("cut-after-N") and "cut-after-40" in line for line in lines)
    document = cli.run("sandbox", "--list", "--json").document
    assert [row["example"] for row in document["models"]] == [row.example for row in ROWS]


def test_it_serves_until_it_is_told_to_stop(cli: Cli) -> None:
    """It prints the addresses, key and models, answers there, and ends in order."""
    child = cli.start("sandbox", "--time-scale", "0")
    assert child.stdout is not None
    first = child.stdout.readline()
    base_url = first.split()[-1].rstrip(".")
    addresses = dict(child.stdout.readline().split() for _ in range(4))
    origin = base_url.removesuffix("/v1")
    assert addresses == {
        "openai": base_url,
        "anthropic": f"{origin}/anthropic/v1",
        "google": f"{origin}/google/v1beta",
        "ollama": f"{origin}/ollama",
    }
    key = child.stdout.readline().split()[-1]
    assert child.stdout.readline().split()[:2] == ["models", "ok,"]
    assert "--list" in child.stdout.readline()
    near = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for address, headers in (
        (f"{base_url}/models", {"authorization": f"Bearer {key}"}),
        (
            f"{addresses['anthropic']}/models",
            {"x-api-key": key, "anthropic-version": "2023-06-01"},
        ),
        (f"{addresses['google']}/models", {"x-goog-api-key": key}),
        (f"{addresses['ollama']}/api/tags", {}),
    ):
        request = urllib.request.Request(address, headers=headers)
        with near.open(request, timeout=10) as answer:
            assert b'"ok"' in answer.read().replace(b"models/ok", b"ok")
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (0, "Stopped.\n")


def test_a_program_gets_one_document(cli: Cli) -> None:
    """Address, key and models as JSON, once it serves."""
    child = cli.start("sandbox", "--json")
    assert child.stdout is not None
    text = ""
    while not text.endswith("\n}\n"):
        line = child.stdout.readline()
        assert line
        text += line
    document = json.loads(text)
    assert document["base_url"].startswith("http://127.0.0.1:")
    assert document["addresses"]["openai"] == document["base_url"]
    assert list(document["addresses"]) == ["openai", "anthropic", "google", "ollama"]
    assert document["api_key"]
    assert "ok" in document["models"]
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=30)
    assert child.returncode == 0


def test_a_port_that_is_taken_is_named(cli: Cli) -> None:
    """And what to do about it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = cli.run("sandbox", "--port", str(port))
    result.assert_reads_well()
    assert result.code == 1
    assert str(port) in result.err
    assert "--port" in result.err

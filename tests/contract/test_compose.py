"""What compose.yaml promises: settings that exist, walls between services, nothing spare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from trunkline.configuration import SETTINGS
from trunkline.kernel.network import NetworkSettings
from trunkline.kernel.settings import Source
from trunkline.suite import SERVICES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """Return the file with its anchors and merges resolved."""
    document: dict[str, Any] = YAML(typ="safe").load((ROOT / "compose.yaml").read_text())
    return document


@pytest.mark.parametrize("name", SERVICES)
def test_settings_are_settings(compose: dict[str, Any], name: str) -> None:
    """Every variable of a service is known, and has a value that the setting takes."""
    environment = compose["services"][name]["environment"]
    source = Source({key: str(value) for key, value in environment.items()}, {}, None, {})
    source.check_names(SETTINGS)
    for group in SETTINGS:
        source.load(group)
    network = source.load(NetworkSettings)
    assert network.internal_listen.startswith("0.0.0.0:")
    assert not network.address_of(name), "a service needs no address of itself"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_nothing_of_another(compose: dict[str, Any], name: str) -> None:
    """A service mounts its own certificates, and no other's; its root is read-only."""
    service = compose["services"][name]
    sources = {volume["source"] for volume in service["volumes"]}
    assert f"pki-{name}" in sources
    assert not sources & ({f"pki-{other}" for other in SERVICES} - {f"pki-{name}"})
    assert "pki-authority" not in sources
    assert "passwords" not in sources
    assert ("credential-config" in sources) == (name == "credential")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["user"] == "10001:10001"
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["healthcheck"]["test"][1:3] == ["trunkline", "ready"]
    assert service["command"] == ["serve", name]


def test_only_inference_has_a_way_out(compose: dict[str, Any]) -> None:
    """Only what speaks to providers is on a network that leads outward."""
    services = compose["services"]
    assert [name for name in SERVICES if "outward" in services[name]["networks"]] == ["inference"]
    assert compose["networks"]["internal"]["internal"] is True
    masquerade = "com.docker.network.bridge.enable_ip_masquerade"
    assert compose["networks"]["public"]["driver_opts"][masquerade] == "false"
    for name in ("setup", "postgres", "redis"):
        assert services[name]["network_mode"] == "none"


def test_ports_are_for_this_machine_alone(compose: dict[str, Any]) -> None:
    """What is published listens on loopback, each service on the port of `trunkline serve`."""
    ports = {name: compose["services"][name]["ports"] for name in SERVICES}
    assert ports == {
        "inference": ["127.0.0.1:50051:50051"],
        "credential": ["127.0.0.1:50052:50051"],
        "catalog": ["127.0.0.1:50053:50051"],
        "health": ["127.0.0.1:50054:50051"],
    }


def test_no_secret_stands_in_the_file(compose: dict[str, Any]) -> None:
    """No variable holds a password or a key: these are files that the first step makes."""
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            looks_secret = any(word in name for word in ("PASSWORD", "KEY", "TOKEN", "SECRET"))
            assert not looks_secret or str(value).startswith("/"), name
        for argument in service.get("command", []):
            assert "--set password" not in argument
    script = compose["configs"]["databases"]["content"]
    assert "getenv password PASSWORD" in script
    assert "--set password" not in script

"""`trunkline pki init`: what it makes and refuses, and what it says of that."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from integration.cli.child import Cli, Result
from integration.cli.made_certificates import SERVICES, content, names, read
from support.certificates import make_authority
from trunkline.kernel.authority import certificate_pem

Run = Callable[..., Result]

UNTIL = re.compile(r"\d{4}-\d\d-\d\d")


def test_it_makes_all_and_says_what_to_do_with_it(cli: Cli) -> None:
    """A table of the certificates and their authority; where each belongs, beside the result."""
    result = cli.run("pki", "init")
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert re.split(r"  +", lines[0]) == ["SERVICE", "FOR", "UNTIL", "FILE"]
    rows = [re.split(r"  +", line) for line in lines[1:9]]
    assert [(row[0], row[1], row[3], row[4]) for row in rows] == [
        (service, purpose, f"pki/{service}/{purpose}.pem", "made")
        for service in SERVICES
        for purpose in ("internal", "public")
    ]
    assert all(UNTIL.fullmatch(row[2]) for row in rows)
    assert lines[9:] == ["Callers check the public ones by pki/ca.pem."]
    assert result.err == (
        "Keep pki/authority where no service can read it; it is needed to renew.\n"
        "Give each service its own folder and nothing else, and set:\n"
        "  TRUNKLINE_INTERNAL_CERTIFICATE_FILE=pki/SERVICE/internal.pem\n"
        "  TRUNKLINE_INTERNAL_KEY_FILE=pki/SERVICE/internal-key.pem\n"
        "  TRUNKLINE_INTERNAL_CA_FILE=pki/SERVICE/ca.pem\n"
        "  TRUNKLINE_PUBLIC_CERTIFICATE_FILE=pki/SERVICE/public.pem\n"
        "  TRUNKLINE_PUBLIC_KEY_FILE=pki/SERVICE/public-key.pem\n"
    )
    assert "PRIVATE" not in result.out + result.err
    files = ["ca.pem", "internal-key.pem", "internal.pem", "public-key.pem", "public.pem"]
    assert sorted(content(cli.home / "pki")) == sorted(
        [
            "authority/ca-key.pem",
            "authority/ca.pem",
            "ca.pem",
            *(f"{service}/{name}" for service in SERVICES for name in files),
        ]
    )


def test_it_tells_programs_the_same(init: Run, folder: Path) -> None:
    """One document, and nothing beside it."""
    result = init("--json", "--lifetime", "30d")
    assert result.err == ""
    document = result.document
    assert document["directory"] == str(folder)
    assert [(each["service"], each["purpose"]) for each in document["certificates"]] == [
        (service, purpose) for service in SERVICES for purpose in ("internal", "public")
    ]
    for each in document["certificates"]:
        assert set(each) == {"service", "purpose", "until", "file", "action"}
        assert Path(each["file"]).is_file()
        end = read(Path(each["file"])).not_valid_after_utc
        assert each["until"] == end.isoformat(timespec="seconds")
        left = end - datetime.now(UTC)
        assert timedelta(days=29, hours=23) < left <= timedelta(days=30)


def test_keys_are_for_their_owner_alone(init: Run, folder: Path) -> None:
    """And so are the folders; what is public is no secret."""
    before = os.umask(0)
    try:
        init()
    finally:
        os.umask(before)
    for each in (folder / "authority", *(folder / service for service in SERVICES)):
        assert each.stat().st_mode & 0o777 == 0o700, each
    seen = 0
    for path in folder.rglob("*.pem"):
        is_key = "-key" in path.name
        assert path.stat().st_mode & 0o777 == (0o600 if is_key else 0o644), path
        assert (b"PRIVATE KEY" in path.read_bytes()) == is_key
        seen += is_key
    assert seen == 9
    assert not list(folder.rglob(".*"))


def test_each_certificate_is_for_one_thing(init: Run, folder: Path) -> None:
    """An internal one for its service's name and URI, a public one for where callers call."""
    init("--name", "trunkline.example.com", "--name", "10.1.2.3", "--trust-domain", "prod.internal")
    for service in SERVICES:
        assert names(folder / service / "internal.pem") == (
            [f"{service}.prod.internal"],
            [],
            [f"spiffe://prod.internal/{service}"],
        )
        assert names(folder / service / "public.pem") == (
            ["trunkline.example.com"],
            ["10.1.2.3"],
            [],
        )


def test_without_names_it_is_for_this_machine(init: Run, folder: Path) -> None:
    """By each of its names."""
    init()
    assert names(folder / "catalog" / "public.pem") == (["localhost"], ["127.0.0.1", "::1"], [])


@pytest.mark.parametrize("purpose", ["internal", "public"])
def test_others_verify_the_chain(init: Run, folder: Path, purpose: str) -> None:
    """As servers and as clients, by the rules of RFC 5280 and the web's; for no other name."""
    init("--name", "trunkline.example.com")
    policy = PolicyBuilder().store(Store([read(folder / "ca.pem")]))
    stranger = PolicyBuilder().store(Store([make_authority().certificate]))
    for service in SERVICES:
        leaf = read(folder / service / f"{purpose}.pem")
        name = f"{service}.trunkline" if purpose == "internal" else "trunkline.example.com"
        chain = policy.build_server_verifier(x509.DNSName(name)).verify(leaf, [])
        assert chain == [leaf, read(folder / "ca.pem")]
        client = policy.build_client_verifier().verify(leaf, [])
        assert client.chain == chain
        with pytest.raises(VerificationError):
            policy.build_server_verifier(x509.DNSName("other.trunkline")).verify(leaf, [])
        with pytest.raises(VerificationError):
            stranger.build_client_verifier().verify(leaf, [])


def test_no_two_have_a_key_or_a_number_in_common(init: Run, folder: Path) -> None:
    """Eight certificates and their authority."""
    init()
    paths = [*folder.glob("*/internal.pem"), *folder.glob("*/public.pem"), folder / "ca.pem"]
    certificates = [read(path) for path in paths]
    assert len({each.serial_number for each in certificates}) == 9
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    keys = {
        each.public_key().public_bytes(serialization.Encoding.DER, spki) for each in certificates
    }
    assert len(keys) == 9


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a b",
        "https://example.com",
        "example.com:443",
        "example.com.",
        ".example.com",
        "a..example.com",
        "-a.example.com",
        "a-.example.com",
        "a.*.example.com",
        "*",
        "bücher.example",
        "256.1.1.1",
        "10.0.0",
        "127.000.000.001",
        "[::1]",
        "fe80::1%eth0",
        "::g",
        "a" * 64 + ".example",
        "a." * 127 + "example",
        "a\nb.example",
        "example.com\n",
    ],
)
def test_what_is_no_name_is_refused(refuse: Run, folder: Path, name: str) -> None:
    """With the name; nothing is made."""
    result = refuse("--name", "fine.example", "--name", name)
    assert result.code == 2
    assert "is neither a DNS name nor an address" in result.err
    assert not folder.exists()


@pytest.mark.parametrize(
    "name",
    ["trunkline", "credential.trunkline", "Credential.TRUNKLINE", "*.trunkline", "x.y.trunkline"],
)
def test_a_public_name_cannot_be_a_services(refuse: Run, folder: Path, name: str) -> None:
    """Whoever holds such a certificate could pass for that service; in any spelling."""
    result = refuse("--name", name)
    assert result.code == 2
    assert "lies in the trust domain" in result.err
    assert "--trust-domain" in result.err
    assert not folder.exists()
    localhost = refuse("--trust-domain", "localhost")
    assert "The name localhost lies in the trust domain" in localhost.err


@pytest.mark.parametrize("domain", ["", "Trunkline", "a b", "-a", "a/b", "a_b", "ü", "a" * 256])
def test_what_is_no_trust_domain_is_refused(refuse: Run, folder: Path, domain: str) -> None:
    """It becomes part of URIs and DNS names."""
    result = refuse("--trust-domain", domain)
    assert result.code == 2
    assert "is no trust domain" in result.err
    assert not folder.exists()


@pytest.mark.parametrize("lifetime", ["59m", "1s", "0d", "soon", "101w1000000000d", "-1d"])
def test_a_life_that_is_too_short_or_none_is_refused(
    refuse: Run, folder: Path, lifetime: str
) -> None:
    """Certificates backdate five minutes, and clocks differ."""
    result = refuse("--lifetime", lifetime)
    assert result.code == 2
    assert not folder.exists()


def test_no_certificate_outlives_its_authority(init: Run, folder: Path) -> None:
    """Nor is it said to."""
    result = init("--json", "--lifetime", "5200w")
    end = read(folder / "ca.pem").not_valid_after_utc
    assert end - datetime.now(UTC) < timedelta(days=3651)
    for each in result.document["certificates"]:
        assert read(Path(each["file"])).not_valid_after_utc <= end
        assert each["until"] == end.isoformat(timespec="seconds")


@pytest.mark.parametrize("path", ["", "authority", "health", "inference"])
def test_a_file_in_the_way_is_named(refuse: Run, folder: Path, path: str) -> None:
    """It is somebody's, and stays."""
    obstacle = folder / path
    obstacle.parent.mkdir(exist_ok=True)
    obstacle.write_text("mine")
    result = refuse()
    assert result.code == 1
    assert f"The file {obstacle}" in result.err
    assert "--directory" in result.err
    assert obstacle.read_text() == "mine"


def test_a_folder_in_the_place_of_a_file_is_named(init: Run, type_in: Run, folder: Path) -> None:
    """As a failure with its path, to programs too."""
    init()
    path = folder / "health" / "internal.pem"
    path.unlink()
    path.mkdir()
    result = type_in("pki", "init", "--directory", str(folder), "--json")
    assert result.error["message"] == f"The file {path} cannot be used: Is a directory."
    assert (result.code, result.error["reason"]) == (1, "FAILED")
    assert not list(folder.rglob(".*.new"))


def test_the_authority_signs_no_further_authority(init: Run, folder: Path) -> None:
    """And its certificates sign nothing; keys are for what they are used for."""
    init()
    ca = read(folder / "ca.pem").extensions
    constraints = ca.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    leaf = read(folder / "health" / "internal.pem")
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign
    key = leaf.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    assert leaf.issuer == read(folder / "ca.pem").subject
    assert certificate_pem(leaf) == (folder / "health" / "internal.pem").read_bytes()


def test_pki_without_a_command_says_what_there_is(type_in: Run) -> None:
    """And help tells the defaults."""
    assert type_in("pki").code == 2
    shown = type_in("pki", "init", "--help").out
    for option in ("--directory", "--name", "--trust-domain", "--lifetime", "--renew", "--json"):
        assert option in shown
    assert "90d" in shown
    assert "localhost, 127.0.0.1, ::1" in " ".join(shown.split())

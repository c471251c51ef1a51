"""What `trunkline pki init` made, as a test reads it."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from integration.cli.child import Result

SERVICES = ("credential", "catalog", "health", "inference")


def actions(result: Result) -> dict[str, str]:
    """Return what was done about each certificate, by service and purpose."""
    return {
        f"{each['service']} {each['purpose']}": each["action"]
        for each in result.document["certificates"]
    }


def content(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def read(path: Path) -> x509.Certificate:
    """Return a certificate."""
    return x509.load_pem_x509_certificate(path.read_bytes())


def names(path: Path) -> tuple[list[str], list[str], list[str]]:
    """Return the DNS names, addresses and URIs of a certificate."""
    found = read(path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        found.get_values_for_type(x509.DNSName),
        [str(address) for address in found.get_values_for_type(x509.IPAddress)],
        found.get_values_for_type(x509.UniformResourceIdentifier),
    )

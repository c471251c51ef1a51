"""A certificate authority of one's own, for a deployment that has none.

Source: RFC 5280 for the certificates, SPIFFE X.509-SVID for what stands in a service's.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Clocks differ, and a certificate that is not valid yet is refused.
_BACKDATED: Final = timedelta(minutes=5)
_AUTHORITY_LIFE: Final = timedelta(days=3650)
_NAME: Final = "Trunkline internal authority"


@dataclass(frozen=True, slots=True)
class Authority:
    """What signs certificates.

    Attributes:
        certificate: its own.
        key: its private key.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def make(cls, now: datetime) -> Authority:
        """Make a new one, for 10 years."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
        certificate = (
            _begin(name, key.public_key(), now, _AUTHORITY_LIFE)
            .issuer_name(name)
            # It signs what is shown, and no further authority.
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def read(cls, certificate: Path, key: Path) -> Authority:
        """Read one from its files.

        Raises:
            OSError: they cannot be read.
            ValueError: they hold no authority that was made here; tells why, in words.
        """
        content, shown_content = key.read_bytes(), certificate.read_bytes()
        try:
            private = serialization.load_pem_private_key(content, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ValueError(f"{key.name} holds no key, or one under a password") from None
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise ValueError(f"the key in {key.name} is of another kind")
        try:
            shown = x509.load_pem_x509_certificate(shown_content)
            public = shown.public_key()
            about = shown.extensions.get_extension_for_class(x509.BasicConstraints).value
        except (ValueError, UnsupportedAlgorithm, x509.ExtensionNotFound):
            raise ValueError(f"{certificate.name} holds no authority's certificate") from None
        if not about.ca:
            raise ValueError(f"{certificate.name} holds no authority's certificate")
        if public != private.public_key():
            raise ValueError("the key is not that of the certificate")
        return cls(shown, private)

    def write(self, certificate: Path, key: Path) -> None:
        """Write its files.

        Raises:
            OSError: they cannot be written.
        """
        write_private(key, key_pem(self.key))
        write_public(certificate, certificate_pem(self.certificate))

    def has_issued(self, certificate: bytes) -> bool:
        """Tell whether a certificate, as PEM, is of this authority."""
        try:
            x509.load_pem_x509_certificate(certificate).verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def issue(
        self,
        common_name: str,
        names: Sequence[str],
        uris: Iterable[str],
        now: datetime,
        life: timedelta,
    ) -> tuple[bytes, bytes]:
        """Make a certificate, for a server and a client alike.

        Args:
            common_name: for people.
            names: DNS names and addresses that it is for.
            uris: URIs that it is for.
            now: the time.
            life: how long it holds; never longer than this authority does.

        Returns:
            The certificate and its new private key, as PEM.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
        life = min(life, self.certificate.not_valid_after_utc - now)
        alternatives = [*map(_general_name, names), *map(x509.UniformResourceIdentifier, uris)]
        certificate = (
            _begin(subject, key.public_key(), now, life)
            .issuer_name(self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
                ),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        return certificate_pem(certificate), key_pem(key)


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PKCS#8 PEM without a password."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def write_public(path: Path, content: bytes) -> None:
    """Write a file that everybody may read, whole or not at all."""
    _write(path, content, 0o644)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only this user may read, whole or not at all."""
    _write(path, content, 0o600)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write beside the file and move it there: whoever reads it meanwhile sees the old one."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _begin(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    """Return what every certificate begins with."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + life)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """Return what a key may be used for."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    """Return a DNS name or an address as it stands in a certificate."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)

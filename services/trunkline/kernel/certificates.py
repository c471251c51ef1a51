"""Certificates: read from files, checked, and read again when the files change.

A certificate lives for days and a process for months: whoever renews the files need not
restart anything. New files are taken when they fit together; until then the old ones hold.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from trunkline.kernel.clock import Clock, to_datetime
from trunkline.kernel.log import get_logger
from trunkline.kernel.service import StartupError

_MAX_FILE_BYTES: Final = 256 * 1024

log = get_logger("trunkline.certificates")


class CertificateError(StartupError):
    """Certificate files cannot be used."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A certificate with its key, as PEM, and what it says of itself.

    Attributes:
        chain: the certificate, then those of intermediate authorities.
        key: the private key.
        authority: certificates of the authorities that others are checked by; None:
            others show none.
        uris: URIs that it is for.
        names: DNS names and addresses that it is for.
        start: from when it holds.
        end: until when.
    """

    chain: bytes
    key: bytes = field(repr=False)
    authority: bytes | None
    uris: tuple[str, ...]
    names: tuple[str, ...]
    start: datetime
    end: datetime


class Certificates:
    """The certificate of one listener or client, kept up with its files.

    Args:
        purpose: what for: `public` or `internal`, for logs and errors.
        chain, key: the files, PEM.
        authority: of what others show; None: they show nothing.
        clock: tells what has ended.
        check: raises CertificateError for a certificate that is not for us; None: any is.

    Attributes:
        bundle: what is in use.
        version: grows when another one is.
        trouble: one sentence why the files as they are now cannot be used; empty: they are
            in use.

    Raises:
        CertificateError: the files cannot be used.
    """

    def __init__(
        self,
        purpose: str,
        chain: Path,
        key: Path,
        authority: Path | None,
        clock: Clock,
        *,
        check: Callable[[Bundle], None] | None = None,
    ) -> None:
        self.purpose = purpose
        self.path = chain
        self._files = (chain, key) if authority is None else (chain, key, authority)
        self._clock = clock
        self._check = check
        self._state = self._look()
        self.bundle = self._read()
        self.version = 1
        self.trouble = ""

    def refresh(self) -> bool:
        """Take the files anew when they have changed; tell whether another bundle is in use.

        Some system calls and no more while nothing changed.
        """
        state = self._look()
        # What was in the way may go without a change to the files: a clock that was wrong,
        # or a mode. And what is in use may end.
        if state == self._state and not self.trouble and self._now() < self.bundle.end:
            return False
        self._state = state
        try:
            bundle = self._read()
        except CertificateError as error:
            # They may be half written: they change again when they are whole.
            if error.what != self.trouble:
                log.warning("certificates_not_taken", purpose=self.purpose, why=error.what)
            self.trouble = error.what
            return False
        self.trouble = ""
        if bundle == self.bundle:
            return False
        self.bundle = bundle
        self.version += 1
        log.info("certificates_taken", purpose=self.purpose, until=bundle.end.isoformat())
        return True

    def _now(self) -> datetime:
        """Return the time."""
        return to_datetime(self._clock.time_ns())

    def _look(self) -> tuple[object, ...]:
        """Return what changes when a file does."""
        state: list[object] = []
        for path in self._files:
            try:
                about = path.stat()
            except OSError as error:
                state.append(error.errno)
            else:
                state.append((about.st_ino, about.st_mtime_ns, about.st_size))
        return tuple(state)

    def _read(self) -> Bundle:
        """Read the files and check that they fit.

        Raises:
            CertificateError: they do not.
        """
        chain_file, key_file, *authority_files = self._files
        chain = _read_file(chain_file)
        certificates = _parse(chain_file, chain)
        key = _read_file(key_file)
        try:
            private = serialization.load_pem_private_key(key, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise CertificateError(
                f"The file {key_file} holds no private key in PEM, or one under a password.",
                "Write the key there as PKCS#8 PEM without a password.",
            ) from None
        leaf = certificates[0]
        try:
            public = _public_bytes(leaf.public_key())
            uris, names = _read_names(leaf)
        except (ValueError, UnsupportedAlgorithm):
            raise CertificateError(
                f"The certificate {chain_file} holds what cannot be read.",
                "Name the right file, or have it issued anew.",
            ) from None
        if public != _public_bytes(private.public_key()):
            raise CertificateError(
                f"The private key {key_file} is not that of the certificate {chain_file}.",
                "Give the two files that were made together.",
            )
        now = self._now()
        start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
        if end <= now:
            raise CertificateError(
                f"The certificate {chain_file} ended on {end:%Y-%m-%d %H:%M} UTC.",
                "Renew it; `trunkline pki init` makes new ones where it made the old ones.",
            )
        if start > now:
            raise CertificateError(
                f"The certificate {chain_file} holds from {start:%Y-%m-%d %H:%M} UTC on, which is"
                " later than now.",
                "Set this machine's clock right, or wait.",
            )
        authority = None
        if authority_files:
            authority = _read_file(authority_files[0])
            _parse(authority_files[0], authority)
        bundle = Bundle(chain, key, authority, uris, names, start, end)
        if self._check is not None:
            self._check(bundle)
        return bundle


def _read_file(path: Path) -> bytes:
    """Return what stands in a file.

    Raises:
        CertificateError: it cannot be read, or is too long for what it should be.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise CertificateError(
            f"The file {path} cannot be read: {error.strerror or error}.",
            "Make certificates with `trunkline pki init`, or name the files that there are.",
        ) from None
    if len(content) > _MAX_FILE_BYTES:
        raise CertificateError(
            f"The file {path} is over 256 KiB, and so no certificate.", "Name the right file."
        )
    return content


def _parse(path: Path, content: bytes) -> Sequence[x509.Certificate]:
    """Return the certificates of a file, of which there is at least one.

    Raises:
        CertificateError: there is none.
    """
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise CertificateError(
            f"The file {path} holds no certificate in PEM.", "Name the right file."
        ) from None


def _public_bytes(key: object) -> bytes:
    """Return a public key in the one form that can be compared."""
    public: bytes = key.public_bytes(  # type: ignore[attr-defined] # all public key types have it
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return public


def _read_names(certificate: x509.Certificate) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the URIs that a certificate is for, and the DNS names and addresses."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return (), ()
    addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = [
        address
        for address in names.get_values_for_type(x509.IPAddress)
        if isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address)
    ]
    return (
        tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
        (*names.get_values_for_type(x509.DNSName), *map(str, addresses)),
    )
